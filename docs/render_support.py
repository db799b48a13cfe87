"""Write docs/support.md: what each backend can do, asked of the backends themselves.

    python docs/render_support.py

The rows are the package's own list of cases, ``gatewise.ops.cases``.
"""

from pathlib import Path
from typing import Any

import torch

from gatewise.ops.cases import FORMS, Form, draws, make_call, make_tensors
from gatewise.ops.dispatch import BACKENDS

PAGE = """# What each backend can do

Asked of the backends themselves for the list of cases that tests and benchmarks go through
(`gatewise.ops.cases`); made by `make docs`. `backend="auto"` takes the leftmost that says yes, and
`gatewise.explain_backend(layer, input)` says the same of your own layer. All options go together,
and the reference does them on every device and dtype; what they mean stands in
[options.md](options.md).

## Options

| cell | option | {backends} |
|---|---|{rule}|
{forms}

## Batches

Of plain layers; the same holds with options.

| batch | {backends} |
|---|{rule}|
{batches}
"""

LENGTHS = torch.tensor([2, 0])
BATCHES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "all sequences of one length": ((2, 2), {}),
    "`lengths=` or a `PackedSequence`, zero included": ((2, 2), {"lengths": LENGTHS}),
    "`resets=`": ((2, 2), {"resets": torch.zeros(2, 2, dtype=torch.bool)}),
    "no steps (T = 0)": ((0, 2), {}),
    "no sequences (B = 0)": ((2, 0), {}),
}


def main() -> None:
    """Write the page beside this file."""
    Path(__file__).with_name("support.md").write_text(render())


def render() -> str:
    """Give the page."""
    forms = [row for name in FORMS for row in form_rows(FORMS[name])]
    batches = [
        [name, *answers(FORMS["lstm"], *size, **given)] for name, (size, given) in BATCHES.items()
    ]
    return PAGE.format(
        backends=" | ".join(f"`{backend.name}`" for backend in BACKENDS),
        rule="|".join("---" for _ in BACKENDS),
        forms="\n".join(map(as_row, forms)),
        batches="\n".join(map(as_row, batches)),
    )


def form_rows(form: Form) -> list[list[str]]:
    """Give a form's row, or two where training and evaluation differ."""
    shown = ", ".join(f"`{name}={value!r}`" for name, value in form.options.items()) or "none"
    evaluation = answers(form, 2, 2)
    training = answers(form, 2, 2, seed=0) if draws(form) else evaluation
    if training == evaluation:
        return [[form.cell.upper(), shown, *evaluation]]
    return [
        [form.cell.upper(), f"{shown}, in training", *training],
        [form.cell.upper(), f"{shown}, in evaluation", *evaluation],
    ]


def answers(form: Form, *size: int, **given: Any) -> list[str]:
    """Ask every backend whether it can do a call."""
    call = make_call(form, make_tensors(form, *size), **given)
    reasons = [backend.unsupported(call) for backend in BACKENDS]
    return ["yes" if reason is None else f"no: {reason}" for reason in reasons]


def as_row(cells: list[str]) -> str:
    """Give a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
