"""``gatewise inspect``: what goes on inside a model while it reads one sequence."""

from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli import options
from gatewise.cli.options import check_out, open_page, say


def inspect(
    model: Annotated[Path, typer.Argument(help="Model file that 'gatewise fit' wrote.")],
    data: Annotated[Path, typer.Argument(help="What to read: of the model's kind.")],
    beside: Annotated[
        Path | None, typer.Option(help="Another model file, shown beside the first.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Which series, for forecasts. [default: the first]")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="Time of the first step forecast [default: the last whose truth is known]; for "
            "text, how many characters to skip."
        ),
    ] = None,
    sequence: Annotated[
        str | None,
        typer.Option(help="Id of the sequence, or its number from 0. [default: the first]"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Show so many steps. [default: all; text: 400]")
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("gatewise-inside.html"),
    open_it: options.Open = False,
) -> None:
    """Show the gates, the memory line and what the output leans on, over one sequence.

    Prints what strikes, and writes one HTML file that needs no network.

    \b
    Example: gatewise inspect bikes.safetensors bikes.csv --at "2012-12-24" --out bikes.html
    """
    check_out(out)
    from gatewise.estimators import load
    from gatewise.inspection import inspect as look

    other = None if beside is None else load(beside)
    found = look(
        load(model), data, beside=other, series=series, at=at, sequence=sequence, steps=steps
    )
    found.to_html(out)
    for number, view in enumerate(found.views):
        typer.echo(f"{view.name}. {view.about}")
        for sentence in found.findings(view=number):
            typer.echo(f"- {sentence}")
    say(f"the page: {out}")
    if open_it:
        open_page(out)
