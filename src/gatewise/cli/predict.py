"""``gatewise predict``: forecasts from a model file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli import options
from gatewise.cli.options import check_out, say, say_nothing

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

    \b
    Example: gatewise predict bikes.safetensors bikes.csv --future calendar.csv --out next.csv
    """
    if out is not None and out.suffix not in FORMATS:
        raise typer.BadParameter(f"--out must end in {' or '.join(FORMATS)}, got {out.name}")
    if out is not None:
        check_out(out)
    from gatewise.estimators import load
    from gatewise.files import replacing

    tell = say_nothing if quiet else say
    forecasts = load(model).predict(data, future=future, say=tell)
    if out is None:
        sys.stdout.write(forecasts.write_csv())
        return
    with replacing(out) as beside:
        if out.suffix == ".csv":
            forecasts.write_csv(beside)
        else:
            forecasts.write_parquet(beside)
    tell(f"{len(forecasts):,} forecasts: {out}")
