"""``gatewise fit``: train one model and keep it as one file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import options
from gatewise.cli.options import (
    check_out,
    given,
    only_beside_from,
    only_with_task,
    say,
    say_nothing,
    split,
)


def fit(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Model file to write, such as model.safetensors.")],
    data: options.DataArgument = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Run folder: train the cell it says to take, on everything."),
    ] = None,
    task: options.TaskOption = options.Task.forecast,
    target: options.Target = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Steps to forecast; needed with DATA.")
    ] = None,
    lookback: options.Lookback = None,
    segment: options.Segment = None,
    time: options.Time = None,
    series: options.Series = None,
    past: options.Past = None,
    future: options.Future = None,
    static: options.Static = None,
    frequency: options.FrequencyOption = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    missing: options.Missing = None,
    timezone: options.Timezone = None,
    resample: options.Resample = None,
    cell: Annotated[options.CellName, typer.Option(help="Which cell.")] = options.CellName.lstm,
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Hidden size. [default: 64; tag: 128; text: 512]")
    ] = None,
    label: options.Label = None,
    labels: options.Labels = None,
    audio: options.Audio = None,
    words: options.Words = None,
    unit: options.UnitOption = None,
    lines: options.Lines = False,
    steps: options.Steps = None,
    device: options.Device = "auto",
    precision: options.Precision = None,
    compile: options.Compile = False,  # noqa: A002 (torch's name for it)
    tensorboard: options.TensorBoard = None,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on DATA, or the winner of a comparison, and write it to one file.

    A run that was killed goes on when called again. Ctrl-C writes the best model so far.

    \b
    Example: gatewise fit bikes.csv --target users --horizon 24 --out bikes.safetensors

    \b
    Example: gatewise fit steps.csv --task classify --label activity --out activity.safetensors

    \b
    Example: gatewise fit plays.txt --task text --out plays.safetensors

    \b
    Example: gatewise fit --from gatewise-runs/bikes-1a2b3c4d --out bikes.safetensors
    """
    if (data is None) == (source is None):
        raise typer.BadParameter("give either DATA or --from RUN")
    check_out(out)
    from gatewise.cli.fit_tasks import make_work, options_of, parts_of
    from gatewise.cli.fitting import fit_and_save
    from gatewise.training import process_number

    run = {"device": device, "precision": precision, "compile": compile, "tensorboard": tensorboard}
    if source is not None:
        only_beside_from(context, "out", *run, "seed", "quiet")
        from gatewise.comparison.winner import winner

        won = winner(source)
        task, data = options.Task(won.task), Path(won.path)
        parts, learnt = won.parts, won.parameters
    else:
        only_with_task(context, task, *options_of(task))
        every = {
            **{"horizon": horizon, "lookback": lookback, "segment": segment, "target": target},
            **{"time": split(time), "series": series, "past": split(past)},
            **{"future": split(future), "static": split(static), "frequency": frequency},
            **{"decimal": decimal, "encoding": encoding, "missing": split(missing)},
            **{"timezone": timezone, "resample": resample},
            **{"label": label, "labels": labels, "audio": audio and audio.value, "words": words},
            **{"unit": unit and unit.value, "lines": lines or None},
        }
        parts = {name: every[name] for name in parts_of(task)}
        learnt = {"cell": cell.value, **given(hidden_size=hidden, steps=steps)}
    assert data is not None  # one of the two was given
    parameters = {**learnt, **run, "random_state": seed, "progress": False if quiet else None}
    work = make_work(task, data, parts, parameters)
    tell = say_nothing if quiet or process_number() else say
    for note in work.notes:
        tell(note)
    interrupted = fit_and_save(work, out, tell)
    _describe(work.estimator, out, tell)
    if interrupted:
        raise typer.Exit(130)


def _describe(estimator: Any, out: Path, tell: Callable[[str], None]) -> None:
    """Say what was found in the data, how good the model is, and how large."""
    from gatewise.estimators import LanguageModel, network_of
    from gatewise.estimators.recurrent import count_parameters

    for note in estimator.notes_:
        tell(note)
    errors = [row["validation_error"] for row in estimator.history_]
    if isinstance(estimator, LanguageModel) and None not in errors:
        tell(f"validation: {min(errors):.4f} nats per {estimator.unit}")
    count = count_parameters(network_of(estimator))
    tell(f"{estimator.cell.upper()}, {count:,} parameters: {out}")
