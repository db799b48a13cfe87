"""Peepholes, coupled gates and layer norm: what each is known to do, in the layers."""

from typing import Any

import pytest
import torch
from layer_cases import FORMS, TWOFOLD, as_tuple, draw, make_form, make_state, seeded

import gatewise

NORMED = [name for name, form in FORMS.items() if form.options.get("layer_norm")]
PEEPHOLED = [name for name, form in FORMS.items() if form.options.get("peephole")]
COUPLED = [name for name, form in FORMS.items() if form.options.get("coupled")]
every_normed_form = pytest.mark.parametrize("form", NORMED)


@pytest.mark.parametrize("form", PEEPHOLED)
def test_zero_peepholes_are_no_peepholes_to_the_bit(form: str) -> None:
    layer = make_form(form, **TWOFOLD, backend="reference")
    plain = make_form(form, **TWOFOLD, backend="reference", peephole=False)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_peephole"):
            weight.data.zero_()
    state = layer.state_dict()
    plain.load_state_dict({n: w for n, w in state.items() if "peephole" not in n})
    x, hx = draw(5, 2, 3), make_state(layer, 2)
    expected = seeded(plain, x, hx)
    torch.testing.assert_close(seeded(layer, x, hx), expected, rtol=0, atol=0)


@pytest.mark.parametrize(("block", "gate"), [(0, "input"), (1, "forget"), (2, "output")])
def test_each_peephole_reaches_its_own_gate(block: int, gate: str) -> None:
    layer, x = make_form("lstm-peephole"), draw(1, 2, 3)
    hx = make_state(layer, 2)
    rows = slice(5 * block, 5 * block + 5)

    def gates() -> dict[str, torch.Tensor]:
        return gatewise.trace(layer, x, hx).layers[0].forward.gates

    before = gates()
    layer.weight_peephole_l0.data[rows] += 0.5
    for name, value in gates().items():
        # o looks at the new c, which i and f have a share in.
        if name == gate or (name == "output" and gate != "output"):
            assert not torch.equal(value, before[name]), name
        else:
            assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("form", COUPLED)
def test_coupled_forget_gate_is_what_the_input_gate_leaves(form: str) -> None:
    layer = make_form(form, **TWOFOLD)
    for traced in gatewise.trace(layer, draw(5, 2, 3)).layers:
        for way in (traced.forward, traced.reverse):
            assert way is not None
            assert torch.equal(way.gates["forget"], 1 - way.gates["input"])
            assert way.gates["input"].std() > 0.01


@pytest.mark.parametrize("form", COUPLED)
def test_coupled_layer_takes_no_weights_of_an_uncoupled_one(form: str) -> None:
    layer, other = make_form(form), make_form(form, coupled=False)
    for one, two in ((layer, other), (other, layer)):
        with pytest.raises(RuntimeError, match="these weights are those of"):
            one.load_state_dict(two.state_dict())


def test_coupled_lstm_is_an_lstm_with_its_forget_weights_negated() -> None:
    """σ(−a) = 1 − σ(a): blocks i −i g o in a plain LSTM give the same numbers."""
    coupled, plain = make_form("lstm-coupled", **TWOFOLD), make_form("lstm", **TWOFOLD)
    for name, weight in coupled.named_parameters():
        i, g, o = weight.data.split(5)
        getattr(plain, name).data = torch.cat([i, -i, g, o])
    x, hx = draw(5, 2, 3), make_state(coupled, 2)
    torch.testing.assert_close(coupled(x, hx), plain(x, hx), rtol=1e-12, atol=1e-12)


@every_normed_form
@pytest.mark.parametrize("weight", ["weight_ih", "weight_hh"])
def test_scale_of_the_weights_does_not_matter_under_layer_norm(form: str, weight: str) -> None:
    """Ba et al. 2016, section 5.1; the eps in the root is drowned by large weights."""
    layer, x = make_form(form, **TWOFOLD), draw(5, 2, 3)
    hx = make_state(layer, 2)
    parameters = [p for name, p in layer.named_parameters() if name.startswith(weight)]
    results = []
    for factor in (1e5, 7.0):
        for parameter in parameters:
            parameter.data *= factor
        results.append(seeded(layer, x, hx))
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-8)


@every_normed_form
def test_shift_of_a_whole_product_does_not_matter_under_layer_norm(form: str) -> None:
    """Adding the same row to every row of W_ih leaves the norm of W_ih x as it is."""
    layer, x = make_form(form), draw(5, 2, 3)
    expected = seeded(layer, x)
    layer.weight_ih_l0.data += draw(1, 3)
    torch.testing.assert_close(seeded(layer, x), expected, rtol=1e-10, atol=1e-10)
    layer.weight_ih_l0.data += torch.linspace(0, 1, len(layer.weight_ih_l0)).double().unsqueeze(1)
    assert (seeded(layer, x)[0] - expected[0]).abs().max() > 1e-2


@every_normed_form
@pytest.mark.parametrize("part", ["ih", "hh"])
def test_gain_of_0_silences_a_product(form: str, part: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 2, 3)
    for name, weight in layer.named_parameters():
        if name.startswith(f"weight_ln_{part}"):
            weight.data.zero_()
    expected = seeded(layer, x)
    for name, weight in layer.named_parameters():
        if name.startswith(f"weight_{part}"):
            weight.data = draw(*weight.shape)
    torch.testing.assert_close(seeded(layer, x), expected, rtol=0, atol=0)


@pytest.mark.parametrize("form", ["lstm-layer-norm", "lstm-everything"])
def test_norm_of_the_memory_is_on_its_way_out_alone(form: str) -> None:
    """Its gain and shift change h, and c only through h: not in the first step."""
    layer, x = make_form(form), draw(2, 2, 3)
    before = [seeded(layer, x[:steps])[1] for steps in (1, 2)]
    with torch.no_grad():
        layer.weight_ln_c_l0 += 0.5
        layer.bias_ln_c_l0 -= 0.5
    after = [seeded(layer, x[:steps])[1] for steps in (1, 2)]
    assert torch.equal(before[0][1], after[0][1])
    assert not torch.equal(before[0][0], after[0][0])
    assert not torch.equal(before[1][1], after[1][1])


@every_normed_form
def test_norm_without_biases_has_no_shift(form: str) -> None:
    layer = make_form(form, bias=False)
    zeros = make_form(form)
    state: dict[str, Any] = layer.state_dict()
    for name, weight in zeros.state_dict().items():
        assert name in state or name.startswith("bias")
        state.setdefault(name, torch.zeros_like(weight))
    zeros.load_state_dict(state)
    x = draw(5, 2, 3)
    results = [seeded(one, x) for one in (layer, zeros)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_one_unit_and_one_feature_work(form: str) -> None:
    """Layer norm of a c that is a single number leaves its shift alone."""
    cell, options = FORMS[form]
    hidden = 1 + (options.get("proj_size", 0) and 2)
    layer = getattr(gatewise, cell.upper())(1, hidden, **TWOFOLD, **options)
    y, state = layer(torch.randn(4, 2, 1))
    y.sum().backward()
    assert all(torch.isfinite(s).all() for s in (y, *as_tuple(state)))
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.grad is not None)
