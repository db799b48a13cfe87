"""How modules are trained: precision, memory, several processes, optimisers."""

import copy
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from capability import FailedThereError, Lacking, capability
from subjects import Subject, gradients, run
from torch import nn
from torch.autograd.graph import save_on_cpu
from torch.optim.swa_utils import AveragedModel
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint
from torchrun import torchrun

SECTION = "Training"
OPTIMISERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "SGD": (torch.optim.SGD, ("foreach", "fused")),
    "Adam": (torch.optim.Adam, ("foreach", "fused")),
    "AdamW": (torch.optim.AdamW, ("foreach", "fused")),
    "Adagrad": (torch.optim.Adagrad, ("foreach", "fused")),
    "RMSprop": (torch.optim.RMSprop, ("foreach",)),
}


@capability(SECTION, "`torch.autocast`, bfloat16 and float16, forward and backward")
def autocast(subject: Subject) -> None:
    module, x = subject.make(torch.float32), subject.draw(torch.float32)
    expected = run(module, x)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            y = run(module, x.to(dtype))
        # Input and output are rounded to 16 bits, and outputs are below 1.
        assert_close(y.float(), expected, rtol=0, atol=8 * torch.finfo(dtype).eps)
        found = gradients(module, y.float())
        assert all(g.dtype == torch.float32 and g.isfinite().all() for g in found)


@capability(SECTION, "a float32 state under `autocast`")
def state_under_autocast(subject: Subject) -> None:
    module, x = subject.make(torch.float32), subject.draw(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        result = module(x)
    state = result if subject.is_step else result[1]
    for part in state if isinstance(state, tuple) else (state,):
        if part.dtype != torch.float32:
            raise Lacking(f"the state is {part.dtype}")


@capability(SECTION, "activation checkpointing, with the same random masks")
def checkpointed(subject: Subject) -> None:
    module, x = subject.make(), subject.draw().requires_grad_()
    expected = run(module, x)
    y = run(lambda x: checkpoint(module, x, use_reentrant=False), x)
    assert_close(y, expected)
    assert_close(gradients(module, y), gradients(module, expected))
    run(lambda x: checkpoint(module, x, use_reentrant=True), x).square().sum().backward()
    found = [weight.grad for weight in module.parameters() if weight.grad is not None]
    assert_close(found, gradients(module, run(module, x)))


@capability(SECTION, "saved tensors moved away: `save_on_cpu`")
def saved_elsewhere(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    with save_on_cpu():
        y = run(module, x)
    assert_close(gradients(module, y), gradients(module, run(module, x)))


@cache
def outcomes(is_often: bool) -> dict[str, str]:
    """Let two processes train the subjects that are tried often, or all others; each once.

    Returns:
        By way and subject what was raised, or "".
    """
    script = Path(__file__).with_name("distributed_runs.py")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        done = torchrun(script, "often" if is_often else "others", out, timeout=1200)
        if done.code:
            raise RuntimeError(done.err)
        return json.loads(out.read_text())


def assert_trains(way: str, subject: Subject) -> None:
    """Raise what two processes raised when they trained a subject."""
    if message := outcomes(subject.is_often)[f"{way} {subject.name}"]:
        raise FailedThereError(message)


@capability(SECTION, "`DistributedDataParallel`, two processes, gloo", is_slow=True)
def distributed_data_parallel(subject: Subject) -> None:
    assert_trains("ddp", subject)


@capability(SECTION, "FSDP2: `fully_shard`, two processes, gloo", is_slow=True)
def fully_sharded(subject: Subject) -> None:
    assert_trains("fsdp", subject)


@capability(SECTION, "FSDP2 around a compiled module", is_slow=True)
def fully_sharded_compiled(subject: Subject) -> None:
    assert_trains("fsdp-compiled", subject)


@capability(SECTION, "optimisers in `foreach` and `fused` form")
def optimisers(subject: Subject) -> None:
    for name, (kind, ways) in OPTIMISERS.items():
        trained = [train(subject, kind, {way: True}) for way in ways]
        plain = train(subject, kind, {"foreach": False})
        for weights in trained:
            assert_close(weights, plain, msg=lambda text, name=name: f"{name}: {text}")


def train(subject: Subject, kind: Any, options: dict[str, bool]) -> list[nn.Parameter]:
    """Take three steps with an optimiser, gradients clipped; give the weights."""
    module, x = subject.make(), subject.draw()
    optimiser = kind(module.parameters(), lr=0.01, **options)
    for _ in range(3):
        optimiser.zero_grad()
        run(module, x).square().sum().backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0, foreach=options.get("foreach"))
        optimiser.step()
    return list(module.parameters())


@capability(SECTION, "an optimiser a parameter, stepped during `backward`")
def optimiser_in_backward(subject: Subject) -> None:
    module, plain = subject.make(), subject.make()
    optimisers = {w: torch.optim.SGD([w], lr=0.01, foreach=True) for w in module.parameters()}
    for weight in module.parameters():
        weight.register_post_accumulate_grad_hook(lambda w: optimisers[w].step())
    run(module, subject.draw()).square().sum().backward()
    run(plain, subject.draw()).square().sum().backward()
    torch.optim.SGD(plain.parameters(), lr=0.01).step()
    assert_close(list(module.parameters()), list(plain.parameters()))


@capability(SECTION, "averaged weights: `AveragedModel`")
def averaged(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    average, twice = AveragedModel(module), copy.deepcopy(module)
    average.update_parameters(module)
    with torch.no_grad():
        for weight in twice.parameters():
            weight.mul_(3)
    average.update_parameters(twice)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(2)
    assert_close(run(average, x), run(module, x))
