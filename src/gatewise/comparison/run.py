"""``compare``: from a table to a verdict, through a run folder that survives being killed."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from gatewise.comparison.outcome import judge
from gatewise.comparison.parallel import run_trials
from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.planning import check_arguments, make_plan, plan_notes
from gatewise.comparison.record import describe_setup, make_record, versions
from gatewise.comparison.run_folder import RunFolder, finished_trials
from gatewise.comparison.summary import as_text
from gatewise.comparison.task import Made, Task
from gatewise.comparison.tasks import (
    EXAMPLE,
    flat_arguments,
    make_task,
    require_same_data,
)
from gatewise.comparison.timing import measure_times
from gatewise.data.reading import Codes, Reading
from gatewise.files import write_atomic
from gatewise.report import write_report
from gatewise.training.progress import OnProgress

_DEFAULT_RUNS = Path("gatewise-runs")

Say = Callable[[str], None]
"""Takes one line about the data or the plan."""


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        result: ``result.json``'s content; ``verdict``, ``cells`` and ``baselines`` at its top.
        folder: the run folder.
    """

    result: dict[str, Any]
    folder: Path

    @property
    def verdict(self) -> str:
        """The verdict and the practical word."""
        return f"{self.result['verdict']['sentence']} {self.result['verdict']['practical']}"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.folder / "report.html"

    def __str__(self) -> str:
        return as_text(self.result)


