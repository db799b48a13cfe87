"""What the gates and states of each cell are called, on plots and in sentences."""

from collections.abc import Mapping
from typing import NamedTuple


class Name(NamedTuple):
    """What a gate or a state is called.

    Attributes:
        title: over its map, with the lecture notes' symbol and torch's letter.
        meaning: what it shows.
        said: in a sentence; only gates are spoken of.
    """

    title: str
    meaning: str
    said: str = ""


NAMES: Mapping[str, Mapping[str, Name]] = {
    "lstm": {
        "input": Name("Update gate Γu (i)", "how much of the candidate is written", "update gate"),
        "forget": Name("Forget gate Γf (f)", "how much of the memory is kept", "forget gate"),
        "output": Name("Output gate Γo (o)", "how much of the memory is shown", "output gate"),
        "candidate": Name("Candidate c̃ (g)", "what could be written"),
        "cell": Name("Memory cell c", "what is remembered"),
        "hidden": Name("Hidden state a (h)", "what is passed on"),
    },
    "gru": {
        "reset": Name(
            "Relevance gate Γr (r)",
            "how much of the old state the candidate sees",
            "relevance gate",
        ),
        "update": Name(
            "Keep gate 1 − Γu (z)", "how much of the old state is kept", "gate z = 1 − Γu"
        ),
        "candidate": Name("Candidate c̃ (n)", "what could be written"),
        "hidden": Name("State c = a (h)", "the memory, and what is passed on"),
    },
    "rnn": {"hidden": Name("Hidden state a (h)", "what is passed on")},
}
"""By cell, and by the name that a trace has for it."""
