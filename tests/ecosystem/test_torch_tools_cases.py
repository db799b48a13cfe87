"""What PyTorch's tests do to recurrent layers from outside, done to ours.

Weight norm, pruning, parametrizations, tied and replaced weights, optimisers, hooks, changes in
place: written anew from what pytorch/pytorch's ``test/test_nn.py``, ``test/test_modules.py``,
``test/test_expanded_weights.py`` and ``test/nn`` check.
"""

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch_twins import (
    BATCH,
    CELLS,
    FEATURES,
    LAYERS,
    STEPS,
    UNITS,
    assert_equal,
    draw,
    every_layer,
    flat,
    gradients,
    make,
    make_form,
    make_twins,
)

import gatewise
from gatewise.ops.cases import FORMS

pytestmark = pytest.mark.usefixtures("seeded")
every_form = pytest.mark.parametrize("form", FORMS)
BACKENDS = ("auto", "torch", "reference")


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


@pytest.mark.parametrize("weight", ["weight_ih_l0", "weight_hh_l1"])
@every_form
def test_weight_norm_changes_the_parameters_and_not_the_numbers(form: str, weight: str) -> None:
    layer, x = make_form(form, num_layers=2).eval(), draw(STEPS, BATCH, FEATURES)
    own, expected = names(layer), layer(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch calls this form deprecated
        nn.utils.weight_norm(layer, weight)
    assert set(own) - set(names(layer)) == {weight}
    assert_equal(layer(x), expected)
    layer(x)[0].sum().backward()
    assert all(getattr(layer, f"{weight}_{part}").grad.any() for part in "gv")
    with torch.no_grad():
        getattr(layer, f"{weight}_g").mul_(2)
    assert not torch.allclose(layer(x)[0], expected[0])
    with torch.no_grad():
        getattr(layer, f"{weight}_g").div_(2)
    nn.utils.remove_weight_norm(layer, weight)
    assert set(names(layer)) == set(own)
    assert_equal(layer(x), expected)


def test_weight_norm_of_a_projection() -> None:
    layer, x = make("LSTM", FEATURES, UNITS, 2, proj_size=3), draw(STEPS, BATCH, FEATURES)
    expected = layer(x)
    parametrizations.weight_norm(layer, "weight_hr_l0")
    assert_equal(layer(x), expected)
    assert gradients(layer(x), [layer.parametrizations.weight_hr_l0.original0])[0].any()


@every_form
def test_pruned_weight_is_used_and_comes_back_as_a_parameter(form: str) -> None:
    layer, x = make_form(form).eval(), draw(STEPS, BATCH, FEATURES)
    own, before = names(layer), layer(x)[0]
    prune.l1_unstructured(layer, "weight_ih_l0", 0.5)
    assert "weight_ih_l0" not in names(layer)
    in_use = [isinstance(weight, nn.Parameter) for weight in layer.all_weights[0]]
    assert in_use.count(False) == 1
    pruned = layer(x)[0]
    assert not torch.allclose(pruned, before)
    layer(x)[0].sum().backward()
    hidden = layer.weight_ih_l0_mask == 0
    assert not layer.weight_ih_l0_orig.grad[hidden].any()
    prune.remove(layer, "weight_ih_l0")
    assert set(names(layer)) == set(own)
    assert all(isinstance(weight, nn.Parameter) for weight in layer.all_weights[0])
    assert_equal(layer(x)[0], pruned)
    assert not layer.weight_ih_l0[hidden].any()


@pytest.mark.parametrize("tool", ["orthogonal", "spectral_norm"])
@every_layer
def test_parametrised_layer_is_the_layer_with_those_weights(kind: str, tool: str) -> None:
    layer, x = make(kind, FEATURES, UNITS), draw(STEPS, BATCH, FEATURES)
    getattr(parametrizations, tool)(layer, "weight_hh_l0")
    layer.eval()
    largest = torch.linalg.matrix_norm(layer.weight_hh_l0, 2)
    torch.testing.assert_close(largest, torch.ones_like(largest), rtol=0, atol=0.2)
    plain = make(kind, FEATURES, UNITS)
    weights = {name: getattr(layer, name).detach() for name in names(plain)}
    plain.load_state_dict(weights)
    assert_equal(layer(x), plain(x))
    assert_equal(copy.deepcopy(layer)(x), plain(x))
    with parametrize.cached():
        assert_equal(layer(x), plain(x))
    parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert_equal(layer(x), plain(x))


@every_layer
def test_weight_may_be_away_while_the_layer_moves(kind: str) -> None:
    layer, x = make(kind, FEATURES, UNITS, 2), draw(STEPS, BATCH, FEATURES)
    expected, weight = layer(x), layer.weight_hh_l0
    del layer.weight_hh_l0
    assert not hasattr(layer, "weight_hh_l0")
    layer.float()
    layer.weight_hh_l0 = nn.Parameter(weight.float())
    assert_equal(tuple(t.double() for t in flat(layer(x.float()))), expected, tolerance=1e-6)
    del layer.weight_hh_l0
    layer.double()
    layer.weight_hh_l0 = weight.detach()  # a plain tensor, as a hyper-network gives
    assert_equal(layer(x), expected, tolerance=1e-6)


@every_layer
def test_weight_in_memory_of_its_own_is_used_without_a_word(kind: str) -> None:
    """There are no flattened weights that could fall apart, and nothing to flatten again."""
    assert not hasattr(make(kind, FEATURES, UNITS), "_flat_weights")
    mine, theirs = make_twins(kind, FEATURES, UNITS)
    x, new = draw(STEPS, BATCH, FEATURES), torch.randn_like(mine.weight_hh_l0)
    before = mine(x)
    with torch.no_grad():
        mine.weight_hh_l0.set_(new)
        theirs.weight_hh_l0.copy_(new)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine.flatten_parameters()
        assert_equal(mine(x), theirs(x))
    assert not torch.allclose(mine(x)[0], before[0])
    new.fill_(4)  # still the same memory
    assert (mine.weight_hh_l0 == 4).all()


@every_layer
def test_tied_weights_stay_tied(kind: str) -> None:
    twins = make_twins(kind, FEATURES, UNITS, bidirectional=True)
    x, results = draw(STEPS, BATCH, FEATURES), []
    for layer in twins:
        layer.bias_ih_l0_reverse = layer.bias_ih_l0
        assert len(names(layer)) == 7
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(x)[0].square().sum().backward()
        optimiser.step()
        copied = copy.deepcopy(layer)
        assert copied.bias_ih_l0_reverse is copied.bias_ih_l0
        assert_equal(copied(x), layer(x), tolerance=0)
        results.append((layer(x), layer.bias_ih_l0))
    assert_equal(*results)


@every_layer
def test_optimiser_goes_on_with_the_state_of_torchs(kind: str) -> None:
    x, results = draw(STEPS, BATCH, FEATURES), []
    mine, theirs = make_twins(kind, FEATURES, UNITS, 2)
    first = torch.optim.Adam(theirs.parameters(), lr=0.01)

    def step(layer: Any, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        layer(x)[0].square().sum().backward()
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimiser.step()

    for _ in range(3):
        step(theirs, first)
    mine.load_state_dict(theirs.state_dict())
    second = torch.optim.Adam(mine.parameters(), lr=1.0)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # whose tensors it would share
    for layer, optimiser in ((theirs, first), (mine, second)):
        step(layer, optimiser)
        results.append(nn.utils.parameters_to_vector(layer.parameters()))
    assert_equal(*results, tolerance=1e-10)


@every_layer
def test_hooks_see_what_torchs_see(kind: str) -> None:
    x, seen = draw(STEPS, BATCH, FEATURES), []
    for layer in make_twins(kind, FEATURES, UNITS):
        heard: list[Any] = []
        layer.register_forward_pre_hook(lambda _, given, heard=heard: heard.extend(given))
        layer.register_forward_hook(lambda _, _given, output, heard=heard: heard.append(output[0]))
        layer.register_full_backward_hook(lambda _, dx, dy, heard=heard: heard.extend((*dx, dy[0])))
        layer(x)[0].square().sum().backward()
        seen.append(heard)
    assert len(seen[0]) == 4
    assert_equal(*seen)


@pytest.mark.parametrize("changed", ["input", "output", "weight", "h_n"])
@pytest.mark.parametrize("backend", BACKENDS)
@every_layer
def test_change_in_place_gives_the_right_gradient_or_an_error(
    kind: str, backend: str, changed: str
) -> None:
    """Never a wrong one. ``y.relu_()``, which torch's GRU lets pass, may be an error with us."""

    def run(in_place: bool) -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        layer, x = make(kind, FEATURES, UNITS, backend=backend), draw(STEPS, BATCH, FEATURES)
        given = x * 1
        y, state = layer(given)
        parts = {"input": given, "output": y, "weight": layer.weight_hh_l0, "h_n": flat(state)[0]}
        if in_place:
            with torch.set_grad_enabled(changed in ("output", "h_n")):
                parts[changed].mul_(2)
        elif changed in ("output", "h_n"):
            parts[changed] = parts[changed] * 2
        loss = parts["output"].square().sum() + parts["h_n"].square().sum()
        return torch.autograd.grad(loss, (x, *layer.parameters()))

    if changed in ("input", "weight"):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            run(in_place=True)
        return
    try:
        got = run(in_place=True)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)  # noqa: PT017 - or it is right
        return
    assert_equal(got, run(in_place=False))


@pytest.mark.parametrize("kind", [*LAYERS, *CELLS])
def test_parameters_may_be_swapped_on_conversion(kind: str) -> None:
    shape = (STEPS, BATCH, FEATURES) if kind in LAYERS else (BATCH, FEATURES)
    x, future = draw(*shape), torch.__future__
    for switch in (
        future.set_swap_module_params_on_conversion,
        future.set_overwrite_module_params_on_conversion,
    ):
        module = make(kind, FEATURES, UNITS)
        with torch.no_grad():  # a graph that is alive would hold the parameters
            expected = module(x)
        switch(True)
        try:
            module.float().double()
        finally:
            switch(False)
        assert_equal(module(x), expected, tolerance=1e-6)


@every_layer
def test_gradients_of_single_sequences_are_those_of_each_alone(kind: str) -> None:
    """By ``torch.func``; torch's ExpandedWeights know their own functions and refuse all others."""
    layer, x = make(kind, FEATURES, UNITS, backend="reference"), draw(STEPS, BATCH, FEATURES)

    def loss(weights: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(layer, weights, (one,))[0].square().sum()

    weights = {name: weight.detach() for name, weight in layer.named_parameters()}
    got = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(weights, x)
    for row in range(BATCH):
        alone = torch.autograd.grad(layer(x[:, row])[0].square().sum(), list(layer.parameters()))
        assert_equal(tuple(gradient[row] for gradient in got.values()), alone)


@pytest.mark.parametrize("kind", [*LAYERS, *CELLS])
def test_module_is_built_without_drawing_and_then_drawn(kind: str) -> None:
    """``skip_init`` asks for ``device`` in the signature, which torch's own layers do not have."""
    module = nn.utils.skip_init(getattr(gatewise, kind), FEATURES, UNITS, device="meta")
    assert module.weight_hh_l0.is_meta if kind in LAYERS else module.weight_hh.is_meta
    module.to_empty(device="cpu")
    torch.manual_seed(1)
    module.reset_parameters()
    torch.manual_seed(1)
    assert_equal(tuple(module.parameters()), tuple(getattr(nn, kind)(FEATURES, UNITS).parameters()))


@every_layer
def test_symbolic_trace_takes_the_layer_as_a_leaf(kind: str) -> None:
    """By itself ``torch.fx`` takes only modules of ``torch.nn`` as leaves."""

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            is_ours = type(m).__module__.startswith("gatewise.")
            return is_ours or super().is_leaf_module(m, module_qualified_name)

    model = nn.Sequential(make(kind, FEATURES, UNITS))
    with pytest.raises(ValueError, match="takes a tensor as input; got Proxy"):
        torch.fx.symbolic_trace(model)
    x = draw(STEPS, BATCH, FEATURES)
    assert_equal(torch.fx.GraphModule(model, Tracer().trace(model))(x), model(x), tolerance=0)


@every_layer
def test_tools_that_know_torchs_classes_by_name_do_not_know_ours(kind: str) -> None:
    """What the docs say of them: TorchScript and ExpandedWeights refuse, quantisation passes by."""
    from torch.nn.utils._per_sample_grad import call_for_per_sample_grads

    layer, x = getattr(gatewise, kind)(FEATURES, UNITS), torch.randn(STEPS, BATCH, FEATURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript and quantisation are called deprecated
        with pytest.raises(torch.jit.frontend.NotSupportedError):
            torch.jit.script(layer)
        quantize_dynamic = pytest.importorskip("torch.ao.quantization").quantize_dynamic
        assert isinstance(quantize_dynamic(nn.Sequential(layer))[0], getattr(gatewise, kind))
    with pytest.raises(RuntimeError, match="Expanded Weights encountered but cannot handle"):
        call_for_per_sample_grads(layer, batch_first=False)(x)
