import numpy as np
import polars as pl
import pytest

from gatewise.report import write_markdown, write_report
from gatewise.report.run_files import read_run


def test_report_of_an_unfinished_run_is_refused(make_run):
    run_dir = make_run()
    (run_dir / "trials" / "seasonal-f3-s0" / "predictions.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"seasonal-f3-s0.*run the same comparison again"):
        write_report(run_dir)
    (run_dir / "result.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"result\.json: the comparison is not finished"):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": 2}', "has format 2, this version reads 1: upgrade gatewise"),
        ("{", "not the result of a comparison"),
        ("[]", "not the result of a comparison"),
    ],
)
def test_unreadable_result_is_refused(make_run, content, words):
    run_dir = make_run()
    (run_dir / "result.json").write_text(content)
    with pytest.raises(ValueError, match=words):
        write_report(run_dir)


def test_markdown_of_an_unfinished_run_is_refused(make_run, tmp_path):
    run_dir = make_run()
    (run_dir / "result.json").unlink()
    with pytest.raises(FileNotFoundError, match="the comparison is not finished"):
        write_markdown(run_dir, tmp_path / "out.md")
    assert not (tmp_path / "out.md").exists()


def test_trials_and_histories_are_those_of_the_cells(make_run):
    run_dir = make_run()
    run = read_run(run_dir)
    assert [(t["model"], t["fold"], t["seed"]) for t in run.trials] == [
        (model, fold, seed) for model in ("lstm", "gru") for fold in range(5) for seed in range(2)
    ]
    rows = run.histories()
    one = pl.read_parquet(run_dir / "trials" / "gru-f3-s1" / "history.parquet")
    there = rows.filter(model="gru", fold=3, seed=1)
    assert there.drop("model", "fold", "seed").equals(one.select(there.columns[3:]))


def test_predictions_are_those_of_the_smallest_seed(make_run):
    run_dir = make_run()
    rows = read_run(run_dir).predictions(["gru"]).filter(fold=2)
    one = pl.read_parquet(run_dir / "trials" / "gru-f2-s0" / "predictions.parquet")
    assert rows["forecast"].equals(one["forecast"])
    (run_dir / "trials" / "gru-f2-s0").rename(run_dir / "trials" / "gru-f2-s10")
    one = pl.read_parquet(run_dir / "trials" / "gru-f2-s1" / "predictions.parquet")
    assert read_run(run_dir).predictions(["gru"]).filter(fold=2)["forecast"].equals(one["forecast"])


def test_trials_of_two_versions_stand_in_one_table(make_run):
    run_dir = make_run()
    path = run_dir / "trials" / "gru-f2-s0" / "predictions.parquet"
    pl.read_parquet(path).drop("low", "high").write_parquet(path)
    rows = read_run(run_dir).predictions(["gru"])
    assert rows.filter(fold=2)["low"].is_null().all()
    assert not np.isnan(rows.filter(fold=1)["low"].to_numpy()).any()
