"""Forms beyond the case list: every value of every option, and any two options together."""

from typing import Any

from hypothesis import strategies as st

from gatewise.ops.cases import Form

# The values of every option, by cell; the first is the default.
CHOICES: dict[str, dict[str, tuple[Any, ...]]] = {
    "lstm": {
        "output_activation": ("tanh", "identity"),
        "proj_size": (0, 2),
        "peephole": (False, True),
        "coupled": (False, True),
        "layer_norm": (False, True),
        "recurrent_dropout": (0.0, 0.3),
        "zoneout": ((0.0, 0.0), (0.2, 0.4)),
        "learn_initial_state": (False, True),
    },
    "gru": {
        "reset_after": (True, False),
        "layer_norm": (False, True),
        "recurrent_dropout": (0.0, 0.3),
        "zoneout": (0.0, 0.3),
        "learn_initial_state": (False, True),
    },
    "rnn": {
        "nonlinearity": ("tanh", "relu"),
        "recurrent_dropout": (0.0, 0.3),
        "zoneout": (0.0, 0.3),
        "learn_initial_state": (False, True),
    },
}


@st.composite
def forms_with_two_options(draw: st.DrawFn) -> Form:
    """Draw a cell, two of its options and any probabilities for them."""
    cell: Any = draw(st.sampled_from(list(CHOICES)))
    pair = draw(st.lists(st.sampled_from(list(CHOICES[cell])), min_size=2, max_size=2, unique=True))
    probability = st.sampled_from([0.0, 1.0]) | st.floats(0.01, 0.99)
    options: dict[str, Any] = {name: CHOICES[cell][name][-1] for name in pair}
    if "recurrent_dropout" in options:
        options["recurrent_dropout"] = draw(probability)
    if "zoneout" in options:
        both = st.tuples(probability, probability)
        options["zoneout"] = draw(both if cell == "lstm" else probability)
    return Form(cell, options)
