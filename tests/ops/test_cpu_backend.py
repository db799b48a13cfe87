"""The native core: every instruction set, its vector functions, threads and forks, derivatives."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from sequence_cases import (
    CORE_FORMS,
    FORMS,
    assert_same,
    cast,
    make_tensors,
    run_operator,
    scaled_error,
    tolerance,
    with_gradients,
)
from torch import Tensor

import gatewise
from gatewise import ops
from gatewise.ops import cases, cpu_backend
from gatewise.ops.cases import DTYPES, draws
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

LAYERS = {"lstm": gatewise.LSTM, "gru": gatewise.GRU, "rnn": gatewise.RNN}
ODD_SHAPES = [(1, 1, 1, 1), (3, 2, 2, 7), (5, 9, 3, 17), (4, 13, 7, 33), (2, 3, 5, 65)]


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", CORE_FORMS)
def test_core_matches_reference_at_odd_sizes(form: str) -> None:
    generator = torch.Generator().manual_seed(2)
    for shape in ODD_SHAPES:
        steps, batch = shape[:2]
        lengths = torch.randint(0, steps + 1, (batch,), generator=generator)
        resets = torch.rand(steps, batch, generator=generator) < 0.3
        for reverse, seed in itertools.product((False, True), (None, 5)):
            if seed is not None and not draws(FORMS[form]):
                continue
            given: dict[str, Any] = {"reverse": reverse, "seed": seed}
            for masks in ({}, {"lengths": lengths, "resets": resets}):
                compare_with_reference(form, shape, DTYPES, **given, **masks)


def compare_with_reference(
    form: str, shape: tuple[int, ...], dtypes: Iterable[torch.dtype], **options: Any
) -> None:
    """Compare the core with the reference in float64, given the same numbers."""
    single = draw_single(form, *shape)
    exact = cast(single, torch.float64)
    truth = with_gradients(run_operator(form, exact, backend="reference", **options), exact)
    for dtype in dtypes:
        tensors = cast(single, dtype)
        got = with_gradients(run_operator(form, tensors, backend="cpu", **options), tensors)
        assert_same(got, truth, tolerance(dtype, shape[0] + 3, form))
    lengths = options.get("lengths")
    has_steps = shape[0] > 0 and (lengths is None or bool(lengths.any()))
    assert truth["y"].any() == has_steps or form == "rnn-relu"


def draw_single(form: str, steps: int, batch: int, features: int, hidden: int) -> dict[str, Tensor]:
    """Draw float32 tensors; a projection halves the width of h.

    Layer norm of what two numbers make, as in the list of forms, divides by small deviations, and
    makes float32's roundings too great to be compared, the reference's as well.
    """
    cell, options = FORMS[form]
    if "proj_size" in options:
        options = options | {"proj_size": max(1, hidden // 2)}
    sizes = (steps, batch, features, hidden)
    return cases.make_tensors(cases.Form(cell, options), *sizes, dtype=torch.float32)


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", CORE_FORMS)
def test_float32_is_as_near_as_promised_at_initial_weights(form: str) -> None:
    """Outputs are within 1e-5 of float64's, relative to the greatest; gradients within 1e-4."""
    cell, options = FORMS[form]
    for steps, batch, features, hidden in ((5, 3, 4, 17), (33, 5, 8, 65)):
        torch.manual_seed(1)
        single = LAYERS[cell](features, hidden, backend="cpu", **options)
        double = LAYERS[cell](features, hidden, backend="reference", **options).double()
        double.load_state_dict(single.state_dict())
        x, resets = torch.randn(steps, batch, features), torch.rand(steps, batch) < 0.2
        results = []
        for layer in (single, double):
            given = dict(layer.named_parameters()) | {
                "x": x.to(layer.weight_ih_l0).requires_grad_()
            }
            torch.manual_seed(2)  # the same masks
            y, state = layer(given["x"], resets=resets)
            outputs = (y, *state) if cell == "lstm" else (y, state)
            results.append(with_gradients(outputs, given))
        for name, expected in results[1].items():
            error = (results[0][name].double() - expected).abs().max() / expected.abs().max()
            assert error <= (1e-4 if name.startswith("d") else 1e-5), f"{name}: {error:.1e}"


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", ["lstm", "lstm-everything", "gru", "gru-reset-before", "rnn"])
@pytest.mark.parametrize("shape", [(63, 33, 5, 33), (63, 1, 3, 17), (3, 3, 5, 650)], ids=str)
def test_core_matches_reference_at_large_sizes(form: str, shape: tuple[int, ...]) -> None:
    steps, *sizes = shape
    if FORMS[form].options.get("layer_norm", False):
        steps = min(steps, 13)  # it amplifies roundings, step by step, a thousandfold in 63
    for options in ({}, make_guides(form, steps, sizes[0])):
        compare_with_reference(form, (steps, *sizes), DTYPES, **options)


