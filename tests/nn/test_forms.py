"""Every form of the layers: parameters, copies, precision, derivatives; that every option acts."""

import copy
import inspect
import io
import math
import pickle
from typing import Any

import pytest
import torch
from layer_cases import (
    FORMS,
    KINDS,
    TWOFOLD,
    as_tuple,
    draw,
    make_form,
    make_state,
    seeded,
)
from torch import Tensor

import gatewise

every_form = pytest.mark.parametrize("form", FORMS)
ARRANGEMENTS: list[dict[str, Any]] = [{}, TWOFOLD]


@every_form
def test_form_shows_itself_as_one_would_make_it(form: str) -> None:
    for arrangement in ARRANGEMENTS:
        layer = make_form(form, **arrangement)
        again = eval(f"gatewise.{layer!r}", {"gatewise": gatewise})
        assert repr(again) == repr(layer)
        for name, value in (FORMS[form].options | arrangement).items():
            assert f"{name}={value!r}" in repr(layer)
            assert getattr(again, name) == value
        shapes = [{n: p.shape for n, p in one.named_parameters()} for one in (again, layer)]
        assert shapes[0] == shapes[1]


@every_form
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_have_the_names_and_shapes_of_the_design(form: str, bias: bool) -> None:
    layer = make_form(form, **TWOFOLD, bias=bias)
    cell, options = FORMS[form]
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[cell] - options.get("coupled", False)
    width = options.get("proj_size", 5)
    expected: dict[str, tuple[int, ...]] = {}
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        expected |= {
            f"weight_ih{suffix}": (gates * 5, 3 if "l0" in suffix else 2 * width),
            f"weight_hh{suffix}": (gates * 5, width),
        }
        if bias:
            expected |= {f"bias_ih{suffix}": (gates * 5,), f"bias_hh{suffix}": (gates * 5,)}
        if "proj_size" in options:
            expected[f"weight_hr{suffix}"] = (2, 5)
        if options.get("peephole"):
            expected[f"weight_peephole{suffix}"] = (10 if options.get("coupled") else 15,)
        if options.get("layer_norm"):
            expected |= {f"weight_ln_{name}{suffix}": (gates * 5,) for name in ("ih", "hh")}
            if cell == "lstm":
                expected |= {
                    f"{name}_ln_c{suffix}": (5,) for name in ("weight", "bias")[: 1 + bias]
                }
        if options.get("learn_initial_state"):
            expected[f"initial_h{suffix}"] = (width,)
            if cell == "lstm":
                expected[f"initial_c{suffix}"] = (5,)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == expected
    assert list(layer.state_dict()) == list(expected)
    weights = [w for one in layer.all_weights for w in one]
    assert all(a is b for a, b in zip(weights, layer.parameters(), strict=True))


@every_form
def test_copies_of_a_form_give_the_same_numbers(form: str) -> None:
    x = draw(4, 2, 3)
    for arrangement in ARRANGEMENTS:
        layer = make_form(form, **arrangement)
        file = io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        loaded = make_form(form, **arrangement, init="standard")
        loaded.load_state_dict(torch.load(file))
        assigned = make_form(form, **arrangement, device="meta")
        assigned.load_state_dict(layer.state_dict(), assign=True)
        twins = (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded, assigned)
        for training in (True, False):
            expected = seeded(layer.train(training), x)
            for twin in twins:
                torch.testing.assert_close(
                    seeded(twin.train(training), x), expected, rtol=0, atol=0
                )


@every_form
def test_form_runs_in_every_dtype_near_float64(form: str) -> None:
    steps = 6
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        layer = make_form(form, **TWOFOLD).to(dtype)
        exact = copy.deepcopy(layer).double()
        x = draw(steps, 2, 3).to(dtype)
        for training in (True, False):
            y, state = seeded(layer.train(training), x)
            expected, expected_state = seeded(exact.train(training), x.double())
            results = zip((y, *as_tuple(state)), (expected, *as_tuple(expected_state)), strict=True)
            amplifies = 4 if FORMS[form].options.get("layer_norm") else 1
            limit = 2 * amplifies * torch.finfo(dtype).eps * (steps + 2)
            for got, want in results:
                assert got.dtype == dtype
                error = (got.double() - want).abs().max() / want.abs().max().clamp(min=1)
                assert error <= limit, f"{dtype}, training={training}: {error:.1e} > {limit:.1e}"


@every_form
def test_extras_are_the_weights_of_the_same_names(form: str) -> None:
    weights = make_form(form).weights(0, 0)
    for name, extra in weights.extras._asdict().items():
        assert getattr(weights, name) is extra


