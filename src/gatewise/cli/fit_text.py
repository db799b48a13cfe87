"""``gatewise fit --task text``: a language model from a text file."""

from enum import Enum
from pathlib import Path
from typing import Any

import typer

from gatewise.cli.options import say, say_nothing

TEXT_ALONE = ("unit", "lines")
"""Options of ``fit`` that only texts have a use for."""

TEXT_OPTIONS = (
    *("data", "out", "cell", "hidden", "steps", "device", "precision", "compile", "tensorboard"),
    *("seed", "quiet"),
    *TEXT_ALONE,
)


class Unit(str, Enum):
    """The symbols of a text."""

    character = "character"
    byte = "byte"


def fit_text(data: Path | None, out: Path, parameters: dict[str, Any], *, quiet: bool) -> None:
    """Train a language model on the file ``data`` and write it to ``out``."""
    if data is None:
        raise typer.BadParameter("--task text wants DATA, a .txt file")
    from gatewise.cli.fitting import fit_and_save
    from gatewise.estimators import LanguageModel
    from gatewise.estimators.forecast_model import count_parameters
    from gatewise.training import process_number

    model = LanguageModel(**parameters)
    tell = say_nothing if quiet or process_number() else say
    interrupted = fit_and_save(model, data, out, tell)
    for note in model.notes_:
        tell(note)
    errors = [row["validation_error"] for row in model.history_]
    if None not in errors:
        tell(f"validation: {min(errors):.4f} nats per {model.unit}")
    tell(f"{model.cell.upper()}, {count_parameters(model.model_):,} parameters: {out}")
    if interrupted:
        raise typer.Exit(130)
