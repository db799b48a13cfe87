"""Whole comparisons with a tiny budget: results, resuming, and being killed."""

import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tables import ODD, hourly, several, write_odd

import gatewise
from gatewise.comparison.run import repeat
from gatewise.comparison.winner import winner
from gatewise.data import DataError
from gatewise.report.run_files import read_run
from gatewise.report.story import tell
from gatewise.report.tables import fold_differences

TINY = {
    "target": "load",
    "horizon": 6,
    "lookback": 24,
    "hidden_size": 4,
    "folds": 4,
    "seeds": 2,
    "steps": 10,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "shop.csv"
    hourly(500).write_csv(path)
    return path


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    """One undisturbed run, in this process."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    return gatewise.compare(table, **TINY, jobs=1, out=out)


def numbers(result):
    """All of a result that does not hang on the clock."""
    cells = [
        {k: v for k, v in cell.items() if k not in ("train_seconds", "step_microseconds")}
        for cell in result["cells"]
    ]
    verdict = {k: result["verdict"][k] for k in ("kind", "winner", "sentence")}
    same = {k: result[k] for k in ("data", "metric", "baselines", "tests", "by_horizon")}
    return {**same, "cells": cells, "verdict": verdict}


def test_result_has_what_the_table_shows(whole):
    result = whole.result
    assert [cell["name"] for cell in result["cells"]] == ["lstm", "gru"]
    assert {b["name"] for b in result["baselines"]} == {"last", "seasonal", "linear"}
    assert sum(b["best"] for b in result["baselines"]) == 1
    assert {(t["a"], t["b"]) for t in result["tests"]} >= {("lstm", "gru")}
    assert len(result["tests"]) == 3
    for model in (*result["cells"], *result["baselines"]):
        assert model["mae"]["low"] <= model["mae"]["mean"] <= model["mae"]["high"]
        assert len(model["mae"]["folds"]) == 4
        assert len(result["by_horizon"][model["name"]]) == 6
    text = str(whole)
    for words in ("LSTM", "GRU", "last value", "linear (ridge)", result["verdict"]["sentence"]):
        assert words in text
    assert json.loads(whole.folder.joinpath("result.json").read_text()) == result
    assert whole.report.stat().st_size > 1e6


def test_table_follows_from_the_forecasts_that_were_kept(whole):
    for model, seeds in (("gru", 2), ("seasonal", 1)):
        frames = [
            pl.read_parquet(whole.folder / "trials" / f"{model}-f2-s{s}" / "predictions.parquet")
            for s in range(seeds)
        ]
        error = sum((f["forecast"] - f["truth"]).abs().mean() for f in frames) / seeds
        kind = "cells" if model == "gru" else "baselines"
        shown = next(m for m in whole.result[kind] if m["name"] == model)
        assert shown["mae"]["folds"][2] == pytest.approx(error, rel=1e-12)
        hours = (frames[0]["time"] - frames[0]["origin"]).dt.total_hours()
        assert hours.to_list() == frames[0]["step"].to_list()


def test_page_tells_the_run_by_its_files(whole):
    """A real run has every part, and each dot's mean is the difference that was tested."""
    run = read_run(whole.folder)
    for test in run.result["tests"]:
        assert np.mean(fold_differences(run, test)) == pytest.approx(test["difference"], rel=1e-9)
    story = tell(run)
    assert story.missing == []
    assert [window.kind for window in story.windows] == ["best", "median", "worst"]
    assert story.band == 0.8
    assert set(story.coverage) == set(run.labels)
    assert all(0.3 < found.share < 1 for found in story.coverage.values())
    assert len(run.trials) == 16
    assert run.histories()["step"].max() == 10


def test_same_call_again_trains_nothing_and_another_is_refused(whole, table):
    trained = []
    again = gatewise.compare(
        table, **TINY, jobs=1, out=whole.folder, on_trial=lambda *t: trained.append(t)
    )
    assert again.result == whole.result
    assert trained == []
    with pytest.raises(DataError, match="steps was 10, now 11"):
        gatewise.compare(table, **{**TINY, "steps": 11}, jobs=1, out=whole.folder)
    other = table.with_name("other.csv")
    hourly(500, seed=1).write_csv(other)
    with pytest.raises(DataError, match="other data"):
        gatewise.compare(other, **TINY, jobs=1, out=whole.folder)


def test_lost_trials_are_trained_again_to_the_same_numbers(whole, table, tmp_path):
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", whole.folder, folder], check=True)
    for lost in ("trials/gru-f0-s0/result.json", "trials/linear-f2-s0/result.json", "result.json"):
        (folder / lost).unlink()
    trained = []
    again = gatewise.compare(
        table, **TINY, jobs=1, out=folder, on_trial=lambda *t: trained.append(t)
    )
    assert [t[:2] for t in trained] == [(27, 28), (28, 28)]
    assert numbers(again.result) == numbers(whole.result)


def test_repeat_makes_the_same_run_in_another_folder(whole, tmp_path):
    again = repeat(whole.folder, out=tmp_path / "again", jobs=1)
    assert numbers(again.result) == numbers(whole.result)


def test_frame_in_memory_gives_the_same_numbers_as_its_file(whole, tmp_path):
    again = gatewise.compare(hourly(500).to_pandas(), **TINY, jobs=1, out=tmp_path / "frame")
    assert again.result["cells"][0]["mae"] == whole.result["cells"][0]["mae"]
    with pytest.raises(DataError, match="data frame in memory"):
        repeat(again.folder, out=tmp_path / "other")


def test_several_series_are_judged_by_mase(tmp_path):
    said = []
    comparison = gatewise.compare(
        several((400, 300, 200)),
        target="load",
        horizon=6,
        lookback=24,
        cells=["gru", "rnn", "lstm"],
        match="units",
        hidden_size=3,
        folds=4,
        seeds=1,
        steps=3,
        search=2,
        jobs=1,
        out=tmp_path / "run",
        say=said.append,
    )
    assert comparison.result["metric"] == "mase"
    assert [cell["hidden"] for cell in comparison.result["cells"]] == [3, 3, 3]
    assert len(comparison.result["tests"]) == 6
    assert all(c["seed_spread"] is None for c in comparison.result["cells"])
    text = "\n".join(said)
    for words in ("3 series by column 'shop'", "end at different times", "2 learning rates"):
        assert words in text


def test_few_folds_give_no_test_and_say_so(table, tmp_path):
    few = gatewise.compare(table, **{**TINY, "folds": 2, "seeds": 1}, jobs=1, out=tmp_path / "few")
    assert few.result["verdict"]["kind"] == "untested"
    assert "--folds" in few.verdict
    assert few.result["cells"][0]["mae"]["low"] is None
    assert "–" in str(few)


def test_winner_is_the_cell_to_take_trained_on_everything(whole, table):
    won = winner(whole.folder)
    path, parameters = won.path, {**won.parts, **won.parameters}
    assert path == str(table)
    assert parameters["cell"] == whole.result["verdict"]["take"]
    assert parameters["validation"] == 0
    trials = whole.folder.glob(f"trials/{parameters['cell']}-*/history.parquet")
    errors = [pl.read_parquet(path) for path in trials]
    best = [e.sort("validation_error")["step"][0] for e in errors]
    assert parameters["steps"] == int(statistics.median(best))
    rest = {"quantiles": (), "random_state": 0, "progress": False}  # trials have no quantiles
    model = gatewise.Forecaster(**parameters, **rest).fit(path)
    assert model.history_[-1]["step"] == parameters["steps"]
    assert model.model_.parameters == next(
        c["parameters"] for c in whole.result["cells"] if c["name"] == parameters["cell"]
    )


def test_odd_table_is_read_as_told_again_and_by_the_winner(tmp_path):
    write_odd(tmp_path / "odd.csv", rows=500)
    short = TINY | {"seeds": 1, "steps": 2}
    run = gatewise.compare(tmp_path / "odd.csv", **short, **ODD, jobs=1, out=tmp_path / "run")
    again = repeat(run.folder, out=tmp_path / "again", jobs=1)
    assert numbers(again.result) == numbers(run.result)
    won = winner(run.folder)
    path, parameters = won.path, {**won.parts, **won.parameters}
    assert {name: parameters[name] for name in ODD} == {**ODD, "missing": ["-99"]}
    assert gatewise.Forecaster(**parameters, progress=False).fit(path).frequency_ == "1 hour"


def test_changed_data_is_not_taken_for_the_run_it_was_made_on(table, tmp_path):
    path = tmp_path / "shop.csv"
    path.write_bytes(table.read_bytes())
    run = gatewise.compare(path, **TINY | {"seeds": 1}, jobs=1, out=tmp_path / "run")
    hourly(500, seed=3).write_csv(path)
    with pytest.raises(DataError, match="has changed since the run"):
        repeat(run.folder, out=tmp_path / "again")
    with pytest.raises(DataError, match="has changed since the run"):
        winner(run.folder)


def test_best_baseline_is_chosen_before_any_test_part(whole):
    errors = {
        name: json.loads((whole.folder / f"trials/{name}-f0-s0/result.json").read_text())
        for name in ("last", "seasonal", "linear")
    }
    best = min(errors, key=lambda name: errors[name]["validation"]["mae"])
    assert [b["name"] for b in whole.result["baselines"] if b["best"]] == [best]


def test_missing_targets_in_a_whole_part_are_refused_before_any_training(tmp_path):
    frame = hourly(500).with_columns(
        load=pl.when(pl.int_range(500) < 470).then("load").otherwise(None)
    )
    with pytest.raises(DataError, match="test part of fold 3"):
        gatewise.compare(frame, **TINY, jobs=1, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_example_takes_other_arguments_or_says_why_not(tmp_path):
    with pytest.raises(DataError, match="'bogus'"):
        gatewise.compare(target="bogus", out=tmp_path / "none")


def test_comparing_leaves_the_process_as_it_was(table, tmp_path):
    torch.set_num_threads(2)
    torch.manual_seed(5)
    expected = torch.random.get_rng_state()
    gatewise.compare(table, **TINY | {"seeds": 1, "folds": 2}, jobs=1, out=tmp_path / "run")
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.random.get_rng_state(), expected)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "sing"}, "task must be one of forecast"),
        ({"cells": ["lstm", "xlstm"]}, "cells must be different ones of"),
        ({"cells": []}, "cells must be different ones of"),
        ({"match": "luck"}, "match must be one of"),
        ({"metric": "mape"}, "metric must be one of"),
        ({"folds": 0}, "folds must be at least 1"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"lookback": 500}, "too few rows"),
    ],
)
def test_wrong_arguments_are_named_and_leave_no_folder(table, tmp_path, wrong, words):
    with pytest.raises(ValueError, match=words):
        gatewise.compare(table, **{**TINY, **wrong}, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_workers_of_an_earlier_call_follow_into_another_directory(table, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        gatewise.compare(table, **TINY | {"seeds": 1, "folds": 2}, jobs=2, out="run")
        assert (tmp_path / name / "run" / "report.html").exists()


def children(pid):
    """The worker processes that joblib started, where the system tells."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    pids = listed.read_text().split() if listed.exists() else []
    return [p for p in pids if "LokyProcess" in Path(f"/proc/{p}/cmdline").read_text()]


def ends(pid, seconds=20):
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{pid}").exists()


def test_run_killed_five_times_goes_on_to_the_same_table(table, tmp_path):
    """SIGKILL at growing progress, with two worker processes."""
    longer = {**TINY, "steps": 150}
    whole = gatewise.compare(table, **longer, jobs=2, out=tmp_path / "whole")
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "gatewise", "compare", str(table), "--jobs", "2"]
    command += [f"--{name.removesuffix('_size')}={value}" for name, value in longer.items()]
    command += ["--out", str(folder), "--quiet"]

    def finished():
        return len(list(folder.glob("trials/*/result.json")))

    for more in range(5):
        before, deadline = finished(), time.monotonic() + 60
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while finished() < before + more and time.monotonic() < deadline:
            assert run.poll() is None, "came to its end before it could be killed"
            time.sleep(0.01)
        workers = children(run.pid)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert all(ends(worker) for worker in workers), "a worker outlived its run"
    assert before < finished() < 28
    assert not (folder / "result.json").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    result = json.loads((folder / "result.json").read_text())
    assert numbers(result) == numbers(whole.result)