@pytest.mark.parametrize("kind", KINDS)
def test_probability_of_1_is_that_of_1_point_0(kind: str) -> None:
    layers = [getattr(gatewise, kind)(3, 5, zoneout=p).eval() for p in (1, 1.0)]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.randn(9, 2, 3)
    assert torch.equal(layers[0](x)[0], layers[1](x)[0])


@every_form
def test_functional_call_uses_every_parameter(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(4, 2, 3)
    resets = torch.zeros(4, 2, dtype=torch.bool)
    resets[2] = True
    old = dict(layer.named_parameters())
    expected = seeded(layer, x, resets=resets)[0]
    for name, value in old.items():
        torch.manual_seed(1)
        new = old | {name: value.detach() + 0.5 * (1 + torch.rand_like(value))}
        y = torch.func.functional_call(layer, new, (x,), {"resets": resets})[0]
        assert (y - expected).abs().max() > 1e-6, name
    torch.testing.assert_close(seeded(layer, x, resets=resets)[0], expected, rtol=0, atol=0)


@every_form
def test_form_has_first_and_second_derivatives(form: str) -> None:
    layer = make_form(form, backend="reference")
    names, values = zip(*layer.named_parameters(), strict=True)
    x = draw(3, 2, 3).requires_grad_()

    def run(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        torch.manual_seed(1)
        arguments = dict(zip(names, values, strict=True))
        y, state = torch.func.functional_call(layer, arguments, (x,), {"lengths": [3, 2]})
        return y, *as_tuple(state)

    torch.manual_seed(0)
    assert torch.autograd.gradcheck(run, (x, *values), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (x, *values), fast_mode=True)


@every_form
def test_form_takes_a_penalty_on_the_gradient(form: str) -> None:
    """Two layers, both ways: a loss with the gradient's norm in it reaches every weight."""
    layer, x = make_form(form, **TWOFOLD, backend="reference"), draw(4, 2, 3).requires_grad_()
    y, _ = seeded(layer, x)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    dx.square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_dropout_acts_in_training_alone(kind: str) -> None:
    plain = make_form(kind.lower())
    dropped = make_form(f"{kind.lower()}-recurrent-dropout", recurrent_dropout=0.5)
    x = draw(4, 2, 3)
    assert (plain(x)[0] - dropped(x)[0]).abs().max() > 1e-3
    assert torch.equal(plain.eval()(x)[0], dropped.eval()(x)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_one_zoneout_stands_for_every_part_of_the_state(kind: str) -> None:
    x = draw(4, 2, 3)
    layers = [make_form(kind.lower(), zoneout=p) for p in (0.3, *([(0.3, 0.3)] * (kind == "LSTM")))]
    results = [seeded(layer, x)[0] for layer in layers]
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("kind", KINDS)
def test_options_follow_torchs_arguments_and_are_given_by_name(kind: str) -> None:
    for name in (kind, f"{kind}Cell"):
        parameters = inspect.signature(getattr(gatewise, name)).parameters
        defaults = {
            "peephole": False,
            "coupled": False,
            "layer_norm": False,
            "recurrent_dropout": 0.0,
            "zoneout": 0.0,
            "learn_initial_state": False,
        }
        own = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        lacking = {"LSTM": set(), "GRU": {"peephole", "coupled"}}.get(
            kind, {"peephole", "coupled", "layer_norm"}
        ) | ({"recurrent_dropout"} if name.endswith("Cell") else set())
        assert {n: own[n] for n in defaults if n in own} == {
            n: value for n, value in defaults.items() if n not in lacking
        }
        for option in lacking:
            with pytest.raises(TypeError, match=option):
                getattr(gatewise, name)(3, 5, **{option: True})


@every_form
@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0), (0, 0)])
def test_form_takes_empty_batches_and_sequences(form: str, steps: int, batch: int) -> None:
    for hx_given in (False, True):
        layer = make_form(form, **TWOFOLD)
        hx = make_state(layer, batch) if hx_given else None
        y, state = layer(draw(steps, batch, 3), hx, resets=torch.ones(steps, batch).bool())
        width = FORMS[form].options.get("proj_size", 5)
        assert y.shape == (steps, batch, 2 * width)
        assert [s.shape[:2] for s in as_tuple(state)] == [(4, batch)] * len(as_tuple(state))
        (y.sum() + sum(s.sum() for s in as_tuple(state))).backward()
        assert all(math.isfinite(p.grad.sum()) for p in layer.parameters() if p.grad is not None)
