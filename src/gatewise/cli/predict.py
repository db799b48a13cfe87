"""``gatewise predict``: forecasts, labels, or how well a text is foreseen, from a model file."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatewise.cli import options
from gatewise.cli.options import check_out, say, say_nothing

if TYPE_CHECKING:
    import polars as pl

    from gatewise.estimators import LanguageModel

FORMATS = (".csv", ".parquet")


def predict(
    model: Annotated[Path, typer.Argument(help="Model file that 'gatewise fit' wrote.")],
    data: Annotated[
        Path, typer.Argument(help="What to read: a file, or a folder, of the model's kind.")
    ],
    future: Annotated[
        Path | None, typer.Option(help="The next rows of the columns known in the future.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .parquet. [default: CSV on stdout]")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Forecast the steps behind the end of DATA, with the times they are for.

    A model of sequences gives a row for each with its label, or a row for each step.
    A language model says how many nats and bits a character of DATA, a text, costs.

    \b
    Example: gatewise predict bikes.safetensors bikes.csv --future calendar.csv --out next.csv

    \b
    Example: gatewise predict plays.safetensors sonnets.txt
    """
    if out is not None and out.suffix not in FORMATS:
        raise typer.BadParameter(f"--out must end in {' or '.join(FORMATS)}, got {out.name}")
    if out is not None:
        check_out(out)
    from gatewise.cli.predict_sequences import predict_steps, predict_whole
    from gatewise.estimators import Forecaster, LanguageModel, SequenceTagger, load
    from gatewise.files import replacing

    tell = say_nothing if quiet else say
    loaded = load(model)
    if isinstance(loaded, LanguageModel):
        if future is not None:
            raise typer.BadParameter(
                "--future is for forecasts; a language model has no use for it"
            )
        rows, what = _cost(loaded, data), "text"
    elif isinstance(loaded, Forecaster):
        rows, what = loaded.predict(data, future=future, say=tell), "forecasts"
    elif future is not None:
        raise typer.BadParameter("--future is for forecasts; this model has no use for it")
    elif isinstance(loaded, SequenceTagger):
        rows, what = predict_steps(loaded, data, tell), "steps"
    else:
        rows, what = predict_whole(loaded, data, tell), "sequences"
    if out is None:
        sys.stdout.write(rows.write_csv())
        return
    with replacing(out) as beside:
        if out.suffix == ".csv":
            rows.write_csv(beside)
        else:
            rows.write_parquet(beside)
    tell(f"{len(rows):,} {what}: {out}")


def _cost(model: "LanguageModel", data: Path) -> "pl.DataFrame":
    """Make a row of a text's name, nats and bits per character."""
    import polars as pl

    nats = model.nats(data)
    row = {"text": data.name, "nats_per_character": nats, "bits_per_character": nats / math.log(2)}
    return pl.DataFrame([row])
