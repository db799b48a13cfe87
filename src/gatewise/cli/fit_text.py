"""``gatewise fit --task text``: a language model from a text file."""

from enum import Enum
from pathlib import Path
from typing import Any

import typer

from gatewise.cli.options import say, say_nothing

TEXT_ALONE = ("unit", "lines")
"""Options of ``fit`` that only texts have a use for."""

TEXT_OPTIONS = (
    *("data", "out", "cell", "hidden", "steps", "device", "seed", "quiet"),
    *TEXT_ALONE,
)


class Unit(str, Enum):
    """The symbols of a text."""

    character = "character"
    byte = "byte"


def fit_text(
    data: Path | None, out: Path, *, device: str, seed: int, quiet: bool, **parameters: Any
) -> None:
    """Train a language model on the file ``data`` and write it to ``out``."""
    if data is None:
        raise typer.BadParameter("--task text wants DATA, a .txt file")
    from gatewise.estimators import LanguageModel
    from gatewise.estimators.forecast_model import count_parameters

    shown: dict[str, Any] = {"progress": False} if quiet else {}
    model = LanguageModel(**parameters, device=device, random_state=seed, **shown).fit(data)
    model.save(out)
    tell = say_nothing if quiet else say
    for note in model.notes_:
        tell(note)
    last = model.history_[-1]["validation_error"]
    if last is not None:
        best = min(row["validation_error"] for row in model.history_)
        tell(f"validation: {best:.4f} nats per {model.unit}")
    tell(f"{model.cell.upper()}, {count_parameters(model.model_):,} parameters: {out}")
