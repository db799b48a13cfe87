import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import Gatewise
from tables import hourly

from gatewise import load
from gatewise.comparison.winner import winner

TINY = (
    *("--target", "load", "--horizon", 6, "--lookback", 24, "--hidden", 4, "--steps", 5),
    *("--folds", 4, "--seeds", 1, "--jobs", 1, "--cells", "rnn,gru"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """A folder in which the installed script has made a run, and what it printed."""
    folder = tmp_path_factory.mktemp("compare")
    hourly(336, gaps=True).write_csv(folder / "load.csv")
    script = Path(sys.executable).with_name("gatewise")
    command = [str(word) for word in (script, "compare", "load.csv", *TINY, "--out", "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return folder, done


@pytest.fixture
def run(finished: tuple[Path, subprocess.CompletedProcess], folder: Path) -> str:
    """The name of a finished run, copied into ``folder`` together with its data."""
    shutil.copytree(finished[0], folder, dirs_exist_ok=True)
    record = folder / "run" / "run.json"
    record.write_text(record.read_text().replace(str(finished[0]), str(folder)))
    return "run"


def test_compare_prints_the_table_and_the_verdict(
    finished: tuple[Path, subprocess.CompletedProcess],
) -> None:
    folder, done = finished
    assert done.returncode == 0, done.stderr
    header, rule, *rows = done.stdout.splitlines()
    assert header.split()[:4] == ["model", "MAE", "RMSE", "MASE"]
    assert set(rule) == {"-"}
    assert {"RNN", "GRU"} <= {row.split()[0] for row in rows if row}
    result = json.loads((folder / "run" / "result.json").read_text())
    assert {cell["name"] for cell in result["cells"]} == {"rnn", "gru"}
    assert rows[-2:] == [result["verdict"]["sentence"], result["verdict"]["practical"]]
    assert "load.csv: 336 rows" in done.stderr
    assert done.stderr.endswith(f"run: run\nreport: {Path('run', 'report.html')}\n")


def test_compare_json_is_the_result_alone(gatewise: Gatewise, run: str) -> None:
    done = gatewise("compare", "load.csv", *TINY, "--out", run, "--json")
    result = json.loads(done.out)
    assert result == json.loads(Path(run, "result.json").read_text())
    assert {"verdict", "cells", "baselines"} <= set(result)


def test_compare_writes_the_report_of_a_finished_run_as_markdown(
    gatewise: Gatewise, run: str
) -> None:
    done = gatewise("compare", "load.csv", *TINY, "--out", run, "--md", "report.md", "--quiet")
    assert (done.code, done.err) == (0, "")
    text = Path("report.md").read_text(encoding="utf-8")
    result = json.loads(Path(run, "result.json").read_text())
    assert f"**{result['verdict']['sentence']}**" in text
    assert "### How it was done" in text


@pytest.mark.parametrize(
    ("path", "words"), [("nowhere/report.md", "no such folder"), (".", "a directory")]
)
def test_markdown_that_cannot_be_written_is_refused_before_any_training(
    gatewise: Gatewise, path: str, words: str
) -> None:
    hourly(336).write_csv("load.csv")
    done = gatewise("compare", "load.csv", *TINY, "--out", "new", "--md", path)
    assert (done.code, done.out) == (2, "")
    assert f"--md {path}: {words}" in done.err
    assert not Path("new").exists()


def test_markdown_in_a_folder_that_is_closed_is_refused(
    gatewise: Gatewise, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly(336).write_csv("load.csv")
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    done = gatewise("compare", "load.csv", *TINY, "--out", "new", "--md", "report.md")
    assert done.code == 2
    assert "--md report.md: cannot be written" in done.err
    assert not Path("new").exists()


def test_quiet_compare_says_nothing_but_the_result(gatewise: Gatewise, run: str) -> None:
    done = gatewise("compare", "load.csv", *TINY, "--out", run, "--quiet")
    assert done.err == ""
    assert done.out.startswith("model ")


def test_other_arguments_in_the_same_folder_are_refused(gatewise: Gatewise, run: str) -> None:
    before = sorted(os.listdir(run))
    done = gatewise("compare", "load.csv", *TINY, "--seed", 1, "--out", run, "--quiet")
    assert (done.code, done.out) == (2, "")
    assert "holds a run with other arguments (seed was 0, now 1)" in done.err
    assert sorted(os.listdir(run)) == before


def test_compare_from_a_run_makes_it_again(gatewise: Gatewise, run: str) -> None:
    done = gatewise("compare", "--from", run, "--out", "again", "--jobs", 1, "--quiet")
    assert done.code == 0, done.err
    first, again = (json.loads(Path(f, "result.json").read_text()) for f in (run, "again"))
    for one, other in zip(first["cells"], again["cells"], strict=True):
        assert (one["name"], one["mae"]) == (other["name"], other["mae"])


def test_fit_from_a_run_trains_the_winner_on_everything(gatewise: Gatewise, run: str) -> None:
    done = gatewise("fit", "--from", run, "--out", "m.safetensors")
    assert (done.code, done.out) == (0, "")
    model = load("m.safetensors")
    won = winner(run)
    parameters = {**won.parts, **won.parameters}
    assert model.cell == parameters["cell"]
    assert model.hidden_size == parameters["hidden_size"]
    assert model.train_end_[""].startswith("2024-01-14T23")
    assert model.history_[-1]["step"] == 5
    assert model.history_[-1]["validation_error"] is None
    assert gatewise("predict", "m.safetensors", "load.csv").code == 0


def test_fit_from_a_run_whose_data_has_changed_is_refused(gatewise: Gatewise, run: str) -> None:
    with Path("load.csv").open("a") as file:
        file.write("2024-01-15T00:00:00.000000,1,1,1,sun\n")
    done = gatewise("fit", "--from", run, "--out", "m.safetensors", "--quiet")
    assert done.code == 2
    assert "load.csv: has changed since the run in run: compare it anew" in done.err
    assert not Path("m.safetensors").exists()
