"""Every form, two layers and both ways: lengths, packed, batch first, unbatched, chunks, resets."""

import itertools
from typing import Any

import pytest
import torch
from layer_cases import FORMS, TWOFOLD, as_tuple, draw, make_form, make_state, seeded
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence, pad_sequence

from gatewise.ops.native_call import native

# "auto" does not take the core for so few steps.
BACKENDS = ("auto",) if native is None else ("auto", "cpu")
every_form = pytest.mark.parametrize(("form", "backend"), list(itertools.product(FORMS, BACKENDS)))
LENGTHS = {"sorted": [6, 4, 4, 1], "unsorted": [4, 1, 6, 4]}


def assert_near(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def take_row(state: Any, row: int) -> Any:
    """Give one sequence's share of a state, as for unbatched input."""
    rows = tuple(s[:, row] for s in as_tuple(state))
    return rows if isinstance(state, tuple) else rows[0]


def draw_sequences(lengths: list[int]) -> list[Tensor]:
    return [draw(length, 3) for length in lengths]


@every_form
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("order", LENGTHS)
def test_padded_packed_and_alone_agree_in_evaluation(
    form: str, backend: str, order: str, with_state: bool
) -> None:
    layer = make_form(form, backend=backend, **TWOFOLD).eval()
    lengths = LENGTHS[order]
    sequences, hx = draw_sequences(lengths), make_state(layer, 4) if with_state else None
    packed = pack_sequence(sequences, enforce_sorted=order == "sorted")
    y_packed, state_packed = layer(packed, hx)
    assert isinstance(y_packed, PackedSequence)
    padded = pad_sequence(sequences, padding_value=float("nan"))
    y, state = layer(padded, hx, lengths=lengths)
    assert torch.equal(pad_packed_sequence(y_packed)[0], y)
    torch.testing.assert_close(state_packed, state, rtol=0, atol=0)
    for row, sequence in enumerate(sequences):
        alone, state_alone = layer(sequence, None if hx is None else take_row(hx, row))
        assert_near(y[: lengths[row], row], alone)
        assert not y[lengths[row] :, row].any()
        assert_near(take_row(state, row), state_alone)


@every_form
@pytest.mark.parametrize("order", LENGTHS)
def test_padded_equals_packed_to_the_bit_in_training(form: str, backend: str, order: str) -> None:
    """Masks go by the row in which the user put a sequence, however it is packed."""
    layer = make_form(form, backend=backend, **TWOFOLD)
    lengths = LENGTHS[order]
    sequences, hx = draw_sequences(lengths), make_state(layer, 4)
    packed = pack_sequence(sequences, enforce_sorted=order == "sorted")
    y_packed, state_packed = seeded(layer, packed, hx)
    padded = pad_sequence(sequences, padding_value=float("nan"))
    y, state = seeded(layer, padded, hx, lengths=lengths)
    assert torch.equal(pad_packed_sequence(y_packed)[0], y)
    torch.testing.assert_close(state_packed, state, rtol=0, atol=0)


@every_form
def test_more_padding_changes_nothing_in_training(form: str, backend: str) -> None:
    layer, lengths = make_form(form, backend=backend, **TWOFOLD), LENGTHS["unsorted"]
    padded = pad_sequence(draw_sequences(lengths), padding_value=float("nan"))
    longer = torch.cat([padded, torch.full_like(padded, float("inf"))])
    y, state = seeded(layer, padded, lengths=lengths)
    y_longer, state_longer = seeded(layer, longer, lengths=lengths)
    assert_near(y_longer[: len(y)], y)
    assert not y_longer[len(y) :].any()
    assert_near(state_longer, state)


@every_form
def test_batch_first_is_the_same_batch_turned(form: str, backend: str) -> None:
    layer, turned = (
        make_form(form, backend=backend, **TWOFOLD),
        make_form(form, backend=backend, **TWOFOLD, batch_first=True),
    )
    turned.load_state_dict(layer.state_dict())
    x, hx, resets = draw(6, 4, 3), make_state(layer, 4), torch.rand(6, 4) < 0.3
    y, state = seeded(layer, x, hx, lengths=[4, 0, 6, 2], resets=resets)
    y_turned, state_turned = seeded(
        turned, x.transpose(0, 1), hx, lengths=[4, 0, 6, 2], resets=resets.t()
    )
    assert torch.equal(y_turned.transpose(0, 1), y)
    torch.testing.assert_close(state_turned, state, rtol=0, atol=0)


@every_form
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched_equals_a_batch_of_one(form: str, backend: str, batch_first: bool) -> None:
    layer, x = make_form(form, backend=backend, **TWOFOLD, batch_first=batch_first), draw(6, 3)
    resets = torch.tensor([0, 0, 1, 0, 0, 0], dtype=torch.bool)
    batch = 0 if batch_first else 1
    for hx in (None, make_state(layer)):
        y, state = seeded(layer, x, hx, lengths=4, resets=resets)
        given = None if hx is None else tuple(s.unsqueeze(1) for s in as_tuple(hx))
        y_batch, state_batch = seeded(
            layer,
            x.unsqueeze(batch),
            given if hx is None or isinstance(hx, tuple) else given[0],
            lengths=[4],
            resets=resets.unsqueeze(batch),
        )
        assert torch.equal(y, y_batch.squeeze(batch))
        for got, expected in zip(as_tuple(state), as_tuple(state_batch), strict=True):
            assert torch.equal(got, expected.squeeze(1))


@every_form
@pytest.mark.parametrize("cuts", [[2, 4], [1] * 6, [0, 6, 0]], ids=str)
@pytest.mark.parametrize("with_state", [False, True])
def test_chunks_with_carried_state_equal_whole(
    form: str, backend: str, cuts: list[int], with_state: bool
) -> None:
    layer, x = make_form(form, backend=backend, num_layers=2).eval(), draw(6, 2, 3)
    state = make_state(layer, 2) if with_state else None
    whole, final = layer(x, state)
    parts = []
    for chunk in x.split(cuts):
        part, state = layer(chunk, state)
        parts.append(part)
    assert_near(torch.cat(parts), whole)
    assert_near(state, final)


@every_form
@pytest.mark.parametrize("lengths", [None, [7, 5]])
def test_resets_equal_pieces_alone(form: str, backend: str, lengths: list[int] | None) -> None:
    layer, x = make_form(form, backend=backend, **TWOFOLD).eval(), draw(7, 2, 3)
    resets = torch.zeros(7, 2, dtype=torch.bool)
    resets[2, 0] = resets[3, 0] = resets[4, 1] = resets[6, 1] = True
    y, state = layer(x, lengths=lengths, resets=resets)
    ends = lengths or [7, 7]
    for row, cuts in enumerate(([2, 3], [4, 6])):
        bounds = [0, *(cut for cut in cuts if cut < ends[row]), ends[row]]
        pieces = [layer(x[start:stop, row]) for start, stop in itertools.pairwise(bounds)]
        assert_near(y[: ends[row], row], torch.cat([piece[0] for piece in pieces]))
        assert not y[ends[row] :, row].any()
        last, first = as_tuple(pieces[-1][1]), as_tuple(pieces[0][1])
        for got, at_end, at_start in zip(as_tuple(state), last, first, strict=True):
            assert_near(got[0::2, row], at_end[0::2])  # forward ends with the last piece
            assert_near(got[1::2, row], at_start[1::2])  # reverse ends with the first


@every_form
def test_given_state_belongs_to_the_first_piece_forward_and_the_last_in_reverse(
    form: str, backend: str
) -> None:
    layer, x = make_form(form, backend=backend, bidirectional=True).eval(), draw(6, 2, 3)
    hx, resets = make_state(layer, 2), torch.zeros(6, 2, dtype=torch.bool)
    resets[3] = True
    y, _ = layer(x, hx, resets=resets)
    given = [layer(piece, hx)[0] for piece in (x[:3], x[3:])]
    fresh = [layer(piece)[0] for piece in (x[:3], x[3:])]
    half = y.shape[-1] // 2
    assert_near(y[..., :half], torch.cat([given[0], fresh[1]])[..., :half])
    assert_near(y[..., half:], torch.cat([fresh[0], given[1]])[..., half:])

    resets[0], resets[3] = True, False
    y, _ = layer(x, hx, resets=resets)
    assert_near(y[..., :half], layer(x)[0][..., :half])
    assert_near(y[..., half:], layer(x, hx)[0][..., half:])
