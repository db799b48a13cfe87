"""``gatewise generate``: text from a model file, as it comes."""

import itertools
import sys
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli import options


def generate(
    model: Annotated[
        Path, typer.Argument(help="Model file that 'gatewise fit --task text' wrote.")
    ],
    prompt: Annotated[str, typer.Option(help="What the text begins with; is printed too.")] = "",
    length: Annotated[int, typer.Option(min=1, help="Characters to add, at most.")] = 500,
    temperature: Annotated[
        float,
        typer.Option(min=0, help="Below 1 likelier, above 1 wilder; 0: always the likeliest."),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Draw among so many of the likeliest symbols only.")
    ] = None,
    seed: options.Seed = 0,
) -> None:
    """Go on from a prompt, printing each character when it is made.

    \b
    Example: gatewise generate plays.safetensors --prompt "ROMEO:" --temperature 0.8
    """
    from gatewise.data import DataError
    from gatewise.estimators import LanguageModel, load

    loaded = load(model)
    if not isinstance(loaded, LanguageModel):
        raise DataError(
            f"{model}: a {type(loaded).__name__}, which makes no text; 'gatewise fit FILE.txt "
            "--task text' trains a model that does"
        )
    made = loaded.generate(
        prompt, length=length, temperature=temperature, top_k=top_k, random_state=seed
    )
    for piece in itertools.chain([prompt], made):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
