"""Compiled, exported and traced models."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from capability import Lacking, capability
from functorch.compile import make_boxed_func
from subjects import Subject, gradients, run
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim
from torch.func import grad, vmap
from torch.nn.utils.rnn import pack_sequence
from torch.testing import assert_close

SECTION = "Compiled and exported"
FALLBACK = {"fallback_random": True}  # the random numbers that eager calls draw


def compiled(function: Any, **options: Any) -> Any:
    """Compile something into one graph, with nothing left over from before."""
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, **options)


@capability(SECTION, "`torch.compile(fullgraph=True)`, in evaluation", is_slow=True)
def compiled_evaluation(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    with torch.no_grad():
        assert_close(run(compiled(module), x), run(module, x))


@capability(SECTION, "`torch.compile(fullgraph=True)`, in training", is_slow=True)
def compiled_training(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    y, expected = run(compiled(module, options=FALLBACK), x), run(module, x)
    assert_close(y, expected)
    assert_close(gradients(module, y), gradients(module, expected))


@capability(SECTION, "one graph for all batch sizes and lengths", is_slow=True, has_steps=False)
def one_graph_for_all(subject: Subject) -> None:
    module, counter = subject.make(), CompileCounterWithBackend("aot_eager")
    fast = compiled(module, backend=counter)
    for steps, batch in ((5, 2), (9, 3), (40, 7)):
        x = torch.randn(steps, batch, 3, dtype=torch.float64)
        torch._dynamo.mark_dynamic(x, 0)
        torch._dynamo.mark_dynamic(x, 1)
        assert_close(run(fast, x), run(module, x))
    if counter.frame_count != 1:
        raise Lacking(f"{counter.frame_count} graphs for three lengths")


@capability(SECTION, "a graph that does not grow with the sequence", is_slow=True, has_steps=False)
def graph_does_not_grow(subject: Subject) -> None:
    sizes = []
    for steps in (2, 40):
        graphs: list[int] = []

        def note(graph: torch.fx.GraphModule, _: Any, graphs: list[int] = graphs) -> Any:
            graphs.append(len(graph.graph.nodes))
            return make_boxed_func(graph.forward)

        backend = aot_autograd(fw_compiler=note, bw_compiler=note)
        run(compiled(subject.make(), backend=backend), subject.draw(steps=steps)).sum().backward()
        sizes.append(sum(graphs))
    if sizes[0] != sizes[1]:
        raise Lacking("the graph has every step in it")


@capability(SECTION, "second derivatives by `torch.func` in a compiled function", is_slow=True)
def compiled_func_derivatives(subject: Subject) -> None:
    module, x = subject.make(is_small=True).eval(), subject.draw(steps=2)

    def loss(x: Tensor) -> Tensor:
        return module(x)[0].square().sum()

    def second(x: Tensor) -> Tensor:
        return grad(lambda x: grad(loss)(x).square().sum())(x)

    assert_close(compiled(second, backend="aot_eager")(x), second(x))


@capability(SECTION, "per-sample gradients in a compiled function", is_slow=True)
def compiled_per_sample_gradients(subject: Subject) -> None:
    module, x = subject.make(is_small=True).eval(), subject.draw(steps=2)

    def slopes(x: Tensor) -> Tensor:
        return vmap(grad(lambda sample: module(sample)[0].square().sum()), in_dims=x.dim() - 2)(x)

    assert_close(compiled(slopes, backend="aot_eager")(x), slopes(x))


@capability(SECTION, "a `PackedSequence` in a compiled model", is_slow=True, has_steps=False)
def compiled_packed_sequence(subject: Subject) -> None:
    module = subject.make()
    fast = compiled(module, backend="aot_eager")
    for lengths in ((5, 3, 1), (2, 7), (1,)):
        sequences = [torch.randn(n, 3, dtype=torch.float64) for n in lengths]
        packed = pack_sequence(sequences, enforce_sorted=False)
        y, expected = (run(each, packed).data for each in (fast, module))
        assert_close(y, expected)
        assert_close(gradients(module, y), gradients(module, expected))


@capability(
    SECTION,
    "second derivatives inside a compiled graph",
    is_slow=True,
    why="PyTorch does not differentiate a compiled backward: take them eagerly, or by "
    "`torch.func` in the compiled function.",
)
def compiled_second_derivatives(subject: Subject) -> None:
    module, x = subject.make(), subject.draw().requires_grad_()

    def penalty(run_module: Any) -> Tensor:
        (first,) = torch.autograd.grad(run(run_module, x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), x)[0]

    assert_close(penalty(compiled(module, backend="aot_eager")), penalty(module))


@capability(SECTION, "`torch.export` for all batch sizes and lengths")
def exported(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    sizes = dict.fromkeys(range(x.dim() - 1), Dim.DYNAMIC)
    program = torch.export.export(module, (x,), dynamic_shapes=(sizes,))
    for given in (x, torch.cat([x, x]), torch.cat([x, x], dim=-2)):
        assert_close(run(program.module(), given), run(module, given))


@capability(SECTION, "an AOTInductor package, loaded from Python", is_slow=True)
def packaged(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    sizes = {dim: Dim(f"d{dim}", min=2, max=999) for dim in range(x.dim() - 1)}
    with TemporaryDirectory() as folder, torch.no_grad():
        program = torch.export.export(module, (x,), dynamic_shapes=(sizes,))
        path = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / "model.pt2")
        )
        packaged = torch._inductor.aoti_load_package(path)
        for given in (x, torch.cat([x, x]), torch.cat([x, x], dim=-2)):
            assert_close(run(packaged, given), run(module, given))


@capability(SECTION, "`torch.jit.trace`")
def jit_traced(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, (x,)), file)
    file.seek(0)
    traced = torch.jit.load(file)
    for given in (x, torch.cat([x, x]), torch.cat([x, x], dim=-2)):
        assert_close(run(traced, given), run(module, given))


@capability(
    SECTION,
    "`torch.jit.script`",
    why="TorchScript has no keyword-only arguments, and PyTorch has deprecated it: take "
    "`torch.export`.",
)
def jit_scripted(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    assert_close(run(torch.jit.script(module), x), run(module, x))


@capability(
    SECTION,
    "`torch.fx.symbolic_trace` of a model around it",
    why="it leaves whole what is in `torch.nn` and looks into everything else: take "
    "`torch.export`, or a `torch.fx.Tracer` whose `is_leaf_module` leaves ours whole, too.",
)
def symbolically_traced(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()
    assert_close(run(torch.fx.symbolic_trace(nn.Sequential(module)), x), run(module, x))


@capability(
    SECTION,
    "`torch.ao.quantization.quantize_dynamic`",
    why="it replaces the classes that it knows, torch's own.",
)
def quantized(subject: Subject) -> None:
    module = nn.Sequential(subject.make(torch.float32)).eval()
    small = torch.ao.quantization.quantize_dynamic(module, {type(module[0])})
    if type(small[0]) is type(module[0]):
        raise Lacking("it is left as it is")
    run(small, subject.draw(torch.float32))
