"""What any module of torch.nn can do."""

import copy
import io
import pickle
from typing import Any

import torch
from capability import Lacking, capability
from subjects import Subject, gradients, run
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, weight_norm
from torch.testing import assert_close

SECTION = "As a module"


def first_weight(module: Any) -> str:
    """Name a module's first weight."""
    return next(name for name, _ in module.named_parameters())


def assert_alike(subject: Subject, one: Any, other: Any) -> None:
    """Compare the mode, outputs and gradients of two modules."""
    assert one.training == other.training
    x = subject.draw(next(one.parameters()).dtype)
    outputs = [run(module, x) for module in (one, other)]
    assert_close(*outputs)
    assert_close(gradients(one, outputs[0]), gradients(other, outputs[1]))


@capability(SECTION, "`copy.deepcopy`")
def deepcopy(subject: Subject) -> None:
    module = subject.make()
    twin = copy.deepcopy(module)
    assert_alike(subject, twin, module)
    with torch.no_grad():
        getattr(twin, first_weight(twin)).mul_(2)
    assert not torch.equal(run(twin, subject.draw()), run(module, subject.draw()))


@capability(SECTION, "`pickle`")
def pickled(subject: Subject) -> None:
    for module in (subject.make(), subject.make().eval()):
        assert_alike(subject, pickle.loads(pickle.dumps(module)), module)


@capability(SECTION, "`share_memory_`")
def shared_memory(subject: Subject) -> None:
    module = subject.make()
    assert_alike(subject, module.share_memory(), subject.make())
    assert all(weight.is_shared() for weight in module.parameters())


