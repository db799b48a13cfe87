"""The native core: every instruction set, its vector functions, threads and forks, derivatives."""

import itertools
import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from sequence_cases import (
    CORE_FORMS,
    FORMS,
    assert_same,
    make_tensors,
    run_operator,
    tolerance,
    with_gradients,
)
from torch import Tensor

from gatewise import ops
from gatewise.ops import cpu_backend
from gatewise.ops.cases import draws
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

ODD_SHAPES = [(1, 1, 1, 1), (3, 2, 2, 7), (5, 9, 3, 17), (4, 13, 7, 33), (2, 3, 5, 65)]


def test_core_was_built_where_that_is_required() -> None:
    """Continuous integration demands it, so that it cannot go missing unseen."""
    assert os.environ.get("GATEWISE_NATIVE") != "required" or native is not None


@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", CORE_FORMS)
def test_core_matches_reference_at_odd_sizes(form: str) -> None:
    generator = torch.Generator().manual_seed(2)
    for shape, dtype in itertools.product(ODD_SHAPES, (torch.float32, torch.float64)):
        steps, batch = shape[:2]
        tensors = make_tensors(form, *shape, dtype=dtype)
        lengths = torch.randint(0, steps + 1, (batch,), generator=generator)
        resets = torch.rand(steps, batch, generator=generator) < 0.3
        for reverse, seed in itertools.product((False, True), (None, 5)):
            if seed is not None and not draws(FORMS[form]):
                continue
            given: dict[str, Any] = {"reverse": reverse, "seed": seed}
            for masks in ({}, {"lengths": lengths, "resets": resets}):
                results = [
                    with_gradients(
                        run_operator(form, tensors, backend=backend, **given, **masks), tensors
                    )
                    for backend in ("cpu", "reference")
                ]
                assert_same(*results, tolerance(dtype, steps + 3, form))


@pytest.mark.slow
@pytest.mark.usefixtures("target")
@pytest.mark.parametrize("form", CORE_FORMS)
@pytest.mark.parametrize("hidden", [1, 7, 17, 33, 650])
def test_core_matches_reference_at_every_size(form: str, hidden: int) -> None:
    for steps, batch in itertools.product((0, 1, 63), (1, 3, 33)):
        tensors = make_tensors(form, steps, batch, 5, hidden, dtype=torch.float32)
        exact = {name: t.detach().double().requires_grad_() for name, t in tensors.items()}
        lengths = torch.arange(batch) * steps // batch
        ours = with_gradients(run_operator(form, tensors, backend="cpu", lengths=lengths), tensors)
        truth = run_operator(form, exact, backend="reference", lengths=lengths)
        assert_same(ours, with_gradients(truth, exact), tolerance(torch.float32, steps + 3, form))


def test_forced_instruction_set_is_the_one_that_runs(target: str) -> None:
    """What the core is asked for by name is the name it was forced to."""
    ran: list[str] = []

    class Watching:
        def __getattr__(self, name: str) -> Any:
            return getattr(native, name)

        def forward(self, call: Any, name: str, threads: int) -> None:
            ran.append(name)
            native.forward(call, name, threads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatewise.ops.native_call.native", Watching())
        run_operator("gru", make_tensors("gru", 3, 2), backend="cpu")
    assert ran == [target]


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


def test_threads_and_batch_do_not_change_a_bit() -> None:
    before = torch.get_num_threads()
    try:
        for form in CORE_FORMS:
            tensors = make_tensors(form, 5, 13, 3, 17, dtype=torch.float32)
            results = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                results.append(run_operator(form, tensors, backend="cpu")[0])
            assert torch.equal(results[0], results[1])
            assert torch.equal(results[0], results[2])
            row = tensors | {"x": tensors["x"][:, 4:5]}
            row |= {name: tensors[name][4:5] for name in ("h_0", "c_0") if name in tensors}
            assert torch.equal(run_operator(form, row, backend="cpu")[0], results[0][:, 4:5])
    finally:
        torch.set_num_threads(before)


def test_same_call_gives_the_same_bits() -> None:
    tensors = make_tensors("lstm-peephole", 7, 13, 3, 17, dtype=torch.float32)
    first, second = (
        with_gradients(run_operator("lstm-peephole", tensors, backend="cpu"), tensors)
        for _ in range(2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("form", CORE_FORMS)
def test_second_derivatives_go_through_the_reference(form: str) -> None:
    tensors = make_tensors(form, 2, 2, 1, 2)

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        return run_operator(form, dict(zip(tensors, values, strict=True)), backend="cpu", seed=1)

    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


def test_graph_can_be_walked_twice() -> None:
    tensors = make_tensors("gru", 4, 3)
    y = run_operator("gru", tensors, backend="cpu")[0]
    first, second = (
        torch.autograd.grad(y.sum(), tensors["w_hh"], retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_infinite_input_gives_what_the_reference_gives() -> None:
    for form in ("lstm", "gru", "rnn"):
        tensors = make_tensors(form, 3, 2, 2, 5)
        x = tensors["x"].detach().clone()
        x[1, 0, 0] = float("inf")
        spoilt = tensors | {"x": x.requires_grad_()}
        results = [
            with_gradients(run_operator(form, spoilt, backend=backend), spoilt)
            for backend in ("cpu", "reference")
        ]
        for name in ("y", "h_n"):
            torch.testing.assert_close(results[0][name], results[1][name], equal_nan=True)
        assert torch.equal(results[0]["dx"].isnan(), results[1]["dx"].isnan())


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
