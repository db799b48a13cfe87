"""``gatewise fit``: train one model and keep it as one file."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli import options
from gatewise.cli.fit_sequences import SEQUENCE_OPTIONS, SEQUENCES_ALONE, fit_sequences
from gatewise.cli.fit_text import TEXT_ALONE, TEXT_OPTIONS, Unit, fit_text
from gatewise.cli.options import (
    check_out,
    given,
    only_beside_from,
    only_with_task,
    say,
    say_nothing,
    split,
)


class Audio(str, Enum):
    """Features of sound."""

    mfcc = "mfcc"
    logmel = "logmel"


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
    cell: Annotated[options.CellName, typer.Option(help="Which cell.")] = options.CellName.lstm,
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Hidden size. [default: 64; tag: 128; text: 512]")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of labels, one a sequence, or (tag) one a row.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels for a folder of files. [default: found]")
    ] = None,
    audio: Annotated[
        Audio | None, typer.Option(help="What is read from sound. [default: mfcc]")
    ] = None,
    words: Annotated[
        str | None, typer.Option(help="Column of words to tag. [default: numbers are read]")
    ] = None,
    unit: Annotated[Unit, typer.Option(help="What a text is made of.")] = Unit.character,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of a text is a document of its own.")
    ] = False,
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
    if task is options.Task.text:
        only_with_task(context, task, *TEXT_OPTIONS)
        chosen = {
            "cell": cell.value,
            "unit": unit.value,
            "lines": lines,
            **given(hidden_size=hidden, steps=steps),
        }
        fit_text(data, out, device=device, seed=seed, quiet=quiet, **chosen)
        return
    if task in SEQUENCE_OPTIONS:
        only_with_task(context, task, *SEQUENCE_OPTIONS[task])
        reading = {
            **given(label=label, series=series, time=split(time), past=split(past)),
            **given(labels=labels, audio=audio and audio.value, words=words),
        }
        interrupted = fit_sequences(
            task,
            data,
            out,
            reading,
            quiet=quiet,
            cell=cell.value,
            device=device,
            precision=precision,
            compile=compile,
            tensorboard=tensorboard,
            random_state=seed,
            **given(hidden_size=hidden, steps=steps),
        )
        if interrupted:
            raise typer.Exit(130)
        return
    only_with_task(context, task, *(set(context.params) - {*TEXT_ALONE, *SEQUENCES_ALONE}))
    from gatewise.cli.fitting import fit_and_save
    from gatewise.estimators import Forecaster
    from gatewise.training import process_number

    if source is not None:
        beside = ("device", "precision", "compile", "tensorboard")
        only_beside_from(context, "out", *beside, "seed", "quiet")
        from gatewise.comparison.winner import winner

        path, parameters = winner(source)
        data = Path(path)
    else:
        if horizon is None:
            raise typer.BadParameter("--horizon is needed: how many steps to forecast")
        parameters = {
            "horizon": horizon,
            "lookback": lookback,
            "segment": segment,
            "target": target,
            "time": split(time),
            "series": series,
            "past": split(past),
            "future": split(future) or (),
            "static": split(static) or (),
            "frequency": frequency,
            "cell": cell.value,
            **given(hidden_size=hidden, steps=steps),
        }
    forecaster = Forecaster(
        **parameters,
        device=device,
        precision=precision,
        compile=compile,
        tensorboard=tensorboard,
        random_state=seed,
        progress=False if quiet else None,
    )
    tell = say_nothing if quiet or process_number() else say
    interrupted = fit_and_save(forecaster, data, out, tell)
    for note in forecaster.notes_:
        tell(note)
    tell(f"{forecaster.cell.upper()}, {forecaster.model_.parameters:,} parameters: {out}")
    if interrupted:
        raise typer.Exit(130)
