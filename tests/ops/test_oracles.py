"""The operators against torch.nn and ONNX Runtime, with a table of the worst errors."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oracles import ONNX_FORMS, run_onnx, run_torch
from sequence_cases import (
    RUNS,
    assert_same,
    make_tensors,
    run_operator,
    scaled_error,
    tolerance,
    with_gradients,
)
from torch import Tensor

from gatewise import cells
from gatewise.ops import reference
from gatewise.ops.walk import plan_walk

SHAPES = [(1, 1, 1, 3), (2, 3, 5, 7), (13, 1, 3, 17), (13, 3, 4, 33)]  # (T, B, I, H)
DTYPES = [torch.float32, torch.float64]
TORCH_FORMS = ("lstm", "lstm-projection", "gru", "rnn", "rnn-relu")
ONNX_RUNS = [run for run in RUNS if run[0] in ONNX_FORMS]


def torch_errors(
    form: str, backend: str, dtype: torch.dtype, shape: tuple[int, ...], **sizes: Any
) -> dict[str, float]:
    """Give the error of every output and gradient against torch.nn, both directions."""
    errors: dict[str, float] = {}
    for reverse in (False, True):
        tensors = make_tensors(form, *shape, dtype=dtype, **sizes)
        got = run_operator(form, tensors, reverse=reverse, backend=backend)
        expected = run_torch(form, tensors, reverse=reverse)
        mine, theirs = with_gradients(got, tensors), with_gradients(expected, tensors)
        assert mine.keys() == theirs.keys()
        for name in mine:
            error = scaled_error(mine[name], theirs[name])
            errors[name] = max(error, errors.get(name, 0.0))
    return errors


def onnx_errors(form: str, backend: str, shape: tuple[int, ...]) -> dict[str, float]:
    """Give the error of every output against ONNX Runtime, with lengths, both directions."""
    errors: dict[str, float] = {}
    lengths = torch.tensor([shape[0], 1, max(1, shape[0] // 2)])[: shape[1]]
    for reverse, some_lengths in itertools.product((False, True), (None, lengths)):
        tensors = make_tensors(form, *shape, dtype=torch.float32)
        got = run_operator(form, tensors, lengths=some_lengths, reverse=reverse, backend=backend)
        y, *state = run_onnx(form, tensors["x"], [tensors], lengths=some_lengths, reverse=reverse)
        expected = (y, *(s.squeeze(0) for s in state))
        for name, mine, theirs in zip(("y", "h_n", "c_n"), got, expected, strict=False):
            errors[name] = max(scaled_error(mine.detach(), theirs), errors.get(name, 0.0))
    return errors


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("form", "backend"), [run for run in RUNS if run[0] in TORCH_FORMS])
def test_operator_matches_torch(
    form: str, backend: str, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    errors = torch_errors(form, backend, dtype, shape)
    limit = tolerance(dtype, shape[0])
    assert max(errors.values()) <= limit, errors


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("form", ["lstm", "lstm-projection"])
@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_lstm_projection_and_bias_match_torch(backend: str, form: str, bias: bool) -> None:
    errors = torch_errors(form, backend, torch.float64, (5, 3, 4, 7), bias=bias)
    assert ("dw_hr" in errors) == (form == "lstm-projection")
    assert ("db_ih" in errors) == bias
    assert max(errors.values()) <= tolerance(torch.float64, 5), errors


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("form", "backend"), ONNX_RUNS)
def test_operator_matches_onnx_runtime(form: str, backend: str, shape: tuple[int, ...]) -> None:
    errors = onnx_errors(form, backend, shape)
    assert max(errors.values()) <= tolerance(torch.float32, shape[0]), errors


@pytest.mark.parametrize("form", ONNX_FORMS)
def test_two_directions_match_onnx_runtime(form: str) -> None:
    there = make_tensors(form, 13, 3, 4, 7, dtype=torch.float32, seed=1)
    back = make_tensors(form, 13, 3, 4, 7, dtype=torch.float32, seed=2) | {"x": there["x"]}
    lengths = torch.tensor([5, 13, 1])
    y_there, *state_there = run_operator(form, there, lengths=lengths)
    y_back, *state_back = run_operator(form, back, lengths=lengths, reverse=True)
    y, *state = run_onnx(form, there["x"], [there, back], lengths=lengths)
    got = {"y": torch.cat([y_there, y_back], -1)}
    got |= {
        f"state {k}": torch.stack(pair)
        for k, pair in enumerate(zip(state_there, state_back, strict=True))
    }
    expected = {"y": y} | {f"state {k}": s for k, s in enumerate(state)}
    assert_same(got, expected, tolerance(torch.float32, 13))


def test_worst_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(_worst_errors())
    with capsys.disabled():
        print("\n\noracle        | cell             | what      | dtype   | worst error")
        for oracle, form, what, dtype, error in rows:
            print(f"{oracle:<13} | {form:<16} | {what:<9} | {dtype:<7} | {error:.1e}")
    for *_, dtype, error in rows:
        assert error <= tolerance(getattr(torch, dtype), 13)


def _worst_errors() -> Iterator[tuple[str, str, str, str, float]]:
    """Give oracle, form, outputs or gradients, dtype, and the reference's worst error."""
    for form, dtype in itertools.product(TORCH_FORMS, DTYPES):
        every = [torch_errors(form, "reference", dtype, shape) for shape in SHAPES]
        for what, is_wanted in (("outputs", False), ("gradients", True)):
            worst = max(
                error
                for errors in every
                for name, error in errors.items()
                if name.startswith("d") == is_wanted
            )
            yield "torch.nn", form, what, str(dtype).removeprefix("torch."), worst
    for form in ONNX_FORMS:
        worst = max(max(onnx_errors(form, "reference", shape).values()) for shape in SHAPES)
        yield "ONNX Runtime", form, "outputs", "float32", worst