def reloaded(saved: Any) -> Any:
    """Save something and load it again without running code from the file."""
    file = io.BytesIO()
    torch.save(saved, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@capability(SECTION, "`torch.save`, `torch.load(weights_only=True)` of its `state_dict`")
def saved_weights(subject: Subject) -> None:
    module, other = subject.make(), subject.make()
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    other.load_state_dict(reloaded(module.state_dict()))
    assert_alike(subject, other, module)


@capability(SECTION, "the same of the whole module, its class allowed by `safe_globals`")
def saved_whole(subject: Subject) -> None:
    module = subject.make()
    with torch.serialization.safe_globals([type(module)]):
        assert_alike(subject, reloaded(module), module)


@capability(SECTION, "`load_state_dict(assign=True)` into a module on the meta device")
def assigned_weights(subject: Subject) -> None:
    module, empty = subject.make(), subject.make(device="meta")
    empty.load_state_dict(module.state_dict(), assign=True)
    assert_alike(subject, empty, module)


@capability(SECTION, "gradients in `eval()`")
def gradients_in_evaluation(subject: Subject) -> None:
    module = subject.make().eval()
    assert gradients(module, run(module, subject.draw()))


@capability(SECTION, "some weights frozen by `requires_grad_(False)`")
def frozen_weights(subject: Subject) -> None:
    module, free = subject.make(), subject.make()
    name = first_weight(module)
    getattr(module, name).requires_grad_(False)
    run(module, subject.draw()).square().sum().backward()
    run(free, subject.draw()).square().sum().backward()
    assert getattr(module, name).grad is None
    for (key, weight), other in zip(module.named_parameters(), free.parameters(), strict=True):
        if key != name and other.grad is not None:
            assert_close(weight.grad, other.grad)


@capability(SECTION, "`nn.utils.parametrize`")
def parametrized(subject: Subject) -> None:
    class Halved(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight / 2

    module, plain = subject.make(), subject.make()
    name = first_weight(module)
    parametrize.register_parametrization(module, name, Halved())
    with torch.no_grad():
        getattr(plain, name).div_(2)
    x = subject.draw()
    y = run(module, x)
    assert_close(y, run(plain, x))
    y.sum().backward()
    assert module.parametrizations[name].original.grad is not None
    parametrize.remove_parametrizations(module, name)
    assert_close(run(module, x), run(plain, x))


def assert_normed(subject: Subject, module: Any, magnitude: Tensor) -> None:
    """Check that the magnitude of a normed weight is seen and learns."""
    x = subject.draw()
    before = run(module, x)
    assert_close(before, run(subject.make(), x))
    before.square().sum().backward()
    assert magnitude.grad is not None
    assert magnitude.grad.abs().max() > 0
    with torch.no_grad():
        magnitude.mul_(2)
    if torch.equal(run(module, x), before):
        raise Lacking("a change of the magnitude is not seen")


@capability(SECTION, "`parametrizations.weight_norm`")
def weight_normed(subject: Subject) -> None:
    module = subject.make()
    name = first_weight(module)
    parametrizations.weight_norm(module, name)
    assert_normed(subject, module, module.parametrizations[name].original0)


@capability(SECTION, "`nn.utils.weight_norm`, by hooks")
def weight_normed_by_hooks(subject: Subject) -> None:
    module = subject.make()
    name = first_weight(module)
    weight_norm(module, name)
    assert_normed(subject, module, getattr(module, name + "_g"))


@capability(SECTION, "`parametrizations.spectral_norm` and `orthogonal`")
def spectral_and_orthogonal(subject: Subject) -> None:
    module = subject.make()
    inputs = first_weight(module)
    recurrent = inputs.replace("ih", "hh")
    parametrizations.spectral_norm(module, inputs)
    parametrizations.orthogonal(module, recurrent)
    weight = getattr(module, recurrent).detach()
    assert_close(weight.mT @ weight, torch.eye(weight.shape[1], dtype=weight.dtype))
    assert gradients(module, run(module, subject.draw()))


@capability(SECTION, "pruning: `nn.utils.prune`")
def pruned(subject: Subject) -> None:
    module, plain = subject.make(), subject.make()
    name = first_weight(module)
    prune.l1_unstructured(module, name, amount=0.5)
    mask = getattr(module, name + "_mask")
    with torch.no_grad():
        getattr(plain, name).mul_(mask)
    x = subject.draw()
    y = run(module, x)
    assert_close(y, run(plain, x))
    y.square().sum().backward()
    gradient = getattr(module, name + "_orig").grad
    assert not gradient[mask == 0].any()
    assert gradient.any()
    prune.remove(module, name)
    assert_close(run(module, x), run(plain, x))


@capability(SECTION, "hooks: before and after `forward`, around `backward`, on parameters")
def hooks(subject: Subject) -> None:
    module, x, seen = subject.make(), subject.draw().requires_grad_(), []
    module.register_forward_pre_hook(lambda _, args: (seen.append("pre"), (2 * args[0],))[1])
    module.register_forward_hook(lambda *_: seen.append("forward"))
    module.register_full_backward_pre_hook(lambda *_: seen.append("before"))
    module.register_full_backward_hook(lambda *_: seen.append("after"))
    weight = getattr(module, first_weight(module))
    weight.register_hook(lambda g: (seen.append("weight"), g)[1])
    weight.register_post_accumulate_grad_hook(lambda _: seen.append("done"))
    y = run(module, x)
    assert_close(y, run(subject.make(), 2 * x))
    y.sum().backward()
    assert seen[:3] == ["pre", "forward", "before"]
    assert sorted(seen[3:]) == ["after", "done", "weight"]


@capability(SECTION, "the meta device: made, run, then `to_empty`")
def meta_device(subject: Subject) -> None:
    module, x = subject.make(device="meta"), subject.draw()
    y = run(module, x.to("meta"))
    assert y.is_meta
    real = module.to_empty(device="cpu")
    real.load_state_dict(subject.make().state_dict())
    assert y.shape == run(real, x).shape
    assert_alike(subject, real, subject.make())


@capability(SECTION, "`nn.utils.skip_init`")
def skipped_init(subject: Subject) -> None:
    module = subject.make()
    sizes = (module.input_size, module.hidden_size)
    made = nn.utils.skip_init(type(module), *sizes, dtype=torch.float64)
    assert run(made, subject.draw()).shape[-1] == module.hidden_size


@capability(SECTION, "`to(dtype)`: float64, float32, bfloat16, float16, with gradients")
def other_dtypes(subject: Subject) -> None:
    exact = run(subject.make(), subject.draw())
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        module = subject.make().to(dtype)
        y = run(module, subject.draw(dtype))
        assert y.dtype == dtype
        # Outputs are below 1; each of two layers takes four steps, with a few roundings each.
        assert_close(y.double(), exact, rtol=0, atol=16 * torch.finfo(dtype).eps)
        assert all(g.dtype == dtype and g.isfinite().all() for g in gradients(module, y))
