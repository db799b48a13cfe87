"""Layers in compiled and exported models: one graph for all sizes, and the same numbers."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from functorch.compile import make_boxed_func
from layer_cases import (
    FORMS,
    KINDS,
    TWOFOLD,
    as_tuple,
    assert_same,
    draw,
    make_form,
    make_state,
    run_layer,
)
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import gatewise
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

STEPS, BATCH = 6, 4
LENGTHS = torch.tensor([6, 0, 3, 5])
RESETS = torch.zeros(STEPS, BATCH, dtype=torch.bool)
RESETS[2, 0] = RESETS[3, 3] = RESETS[0, 2] = True
T, B = Dim("T"), Dim("B")

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def forget_what_was_compiled() -> None:
    torch._dynamo.reset()


class Network(nn.Module):
    """A model around a layer, with what a layer takes and gives."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        weight = layer.weight_ih_l0
        directions = 2 if layer.bidirectional else 1
        width = (layer.proj_size or layer.hidden_size) * directions
        self.first = nn.Linear(3, 3, dtype=weight.dtype)
        self.layer = layer
        self.last = nn.Linear(width, 2, dtype=weight.dtype)

    def forward(
        self, x: Tensor, hx: Any = None, lengths: Any = None, resets: Any = None
    ) -> tuple[Tensor, Any]:
        y, state = self.layer(self.first(x).relu(), hx, lengths=lengths, resets=resets)
        return self.last(y), state


def make_network(form: str, **options: Any) -> Network:
    return Network(make_form(form, **options))


def compiled(network: nn.Module, backend: Any = "aot_eager", **options: Any) -> Any:
    return torch.compile(network, fullgraph=True, backend=backend, **options)


def assert_runs_alike(
    network: Network, run: Callable[..., Any], x: Tensor, hx: Any = None, **masks: Any
) -> None:
    """Compare all results and gradients of a network and of what was made of it."""

    class Other(nn.Module):
        forward = staticmethod(run)
        named_parameters = network.named_parameters

    results = []
    for model in (Other(), network):
        torch.manual_seed(1)  # of the masks
        results.append(run_layer(model, x, hx, **masks))
    assert_same(*results, steps=len(x))


@pytest.mark.parametrize("form", FORMS)
def test_compiled_network_matches_eager(form: str) -> None:
    network = make_network(form)
    x = draw(STEPS, BATCH, 3).requires_grad_()
    state = make_state(network.layer, BATCH)
    assert_runs_alike(network, compiled(network), x, state, lengths=LENGTHS, resets=RESETS)


@pytest.mark.parametrize("form", ["lstm", "gru-everything"])
def test_layers_and_directions_match_eager_when_compiled(form: str) -> None:
    network = make_network(form, **TWOFOLD, dropout=0.3)
    x = draw(STEPS, BATCH, 3).requires_grad_()
    assert_runs_alike(network, compiled(network), x)


def test_batch_first_and_unbatched_input_match_eager_when_compiled() -> None:
    network = make_network("lstm", batch_first=True)
    run = compiled(network)
    for shape in ((BATCH, STEPS, 3), (STEPS, 3)):
        assert_runs_alike(network, run, draw(*shape).requires_grad_())


@pytest.mark.parametrize("form", ["lstm-everything", "gru"])
def test_inductor_matches_eager(form: str) -> None:
    """The compiler that ``torch.compile`` takes by itself, here with torch's own random numbers."""
    network = make_network(form)
    run = compiled(network, "inductor", dynamic=True, options={"fallback_random": True})
    assert_runs_alike(network, run, draw(STEPS, BATCH, 3).requires_grad_(), resets=RESETS)


@every_kind
def test_without_gradients_the_compiled_network_matches_eager(kind: str) -> None:
    network = make_network(kind.lower()).eval()
    run, x = compiled(network), draw(STEPS, BATCH, 3)
    with torch.no_grad():
        got, expected = run(x), network(x)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-15)


@every_kind
def test_one_graph_serves_all_sizes(kind: str) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    network = make_network(kind.lower(), **TWOFOLD)
    run = compiled(network, counter)
    for steps, batch in ((5, 3), (2, 4), (40, 2), (3, 33)):
        x, lengths = draw(steps, batch, 3), torch.randint(0, steps + 1, (batch,))
        for tensor, dim in ((x, 0), (x, 1), (lengths, 0)):
            torch._dynamo.mark_dynamic(tensor, dim)
        assert_runs_alike(network, run, x.requires_grad_(), lengths=lengths)
    assert counter.frame_count == 1