def _swap_gates(xw: Tensor, *rest: Any, **options: Any) -> Any:
    i, f, g, o = xw.chunk(4, -1)
    return cells.lstm_step(torch.cat([f, i, g, o], -1), *rest, **options)


def _swap_gru_gates(xw: Tensor, *rest: Any, **options: Any) -> Any:
    r, z, n = xw.chunk(3, -1)
    return cells.gru_step(torch.cat([z, r, n], -1), *rest, **options)


def _drop_bias(step: Any) -> Any:
    return lambda *state, **options: step(*state, **(options | {"b_hh": None}))


def _other_reset_form(*state: Tensor, reset_after: bool, **options: Any) -> Any:
    return cells.gru_step(*state, reset_after=not reset_after, **options)


def _other_output(*state: Tensor, output_activation: str, **options: Any) -> Any:
    other = "identity" if output_activation == "tanh" else "tanh"
    return cells.lstm_step(*state, output_activation=other, **options)


MISTAKES = {
    "lstm swaps input and forget gate": ("lstm", "lstm_step", _swap_gates),
    "lstm drops a bias": ("lstm", "lstm_step", _drop_bias(cells.lstm_step)),
    "lstm takes the other output": ("lstm", "lstm_step", _other_output),
    "lstm-identity takes the other output": ("lstm-identity", "lstm_step", _other_output),
    "gru swaps reset and update gate": ("gru", "gru_step", _swap_gru_gates),
    "gru drops a bias": ("gru", "gru_step", _drop_bias(cells.gru_step)),
    "gru takes the other reset form": ("gru", "gru_step", _other_reset_form),
    "gru-reset-before takes the other form": ("gru-reset-before", "gru_step", _other_reset_form),
    "rnn drops a bias": ("rnn", "rnn_step", _drop_bias(cells.rnn_step)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_oracles_see_a_mistake_in_the_cell(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form, name, wrong_step = MISTAKES[mistake]
    monkeypatch.setattr(reference, name, wrong_step)
    shape, limit = SHAPES[1], tolerance(torch.float32, 13)
    assert max(onnx_errors(form, "reference", shape).values()) > 100 * limit
    if form in TORCH_FORMS:
        errors = torch_errors(form, "reference", torch.float32, shape)
        assert max(errors.values()) > 100 * limit


@pytest.mark.parametrize("form", ONNX_FORMS)
def test_oracles_see_a_skipped_last_step(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan_short(steps: int, *arguments: Any, **options: Any) -> Any:
        walk = plan_walk(steps, *arguments, **options)
        not_last = (torch.arange(steps) != walk.order[-1]).view(-1, 1, 1)
        return walk._replace(valid=not_last if walk.valid is None else walk.valid & not_last)

    monkeypatch.setattr(reference, "plan_walk", plan_short)
    limit = tolerance(torch.float32, 13)
    assert max(onnx_errors(form, "reference", SHAPES[1]).values()) > 100 * limit
    if form in TORCH_FORMS:
        errors = torch_errors(form, "reference", torch.float32, SHAPES[1])
        assert max(errors.values()) > 100 * limit