def compare(
    data: Any = None,
    *,
    task: str = "forecast",
    target: str | None = None,
    horizon: int | None = None,
    lookback: int | None = None,
    segment: int | None = None,
    time: str | Sequence[str] | None = None,
    series: str | None = None,
    past: Sequence[str] | None = None,
    future: Sequence[str] = (),
    static: Sequence[str] = (),
    frequency: str | None = None,
    label: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    audio: str | None = None,
    words: str | None = None,
    unit: str | None = None,
    lines: bool = False,
    cells: Sequence[str] = ("lstm", "gru"),
    match: str = "parameters",
    hidden_size: int | None = None,
    folds: int = 5,
    seeds: int = 2,
    search: int = 0,
    steps: int | None = None,
    metric: str | None = None,
    margin: float = 0.01,
    jobs: int | None = None,
    cluster: str | None = None,
    out: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    seed: int = 0,
    decimal: str | None = None,
    encoding: str | None = None,
    missing: Codes = None,
    timezone: str | None = None,
    resample: str | None = None,
    say: Say | None = None,
    on_trial: OnProgress | None = None,
) -> Comparison:
    """Train cells on the same folds of the data, beside baselines, and judge them.

    The run is a folder; the same call on a run that was killed goes on where it was.

    Args:
        data: a data frame, or the path of a CSV, TSV or Parquet file; None takes the bundled
            example (hourly bike hires).
        task: ``"forecast"``, ``"classify"``, ``"regress"``, ``"tag"`` or ``"text"``.
        target, time, series, past, future, static, frequency: as for ``Forecaster``.
        horizon, lookback: in steps; None takes defaults of the frequency.
        segment: time steps that one step of the recurrence reads; None keeps it at 32 at most.
        label, labels, audio: for sequences, as for ``read_sequences``: the column of labels, the
            label table of a folder, the features of sound.
        words: for tags: the column of words.
        unit, lines: for a text: ``"character"`` or ``"byte"``, and whether each line is a document.
        cells: any of ``"lstm"``, ``"gru"``, ``"rnn"``; the others are matched to the first.
        match: ``"parameters"``, ``"units"`` or ``"time"``.
        hidden_size: of the first cell; None is 64, and 128 for tags and texts.
        folds, seeds: the test is over folds (at least 4 for a p-value); seeds are averaged inside.
        search: learning rates tried on the validation part; 0 takes the default one.
        steps: optimiser steps at most, the same for every cell; None is the task's default.
        metric: ``"mae"``, ``"rmse"`` or ``"mase"`` decides; None is MAE for one series and MASE,
            which has no unit, for several.
        margin: relative difference that counts as equal.
        jobs: trials side by side; None takes all cores. The cores are divided among them.
        cluster: ``"dask"`` or ``"ray"`` runs the trials there: on the cluster that
            ``DASK_SCHEDULER_ADDRESS`` or ``RAY_ADDRESS`` names, else on one of ``jobs`` workers
            that is started on this machine.
        out: the run folder; None derives one under ``gatewise-runs`` from data and arguments.
        device: ``"cpu"``, ``"cuda"``, ``"auto"``.
        seed: fixes initial weights, dropout and order of every trial.
        decimal, encoding, missing, timezone, resample: how the table is read, as for
            ``Forecaster``.
        say: called with each line about the data and the plan; None is silent.
        on_trial: called after each trial with (trials done, in all, name of the last).

    Raises:
        DataError: if the data cannot be used, or the folder holds another run.
        ValueError: for an argument out of its range.
    """
    say = say or _silent
    reading = Reading.of(
        decimal=decimal, encoding=encoding, missing=missing, timezone=timezone, resample=resample
    )
    common: dict[str, Any] = {
        "task": task,
        "cells": list(cells),
        "match": match,
        "hidden_size": hidden_size,
        "folds": folds,
        "seeds": seeds,
        "search": search,
        "steps": steps,
        "metric": metric,
        "margin": margin,
        "device": device,
        "seed": seed,
        **reading.told(),
    }
    parts = {
        "target": target,
        "horizon": horizon,
        "lookback": lookback,
        "segment": segment,
        "time": time,
        "series": series,
        "past": past,
        "future": future,
        "static": static,
        "frequency": frequency,
        "label": label,
        "labels": labels,
        "audio": audio,
        "words": words,
        "unit": unit,
        "lines": lines,
    }
    check_arguments(common, jobs, cluster)
    if data is None:
        say(f"no data given: {EXAMPLE}")
    made = make_task(data, reading, common, parts)
    for line in made.task.notes:
        say(line)
    jobs = _count_jobs(jobs, made)
    run = RunFolder(Path(out) if out is not None else _default_folder(made))
    if run.started:
        run.require_same(made.arguments, made.sha256, versions())
    else:
        plan = make_plan(made.arguments, made.task, threads=max(1, joblib.cpu_count() // jobs))
        run.start(make_record(data, made.name, made.sha256, made.arguments, plan))
    record = run.record()
    plan = Plan.from_json(record["plan"])
    for line in [*made.notes, *plan_notes(plan, made.task)]:
        say(line)
    if run.result_path.exists():
        begun = f"{record['created']} with gatewise {record['versions']['gatewise']}"
        say(f"finished before, begun {begun}: shown from {run.path}")
    else:
        _run_missing(run, plan, made.task, jobs, cluster, on_trial)
        _conclude(run, plan, made.task)
    if not (run.path / "report.html").exists():
        write_report(run.path)
    return Comparison(run.result() or {}, run.path)


def repeat(
    source: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    cluster: str | None = None,
    say: Say | None = None,
    on_trial: OnProgress | None = None,
) -> Comparison:
    """Make the comparison of the run folder ``source`` again, in the folder ``out``.

    Raises:
        DataError: if ``source`` is not a run, or its data is gone or has changed.
    """
    record = RunFolder(Path(source)).record()
    path = require_same_data(record, source)
    arguments = flat_arguments(record)
    return compare(
        path, **arguments, out=out, jobs=jobs, cluster=cluster, say=say, on_trial=on_trial
    )


def _run_missing(
    run: RunFolder,
    plan: Plan,
    task: Task,
    jobs: int,
    cluster: str | None,
    on_trial: OnProgress | None,
) -> None:
    """Run the trials that are not finished, and keep each as it ends."""
    trials = plan.trials()
    todo = [trial for trial in trials if run.trial(trial.name) is None]
    started = len(trials) - len(todo)
    finished = run_trials(todo, plan, task, jobs, cluster)
    for done, trial in enumerate(finished, start=started + 1):
        run.keep(trial)
        if on_trial is not None:
            on_trial(done, len(trials), trial.name)


def _conclude(run: RunFolder, plan: Plan, task: Task) -> None:
    """Measure the times, make the tests, and write ``result.json``."""
    results = finished_trials(run, (trial.name for trial in plan.trials()))
    timed = {cell: task.timed(cell, plan.hidden[cell]) for cell in plan.cells}
    times = measure_times(timed, plan.steps, plan.threads)
    judged = judge(plan, results, times)
    last = results[Trial(judged["verdict"]["take"], plan.folds - 1, 0).name]
    result = {
        "format": 1,
        "task": task.name,
        "data": task.data(),
        "metric": plan.metric,
        **judged,
        **({"sample": last["sample"]} if "sample" in last else {}),
        "setup": describe_setup(run.record(), plan, task, results, times),
    }
    write_atomic(run.result_path, json.dumps(result, indent=1, allow_nan=False))


def _default_folder(made: Made) -> Path:
    """Name a folder by data and arguments, so that the same call finds its run again."""
    text = json.dumps([made.sha256, made.arguments], sort_keys=True)
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    stem = Path(made.name).name.split(".")[0].replace(" ", "-")
    return _DEFAULT_RUNS / f"{stem}-{short}"


def _count_jobs(jobs: int | None, made: Made) -> int:
    """Give the trials side by side: all cores unless told, never more than there are trials."""
    arguments = made.arguments
    of_fold = len(arguments["cells"]) * arguments["seeds"] + len(made.task.baselines)
    return min(jobs or joblib.cpu_count(), arguments["folds"] * of_fold)


def _silent(_: str) -> None:
    pass
