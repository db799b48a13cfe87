"""What is true of the operators by others' word: torch.nn, ONNX Runtime, Keras and the papers."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from keras_oracle import KERAS_FORMS, run_keras
from oracles import ONNX_FORMS, TORCH_FORMS, run_onnx, run_torch
from paper_oracle import run_paper
from sequence_cases import OPERATORS, loss_weights, scaled_error, tolerance, with_gradients
from torch import Tensor

from gatewise.ops import cases, dispatch
from gatewise.ops.call import Call
from gatewise.ops.cases import FORMS, Form
from gatewise.ops.masks import make_masks

Tensors = dict[str, Tensor]
Errors = dict[str, float]
Outputs = tuple[Tensor, ...]

SEED = 2**40 + 3
EVERY_SITUATION = ("reverse", "lengths", "resets", "seed")
PAPER_OPTIONS = ("output_activation", "coupled", "reset_after", "nonlinearity", "zoneout")


class Truth(NamedTuple):
    """One truth.

    Attributes:
        forms: those that it has.
        dtypes: those in which it can be compared.
        situations: what it knows of ``EVERY_SITUATION``.
        run: ``run(form, tensors, call)`` gives (y, h_n) or (y, h_n, c_n).
        has_gradients: whether gradients reach the tensors.
        least_length: that of a sequence.
    """

    forms: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]
    situations: tuple[str, ...]
    run: Callable[[str, Tensors, Call], Outputs]
    has_gradients: bool = False
    least_length: int = 0


def find_errors(
    truth: str,
    form: str,
    *,
    backend: str = "reference",
    dtype: torch.dtype = torch.float64,
    shape: tuple[int, ...] = (5, 3, 3, 4),
    bias: bool = True,
) -> Errors:
    """Give the greatest error of y, h_n, c_n and the gradients over all situations, by name."""
    one = TRUTHS[truth]
    tensors = cases.make_tensors(FORMS[form], *shape, dtype=dtype, bias=bias)
    calls = make_calls(FORMS[form], tensors, one.situations, one.least_length, backend=backend)
    return compare(partial(one.run, form), tensors, calls, with_grad=one.has_gradients)


def make_calls(
    form: Form,
    tensors: Tensors,
    situations: Iterable[str] = EVERY_SITUATION,
    least_length: int = 0,
    *,
    backend: str = "reference",
) -> Iterator[Call]:
    """Give a form's calls in all combinations of the situations that the backend can do."""
    steps, batch, _ = tensors["x"].shape
    unsupported = {one.name: one.unsupported for one in dispatch.BACKENDS}[backend]
    ends = torch.tensor([max(least_length, steps // 2), steps, least_length])
    lengths = ends[torch.arange(batch) % 3]
    resets = torch.rand(steps, batch, generator=torch.Generator().manual_seed(3)) < 0.4
    choices: dict[str, tuple[Any, ...]] = {
        "reverse": (False, True),
        "lengths": (None, lengths),
        "resets": (None, resets),
        "seed": (None, SEED) if cases.draws(form) else (None,),
    }
    known = {name: values for name, values in choices.items() if name in situations}
    for chosen in itertools.product(*known.values()):
        situation = dict(zip(known, chosen, strict=True))
        call = cases.make_call(form, tensors, backend=backend, **situation)
        if unsupported(call) is None:
            yield call


def compare(
    run: Callable[[Tensors, Call], Outputs],
    tensors: Tensors,
    calls: Iterable[Call],
    *,
    with_grad: bool = False,
) -> Errors:
    """Give the greatest errors of the operators in the calls, by name; NaN counts as infinite."""
    errors: Errors = {}
    for call in calls:
        got = _by_name(run_call(call), tensors, with_grad)
        expected = _by_name(run(tensors, call), tensors, with_grad)
        assert got.keys() == expected.keys()
        for name in got:
            error = scaled_error(got[name], expected[name])
            errors[name] = max(errors.get(name, 0.0), math.inf if math.isnan(error) else error)
    return errors


def run_call(call: Call) -> Outputs:
    """Run the operator that a call is for."""
    cell, x, state, *rest = call
    return OPERATORS[cell](x, *state, *rest)


def _by_name(outputs: Outputs, tensors: Tensors, with_grad: bool) -> Tensors:
    if with_grad:
        return with_gradients(outputs, tensors)
    return {name: out.detach() for name, out in zip(("y", "h_n", "c_n"), outputs, strict=False)}


def limit(form: Form, dtype: torch.dtype, steps: int) -> float:
    """Give the error that rounding may leave, for forms that have no name, too."""
    has_norm = form.options.get("layer_norm", False)
    return tolerance(dtype, steps, "lstm-layer-norm" if has_norm else form.cell)


def ask_torch(form: str, tensors: Tensors, call: Call) -> Outputs:
    """Ask torch.nn."""
    return run_torch(form, tensors, reverse=call.options.reverse)


def ask_onnx(form: str, tensors: Tensors, call: Call) -> Outputs:
    """Ask ONNX Runtime."""
    options = {"lengths": call.lengths, "reverse": call.options.reverse}
    y, *state = run_onnx(form, tensors["x"], [tensors], **options)
    return y, *(s.squeeze(0) for s in state)


def ask_keras(form: str, tensors: Tensors, call: Call) -> Outputs:
    """Ask Keras, which gets the call's own mask."""
    mask = make_masks(call).recurrent
    return run_keras(form, tensors, lengths=call.lengths, reverse=call.options.reverse, mask=mask)


def ask_papers(_form: str, tensors: Tensors, call: Call) -> Outputs:
    """Ask the papers, which get the call's own masks."""
    arrays = {name: value.detach().numpy() for name, value in tensors.items()}
    return tuple(torch.from_numpy(out) for out in _run_papers(arrays, call))


def find_paper_gradient_errors(form: str) -> Errors:
    """Give the greatest error of every gradient against the papers' loops, by complex steps."""
    tensors = cases.make_tensors(FORMS[form], 2, 2, 2, 3)
    errors: Errors = {}
    for call in make_calls(FORMS[form], tensors):
        if call.lengths is None or call.resets is None:
            continue
        results = with_gradients(run_call(call), tensors)
        for name, expected in _paper_gradients(tensors, call).items():
            error = scaled_error(results[f"d{name}"], expected)
            errors[name] = max(errors.get(name, 0.0), math.inf if math.isnan(error) else error)
    return errors


def _paper_gradients(tensors: Tensors, call: Call) -> Tensors:
    """Give the derivatives of the loss that ``with_gradients`` takes."""
    step = 1e-30
    arrays = {name: value.detach().numpy().astype(complex) for name, value in tensors.items()}
    outputs = tuple(torch.from_numpy(out.real.copy()) for out in _run_papers(arrays, call))
    weights = [weight.numpy() for weight in loss_weights(outputs)]
    gradients = {}
    for name, array in arrays.items():
        gradient = np.empty(array.shape)
        for at in np.ndindex(array.shape):
            array[at] += 1j * step
            pairs = zip(_run_papers(arrays, call), weights, strict=True)
            gradient[at] = sum((out.imag * weight).sum() for out, weight in pairs) / step
            array[at] -= 1j * step
        gradients[name] = torch.from_numpy(gradient)
    return gradients


def _run_papers(arrays: dict[str, np.ndarray], call: Call) -> tuple[np.ndarray, ...]:
    recurrent, keep = make_masks(call)
    masks = {f"zoneout_{n}": k for n, k in zip("hc", keep, strict=False) if isinstance(k, Tensor)}
    if recurrent is not None:
        masks["recurrent"] = recurrent
    return run_paper(
        call.cell,
        arrays,
        options={k: v for k, v in vars(call.options).items() if k in PAPER_OPTIONS},
        masks={name: mask.numpy() for name, mask in masks.items()},
        lengths=call.lengths,
        resets=call.resets,
        reverse=call.options.reverse,
    )


FLOAT32, FLOAT64 = (torch.float32,), (torch.float64,)
TRUTHS = {
    "torch.nn": Truth(TORCH_FORMS, FLOAT32 + FLOAT64, ("reverse",), ask_torch, has_gradients=True),
    "ONNX Runtime": Truth(
        tuple(ONNX_FORMS), FLOAT32, ("reverse", "lengths"), ask_onnx, least_length=1
    ),
    "Keras": Truth(
        tuple(KERAS_FORMS), FLOAT64, ("reverse", "lengths", "seed"), ask_keras, has_gradients=True
    ),
    "papers": Truth(tuple(cases.FORMS), FLOAT32 + FLOAT64, EVERY_SITUATION, ask_papers),
}
