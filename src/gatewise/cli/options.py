"""Options that mean the same in every verb."""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Task(str, Enum):
    """What is learnt."""

    forecast = "forecast"
    classify = "classify"
    regress = "regress"
    tag = "tag"
    text = "text"


class CellName(str, Enum):
    """The cells."""

    lstm = "lstm"
    gru = "gru"
    rnn = "rnn"


class Match(str, Enum):
    """What is made equal between the cells."""

    parameters = "parameters"
    units = "units"
    time = "time"


class Metric(str, Enum):
    """The error that decides."""

    mae = "mae"
    rmse = "rmse"
    mase = "mase"
    error = "error"
    log_loss = "log_loss"
    nats = "nats"


class Cluster(str, Enum):
    """Where trials run, if not in processes of this machine."""

    dask = "dask"
    ray = "ray"


class AudioFeatures(str, Enum):
    """What sounds are turned into."""

    mfcc = "mfcc"
    logmel = "logmel"


class Unit(str, Enum):
    """The symbols of a text."""

    character = "character"
    byte = "byte"


def split(names: list[str] | None) -> list[str] | None:
    """Split ``a,b`` and repeated options into one list; None stays None, "" is an empty list."""
    if names is None:
        return None
    return [part.strip() for name in names for part in name.split(",") if part.strip()]


def _frequency(text: str | None) -> str | None:
    if text is None:
        return None
    from gatewise.data import Frequency

    try:
        return str(Frequency.parse(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _told(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Refuse a mark, an encoding, a zone or a step that there is not."""
    if value is not None and parameter.name is not None:
        from gatewise.data import Reading

        try:
            Reading.of(**{parameter.name: value})
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return value


TaskOption = Annotated[Task, typer.Option(help="What is learnt.")]
Target = Annotated[str | None, typer.Option(help="Column to forecast.")]
Time = Annotated[
    list[str] | None, typer.Option(help="Time column, or several: year,month,day,hour.")
]
Series = Annotated[str | None, typer.Option(help="Id column, when there are several series.")]
Past = Annotated[
    list[str] | None,
    typer.Option(help='Columns known up to the present, a,b,c; "" for none. [default: all usable]'),
]
Future = Annotated[list[str] | None, typer.Option(help="Columns known in the future too, a,b,c.")]
Static = Annotated[
    list[str] | None, typer.Option(help="Columns that never change within a series, a,b,c.")
]
FrequencyOption = Annotated[
    str | None,
    typer.Option(help='Time step, such as "1 hour". [default: found]', callback=_frequency),
]
Horizon = Annotated[int | None, typer.Option(min=1, help="Steps to forecast. [default: a season]")]
Lookback = Annotated[
    int | None, typer.Option(min=2, help="Steps read. [default: by the frequency]")
]
Segment = Annotated[int | None, typer.Option(min=1, help="Steps read at once by the recurrence.")]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Optimiser steps at most. [default: by the task]")
]
Label = Annotated[str | None, typer.Option(help="Column of labels. [default: label or class]")]
Labels = Annotated[
    Path | None,
    typer.Option(help="Table with the labels of a folder's files. [default: labels.csv]"),
]
Audio = Annotated[AudioFeatures | None, typer.Option(help="Features of WAV files. [default: mfcc]")]
Words = Annotated[str | None, typer.Option(help="Column of words to tag. [default: numbers]")]
UnitOption = Annotated[
    Unit | None, typer.Option(help="What a text is made of. [default: character]")
]
Lines = Annotated[
    bool, typer.Option("--lines", help="Each line of a text is a document of its own.")
]
Decimal = Annotated[
    str | None,
    typer.Option(help='Decimal mark, "." or ",". [default: "," beside ";"]', callback=_told),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of text, such as latin-1. [default: utf-8]", callback=_told),
]
Missing = Annotated[
    list[str] | None, typer.Option(help="Values that stand for a missing one, such as -200.")
]
Timezone = Annotated[
    str | None,
    typer.Option(help="Zone of times without an offset, such as Europe/Paris.", callback=_told),
]
Resample = Annotated[
    str | None,
    typer.Option(help='Step that rows are averaged to, such as "1 hour".', callback=_told),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
Precision = Annotated[
    str | None, typer.Option(help="bf16-mixed, or 16-mixed on a GPU. [default: float32]")
]
Compile = Annotated[bool, typer.Option("--compile", help="Train through torch.compile.")]
TensorBoard = Annotated[Path | None, typer.Option(help="Folder for TensorBoard's files.")]
Seed = Annotated[int, typer.Option(min=0, help="Fixes everything random.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but the result.")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
DataArgument = Annotated[Path | None, typer.Argument(help="CSV, TSV (also .gz) or Parquet file.")]


def only_beside_from(context: typer.Context, *allowed: str) -> None:
    """Refuse options that ``--from RUN`` would leave unread: the run's own arguments count."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in ("source", *allowed):
            raise typer.BadParameter(
                f"--from RUN takes it from the run: leave out {parameter.opts[0]}"
            )


def only_with_task(context: typer.Context, task: Task, *allowed: str) -> None:
    """Refuse options that the task would leave unread."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in ("task", *allowed):
            name = parameter.opts[0]
            raise typer.BadParameter(f"--task {task.value} has no use for {name}: leave it out")


def given(**values: Any) -> dict[str, Any]:
    """Keep what was given: the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def check_out(out: Path, option: str = "--out") -> None:
    """Refuse, before any work, a file that could not be written at its end."""
    from gatewise.data import DataError

    if out.is_dir():
        raise DataError(f"{option} {out}: a directory; name a file in it")
    if not out.parent.is_dir():
        raise DataError(f"{option} {out}: no such folder: {out.parent}")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise DataError(f"{option} {out}: cannot be written: choose another place")


def say(line: str) -> None:
    """Print a line about the work on stderr."""
    print(line, file=sys.stderr, flush=True)


def say_nothing(_: str) -> None:
    """Take a line and print nothing."""


def open_page(path: Path) -> None:
    """Open a page in the user's browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        say(f"no browser was found here: open {path} in one")