@every_kind
def test_graph_does_not_grow_with_the_sequence(kind: str) -> None:
    """Few short sequences too, where eager calls may take torch's kernels."""
    network = make_network(kind.lower(), **TWOFOLD)
    operators = (torch.ops.gatewise.recurrence, torch.ops.gatewise.recurrence_backward)
    sizes = []
    for steps in (2, 500):
        torch._dynamo.reset()
        graphs: list[list[Any]] = []

        def note(module: torch.fx.GraphModule, _: Any, graphs: Any = graphs) -> Any:
            graphs.append([node.target for node in module.graph.nodes])
            return make_boxed_func(module.forward)

        backend = aot_autograd(fw_compiler=note, bw_compiler=note)
        y, _ = compiled(network, backend, dynamic=False)(draw(steps, 2, 3))
        y.sum().backward()
        for graph, operator in zip(graphs, operators, strict=True):
            assert graph.count(operator.default) == 4
        sizes.append([len(graph) for graph in graphs])
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_other_backends_can_be_compiled_too(backend: str) -> None:
    network = make_network("gru", backend=backend)
    assert_runs_alike(network, compiled(network), draw(3, 2, 3).requires_grad_(), lengths=None)


def test_lengths_beyond_the_input_are_refused_when_the_compiled_network_runs() -> None:
    run = compiled(make_network("gru"))
    x = draw(STEPS, BATCH, 3)
    run(x, lengths=LENGTHS)
    with pytest.raises(ValueError, match="between 0 and the input's 6 steps"):
        run(x, lengths=LENGTHS + 1)


def test_transforms_inside_what_is_compiled_go_past_the_core() -> None:
    layer = make_form("gru")

    def gradient(x: Tensor) -> Tensor:
        return torch.func.grad(lambda x: layer(x)[0].sum())(x)

    x = draw(3, 2, 3)
    torch.testing.assert_close(compiled(gradient)(x), gradient(x))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("form", ["lstm-layer-norm", "gru-reset-before"])
def test_exported_network_runs_at_all_sizes(form: str, strict: bool) -> None:
    network = make_network(form, **TWOFOLD).eval()
    masks = {"lengths": LENGTHS, "resets": RESETS}
    shapes = {"x": {0: T, 1: B}, "lengths": {0: B}, "resets": {0: T, 1: B}}
    x = draw(STEPS, BATCH, 3)
    program = torch.export.export(network, (x,), masks, dynamic_shapes=shapes, strict=strict)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    run = torch.export.load(file).module()
    for steps, batch in ((STEPS, BATCH), (9, 1), (1, 2)):
        x, resets = draw(steps, batch, 3), torch.rand(steps, batch) < 0.3
        lengths = torch.randint(0, steps + 1, (batch,))
        got, expected = (f(x, lengths=lengths, resets=resets) for f in (run, network))
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-15)


def test_exported_network_can_be_trained() -> None:
    network = make_network("gru")
    x = draw(STEPS, BATCH, 3)
    run = torch.export.export(network, (x,)).module()
    run(x)[0].sum().backward()
    expected = torch.autograd.grad(network(x)[0].sum(), list(network.parameters()))
    for parameter, gradient in zip(run.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_second_derivatives_stay_eager() -> None:
    """Outside the compiler, a layer on the core gives them as ever."""
    layer, x = gatewise.GRU(2, 3, dtype=torch.float64), draw(9, 2, 2).requires_grad_()
    assert gatewise.explain_backend(layer, x).backend == "cpu"

    def function(x: Tensor) -> Tensor:
        return as_tuple(layer(x))[0]

    assert torch.autograd.gradgradcheck(function, x)


def test_traced_and_compiled_packed_batches_follow_their_sizes() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = gatewise.GRU(3, 5, bidirectional=True)

        def forward(self, data: Tensor, batch_sizes: Tensor) -> Tensor:
            return self.layer(PackedSequence(data, batch_sizes))[0].data

    network, example = Network(), pack_sequence([torch.randn(n, 3) for n in (4, 2)])
    traced = torch.jit.trace(network, example[:2])
    for lengths in ((4, 2), (5, 3, 1), (2,)):
        data, batch_sizes, *_ = pack_sequence([torch.randn(n, 3) for n in lengths])
        for run in (traced, compiled(network)):
            torch.testing.assert_close(run(data, batch_sizes), network(data, batch_sizes))
    with pytest.raises(IndexError):
        compiled(network)(torch.randn(5, 3), torch.tensor([2, 2]))
