"""Derivatives beyond one backward, and the transforms of torch.func."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from capability import capability
from subjects import Subject, gradients, run
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import (
    functional_call,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vmap,
)
from torch.testing import assert_close

SECTION = "Derivatives and `torch.func`"
Weights = dict[str, Tensor]


def call_with(module: Any) -> Callable[[Weights, Tensor], Tensor]:
    """Give a module as a function of its weights and input."""
    return lambda weights, x: run(partial(functional_call, module, weights), x)


def loss_of(module: Any) -> Callable[[Weights, Tensor], Tensor]:
    """Give the sum of a module's squared outputs as a function of weights and input."""
    function = call_with(module)
    return lambda weights, x: function(weights, x).square().sum()


def weights_of(module: Any) -> Weights:
    """Give a module's weights out of autograd's sight."""
    return {name: weight.detach() for name, weight in module.named_parameters()}


@capability(SECTION, "second derivatives: `torch.autograd.gradgradcheck`, float64")
def second_derivatives(subject: Subject) -> None:
    module = subject.make(is_small=True)
    function, weights = call_with(module), weights_of(module)

    def outputs(x: Tensor, *values: Tensor) -> Tensor:
        return function(dict(zip(weights, values, strict=True)), x)

    values = [value.requires_grad_() for value in (subject.draw(), *weights.values())]
    loss = outputs(*values).square().sum()
    settings = {"retain_graph": True, "materialize_grads": True}
    twice, once = (
        torch.autograd.grad(loss, values, create_graph=is_twice, **settings)
        for is_twice in (True, False)
    )
    assert_close(twice, once)  # what follows sees the former only
    assert torch.autograd.gradgradcheck(outputs, values, fast_mode=True)


@capability(SECTION, "second derivatives, float32")
def second_derivatives_in_single_precision(subject: Subject) -> None:
    found = []
    for dtype in (torch.float32, torch.float64):
        module, x = subject.make(dtype), subject.draw(dtype).requires_grad_()
        (first,) = torch.autograd.grad(run(module, x).square().sum(), x, create_graph=True)
        found.append([g.double() for g in gradients(module, first)])
    for single, double in zip(*found, strict=True):  # float32's roundings, grown twice
        assert_close(single, double, rtol=1e-3, atol=1e-4 * double.abs().max().item())


@capability(SECTION, "forward-mode derivatives: `torch.autograd.forward_ad`")
def forward_mode(subject: Subject) -> None:
    module, x = subject.make(torch.float32), subject.draw(torch.float32)
    direction = torch.ones_like(x)
    with forward_ad.dual_level():
        y = run(module, forward_ad.make_dual(x, direction))
        tangent = forward_ad.unpack_dual(y).tangent
    exact = subject.make()
    expected = slopes(exact, x.double(), direction.double())
    # Layer norm in two layers grows float32's roundings, most where variances are small.
    assert_close(tangent.double(), expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def slopes(module: Any, x: Tensor, direction: Tensor) -> Tensor:
    """Give the outputs' slopes along a direction of the input, from differences."""
    step = 1e-6 * direction
    return (run(module, x + step) - run(module, x - step)).detach() / 2e-6


@capability(SECTION, "`functional_call`")
def functional_calls(subject: Subject) -> None:
    module, other, x = subject.make(), subject.make(), subject.draw()
    weights = {name: 2 * weight for name, weight in weights_of(module).items()}
    got = call_with(module)(weights, x)
    other.load_state_dict(weights)
    assert_close(got, run(other, x))


@capability(SECTION, "`grad`")
def func_grad(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    found = grad(loss_of(module))(weights_of(module), x)
    expected = gradients(module, run(module, x))
    used = [g for g in found.values() if g.any()]
    for got, want in zip(used, [g for g in expected if g.any()], strict=True):
        assert_close(got, want)


@capability(SECTION, "`vmap` over inputs")
def vmap_over_inputs(subject: Subject) -> None:
    module = subject.make()
    inputs = torch.stack([subject.draw(), 2 * subject.draw()])
    got = vmap(lambda x: run(module, x), randomness="same")(inputs)
    assert_close(got, torch.stack([run(module, x) for x in inputs]))


@capability(SECTION, "`vmap` over weights: an ensemble in one call")
def vmap_over_weights(subject: Subject) -> None:
    modules, x = [subject.make(), subject.make()], subject.draw()
    with torch.no_grad():
        for weight in modules[1].parameters():
            weight.mul_(2)
    function = call_with(subject.make(device="meta"))
    stacked, _ = stack_module_state(modules)
    got = vmap(function, in_dims=(0, None), randomness="same")(stacked, x)
    assert_close(got, torch.stack([run(module, x) for module in modules]))


@capability(SECTION, "per-sample gradients: `vmap` of `grad`")
def per_sample_gradients(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    weights, rows = weights_of(module), x.dim() - 2
    each = vmap(grad(loss_of(module)), in_dims=(None, rows), randomness="same")(weights, x)
    for row, sample in enumerate(x.unbind(rows)):
        expected = grad(loss_of(module))(weights, sample)
        for name, gradient in each.items():
            assert_close(gradient[row], expected[name])


@capability(SECTION, "`jvp`")
def func_jvp(subject: Subject) -> None:
    module, x = subject.make(), subject.draw()
    direction = torch.ones_like(x)
    _, got = jvp(lambda x: run(module, x), (x,), (direction,))
    # Differences of step 1e-6 are right to about 1e-10, the roundings of float64 by the step.
    assert_close(got, slopes(module, x, direction), rtol=1e-6, atol=1e-8)


@capability(SECTION, "`jacrev`")
def func_jacrev(subject: Subject) -> None:
    assert_jacobian(subject, jacrev)


@capability(SECTION, "`jacfwd`")
def func_jacfwd(subject: Subject) -> None:
    assert_jacobian(subject, lambda f: jacfwd(f, randomness="same"))


def assert_jacobian(subject: Subject, jacobian: Callable[..., Any]) -> None:
    """Compare a Jacobian with that of as many backward passes as there are outputs."""
    module, x = subject.make(), subject.draw()[:2]
    expected = torch.autograd.functional.jacobian(lambda x: run(module, x), x)
    assert_close(jacobian(lambda x: run(module, x))(x), expected)


@capability(SECTION, "`hessian`, in `eval()` where random numbers are drawn")
def func_hessian(subject: Subject) -> None:
    module, x = subject.make().eval(), subject.draw()[:2]

    def loss(x: Tensor) -> Tensor:
        return run(module, x).square().sum()

    expected = torch.autograd.functional.hessian(loss, x)
    assert_close(hessian(loss)(x), expected)
