"""Where trials run, and what a worker that dies costs."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from learnt import sequences
from test_plan import plan

import gatewise
from gatewise.comparison.parallel import WorkerError, run_trials
from gatewise.comparison.task import Outcome

PLAN = plan(cells=(), folds=3, baselines=("a", "b"))
NAMES = {trial.name for trial in PLAN.trials()}


@dataclass(frozen=True)
class Deadly:
    """A task whose baseline ``b`` kills its worker in fold 1, so many times."""

    marks: Path
    deaths: int

    def baseline(self, name, fold):
        mark = self.marks / f"{name}-{fold}"
        with mark.open("a") as file:
            file.write("x")
        if (name, fold) == ("b", 1) and mark.stat().st_size <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome({"mae": 1.0}, {"mae": float(fold)}, 1, about={"label": name})

    def test_to_train(self, fold):
        return 0.1 + 0 * fold

    def tries(self):
        return {path.name: path.stat().st_size for path in self.marks.iterdir()}


def finished(task, jobs, cluster=None):
    return {trial.name for trial in run_trials(PLAN.trials(), PLAN, task, jobs, cluster)}


def test_killed_worker_costs_its_trial_a_second_run(tmp_path):
    task = Deadly(tmp_path, deaths=1)
    assert finished(task, jobs=2) == NAMES
    tries = task.tries()
    assert tries.pop("b-1") == 2
    assert set(tries.values()) == {1}


def test_trial_that_always_kills_its_worker_ends_the_run_with_its_name(tmp_path):
    with pytest.raises(WorkerError, match=r"trial b-f1-s0 was ended 3 times.*fewer --jobs"):
        finished(Deadly(tmp_path, deaths=9), jobs=2)


def test_error_in_a_trial_is_raised_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        finished(Deadly(tmp_path / "missing", deaths=0), jobs=2)


def test_no_trials_start_no_worker():
    assert list(run_trials([], PLAN, None, 2)) == []


def test_missing_package_of_a_cluster_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(WorkerError, match=r"pip install 'gatewise\[ray\]'"):
        finished(Deadly(tmp_path, deaths=0), jobs=2, cluster="ray")


TINY = {"task": "classify", "hidden_size": 4, "steps": 2, "folds": 4, "seeds": 1, "cells": ["gru"]}


def table(**where):
    result = gatewise.compare(sequences(24), **TINY, jobs=2, **where).result
    models = (*result["cells"], *result["baselines"])
    return {model["name"]: model["log_loss"] for model in models}


def same_table_on(cluster, tmp_path):
    here = table(out=tmp_path / "here")
    assert table(out=tmp_path / "there", cluster=cluster) == here


def test_dask_gives_the_same_table(tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed")
    same_table_on("dask", tmp_path)


def test_worker_killed_on_dask_costs_its_trial_a_second_run(tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed")
    task = Deadly(tmp_path, deaths=1)
    assert finished(task, jobs=2, cluster="dask") == NAMES
    assert task.tries()["b-1"] == 2


@pytest.mark.cluster
def test_ray_gives_the_same_table(tmp_path):
    same_table_on("ray", tmp_path)


@pytest.mark.cluster
def test_worker_killed_on_ray_costs_its_trial_a_second_run(tmp_path, monkeypatch):
    here = str(Path(__file__).parent)  # where the workers find the task
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, str(Path(here).parent)]))
    task = Deadly(tmp_path, deaths=1)
    assert finished(task, jobs=2, cluster="ray") == NAMES
    assert task.tries()["b-1"] == 2
