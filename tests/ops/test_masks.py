"""The masks: what they depend on, how often they are set, and that a seed is needed."""

import itertools
from typing import Any

import pytest
import torch
from sequence_cases import FORMS, make_tensors, run_operator
from torch import Tensor

from gatewise.ops.cases import draws, make_call
from gatewise.ops.masks import RECURRENT, ZONEOUT_C, ZONEOUT_H, Masks, draw_bits, make_masks

DRAWING = [name for name, form in FORMS.items() if draws(form)]
KINDS = (RECURRENT, ZONEOUT_H, ZONEOUT_C)


def masks_of(form: str, *sizes: int, seed: int | None = 1, **options: Any) -> Masks:
    return make_masks(make_call(FORMS[form], make_tensors(form, *sizes), seed=seed, **options))


def bits_of(kind: int, p: float, *shape: int, seed: int = 1, **options: Any) -> Tensor:
    """Draw bits by a call that has nothing else to do with the kind."""
    call = make_call(FORMS["lstm-zoneout"], make_tensors("lstm", 1, 1), seed=seed, **options)
    return draw_bits(call, kind, p, shape)


def parts(masks: Masks) -> list[Tensor]:
    return [part for part in (masks.recurrent, *masks.keep) if isinstance(part, Tensor)]


@pytest.mark.parametrize("form", DRAWING)
def test_same_seed_gives_the_same_masks_and_other_places_others(form: str) -> None:
    first = parts(masks_of(form, 6, 5, 3, 64))
    again = parts(masks_of(form, 6, 5, 3, 64))
    assert first
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ({"seed": 2}, {"seed": 1 + 2**32}, {"layer": 1}, {"reverse": True}):
        changed = parts(masks_of(form, 6, 5, 3, 64, **other))
        assert not any(torch.equal(a, b) for a, b in zip(first, changed, strict=True)), other


def test_every_kind_row_and_step_has_bits_of_its_own() -> None:
    drawn = {
        (kind, layer, reverse): bits_of(kind, 0.5, 4, 3, 64, layer=layer, reverse=reverse)
        for kind, layer, reverse in itertools.product(KINDS, range(3), (False, True))
    }
    slices = {
        (*name, step, row): tuple(bits[step, row].tolist())
        for name, bits in drawn.items()
        for step in range(4)
        for row in range(3)
    }
    assert len(set(slices.values())) == len(slices) == 3 * 3 * 2 * 4 * 3


def test_bits_do_not_depend_on_what_else_is_drawn() -> None:
    """A unit's bit is its own: not the width's, the batch's or the length's."""
    large = bits_of(ZONEOUT_H, 0.5, 6, 5, 18)
    assert torch.equal(bits_of(ZONEOUT_H, 0.5, 4, 3, 7), large[:4, :3, :7])


def test_a_higher_probability_only_adds_bits() -> None:
    few, many = (bits_of(ZONEOUT_H, p, 6, 5, 64) for p in (0.2, 0.6))
    assert (few <= many).all()
    assert few.sum() < many.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_share_of_bits_is_the_probability(kind: int, p: float) -> None:
    n = 100 * 40 * 50
    share = bits_of(kind, p, 100, 40, 50).double().mean().item()
    assert abs(share - p) < 5 * (p * (1 - p) / n) ** 0.5  # five standard deviations


def test_probabilities_0_and_1_are_exact() -> None:
    assert not bits_of(ZONEOUT_H, 0.0, 50, 20, 30).any()
    assert bits_of(ZONEOUT_H, 1.0, 50, 20, 30).all()


def test_neighbouring_bits_are_independent() -> None:
    bits = bits_of(ZONEOUT_H, 0.5, 60, 60, 60).double() - 0.5
    for dim in range(3):
        there = bits.narrow(dim, 0, 59)
        next_to_it = bits.narrow(dim, 1, 59)
        correlation = (4 * there * next_to_it).mean().item()
        assert abs(correlation) < 5 / there.numel() ** 0.5


def test_recurrent_mask_is_one_for_all_steps_and_scaled() -> None:
    mask = masks_of("gru-recurrent-dropout", 6, 5, 3, 64).recurrent
    assert isinstance(mask, Tensor)
    assert mask.shape == (5, 64)
    assert sorted(mask.unique().tolist()) == pytest.approx([0, 1 / 0.7])


@pytest.mark.parametrize("form", DRAWING)
def test_without_a_seed_nothing_is_drawn(form: str) -> None:
    masks = masks_of(form, 6, 5, seed=None)
    assert masks.recurrent is None
    zoneout = FORMS[form].options.get("zoneout", 0)
    pair = zoneout if isinstance(zoneout, tuple) else (zoneout,)
    assert masks.keep[: len(pair)] == tuple(p or None for p in pair)


@pytest.mark.parametrize("form", DRAWING)
def test_masks_change_the_output(form: str) -> None:
    tensors = make_tensors(form, 6, 5)
    results = [run_operator(form, tensors, seed=seed)[0] for seed in (None, 1, 2)]
    for one, other in itertools.combinations(results, 2):
        assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("form", DRAWING)
def test_masks_are_the_same_in_every_dtype(form: str) -> None:
    for a, b in zip(
        parts(masks_of(form, 6, 5)),
        parts(
            make_masks(
                make_call(FORMS[form], make_tensors(form, 6, 5, dtype=torch.float16), seed=1)
            )
        ),
        strict=True,
    ):
        assert torch.equal(a != 0, b != 0)


def test_recurrent_dropout_of_1_hides_the_state_altogether() -> None:
    form = "rnn-recurrent-dropout"
    tensors = make_tensors(form, 6, 5)
    options = {"backend": "reference"}
    hidden = run_operator(form, tensors, seed=1, recurrent_dropout=1.0, **options)
    unseen = tensors | {"w_hh": torch.zeros_like(tensors["w_hh"])}
    plain = run_operator("rnn", unseen, **options)
    assert torch.equal(hidden[0], plain[0])


@pytest.mark.parametrize("seed", [None, 1])
def test_zoneout_of_1_keeps_the_first_state_to_the_bit(seed: int | None) -> None:
    form = "lstm-zoneout"
    tensors = make_tensors(form, 6, 5)
    y, h_n, c_n = run_operator(form, tensors, seed=seed, zoneout=(1.0, 1.0))
    assert torch.equal(y, tensors["h_0"].expand_as(y))
    assert torch.equal(h_n, tensors["h_0"])
    assert torch.equal(c_n, tensors["c_0"])


@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("form", DRAWING)
def test_masks_of_nothing_are_empty(form: str, steps: int, batch: int) -> None:
    y, *_ = run_operator(form, make_tensors(form, steps, batch), seed=1)
    assert y.shape[:2] == (steps, batch)
