"""The list of cases: every form of the cells, shapes and dtypes, and how to make calls of them.

Tests, benchmarks and the table of what each backend supports go through this one list.
"""

from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.ops.call import OPTIONS, Call, CellName, Extras
from gatewise.ops.weights import weight_shapes


class Form(NamedTuple):
    """A cell with options, written as the layers take them."""

    cell: CellName
    options: dict[str, Any]


FORMS: dict[str, Form] = {
    "lstm": Form("lstm", {}),
    "lstm-identity": Form("lstm", {"output_activation": "identity"}),
    "lstm-projection": Form("lstm", {"proj_size": 2}),
    "lstm-peephole": Form("lstm", {"peephole": True}),
    "lstm-coupled": Form("lstm", {"coupled": True}),
    "lstm-coupled-peephole": Form("lstm", {"coupled": True, "peephole": True}),
    "lstm-layer-norm": Form("lstm", {"layer_norm": True}),
    "lstm-recurrent-dropout": Form("lstm", {"recurrent_dropout": 0.3}),
    "lstm-zoneout": Form("lstm", {"zoneout": (0.2, 0.4)}),
    "lstm-initial-state": Form("lstm", {"learn_initial_state": True}),
    "lstm-everything": Form(
        "lstm",
        {
            "output_activation": "identity",
            "proj_size": 2,
            "peephole": True,
            "coupled": True,
            "layer_norm": True,
            "recurrent_dropout": 0.3,
            "zoneout": (0.2, 0.4),
            "learn_initial_state": True,
        },
    ),
    "gru": Form("gru", {}),
    "gru-reset-before": Form("gru", {"reset_after": False}),
    "gru-layer-norm": Form("gru", {"layer_norm": True}),
    "gru-recurrent-dropout": Form("gru", {"recurrent_dropout": 0.3}),
    "gru-reset-before-recurrent-dropout": Form(
        "gru", {"reset_after": False, "recurrent_dropout": 0.3}
    ),
    "gru-zoneout": Form("gru", {"zoneout": 0.3}),
    "gru-initial-state": Form("gru", {"learn_initial_state": True}),
    "gru-everything": Form(
        "gru",
        {
            "layer_norm": True,
            "recurrent_dropout": 0.3,
            "zoneout": 0.3,
            "learn_initial_state": True,
        },
    ),
    "gru-reset-before-everything": Form(
        "gru",
        {
            "reset_after": False,
            "layer_norm": True,
            "recurrent_dropout": 0.3,
            "zoneout": 0.3,
            "learn_initial_state": True,
        },
    ),
    "rnn": Form("rnn", {}),
    "rnn-relu": Form("rnn", {"nonlinearity": "relu"}),
    "rnn-recurrent-dropout": Form("rnn", {"recurrent_dropout": 0.3}),
    "rnn-zoneout": Form("rnn", {"zoneout": 0.3}),
    "rnn-initial-state": Form("rnn", {"learn_initial_state": True}),
}

SHAPES = ((1, 1, 1, 3), (2, 3, 5, 7), (13, 1, 3, 17), (13, 3, 4, 33))  # (T, B, I, H)
DTYPES = (torch.float32, torch.float64)


def draws(form: Form) -> bool:
    """Whether a seed makes a difference to the form."""
    return make_options(form).draws


def make_options(form: Form, **more: Any) -> Any:
    """Give the operator's options for a form, and ``more`` of them."""
    known = {field.name for field in fields(OPTIONS[form.cell])}
    options = {name: value for name, value in form.options.items() if name in known}
    if isinstance(options.get("zoneout"), float):
        options["zoneout"] = (options["zoneout"],)
    return OPTIONS[form.cell](**(options | more))


def make_tensors(
    form: Form,
    steps: int,
    batch: int,
    features: int = 3,
    hidden: int = 4,
    *,
    dtype: torch.dtype = torch.float64,
    bias: bool = True,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Draw a call's tensors, each wanting gradients: x, h_0, c_0 and the fields of ``Weights``.

    Args:
        form: the cell and its options.
        steps: T.
        batch: B.
        features: I.
        hidden: H.
        dtype: of all tensors; the numbers are the same but for rounding.
        bias: whether there are biases.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    flags = ("coupled", "peephole", "layer_norm", "learn_initial_state")
    proj = form.options.get("proj_size", 0)
    shapes: dict[str, tuple[int, ...]] = {
        "x": (steps, batch, features),
        "h_0": (batch, proj or hidden),
    }
    if form.cell == "lstm":
        shapes["c_0"] = (batch, hidden)
    shapes |= weight_shapes(
        form.cell,
        features,
        hidden,
        bias=bias,
        proj=proj,
        **{name: form.options.get(name, False) for name in flags},
    )
    scale = {"x": 1.0, "h_0": 0.5, "c_0": 0.5, "initial_h": 0.5, "initial_c": 0.5}
    return {
        name: (
            torch.randn(shape, generator=generator, dtype=torch.float64)
            * scale.get(name, hidden**-0.5)
            + name.startswith("w_ln")  # gains are about 1
        )
        .to(dtype)
        .requires_grad_()
        for name, shape in shapes.items()
    }


def make_call(
    form: Form,
    tensors: dict[str, Tensor],
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    seed: int | None = None,
    **options: Any,
) -> Call:
    """Make a call of a form's tensors.

    Args:
        form: the cell and its options.
        tensors: as ``make_tensors`` gives them.
        lengths: (B,), or None.
        resets: (T, B), or None.
        seed: of the masks, if the form draws any; None: none are drawn.
        options: further options of the operator, such as ``reverse``.
    """
    made = make_options(form, **options)
    extras = Extras(**{name: tensors.get(name) for name in Extras._fields})
    if resets is None:
        extras = extras._replace(initial_h=None, initial_c=None)
    return Call(
        form.cell,
        tensors["x"],
        tuple(tensors[name] for name in ("h_0", "c_0") if name in tensors),
        tensors["w_ih"],
        tensors["w_hh"],
        tensors.get("b_ih"),
        tensors.get("b_hh"),
        extras,
        lengths,
        resets,
        torch.tensor(seed) if seed is not None and made.draws else None,
        made,
    )
