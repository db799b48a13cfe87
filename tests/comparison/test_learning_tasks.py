"""Comparisons of classifiers, regressors, taggers and language models, with a tiny budget."""

import json
import shutil
from collections import Counter

import numpy as np
import polars as pl
import pytest
from learnt import TEXT, sentences, sequences, steps_with_tags

import gatewise
from gatewise.comparison import ArgumentError
from gatewise.comparison.run import repeat
from gatewise.data import DataError
from gatewise.report import write_markdown
from gatewise.report.run_files import read_run
from gatewise.report.story import tell

TINY = {"hidden_size": 4, "steps": 3, "folds": 4, "seeds": 1, "jobs": 1}
DATA = {
    "classify": sequences(),
    "regress": sequences(numbers=True),
    "tag": sentences(),
    "text": [f"name{n % 7}{'abc'[n % 3]}" for n in range(60)],
}
BASELINES = {
    "classify": {"majority", "linear", "nearest"},
    "regress": {"mean", "linear", "nearest"},
    "tag": {"majority", "step"},
    "text": {"unigram", "bigram", "trigram"},
}


@pytest.fixture(scope="module", params=DATA)
def run(request, tmp_path_factory):
    """One comparison of each task."""
    out = tmp_path_factory.mktemp("runs") / request.param
    return gatewise.compare(DATA[request.param], task=request.param, **TINY, out=out)


def test_result_has_every_cell_baseline_and_error(run):
    result = run.result
    task = result["task"]
    assert [cell["name"] for cell in result["cells"]] == ["lstm", "gru"]
    assert {baseline["name"] for baseline in result["baselines"]} == BASELINES[task]
    assert sum(baseline["best"] for baseline in result["baselines"]) == 1
    assert result["metric"] == next(iter(result["metrics"]))
    for model in (*result["cells"], *result["baselines"]):
        summary = model[result["metric"]]
        assert summary["low"] <= summary["mean"] <= summary["high"]
        assert len(summary["folds"]) == 4
    for cell in result["cells"]:
        assert cell["parameters"] > 0
        assert cell["train_seconds"] > 0
        assert cell["step_microseconds"] > 0
    assert result["verdict"]["sentence"] in str(run)
    assert json.loads((run.folder / "result.json").read_text()) == result


def test_cells_have_nearly_as_many_parameters(run):
    lstm, gru = (cell["parameters"] for cell in run.result["cells"])
    assert abs(lstm - gru) / lstm < 0.2


def test_folds_part_the_data(run):
    sizes = run.result["setup"]["fold_table"]
    assert [row["fold"] for row in sizes] == [0, 1, 2, 3]
    assert not run.result["setup"]["in_time"]
    if run.result["task"] in ("classify", "regress"):
        assert sum(row["test_sequences"] for row in sizes) == 48


def test_page_shows_what_was_taken_for_what(run):
    page = run.report.read_text()
    assert run.result["verdict"]["sentence"] in page
    assert ("takes for what" in page) == (run.result["task"] in ("classify", "tag"))
    assert ("writes</h2>" in page) == (run.result["task"] == "text")


def test_page_breaks_the_error_down_and_lacks_nothing(run):
    """Over all groups the error is that of the first seed's trials."""
    story = tell(read_run(run.folder))
    task, metric = run.result["task"], run.result["metric"]
    titles = {
        "classify": ["Error by length"],
        "regress": ["Error by length"],
        "tag": ["Error by place"],
        "text": ["Error by kind of character", "Error by place"],
    }[task]
    assert [one.title for one in story.breakdowns] == titles
    alike = ["Error by length: all cases are alike in it (4)."]
    assert story.missing == (alike if task == "tag" else [])
    trials = [
        json.loads((run.folder / f"trials/gru-f{fold}-s0/result.json").read_text())
        for fold in range(4)
    ]
    sizes = [trial["test_size"] for trial in trials]
    error = np.average([trial["test"][metric] for trial in trials], weights=sizes)
    for one in story.breakdowns:
        assert sum(one.counts) == sum(sizes)
        assert np.average(one.errors["gru"], weights=one.counts) == pytest.approx(error, rel=1e-5)


def test_markdown_of_every_task_is_written(run, tmp_path):
    text = write_markdown(run.folder, tmp_path / "report.md").read_text()
    assert f"**{run.result['verdict']['sentence']}**" in text
    assert ("takes for what" in text) == (run.result["task"] in ("classify", "tag"))


def test_lost_trial_is_run_again_to_the_same_numbers(run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run.folder, folder)
    (folder / "trials" / "gru-f1-s0" / "result.json").unlink()
    (folder / "result.json").unlink()
    trained = []
    task = run.result["task"]
    again = gatewise.compare(
        DATA[task], task=task, **TINY, out=folder, on_trial=lambda *t: trained.append(t[2])
    )
    assert trained == ["gru-f1-s0"]
    for before, now in zip(run.result["cells"], again.result["cells"], strict=True):
        assert before[again.result["metric"]] == now[again.result["metric"]]


