"""The learned initial state: in force where no state is given and where a sequence is cut."""

from typing import Any

import pytest
import torch
from layer_cases import FORMS, KINDS, TWOFOLD, as_tuple, draw, make_form, make_state, seeded
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

import gatewise

LEARNING = [name for name, form in FORMS.items() if form.options.get("learn_initial_state")]
every_form = pytest.mark.parametrize("form", LEARNING)


def learned_state(layer: Any, *batch: int) -> Any:
    """Write the layer's learned state as an ``hx``, (L·D, B, ·) or, for no batch, (L·D, ·)."""
    suffixes = [f"_l{k}{end}" for k in range(2) for end in ("", "_reverse")]
    suffixes = [s for s in suffixes if hasattr(layer, f"initial_h{s}")]
    parts = [
        torch.stack([getattr(layer, name + s).detach().expand(*batch, -1) for s in suffixes])
        for name in ("initial_h", "initial_c")
        if hasattr(layer, name + suffixes[0])
    ]
    return tuple(parts) if len(parts) == 2 else parts[0]


def initials(layer: Any) -> list[Tensor]:
    return [p for name, p in layer.named_parameters() if name.startswith("initial")]


def assert_near(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@every_form
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("arrangement", [{}, TWOFOLD], ids=str)
def test_learned_state_equals_the_same_state_given(
    form: str, training: bool, arrangement: dict[str, Any]
) -> None:
    layer = make_form(form, **arrangement).train(training)
    for x, batch in ((draw(5, 3, 3), (3,)), (draw(5, 3), ())):
        assert_near(seeded(layer, x), seeded(layer, x, learned_state(layer, *batch)))
    packed = pack_sequence([draw(n, 3) for n in (2, 5, 3)], enforce_sorted=False)
    got, expected = seeded(layer, packed), seeded(layer, packed, learned_state(layer, 3))
    assert_near((got[0].data, got[1]), (expected[0].data, expected[1]))


@every_form
def test_learned_state_acts(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    zeros = tuple(torch.zeros_like(s) for s in as_tuple(learned_state(layer, 3)))
    given = seeded(layer, x, zeros if len(zeros) == 2 else zeros[0])[0]
    assert (seeded(layer, x)[0] - given).abs().max() > 1e-3


@every_form
def test_given_state_replaces_the_learned_one(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    hx = make_state(layer, 3)
    expected = seeded(layer, x, hx)[0]
    gradients = torch.autograd.grad(expected.sum(), initials(layer), allow_unused=True)
    assert gradients == (None,) * len(gradients)
    for parameter in initials(layer):
        parameter.data.fill_(float("nan"))
    assert torch.equal(seeded(layer, x, hx)[0], expected)


@every_form
def test_gradient_of_the_learned_state_is_the_sum_over_the_batch(form: str) -> None:
    layer, x = make_form(form, **TWOFOLD), draw(5, 3, 3)
    weights = draw(3, 1)  # one for each row, so that no row can stand for another
    loss = (seeded(layer, x)[0] * weights).sum()
    got = torch.autograd.grad(loss, initials(layer))
    hx = tuple(s.requires_grad_() for s in as_tuple(learned_state(layer, 3)))
    y = seeded(layer, x, hx if len(hx) == 2 else hx[0])[0]
    given = torch.autograd.grad((y * weights).sum(), hx)  # (L·D, B, ·) each
    rows = [g.sum(1)[k] for k in range(4) for g in given]
    for gradient, expected in zip(got, rows, strict=True):
        assert gradient.any()
        assert_near(gradient, expected)


@every_form
def test_pieces_begin_from_the_learned_state_in_both_directions(form: str) -> None:
    """Only a piece that begins with what was given does not."""
    layer, x = make_form(form, bidirectional=True).eval(), draw(6, 2, 3)
    resets = torch.zeros(6, 2, dtype=torch.bool)
    resets[2] = resets[4] = True
    learned, hx = learned_state(layer, 2), make_state(layer, 2)
    half = layer(x)[0].shape[-1] // 2
    y = layer(x, hx, resets=resets)[0]
    middle = layer(x[2:4], learned)[0]
    assert_near(y[2:4], middle)
    assert_near(y[4:, :, :half], layer(x[4:], learned)[0][..., :half])
    assert_near(y[:2, :, half:], layer(x[:2], learned)[0][..., half:])
    assert_near(y[:2, :, :half], layer(x[:2], hx)[0][..., :half])
    assert_near(y[4:, :, half:], layer(x[4:], hx)[0][..., half:])
    gradients = torch.autograd.grad(y[2:4].sum(), initials(layer))
    assert all(gradient.any() for gradient in gradients)


@every_form
def test_flag_at_step_0_puts_the_learned_state_in_place_of_the_given(form: str) -> None:
    layer, x = make_form(form).eval(), draw(4, 2, 3)
    resets = torch.zeros(4, 2, dtype=torch.bool)
    resets[0] = True
    assert_near(layer(x, make_state(layer, 2), resets=resets), layer(x))


@every_form
@pytest.mark.parametrize("training", [True, False])
def test_zero_lengths_give_the_learned_state_back(form: str, training: bool) -> None:
    layer = make_form(form, **TWOFOLD).train(training)
    expected = learned_state(layer, 3)
    y, state = layer(draw(4, 3, 3), lengths=[0, 4, 0])
    for got, want in zip(as_tuple(state), as_tuple(expected), strict=True):
        assert torch.equal(got[:, ::2], want[:, ::2])
    assert not y[:, ::2].any()
    torch.testing.assert_close(layer(draw(0, 3, 3))[1], expected, rtol=0, atol=0)
    unbatched = layer(draw(4, 3), lengths=0)[1]
    torch.testing.assert_close(unbatched, learned_state(layer), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_learned_state_starts_at_0_and_is_the_plain_layer_then(kind: str, backend: str) -> None:
    x, layers = draw(5, 3, 3), []
    for learn in (False, True):
        torch.manual_seed(0)
        make = getattr(gatewise, kind)
        options: dict[str, Any] = {"learn_initial_state": learn, "backend": backend}
        layers.append(make(3, 5, dtype=torch.float64, **TWOFOLD, **options))
    torch.testing.assert_close(layers[0](x), layers[1](x), rtol=0, atol=0)
    layers[1](x)[0].square().sum().backward()
    for parameter in initials(layers[1]):
        assert not parameter.any()
        assert parameter.grad.any()


def test_learned_state_is_learnt() -> None:
    """Nothing but the initial state can tell the layer what to say at once."""
    layer = make_form("gru-initial-state").requires_grad_(False)
    for parameter in initials(layer):
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(initials(layer), lr=0.1)
    x, losses = torch.zeros(1, 4, 3, dtype=torch.float64), []
    for _ in range(60):
        loss = (layer(x)[0] - 0.3).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.05 * losses[0]