@pytest.mark.slow
@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", CORE_FORMS)
@pytest.mark.parametrize("hidden", [1, 7, 17, 33, 650])
def test_core_matches_reference_at_every_size(form: str, hidden: int) -> None:
    # Of the three numbers that one unit normalises, float32 cannot follow the way for long.
    is_wild = hidden == 1 and FORMS[form].options.get("layer_norm", False)
    for steps, batch in itertools.product((0, 1, 13 if is_wild else 63), (1, 3, 33)):
        for options in ({}, make_guides(form, steps, batch)):
            shape = (steps, batch, 5, hidden)
            try:
                compare_with_reference(form, shape, [torch.float32], **options)
            except AssertionError:  # float32 itself may be no better over a long way
                compare_with_references_own_error(form, shape, **options)


def compare_with_references_own_error(form: str, shape: tuple[int, ...], **options: Any) -> None:
    """Demand that the core is not more than twice as far from the truth as the reference is."""
    single = draw_single(form, *shape)
    exact = cast(single, torch.float64)
    ours, theirs, truth = (
        with_gradients(run_operator(form, given, backend=backend, **options), given)
        for backend, given in (("cpu", single), ("reference", single), ("reference", exact))
    )
    own = max(scaled_error(theirs[name], truth[name]) for name in truth)
    assert_same(ours, truth, 2 * own)


def make_guides(form: str, steps: int, batch: int) -> dict[str, Any]:
    """Give the other direction, lengths from 0 to T, cuts, and masks where the form draws some."""
    generator = torch.Generator().manual_seed(2)
    return {
        "reverse": True,
        "lengths": (torch.arange(batch) * 7 + steps) % (steps + 1),
        "resets": torch.rand(steps, batch, generator=generator) < 0.2,
        "seed": 5 if draws(FORMS[form]) else None,
    }