def test_majority_errs_where_the_class_is_another(tmp_path):
    data = sequences(40, 2)
    data.labels[:10] = "k0"  # 25 of 40
    comparison = gatewise.compare(data, task="classify", **TINY, out=tmp_path / "run")
    majority = next(b for b in comparison.result["baselines"] if b["name"] == "majority")
    share = Counter(data.labels).most_common(1)[0][1] / 40
    assert majority["error"]["mean"] == pytest.approx(1 - share, abs=0.02)
    frame = pl.read_parquet(tmp_path / "run" / "trials" / "linear-f0-s0" / "predictions.parquet")
    linear = next(b for b in comparison.result["baselines"] if b["name"] == "linear")
    wrong = (frame["truth"] != frame["predicted"]).mean()
    assert linear["error"]["folds"][0] == pytest.approx(wrong)


def test_steps_of_numbers_are_tagged_beside_a_linear_model(tmp_path):
    data = steps_with_tags()
    comparison = gatewise.compare(data, task="tag", **TINY, out=tmp_path / "run")
    step = next(b for b in comparison.result["baselines"] if b["name"] == "step")
    assert step["label"] == "linear, of the step"
    assert step["error"]["mean"] < 0.1


def test_words_have_their_commonest_tag_as_baseline(tmp_path):
    comparison = gatewise.compare(sentences(), task="tag", **TINY, out=tmp_path / "run")
    step = next(b for b in comparison.result["baselines"] if b["name"] == "step")
    assert step["error"]["mean"] == pytest.approx(1 / 8, abs=0.04)  # one word of four, half wrong


def test_one_text_is_cut_in_its_order(tmp_path):
    path = tmp_path / "apples.txt"
    path.write_text(TEXT)
    comparison = gatewise.compare(path, task="text", **TINY, out=tmp_path / "run")
    setup = comparison.result["setup"]
    assert setup["in_time"]
    trained = [row["train_characters"] for row in setup["fold_table"]]
    assert trained == sorted(trained)
    assert trained[0] < trained[-1]
    assert len(comparison.result["sample"]) > 100
    again = repeat(tmp_path / "run", out=tmp_path / "again", jobs=1)
    for before, now in zip(comparison.result["cells"], again.result["cells"], strict=True):
        assert before["nats"] == now["nats"]
    path.write_text(TEXT + "x")
    with pytest.raises(DataError, match="has changed"):
        repeat(tmp_path / "run", out=tmp_path / "other", jobs=1)


def test_search_keeps_the_rate_that_validates_best(tmp_path):
    tried = {**TINY, "steps": 8, "search": 3, "cells": ["gru"]}
    comparison = gatewise.compare(sequences(), task="classify", **tried, out=tmp_path / "run")
    rates = {
        json.loads(path.read_text())["learning_rate"]
        for path in comparison.folder.glob("trials/gru-*/result.json")
    }
    assert rates <= {2.5e-3, 5e-3, 1e-2}
    assert rates != {5e-3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "sing"}, "task must be one of forecast, classify, regress, tag, text"),
        ({"task": "classify", "horizon": 3}, "task 'classify' has no use for horizon"),
        ({"task": "text", "label": "x"}, "task 'text' has no use for label"),
        ({"task": "classify", "metric": "mae"}, "metric must be one of error, log_loss"),
        ({"task": "classify", "cluster": "slurm"}, "cluster must be one of dask, ray"),
        ({"task": "classify", "jobs": 0}, "jobs must be at least 1"),
    ],
)
def test_arguments_that_no_run_can_be_made_of_are_refused(arguments, words, tmp_path):
    with pytest.raises(ArgumentError, match=words):
        gatewise.compare(sequences(), **{**TINY, "out": tmp_path / "run", **arguments})
    assert not (tmp_path / "run").exists()


def test_task_without_data_is_refused():
    with pytest.raises(ArgumentError, match="'text' needs data"):
        gatewise.compare(task="text")


def test_labels_that_cannot_be_told_are_refused(tmp_path):
    data = sequences()
    with pytest.raises(DataError, match="the label 'k0' is no number"):
        gatewise.compare(data, task="regress", **TINY, out=tmp_path / "run")
    data.labels[0] = "only one"
    with pytest.raises(DataError, match="class 'only one' has 1 cases; 4 folds need 5"):
        gatewise.compare(data, task="classify", **TINY, out=tmp_path / "run")
    data.labels = None
    with pytest.raises(DataError, match="no labels"):
        gatewise.compare(data, task="classify", **TINY, out=tmp_path / "run")


def test_short_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="too little text for 4 folds: 501 characters"):
        gatewise.compare(TEXT[:500] + "\n", task="text", **TINY, out=tmp_path / "run")


def test_vowels_are_told_apart(shared_data, tmp_path):
    """Real sequences: the linear baseline is good, and the error is a share of 270 cases."""
    path = shared_data / "classification" / "JapaneseVowels_TRAIN.ts"
    comparison = gatewise.compare(path, task="classify", **TINY, out=tmp_path / "run")
    errors = {m["name"]: m["error"]["mean"] for m in comparison.result["baselines"]}
    assert errors["majority"] == pytest.approx(8 / 9, abs=0.01)
    assert errors["linear"] < 0.1
    assert np.isfinite(comparison.result["cells"][0]["log_loss"]["mean"])
