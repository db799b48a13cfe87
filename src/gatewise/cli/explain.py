"""``gatewise explain``: the page on which the equations of the cells are alive."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli import options
from gatewise.cli.options import check_out, open_page


class ExplainedCell(str, Enum):
    """The cells that the page explains."""

    lstm = "lstm"
    gru = "gru"


def explain(
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("gatewise-explain.html"),
    cell: Annotated[ExplainedCell, typer.Option(help="What is shown first.")] = ExplainedCell.lstm,
    open_it: options.Open = False,
) -> None:
    """Write a page that shows how LSTM and GRU work: gates, memory and equations, step by step.

    One HTML file that needs no network. It replaces the file of an earlier call.

    \b
    Example: gatewise explain --cell gru --open
    """
    check_out(out)
    from gatewise.report.explanation import write_explanation

    written = write_explanation(out, cell.value)
    typer.echo(written)
    if open_it:
        open_page(written)
