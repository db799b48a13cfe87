"""The core at odd values, on every instruction set: NaN, infinity, saturated gates, denormals."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sequence_cases import (
    FORMS,
    assert_same,
    both_ways,
    cast,
    every_core_form,
    make_tensors,
    on_every_target,
    run_operator,
    tolerance,
    with_gradients,
)
from torch import Tensor

from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

DENORMAL = 1e-40  # below float32's smallest normal number
SIZES = (5, 65)
NOT_WHOLE = {"layer_norm", "zoneout"}  # options whose results are no whole numbers
CUT: dict[str, Any] = {
    "reverse": True,
    "resets": torch.tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]).bool(),
}
CUT_AND_PADDED: dict[str, Any] = CUT | {"lengths": torch.tensor([3, 4, 2])}


@every_core_form
@on_every_target
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_special_values_spread_as_in_reference(
    form: str, value: float, set_threads: Callable[[int], None]
) -> None:
    """NaN stands where the reference has it, in outputs and gradients; the rest is equal."""
    set_threads(2)
    for hidden, dtype, options in (
        (5, torch.float32, {}),
        (5, torch.float64, CUT_AND_PADDED),
        (65, torch.float32, CUT_AND_PADDED),
    ):
        clean = make_tensors(form, 4, 3, 2, hidden, dtype=dtype)
        for name, tensor in clean.items():
            spoilt = tensor.detach().clone()
            spoilt.view(-1)[tensor.numel() // 2] = value
            # The reference steps through padding, where infinite weights make NaN of its zeros.
            given = options if name in ("x", "h_0", "c_0") or not options else CUT
            got, expected = both_ways(form, clean | {name: spoilt.requires_grad_()}, **given)
            for key, truth in expected.items():
                # Of an infinite number and a cut come inf or NaN, by the order of products.
                pair = [v.nan_to_num(*[torch.nan] * 3) if given else v for v in (got[key], truth)]
                close = {"rtol": 1e-3, "atol": 1e-5, "equal_nan": True}
                torch.testing.assert_close(
                    *pair, **close, msg=lambda m, at=(name, key): f"{at}: {m}"
                )


@every_core_form
@on_every_target
def test_saturated_gates_match_reference(form: str, set_threads: Callable[[int], None]) -> None:
    set_threads(2)
    for hidden, reverse in itertools.product(SIZES, (False, True)):
        drawn = make_tensors(form, 4, 3, 5, hidden)
        great = {n: t.detach() * (1e4 if n.startswith("w_") else 1) for n, t in drawn.items()}
        got, expected = both_ways(form, cast(great, torch.float64), reverse=reverse)
        assert_near_in_scale(got, expected, 1e-8)


@every_core_form
@on_every_target
def test_saturated_gates_match_reference_in_float32(
    form: str, set_threads: Callable[[int], None]
) -> None:
    """Whole numbers, of which float32 makes no roundings that could turn a gate over."""
    set_threads(2)
    generator = torch.Generator().manual_seed(3)
    for hidden, reverse in itertools.product(SIZES, (False, True)):
        whole = {
            name: torch.randint(-1, 2, t.shape, generator=generator) * 2.0**14
            if name.startswith("w_")
            else torch.randint(-2, 3, t.shape, generator=generator).double()
            for name, t in make_tensors(form, 4, 3, 5, hidden).items()
        }
        whole["b_ih"].copy_(2.0**13)  # so that no gate is in the middle
        single, exact = cast(whole, torch.float32), cast(whole, torch.float64)
        got = with_gradients(run_operator(form, single, backend="cpu", reverse=reverse), single)
        outputs = run_operator(form, exact, backend="reference", reverse=reverse)
        if form == "rnn-relu" or NOT_WHOLE & FORMS[form].options.keys():
            assert all(value.isfinite().all() for value in got.values())
        else:
            assert_near_in_scale(got, with_gradients(outputs, exact), 1e-5)


def assert_near_in_scale(got: dict[str, Tensor], expected: dict[str, Tensor], most: float) -> None:
    """Compare what may be great, relative to the greatest, and all of it finite."""
    for name, value in expected.items():
        error = (got[name].double() - value).abs().max() / value.abs().max().clamp(min=1)
        assert error <= most, f"{name}: {error:.1e}"  # NaN is not


@every_core_form
@on_every_target
def test_denormal_states_and_inputs_give_what_their_values_give(
    form: str, set_threads: Callable[[int], None]
) -> None:
    """They count as zero, which float32 cannot tell from the truth in a sum with anything else."""
    set_threads(2)
    for hidden, reverse in ((17, False), (65, True)):
        tensors = make_tensors(form, 4, 3, 5, hidden, dtype=torch.float32, bias=False)
        small = {
            name: (t.detach() * DENORMAL).requires_grad_() if name in ("x", "h_0", "c_0") else t
            for name, t in tensors.items()
        }
        exact = cast(small, torch.float64)
        got = with_gradients(run_operator(form, small, backend="cpu", reverse=reverse), small)
        outputs = run_operator(form, exact, backend="reference", reverse=reverse)
        expected = with_gradients(outputs, exact)
        # Layer norm makes small deviations greater, in every step again.
        for name in {"y", "h_n", "c_n"} & got.keys() if "w_ln_ih" not in tensors else ():
            error = (got[name].double() - expected[name]).abs().max().item()
            assert error <= 1e-37, f"{name}: {error:.1e}"
        if form != "rnn-relu":  # whose slope at what was flushed is that at 0
            assert_same(got, expected, tolerance(torch.float32, 4, form))


@on_every_target
def test_denormal_results_become_zero(set_threads: Callable[[int], None]) -> None:
    """On every thread: on many processors such a number costs a hundred times the work."""
    for threads, hidden in ((1, 16), (2, 16), (2, 65)):  # rows shared out, then units
        set_threads(threads)
        tensors = make_tensors("rnn-relu", 3, 4, 2, hidden, dtype=torch.float32, bias=False)
        fills = {"x": 1e-30, "h_0": 0.0, "w_ih": 1e-10, "w_hh": 0.0}
        y = run_operator(
            "rnn-relu",
            {name: torch.full_like(t, fills[name]) for name, t in tensors.items()},
            backend="cpu",
        )[0]
        assert torch.equal(y, torch.zeros_like(y))


def keeps_denormals(size: int = 1) -> bool:
    """Whether torch's product of two small numbers is a denormal one, on all its threads."""
    product = torch.full((size,), 1e-30) * torch.tensor(1e-10)
    return bool(product.view(torch.int32).all())


@on_every_target
def test_treatment_of_denormals_is_restored(set_threads: Callable[[int], None]) -> None:
    set_threads(2)
    for hidden in (16, 65):  # rows shared out, then units
        tensors = make_tensors("lstm", 5, 6, 3, hidden, dtype=torch.float32)
        with_gradients(run_operator("lstm", tensors, backend="cpu"), tensors)
        assert keeps_denormals()
        assert keeps_denormals(500_000)
    torch.set_flush_denormal(True)
    try:
        run_operator("lstm", tensors, backend="cpu")
        assert not keeps_denormals()
    finally:
        torch.set_flush_denormal(False)
    assert keeps_denormals()
