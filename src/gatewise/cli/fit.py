"""``gatewise fit``: train one model and keep it as one file."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

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
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on DATA, or the winner of a comparison, and write it to one file.

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
        sizes = given(hidden_size=hidden, steps=steps)
        run = {"cell": cell.value, "device": device, "random_state": seed, **sizes}
        fit_sequences(task, data, out, reading, quiet=quiet, **run)
        return
    only_with_task(context, task, *(set(context.params) - {*TEXT_ALONE, *SEQUENCES_ALONE}))
    from gatewise.estimators import Forecaster

    if source is not None:
        only_beside_from(context, "out", "device", "seed", "quiet")
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
    shown: dict[str, Any] = {"progress": False} if quiet else {}
    forecaster = Forecaster(**parameters, device=device, random_state=seed, **shown).fit(data)
    forecaster.save(out)
    tell = say_nothing if quiet else say
    for note in forecaster.notes_:
        tell(note)
    tell(f"{forecaster.cell.upper()}, {forecaster.model_.parameters:,} parameters: {out}")
