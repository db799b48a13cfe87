"""``gatewise predict``: forecasts from a model file, or how well it foresees a text."""

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
    data: Annotated[Path, typer.Argument(help="The history: CSV, TSV (also .gz) or Parquet file.")],
    future: Annotated[
        Path | None, typer.Option(help="The next rows of the columns known in the future.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .parquet. [default: CSV on stdout]")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Forecast the steps behind the end of DATA, with the times they are for.

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
    from gatewise.estimators import LanguageModel, load
    from gatewise.files import replacing

    tell = say_nothing if quiet else say
    loaded = load(model)
    if isinstance(loaded, LanguageModel):
        if future is not None:
            raise typer.BadParameter(
                "--future is for forecasts; a language model has no use for it"
            )
        rows, what = _cost(loaded, data), "text"
    else:
        rows, what = loaded.predict(data, future=future, say=tell), "forecasts"
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