def test_forced_instruction_set_is_the_one_that_runs(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways and in frozen layers, the core is asked for by the name it was forced to.

    That the name is what was compiled, the files of ``native/targets`` demand of the compiler.
    """
    asked: list[tuple[str, str]] = []

    class Watching:
        def __getattr__(self, name: str) -> Any:
            found = getattr(native, name)
            if name not in ("forward", "backward", "FrozenFloat32", "FrozenFloat64"):
                return found

            def note(*given: Any) -> Any:
                asked.append((name, next(value for value in given if isinstance(value, str))))
                return found(*given)

            return note

    monkeypatch.setattr("gatewise.ops.native_call.native", Watching())
    tensors = make_tensors("gru", 3, 2)
    with_gradients(run_operator("gru", tensors, backend="cpu"), tensors)
    gatewise.GRU(3, 4).eval().freeze(1)
    assert asked == [("forward", target), ("backward", target), ("FrozenFloat32", target)]


def test_impossible_instruction_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cpu_backend.WANTED_TARGET, "avx1024")
    with pytest.raises(ValueError, match=r"GATEWISE_CPU='avx1024'.*choose one of .*baseline"):
        run_operator("gru", make_tensors("gru", 3, 2), backend="cpu")
    with pytest.raises(ValueError, match="no such instruction set here: avx1024"):
        native.peak_gflops("avx1024", 1)


def whole_range(dtype: torch.dtype) -> Tensor:
    """Give numbers over all of a type's exponents, both signs, dense about 0, and the odd ones."""
    least, most = (-37, 38) if dtype == torch.float32 else (-307, 308)
    sizes = torch.logspace(least, most, 20_000, dtype=torch.float64)
    middle = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    edges = torch.tensor([0.0, 0.625, 87.0, 88.0, 88.7, 89.0, 104.0, 708.0, 710.0, torch.inf])
    values = torch.cat([sizes, -sizes, middle, edges, -edges]).to(dtype)
    return torch.cat([values, torch.tensor([torch.nan], dtype=dtype)])


def one_unit(cell: str, x: Tensor, **weights: Any) -> Tensor:
    """Run one step of a cell of one unit on each of x's values; weights are 0 where not given."""
    gates = {"lstm": 4, "rnn": 1}[cell]
    zeros = {"w_ih": (gates, 1), "w_hh": (gates, 1), "b_ih": (gates,), "b_hh": (gates,)}
    state = [x.new_zeros(len(x), 1)] * (2 if cell == "lstm" else 1)
    made = [
        torch.tensor(weights[name], dtype=x.dtype).view(shape)
        if name in weights
        else x.new_zeros(shape)
        for name, shape in zeros.items()
    ]
    options = {"lstm": {"output_activation": "identity"}, "rnn": {}}[cell]
    call = (x.view(1, -1, 1), *state, *made, ops.Extras(), None, None, None)
    run = {"lstm": ops.lstm, "rnn": ops.rnn}[cell]
    return run(*call, ops.OPTIONS[cell](backend="cpu", **options))[0].flatten()


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_within_2_ulp_of_the_true_one(dtype: torch.dtype) -> None:
    x = whole_range(dtype)
    check_ulps(one_unit("rnn", x, w_ih=[1.0]), torch.tanh(x.double()), dtype)


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_is_within_2_ulp_of_the_true_one(dtype: torch.dtype) -> None:
    """An LSTM whose candidate and output gate are 1 shows its input gate."""
    x = whole_range(dtype)
    shown = one_unit("lstm", x, w_ih=[1.0, 0, 0, 0], b_ih=[0.0, 0, 1e4, 1e4])
    # Infinity times the other gates' zero weights is NaN.
    is_finite = ~x.isinf()
    check_ulps(shown[is_finite], torch.sigmoid(x[is_finite].double()), dtype)


def check_ulps(got: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """Compare with the true value, in units of its last place, or of the least normal number's."""
    assert torch.equal(got.isnan(), expected.isnan())
    numbers = ~expected.isnan()
    got, expected = got[numbers].double(), expected[numbers]
    information = torch.finfo(dtype)
    ulp = expected.abs().clamp(min=information.tiny) * information.eps
    assert ((got - expected).abs() <= 2 * ulp + 2 * information.tiny).all()


@pytest.mark.parametrize("form", CORE_FORMS)
def test_second_derivatives_go_through_the_reference(form: str) -> None:
    tensors = make_tensors(form, 2, 2, 1, 2)

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        return run_operator(form, dict(zip(tensors, values, strict=True)), backend="cpu", seed=1)

    values = tuple(tensors.values())
    loss = sum(output.square().sum() for output in function(*values))
    settings = {"retain_graph": True, "materialize_grads": True}
    once = torch.autograd.grad(loss, values, **settings)
    twice = torch.autograd.grad(loss, values, create_graph=True, **settings)
    torch.testing.assert_close(twice, once)  # what follows sees these alone
    assert torch.autograd.gradgradcheck(function, values)


@pytest.mark.parametrize("guide", ["lengths", "resets"])
def test_guides_changed_before_backward_are_refused(guide: str) -> None:
    """A user may fill one buffer anew for each batch."""
    guides = {"lengths": torch.tensor([4, 0, 2]), "resets": torch.eye(4, 3).bool()}
    y = run_operator("gru", make_tensors("gru", 4, 3), backend="cpu", **guides)[0]
    guides[guide].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


FORKING = """
import os, torch, gatewise
torch.set_num_threads(2)
layer, x = gatewise.GRU(8, 16), torch.randn(20, 8, 8)
expected = layer(x)[0]
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(layer(x)[0], expected) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_child_runs_on() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=120
    )
    assert run.stdout.strip() == "0", run.stderr


def test_several_python_threads_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    tensors = {k: v.detach() for k, v in make_tensors("lstm", 20, 9, 8, 16).items()}
    expected = run_operator("lstm", tensors, backend="cpu")[0]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(run_operator, "lstm", tensors, backend="cpu") for _ in range(40)]
        assert all(torch.equal(run.result()[0], expected) for run in runs)


def test_transforms_go_past_the_core() -> None:
    tensors = {k: v.detach() for k, v in make_tensors("gru", 3, 2).items()}

    def total(x: Tensor) -> Tensor:
        return run_operator("gru", tensors | {"x": x})[0].sum()

    gradient = torch.func.grad(total)(tensors["x"])
    x = tensors["x"].clone().requires_grad_()
    (expected,) = torch.autograd.grad(total(x), x)
    torch.testing.assert_close(gradient, expected)
