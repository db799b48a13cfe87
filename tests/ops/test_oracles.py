"""The operators against torch.nn, ONNX Runtime, Keras and the papers; the worst errors."""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from form_choices import CHOICES, forms_with_two_options
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ONNX_FORMS, run_onnx
from sequence_cases import RUNS, assert_same, make_tensors, run_operator, tolerance
from truths import (
    FORMS,
    TRUTHS,
    ask_papers,
    compare,
    find_errors,
    find_paper_gradient_errors,
    limit,
    make_calls,
)

from gatewise.ops import cases
from gatewise.ops.cases import DTYPES, SHAPES, Form

# (truth, form, backend, dtype)
COMPARISONS = [
    (truth, form, backend, dtype)
    for truth, one in TRUTHS.items()
    for form, dtype in itertools.product(one.forms, one.dtypes)
    for backend in [ran for name, ran in RUNS if name == form] or ["reference"]
]

cached_errors = cache(find_errors)
cached_paper_gradient_errors = cache(find_paper_gradient_errors)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("truth", "form", "backend", "dtype"), COMPARISONS, ids=str)
def test_operator_matches_truth(
    truth: str, form: str, backend: str, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    errors = cached_errors(truth, form, backend=backend, dtype=dtype, shape=shape)
    assert max(errors.values()) <= limit(FORMS[form], dtype, shape[0]), errors
    if TRUTHS[truth].has_gradients:
        assert {"dx", "dh_0", "dw_ih", "dw_hh", "db_ih", "db_hh"} <= errors.keys()
        assert ("dw_hr" in errors) == (form == "lstm-projection")


@pytest.mark.parametrize(("truth", "form", "backend", "dtype"), COMPARISONS, ids=str)
def test_operator_without_bias_matches_truth(
    truth: str, form: str, backend: str, dtype: torch.dtype
) -> None:
    errors = find_errors(truth, form, backend=backend, dtype=dtype, bias=False)
    assert "db_ih" not in errors
    assert max(errors.values()) <= limit(FORMS[form], dtype, 5), errors


@pytest.mark.parametrize("form", FORMS)
def test_gradients_match_the_papers(form: str) -> None:
    """With lengths and resets, both directions, with masks and without."""
    errors = cached_paper_gradient_errors(form)
    assert errors.keys() == cases.make_tensors(FORMS[form], 2, 2, 2, 3).keys()
    assert max(errors.values()) <= limit(FORMS[form], torch.float64, 2), errors


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


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("cell", "combinations"), [("lstm", 256), ("gru", 32), ("rnn", 16)], ids=CHOICES
)
def test_every_combination_of_options_matches_the_papers(
    cell: Any, combinations: int, bias: bool
) -> None:
    """Both directions, with lengths and resets, with masks and without."""
    names, values = CHOICES[cell], itertools.product(*CHOICES[cell].values())
    forms = [Form(cell, dict(zip(names, chosen, strict=True))) for chosen in values]
    assert len(forms) == combinations
    for form in forms:
        tensors = cases.make_tensors(form, 3, 2, 2, 3, bias=bias)
        calls = [call for call in make_calls(form, tensors) if _is_cut_and_padded(call)]
        assert len(calls) == (4 if cases.draws(form) else 2)
        _assert_matches_papers(form, tensors, calls)


def _is_cut_and_padded(call: Any) -> bool:
    return call.lengths is not None and call.resets is not None


def _assert_matches_papers(form: Form, tensors: Any, calls: Any) -> None:
    errors = compare(lambda *asked: ask_papers("", *asked), tensors, calls)
    most = limit(form, tensors["x"].dtype, len(tensors["x"]))
    assert max(errors.values()) <= most, (form, errors)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    form=forms_with_two_options(),
    shape=st.tuples(*(st.integers(1, most) for most in (6, 4, 4)), st.integers(3, 9)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32),
)
def test_two_options_at_any_shape_match_the_papers(
    form: Form, shape: tuple[int, ...], dtype: torch.dtype, seed: int
) -> None:
    tensors = cases.make_tensors(form, *shape, dtype=dtype, seed=seed)
    _assert_matches_papers(form, tensors, make_calls(form, tensors))


def test_worst_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(_worst_errors())
    with capsys.disabled():
        print(f"\n\n{'form':<40} | truth        | what      | dtype   | worst error")
        for form, truth, what, dtype, error in rows:
            print(f"{form:<40} | {truth:<12} | {what:<9} | {dtype:<7} | {error:.1e}")
    assert {row[0] for row in rows} == set(FORMS)
    for form, _, _, dtype, error in rows:
        assert error <= limit(FORMS[form], getattr(torch, dtype), SHAPES[-1][0])


def _worst_errors() -> Iterator[tuple[str, str, str, str, float]]:
    """Give form, truth, outputs or gradients, dtype, and the reference's worst error."""
    for form, (truth, one) in itertools.product(FORMS, TRUTHS.items()):
        for dtype in one.dtypes if form in one.forms else ():
            every = [
                cached_errors(truth, form, backend="reference", dtype=dtype, shape=shape)
                for shape in SHAPES
            ]
            for what in ("outputs", "gradients") if one.has_gradients else ("outputs",):
                wanted = [
                    error
                    for errors in every
                    for name, error in errors.items()
                    if name.startswith("d") == (what == "gradients")
                ]
                yield form, truth, what, str(dtype).removeprefix("torch."), max(wanted)
        if truth == "papers":
            gradient_errors = cached_paper_gradient_errors(form).values()
            yield form, truth, "gradients", "float64", max(gradient_errors)
