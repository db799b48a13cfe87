"""``compare``: from a table to a verdict, through a run folder that survives being killed."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import joblib

from gatewise.comparison.folds import Fold, cut_folds, leave_out_unseen, require_truth
from gatewise.comparison.outcome import judge
from gatewise.comparison.plan import BASELINES, Plan
from gatewise.comparison.planning import check_arguments, make_plan, plan_notes, require_scale
from gatewise.comparison.record import describe_setup, make_record, versions
from gatewise.comparison.run_folder import RunFolder, finished_trials, require_same_data
from gatewise.comparison.summary import as_text
from gatewise.comparison.timing import measure_times
from gatewise.comparison.trials import cell_settings, end_with, run_trial
from gatewise.data.encoding import Encoder
from gatewise.data.panel import Panel, make_panel
from gatewise.data.slicing import until
from gatewise.data.tables import Table, read_table
from gatewise.data.times import format_time
from gatewise.estimators.defaults import default_horizon, default_lookback, default_segment
from gatewise.files import write_atomic
from gatewise.report import write_report
from gatewise.training import TrainingOptions
from gatewise.training.progress import OnProgress

EXAMPLE_TARGET, EXAMPLE_TIME, EXAMPLE_FUTURE = "users", "date_time", ("holiday", "workingday")
"""What the bundled bike-sharing table is compared with when no data is given."""

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
    cells: Sequence[str] = ("lstm", "gru"),
    match: str = "parameters",
    hidden_size: int = 64,
    folds: int = 5,
    seeds: int = 2,
    search: int = 0,
    steps: int = TrainingOptions.steps,
    metric: str | None = None,
    margin: float = 0.01,
    jobs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    seed: int = 0,
    say: Say | None = None,
    on_trial: OnProgress | None = None,
) -> Comparison:
    """Train cells on the same folds of the data, beside baselines, and judge them.

    The run is a folder; the same call on a run that was killed goes on where it was.

    Args:
        data: a data frame, or the path of a CSV, TSV or Parquet file; None takes the bundled
            example (hourly bike hires).
        task: ``"forecast"``.
        target, time, series, past, future, static, frequency: as for ``Forecaster``.
        horizon, lookback: in steps; None takes defaults of the frequency.
        segment: time steps that one step of the recurrence reads; None keeps it at 32 at most.
        cells: any of ``"lstm"``, ``"gru"``, ``"rnn"``; the others are matched to the first.
        match: ``"parameters"``, ``"units"`` or ``"time"``.
        hidden_size: of the first cell.
        folds, seeds: the test is over folds (at least 4 for a p-value); seeds are averaged inside.
        search: learning rates tried on the validation part; 0 takes the default one.
        steps: optimiser steps at most, the same for every cell.
        metric: ``"mae"``, ``"rmse"`` or ``"mase"`` decides; None is MAE for one series and MASE,
            which has no unit, for several.
        margin: relative difference that counts as equal.
        jobs: trials side by side; None takes all cores. The cores are divided among them.
        out: the run folder; None derives one under ``gatewise-runs`` from data and arguments.
        device: ``"cpu"``, ``"cuda"``, ``"auto"``.
        seed: fixes initial weights, dropout and order of every trial.
        say: called with each line about the data and the plan; None is silent.
        on_trial: called after each trial with (trials done, in all, name of the last).

    Raises:
        DataError: if the data cannot be used, or the folder holds another run.
        ValueError: for an argument out of its range.
    """
    say = say or _silent
    if data is None:
        data = str(files("gatewise.data") / "bundled" / "bike_sharing.parquet")
        target, time = target or EXAMPLE_TARGET, time or EXAMPLE_TIME
        future = future or EXAMPLE_FUTURE
        say("no data given: the bundled example, hourly bike hires in Washington, 2011 and 2012")
    table = read_table(data)
    panel = make_panel(
        table,
        target=target,
        time=time,
        series=series,
        past=past,
        future=future,
        static=static,
        frequency=frequency,
    )
    horizon = default_horizon(panel.frequency) if horizon is None else horizon
    lookback = default_lookback(panel.frequency, horizon) if lookback is None else lookback
    arguments: dict[str, Any] = {
        "task": task,
        "horizon": horizon,
        "lookback": lookback,
        "segment": default_segment(lookback) if segment is None else segment,
        "columns": asdict(panel.columns),
        "frequency": str(panel.frequency),
        "cells": list(cells),
        "match": match,
        "hidden_size": hidden_size,
        "folds": folds,
        "seeds": seeds,
        "search": search,
        "steps": steps,
        "metric": metric or ("mae" if len(panel) == 1 else "mase"),
        "margin": margin,
        "device": device,
        "seed": seed,
    }
    check_arguments(arguments)
    for line in panel.notes:
        say(line)
    parts, left_out = _make_folds(panel, arguments)
    jobs = _count_jobs(jobs, arguments)
    run = RunFolder(Path(out) if out is not None else _default_folder(table, arguments))
    if run.started:
        run.require_same(arguments, table.sha256, versions())
    else:
        plan = make_plan(arguments, panel, parts, threads=max(1, joblib.cpu_count() // jobs))
        run.start(make_record(data, table, arguments, plan))
    record = run.record()
    plan = Plan.from_json(record["plan"])
    for line in [*left_out, *plan_notes(plan, panel, parts)]:
        say(line)
    if run.result_path.exists():
        made = f"{record['created']} with gatewise {record['versions']['gatewise']}"
        say(f"finished before, begun {made}: shown from {run.path}")
    else:
        _run_trials(run, plan, parts, panel, jobs, on_trial)
        _conclude(run, plan, parts, panel, table)
    if not (run.path / "report.html").exists():
        write_report(run.path)
    return Comparison(run.result() or {}, run.path)


def repeat(
    source: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    say: Say | None = None,
    on_trial: OnProgress | None = None,
) -> Comparison:
    """Make the comparison of the run folder ``source`` again, in the folder ``out``.

    Raises:
        DataError: if ``source`` is not a run, or its data is gone or has changed.
    """
    record = RunFolder(Path(source)).record()
    path = require_same_data(record, source)
    arguments = dict(record["arguments"])
    columns = arguments.pop("columns")
    return compare(path, **arguments, **columns, out=out, jobs=jobs, say=say, on_trial=on_trial)


def _make_folds(panel: Panel, arguments: dict[str, Any]) -> tuple[list[Fold], list[str]]:
    """Cut the folds and refuse those that nothing could be learnt or measured on; with notes."""
    horizon, lookback = arguments["horizon"], arguments["lookback"]
    lengths = [len(times) for times in panel.times]
    cut = cut_folds(lengths, arguments["folds"], horizon, lookback)
    folds, notes = leave_out_unseen(cut, panel)
    require_truth(folds, panel, horizon, lookback)
    require_scale(arguments["metric"], folds, panel)
    return folds, notes


def _run_trials(
    run: RunFolder,
    plan: Plan,
    folds: list[Fold],
    panel: Panel,
    jobs: int,
    on_trial: OnProgress | None,
) -> None:
    """Run the trials that are not finished, ``jobs`` at a time."""
    trials = plan.trials()
    todo = [trial for trial in trials if run.trial(trial.name) is None]
    parallel = joblib.Parallel(
        n_jobs=jobs,
        return_as="generator_unordered",
        initializer=end_with,  # or a killed run would leave its workers behind
        initargs=(os.getpid(),),
    )
    path = run.path.resolve()  # workers of an earlier call may live in another directory
    names = parallel(
        joblib.delayed(run_trial)(trial, plan, folds[trial.fold], panel, path) for trial in todo
    )
    for done, name in enumerate(names, start=len(trials) - len(todo) + 1):
        if on_trial is not None:
            on_trial(done, len(trials), name)


def _conclude(run: RunFolder, plan: Plan, folds: list[Fold], panel: Panel, table: Table) -> None:
    """Measure the times, make the tests, and write ``result.json``."""
    record = run.record()
    results = finished_trials(run, (trial.name for trial in plan.trials()))
    last = until(panel, folds[-1].validation_end)
    encoder = Encoder.fit(last, folds[-1].train_end)
    settings = {cell: cell_settings(plan, cell) for cell in plan.cells}
    times = measure_times(last, encoder, settings, plan.threads)
    result = {
        "format": 1,
        "data": {
            "name": table.name,
            "rows": len(table.frame),
            "series": len(panel),
            "start": format_time(min(times[0] for times in panel.times)),
            "end": format_time(max(times[-1] for times in panel.times)),
            "frequency": str(panel.frequency),
            "target": panel.columns.target,
        },
        "horizon": plan.horizon,
        "lookback": plan.lookback,
        "metric": plan.metric,
        **judge(plan, results, times),
        "setup": describe_setup(record, plan, panel, folds, results, times),
    }
    write_atomic(run.result_path, json.dumps(result, indent=1, allow_nan=False))


def _default_folder(table: Table, arguments: dict[str, Any]) -> Path:
    """Name a folder by data and arguments, so that the same call finds its run again."""
    text = json.dumps([table.sha256, arguments], sort_keys=True)
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    stem = Path(table.name).name.split(".")[0].replace(" ", "-")
    return _DEFAULT_RUNS / f"{stem}-{short}"


def _count_jobs(jobs: int | None, arguments: dict[str, Any]) -> int:
    """Give the trials side by side: all cores unless told, never more than there are trials."""
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    trials = arguments["folds"] * (len(arguments["cells"]) * arguments["seeds"] + len(BASELINES))
    return min(joblib.cpu_count() if jobs is None else jobs, trials)


def _silent(_: str) -> None:
    pass
