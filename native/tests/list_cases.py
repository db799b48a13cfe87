"""Write cases.txt, what the driver runs, from the project's one list of cases."""

from pathlib import Path

from gatewise.ops.cases import DTYPES, FORMS, SHAPES, make_call, make_tensors
from gatewise.ops.masks import make_masks
from gatewise.ops.native_call import describe

LIST = Path(__file__).with_name("cases.txt")

HEAD = """\
# Written by list_cases.py. A case is one line of each part; what a line leaves out has the driver's
# default.
"""

# (T, B, I, H): none of all, widths about those of vectors, what is long, what is shared out by
# units, and weights that several threads pack.
ODD_SHAPES = (
    (0, 3, 2, 7),
    (3, 0, 2, 7),
    (63, 3, 1, 1),
    (2, 33, 3, 33),
    (9, 9, 3, 7),
    (3, 5, 2, 65),
    (1, 2, 389, 129),
)
DIRECTIONS = ({"reverse": 0}, {"reverse": 1})
GUIDES = (
    {"lengths": 0},
    {"lengths": 1, "resets": 1, "masks": 1, "shift": 1},
    {"lengths": 1, "resets": 1, "bias": 0, "partial": 1},
)


def main() -> None:
    """Write the list."""
    LIST.write_text(render())


def render() -> str:
    """Give the list's text: parts parted by empty lines."""
    parts = [
        [form_line(name) for name in FORMS],
        [shape_line(*shape) for shape in (*SHAPES, *ODD_SHAPES)],
        [as_line(dtype=str(dtype).removeprefix("torch.")) for dtype in DTYPES],
        [as_line(**direction) for direction in DIRECTIONS],
        [as_line(**guides) for guides in GUIDES],
    ]
    return "\n".join([HEAD, *("\n".join([*part, ""]) for part in parts)])


def form_line(name: str) -> str:
    """Give a form as the core is told of it."""
    tensors = make_tensors(FORMS[name], 1, 1)
    call = make_call(FORMS[name], tensors)
    manner, _ = describe(call, make_masks(call))
    return as_line(
        form=name,
        **manner._asdict(),
        dropout=call.options.recurrent_dropout,
        peephole="w_peephole" in tensors,
        projection="w_hr" in tensors,
        layer_norm="w_ln_hh" in tensors,
        initial="initial_h" in tensors,
    )


def shape_line(steps: int, batch: int, inputs: int, units: int) -> str:
    """Give a shape; a projection halves the width of h."""
    projected = max(1, units // 2)
    return as_line(steps=steps, batch=batch, inputs=inputs, units=units, projected=projected)


def as_line(**values: str | float) -> str:
    """Give name=value pairs; flags and shares of a form that are off are left out."""
    shown = {n: int(v) if isinstance(v, bool) else v for n, v in values.items() if v is not False}
    return " ".join(f"{n}={v}" for n, v in shown.items() if v != 0.0 or isinstance(v, int))


if __name__ == "__main__":
    main()
