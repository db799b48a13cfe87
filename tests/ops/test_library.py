"""The core's operators in torch.library: what torch demands of them, and when they run."""

from typing import Any

import pytest
import torch
from sequence_cases import FORMS, assert_same, make_tensors, run_operator, tolerance, with_gradients
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.library import opcheck
from torch.utils._python_dispatch import TorchDispatchMode

from gatewise.ops import cases, cpu_backend, library
from gatewise.ops.masks import make_masks
from gatewise.ops.native_call import Inputs, describe, native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

FORWARD = torch.ops.gatewise.recurrence.default
BACKWARD = torch.ops.gatewise.recurrence_backward.default
FIRST_INPUT = len(library.Manner._fields) + len(library.Guides._fields)
GUIDED: dict[str, Any] = {
    "lengths": torch.tensor([4, 0, 2]),
    "resets": torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]]).bool(),
    "seed": 3,
    "reverse": True,
}
every_form = pytest.mark.parametrize("form", FORMS)


def make_arguments(
    form: str, tensors: dict[str, Tensor], *, is_training: bool = True, **guides: Any
) -> tuple[Any, ...]:
    """Give the operator's arguments for a call of a form."""
    call = cases.make_call(FORMS[form], tensors, **guides)
    manner, given = describe(call, make_masks(call))
    return (*manner, *given, *Inputs.of(call), is_training)


def detached(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take the tensors out of autograd's sight."""
    return tuple(a.detach() if isinstance(a, Tensor) else a for a in arguments)


def run_in_library(form: str, tensors: dict[str, Tensor], **guides: Any) -> tuple[Tensor, ...]:
    """Run the operator; give (y, h_n) or (y, h_n, c_n)."""
    outputs = FORWARD(*make_arguments(form, tensors, **guides))
    return outputs[: 3 if "c_0" in tensors else 2]


@pytest.mark.parametrize(
    ("dtype", "guides"), [(torch.float32, {}), (torch.float64, GUIDED)], ids=["plain", "guided"]
)
@every_form
def test_forward_passes_torchs_own_checks(
    form: str, guides: dict[str, Any], dtype: torch.dtype
) -> None:
    opcheck(FORWARD, make_arguments(form, make_tensors(form, 4, 3, dtype=dtype), **guides))


@every_form
def test_backward_passes_torchs_own_checks(form: str) -> None:
    arguments = detached(make_arguments(form, make_tensors(form, 4, 3), **GUIDED))
    y, h_n, _, activations = FORWARD(*arguments)
    needs = [given is not None for given in arguments[FIRST_INPUT:-1]]
    needs[0] = False
    opcheck(BACKWARD, (*arguments[:-1], y, activations, y, h_n, None, needs))


def test_random_bits_pass_torchs_own_checks() -> None:
    arguments = (torch.tensor(2**60 + 3), 4, 3, 5, 7, 0.3, torch.device("cpu"))
    opcheck(torch.ops.gatewise.draw_bits.default, arguments)


@every_form
def test_operator_gives_what_the_eager_core_gives(form: str) -> None:
    tensors = make_tensors(form, 4, 3)
    for guides in ({}, GUIDED):
        got, expected = (
            with_gradients(outputs, tensors)
            for outputs in (
                run_in_library(form, tensors, **guides),
                run_operator(form, tensors, backend="cpu", **guides),
            )
        )
        assert_same(got, expected, 0)


@every_form
def test_fakes_have_the_shapes_of_what_comes(form: str) -> None:
    for is_training in (True, False):
        arguments = detached(
            make_arguments(form, make_tensors(form, 4, 3), is_training=is_training, **GUIDED)
        )
        with FakeTensorMode() as mode:
            fakes = FORWARD(
                *(mode.from_tensor(a) if isinstance(a, Tensor) else a for a in arguments)
            )
        for fake, real in zip(fakes, FORWARD(*arguments), strict=True):
            assert (fake.shape, fake.stride(), fake.dtype) == (
                real.shape,
                real.stride(),
                real.dtype,
            )


@pytest.mark.parametrize("form", ["lstm-everything", "gru-reset-before", "rnn-relu"])
def test_higher_derivatives_go_through_the_reference(form: str) -> None:
    tensors = make_tensors(form, 2, 2, 1, 2)

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        return run_in_library(form, dict(zip(tensors, values, strict=True)), seed=1)

    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


def test_graph_can_be_walked_twice() -> None:
    tensors = make_tensors("gru", 4, 3)
    y = run_in_library("gru", tensors)[0]
    first, second = (
        torch.autograd.grad(y.sum(), tensors["w_hh"], retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


def test_gradients_need_a_training_run() -> None:
    y = run_in_library("gru", make_tensors("gru", 4, 3), is_training=False)[0]
    with pytest.raises(RuntimeError, match="without is_training"):
        y.sum().backward()


@pytest.mark.parametrize("lengths", [(4, 5, 0), (-1, 2, 3)])
def test_lengths_beyond_the_input_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="between 0 and the input's 4 steps"):
        run_in_library("gru", make_tensors("gru", 4, 3), lengths=torch.tensor(lengths))


class Watching(TorchDispatchMode):
    """A mode that notes which operators run."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ran.append(func)
        return func(*args, **(kwargs or {}))


def test_dispatch_modes_see_the_operators() -> None:
    tensors = make_tensors("lstm", 4, 3)
    with Watching() as watching:
        run_operator("lstm", tensors, backend="cpu")[0].sum().backward()
    assert FORWARD in watching.ran
    assert BACKWARD in watching.ran


def test_eager_calls_go_past_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "recurrence", None)
    tensors = make_tensors("gru", 4, 3)
    run_operator("gru", tensors, backend="cpu")
    with torch.no_grad():
        run_operator("gru", tensors, backend="cpu")
    with pytest.raises(TypeError), Watching():
        run_operator("gru", tensors, backend="cpu")


def test_symbolic_tracing_keeps_one_node() -> None:
    tensors = {k: v.detach() for k, v in make_tensors("gru", 4, 3).items()}

    def run(x: Tensor) -> Tensor:
        return run_operator("gru", tensors | {"x": x}, backend="cpu")[0]

    traced = make_fx(run, tracing_mode="symbolic", _allow_non_fake_inputs=True)(tensors["x"])
    assert [node.target for node in traced.graph.nodes].count(FORWARD) == 1
    x = torch.randn(7, 3, 3, dtype=torch.float64)
    assert torch.equal(traced(x), run(x))


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated
def test_jit_trace_sees_the_operator() -> None:
    tensors = {k: v.detach() for k, v in make_tensors("gru", 4, 3).items()}

    def run(x: Tensor) -> Tensor:
        return run_operator("gru", tensors | {"x": x}, backend="cpu")[0]

    traced = torch.jit.trace(run, (tensors["x"],))
    x = torch.randn(4, 3, 3, dtype=torch.float64)
    assert torch.equal(traced(x), run(x))


def test_subclasses_of_tensor_go_through_the_operator() -> None:
    class Named(Tensor):
        pass

    tensors = make_tensors("gru", 4, 3, dtype=torch.float32)
    x = tensors["x"].detach().as_subclass(Named)
    call = cases.make_call(FORMS["gru"], tensors | {"x": x}, backend="cpu")
    assert cpu_backend.is_traced(call)
    y = run_operator("gru", tensors | {"x": x}, backend="cpu")[0]
    assert type(y) is Named
    expected = run_operator("gru", tensors, backend="cpu")[0]
    assert_same({"y": y.as_subclass(Tensor)}, {"y": expected}, tolerance(torch.float32, 4))
