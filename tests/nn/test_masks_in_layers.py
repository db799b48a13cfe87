"""Recurrent dropout and zoneout in the layers: what is drawn, when, and with what chance."""

import math
from typing import Any

import pytest
import torch
from layer_cases import (
    DRAWING,
    FORMS,
    KINDS,
    TWOFOLD,
    as_tuple,
    draw,
    make_form,
    make_state,
    seeded,
)
from torch.utils.checkpoint import checkpoint

import gatewise

every_form = pytest.mark.parametrize("form", FORMS)
every_drawing_form = pytest.mark.parametrize("form", DRAWING)
every_kind = pytest.mark.parametrize("kind", KINDS)


def assert_equal(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


def assert_share(kept: torch.Tensor, p: float) -> None:
    """Compare a share of True with its probability, within five standard deviations."""
    limit = 5 * math.sqrt(p * (1 - p) / kept.numel())
    assert abs(kept.double().mean().item() - p) < limit


@every_drawing_form
def test_seed_decides_the_masks(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    first, second = seeded(layer, x), layer(x)
    assert_equal(seeded(layer, x), first)
    assert_equal(layer(x), second)
    assert (first[0] - second[0]).abs().max() > 1e-3
    assert (seeded(layer, x, seed=2)[0] - first[0]).abs().max() > 1e-3


@every_drawing_form
def test_training_goes_on_from_a_saved_generator(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, dropout=0.2), draw(5, 3, 3)
    seeded(layer, x)
    saved = torch.get_rng_state()
    expected = [layer(x) for _ in range(3)]
    seeded(layer, x, seed=9)
    torch.set_rng_state(saved)
    assert_equal([layer(x) for _ in range(3)], expected)


@every_drawing_form
def test_rows_have_masks_of_their_own(form: str) -> None:
    layer, x = make_form(form), draw(5, 1, 3).expand(5, 3, 3)
    y = seeded(layer, x)[0]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (y[:, one] - y[:, other]).abs().max() > 1e-3
    y = layer.eval()(x)[0]
    torch.testing.assert_close(y, y[:, :1].expand_as(y), rtol=1e-12, atol=1e-12)


@every_drawing_form
def test_layers_and_directions_have_masks_of_their_own(form: str) -> None:
    """With the same weights and a sequence that reads the same both ways, masks alone differ."""
    width = 2 * FORMS[form].options.get("proj_size", 5)
    x = draw(3, 2, width)
    x = torch.cat([x, x.flip(0)])
    layer = make_form(form, **TWOFOLD)
    wide = type(layer)(width, 5, dtype=torch.float64, **TWOFOLD, **FORMS[form].options)
    for name, parameter in wide.named_parameters():
        stem = name.removesuffix("_reverse")[:-1]
        parameter.data = getattr(wide, f"{stem}0").data
    hx = tuple(s[:1].expand_as(s) for s in as_tuple(make_state(wide, 2)))
    batch = wide.prepare(x, hx if len(hx) == 2 else hx[0])

    def run(layer: int, direction: int, seed: torch.Tensor | None) -> torch.Tensor:
        y = wide.operator(*wide.arguments(layer, direction, x, batch, seed))[0]
        return y.flip(0) if direction else y

    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for place in places[1:]:
        torch.testing.assert_close(run(*place, None), run(0, 0, None), rtol=1e-12, atol=1e-12)
    outputs = [run(*place, torch.tensor(5)) for place in places]
    for k, one in enumerate(outputs):
        for other in outputs[k + 1 :]:
            assert (one - other).abs().max() > 1e-3


@every_form
def test_evaluation_draws_nothing(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, dropout=0.3).eval(), draw(5, 3, 3)
    before = torch.get_rng_state()
    first = layer(x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert_equal(layer(x), first)


@every_form
def test_training_draws_only_where_masks_are_wanted(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    before = torch.get_rng_state()
    layer(x)
    assert torch.equal(torch.get_rng_state(), before) == (form not in DRAWING)


@every_form
def test_explaining_draws_nothing(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, dropout=0.3), draw(5, 3, 3)
    before = torch.get_rng_state()
    explanation = gatewise.explain_backend(layer, x)
    assert torch.equal(torch.get_rng_state(), before)
    if form in DRAWING:
        assert explanation.backend != "torch"


@every_drawing_form
def test_tracing_draws_as_the_forward_does(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, dropout=0.3), draw(5, 3, 3)
    expected, state = seeded(layer, x)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    traced = gatewise.trace(layer, x)
    assert torch.equal(torch.get_rng_state(), after)
    # A mask that differs is no rounding, in which backends may.
    torch.testing.assert_close(traced.output, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(traced.h_n, as_tuple(state)[0], rtol=1e-12, atol=1e-12)


@every_drawing_form
def test_number_of_threads_changes_no_mask(form: str) -> None:
    """Products may be summed in another order; a mask that differs is no rounding."""
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(seeded(layer, x))
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@every_drawing_form
def test_same_threads_give_the_same_bits(form: str) -> None:
    layer, x, hx = make_form(form, **TWOFOLD), draw(5, 3, 3).requires_grad_(), None
    results = []
    for _ in range(3):
        y, state = seeded(layer, x, hx)
        results.append((y, state, torch.autograd.grad(y.square().sum(), x)))
    assert_equal(results[1:], results[:1] * 2)


@every_drawing_form
def test_checkpointing_draws_the_same_masks_again(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, dropout=0.3), draw(5, 3, 3).requires_grad_()
    resets = torch.zeros(5, 3, dtype=torch.bool)  # so that every weight is in use
    parameters = [x, *layer.parameters()]
    loss = seeded(layer, x, resets=resets)[0].square().sum()
    expected = torch.autograd.grad(loss, parameters)
    for is_reentrant in (True, False):
        torch.manual_seed(1)
        y: Any = checkpoint(
            lambda x: layer(x, resets=resets)[0],
            x,
            use_reentrant=is_reentrant,
            preserve_rng_state=True,
        )
        for parameter in parameters:
            parameter.grad = None
        y.square().sum().backward()
        assert_equal(tuple(parameter.grad for parameter in parameters), expected)


@every_drawing_form
def test_seed_is_drawn_on_the_cpu_whatever_the_default_device(form: str) -> None:
    layer = make_form(form)
    torch.manual_seed(1)
    expected = layer.draw_seed()
    torch.manual_seed(1)
    with torch.device("meta"):
        seed = layer.draw_seed()
    assert seed.device.type == "cpu"
    assert torch.equal(seed, expected)


def test_recurrent_dropout_leaves_the_mean_as_it_is() -> None:
    """Over many rows and seeds W_hh h is what it is without, where the cell is linear in it."""
    layer = make_form("rnn-relu", recurrent_dropout=0.3)
    layer.bias_ih_l0.data += 50.0  # ReLU's positive side
    rows, x, h_0 = 500, draw(1, 1, 3), draw(1, 1, 5)
    drawn = torch.cat(
        [
            seeded(layer, x.expand(1, rows, 3), h_0.expand(1, rows, 5), seed=seed)[0][0]
            for seed in range(20)
        ]
    )  # (rows, H)
    expected = layer.eval()(x, h_0)[0][0, 0]
    error = (drawn.mean(0) - expected).abs()
    assert drawn.std(0).min() > 0.05
    assert (error < 5 * drawn.std(0) / math.sqrt(len(drawn))).all()


@every_kind
def test_recurrent_dropout_hides_the_same_units_at_every_step(kind: str) -> None:
    """A hidden unit's column of W_hh has no gradient: the units are those of one draw a row."""
    layer = make_form(kind.lower(), recurrent_dropout=0.5)
    for seed in range(8):
        y, _ = seeded(layer, draw(6, 1, 3), make_state(layer, 1), seed=seed)
        (gradient,) = torch.autograd.grad(y.square().sum(), layer.weight_hh_l0)
        hidden = (gradient == 0).all(0)  # (H,)
        if 0 < hidden.sum() < 5:
            assert (gradient != 0).any(0).equal(~hidden)
            return
    pytest.fail("no draw hid some of the units")


@every_kind
@pytest.mark.parametrize("p", [0.1, 0.7])
def test_zoneout_keeps_the_share_of_units_asked_for(kind: str, p: float) -> None:
    p_c = 1 - p
    layer = make_form(kind.lower(), zoneout=(p, p_c) if kind == "LSTM" else p)
    x, hx = draw(20, 50, 3), make_state(layer, 50)
    torch.manual_seed(1)
    way: Any = gatewise.trace(layer, x, hx).layers[0].forward
    given = as_tuple(hx)
    for sequence, first, share in zip((way.hidden, way.cell), given, (p, p_c), strict=False):
        kept = sequence == torch.cat([first, sequence[:-1]])  # (T, B, H)
        assert_share(kept, share)
        assert_share(kept[0], share)
        assert_share(kept[..., 0], share)
        assert_share(kept[1:] & kept[:-1], share**2)  # each step draws anew


@every_kind
def test_zoneout_takes_the_expectation_in_evaluation(kind: str) -> None:
    p, options = 0.3, {"zoneout": 0.3}
    layer, plain = make_form(kind.lower(), **options).eval(), make_form(kind.lower()).eval()
    x, hx = draw(1, 2, 3), make_state(layer, 2)
    new = as_tuple(plain(x, hx)[1])
    for got, old, want in zip(as_tuple(layer(x, hx)[1]), as_tuple(hx), new, strict=True):
        torch.testing.assert_close(got, p * old + (1 - p) * want, rtol=1e-13, atol=1e-13)
    many = 4000
    spread = tuple(s.detach()[:, :1].expand(-1, many, -1) for s in as_tuple(hx))
    rows = x[:, :1].expand(-1, many, -1)
    drawn = seeded(layer.train(), rows, spread if kind == "LSTM" else spread[0])[1]
    for got, old, want in zip(as_tuple(drawn), as_tuple(hx), new, strict=True):
        mean = p * old[0, 0] + (1 - p) * want[0, 0]
        deviation = (old[0, 0] - want[0, 0]).abs() * math.sqrt(p * (1 - p) / many)
        assert ((got[0].mean(0) - mean).abs() <= 5 * deviation + 1e-12).all()


@every_kind
@pytest.mark.parametrize("training", [True, False])
def test_probability_0_is_the_plain_layer_to_the_bit(kind: str, training: bool) -> None:
    zero = {"recurrent_dropout": 0.0, "zoneout": (0.0, 0.0) if kind == "LSTM" else 0}
    x = draw(5, 2, 3)
    layers = [make_form(kind.lower(), **TWOFOLD, **options) for options in ({}, zero)]
    before = torch.get_rng_state()
    assert_equal(*(layer.train(training)(x) for layer in layers))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("training", [True, False])
def test_zoneout_of_1_never_changes_the_state(form: str, training: bool) -> None:
    layer = make_form(form, **TWOFOLD, zoneout=1.0).train(training)
    x, hx = draw(5, 2, 3), make_state(layer, 2)
    y, state = layer(x, hx)
    assert_equal(state, hx)
    top = as_tuple(hx)[0][2:]  # (2, B, H)
    assert_equal(y, torch.cat([*top], -1).expand_as(y))


def test_zoneout_of_one_part_leaves_the_other() -> None:
    x = draw(5, 2, 3)
    for part, zoneout in enumerate([(1.0, 0.0), (0.0, 1.0)]):
        layer = make_form("lstm", zoneout=zoneout)
        hx = make_state(layer, 2)
        state = layer(x, hx)[1]
        assert_equal(state[part], hx[part])
        assert (state[1 - part] != hx[1 - part]).all()


@pytest.mark.parametrize("form", FORMS)
def test_recurrent_dropout_of_1_never_shows_h_to_the_weights(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD, recurrent_dropout=1), draw(5, 2, 3)
    expected = seeded(layer, x)[0]
    gradients = torch.autograd.grad(
        expected.square().sum(), [layer.weight_hh_l0, layer.weight_hh_l1_reverse]
    )
    assert not any(gradient.any() for gradient in gradients)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            weight.data = 3 * torch.rand_like(weight)
    assert_equal(seeded(layer, x)[0], expected)


@every_kind
def test_pieces_share_the_masks_of_recurrent_dropout(kind: str) -> None:
    layer, x = make_form(f"{kind.lower()}-recurrent-dropout", bidirectional=True), draw(6, 3, 3)
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[4] = True
    y = seeded(layer, x, resets=resets)[0]
    pieces = torch.cat([seeded(layer, piece)[0] for piece in (x[:4], x[4:])])
    torch.testing.assert_close(y, pieces, rtol=1e-12, atol=1e-12)


def test_forced_torch_backend_refuses_masks_in_training_alone() -> None:
    layer, x = make_form("gru-recurrent-dropout", backend="torch"), draw(5, 2, 3)
    for run in (layer, lambda x: gatewise.explain_backend(layer, x)):
        with pytest.raises(gatewise.BackendError, match=r"no recurrent dropout.*'reference'"):
            run(x)
    assert torch.isfinite(layer.eval()(x)[0]).all()
