"""What PyTorch's tests ask of packed sequences in recurrent layers, asked of ours.

Written anew from what pytorch/pytorch's ``test/test_nn.py`` and ``test/nn/test_packed_sequence.py``
check.
"""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import rnn
from torch_twins import (
    EXTENDED,
    FEATURES,
    LAYERS,
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

pytestmark = pytest.mark.usefixtures("seeded")
SORTED = [10, 10, 6, 2, 2, 1, 1]
MIXED = [2, 10, 1, 6, 1, 10, 2]


def sequences_of(lengths: list[int]) -> list[Tensor]:
    return [draw(length, FEATURES) for length in lengths]


def state_for(layer: Any, batch: int) -> Any:
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    h = draw(rows, batch, getattr(layer, "proj_size", 0) or UNITS)
    return (h, draw(rows, batch, UNITS)) if "LSTM" in repr(layer) else h


def rows_of(state: Any, index: Any) -> Any:
    """Take sequences of a state, by their numbers."""
    parts = tuple(part[:, index] for part in flat(state))
    return parts if len(parts) == 2 else parts[0]


@pytest.mark.parametrize("lengths", [SORTED, MIXED], ids=["sorted", "mixed"])
@pytest.mark.parametrize("form", [*LAYERS, *EXTENDED])
def test_packed_sequences_are_what_each_is_alone(form: str, lengths: list[int]) -> None:
    """Outputs, states and the gradients of every sequence."""
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    is_plain = form in LAYERS
    layer = make(form, FEATURES, UNITS, **options) if is_plain else make_form(form, **options)
    layer.eval()
    sequences, state = sequences_of(lengths), state_for(layer, len(lengths))
    output, state_n = layer(rnn.pack_sequence(sequences, enforce_sorted=False), state)
    loss = flat(output)[0].square().sum() + sum(part.square().sum() for part in flat(state_n))
    got = torch.autograd.grad(loss, sequences)
    for number, (one, y) in enumerate(zip(sequences, rnn.unpack_sequence(output), strict=True)):
        expected, final = layer(one.unsqueeze(1), rows_of(state, [number]))
        assert_equal(y, expected[:, 0])
        assert_equal(rows_of(state_n, [number]), final)
        alone = expected.square().sum() + sum(part.square().sum() for part in flat(final))
        assert_equal(got[number], *torch.autograd.grad(alone, one))


@every_layer
def test_packing_is_torchs_in_every_way_of_calling_it(kind: str) -> None:
    for batch_first, bias, as_tensor in itertools.product((True, False), repeat=3):
        twins = make_twins(
            kind, FEATURES, UNITS, 2, bias=bias, bidirectional=True, batch_first=batch_first
        )
        padded = rnn.pad_sequence(sequences_of(SORTED), batch_first).detach().requires_grad_()
        lengths: Any = torch.tensor(SORTED) if as_tensor else SORTED
        state, results = state_for(twins[0], len(SORTED)), []
        for layer in twins:
            packed = rnn.pack_padded_sequence(padded, lengths, batch_first)
            output, state_n = layer(packed, state)
            assert torch.equal(output.batch_sizes, packed.batch_sizes)
            y, ends = rnn.pad_packed_sequence(output, batch_first, total_length=12)
            assert ends.tolist() == SORTED
            assert y.shape[1 if batch_first else 0] == 12
            inputs = (padded, *flat(state), *layer.parameters())
            results.append((y, flat(state_n), gradients((y, state_n), inputs)))
        assert_equal(*results)
        to_padding = results[0][2][0]
        for row, length in enumerate(SORTED):
            of_row = to_padding[row] if batch_first else to_padding[:, row]
            assert not of_row[length:].any()
            assert of_row[:length].any(-1).all()


@every_layer
def test_state_is_in_the_users_order_however_the_batch_was_sorted(kind: str) -> None:
    mine, theirs = make_twins(kind, FEATURES, UNITS)
    sequences, state = sequences_of(MIXED), state_for(mine, len(MIXED))
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    assert_equal(mine(packed, state), theirs(packed, state))
    order = sorted(range(len(MIXED)), key=lambda row: -MIXED[row])
    by_hand = rnn.pack_sequence([sequences[row] for row in order])
    _, state_n = mine(by_hand, rows_of(state, order))
    assert_equal(rows_of(mine(packed, state)[1], order), state_n)


@every_layer
def test_lengths_do_what_packing_does(kind: str) -> None:
    layer = make(kind, FEATURES, UNITS, 2, bidirectional=True)
    sequences, state = sequences_of(MIXED), state_for(layer, len(MIXED))
    packed, state_n = layer(rnn.pack_sequence(sequences, enforce_sorted=False), state)
    y, state_too = layer(rnn.pad_sequence(sequences), state, lengths=MIXED)
    assert_equal((rnn.pad_packed_sequence(packed)[0], state_n), (y, state_too))


@every_layer
def test_packed_sequence_moves_to_another_dtype_with_the_layer(kind: str) -> None:
    layer = make(kind, FEATURES, UNITS)
    packed = rnn.pack_sequence(sequences_of(MIXED), enforce_sorted=False)
    expected = layer(packed)[0]
    single = layer.float()(packed.float())[0]
    assert single.data.dtype == torch.float32
    assert_equal(single.double(), expected, tolerance=1e-6)
    with pytest.raises(ValueError, match=r"input is torch.float64.*input.to\(torch.float32\)"):
        layer(packed)


@every_layer
def test_packed_and_padded_states_carry_over_to_each_other(kind: str) -> None:
    """A stream in two pieces, the second one packed."""
    layer, x = make(kind, FEATURES, UNITS), draw(8, 3, FEATURES)
    whole, state_n = layer(x)
    first, state = layer(x[:3])
    second, state_too = layer(rnn.pack_padded_sequence(x[3:], [5] * 3), state)
    assert_equal(torch.cat([first, rnn.pad_packed_sequence(second)[0]]), whole)
    assert_equal(state_too, state_n)


@pytest.mark.parametrize("batch_sizes", [[3, 2], [3, 3, 3], [1, 2, 3]], ids=str)
@every_layer
def test_packed_sequence_of_other_sizes_than_its_data_is_refused(
    kind: str, batch_sizes: list[int]
) -> None:
    packed = rnn.PackedSequence(draw(6, FEATURES), torch.tensor(batch_sizes))
    mine, theirs = make_twins(kind, FEATURES, UNITS)
    if sum(batch_sizes) >= 6:  # with fewer, some of torch's kernels drop the rows left over
        with pytest.raises(RuntimeError):
            theirs(packed)
    with pytest.raises(ValueError, match=r"batch_sizes must not rise.* add up to its 6 rows"):
        mine(packed)


@every_layer
def test_state_of_another_batch_is_refused(kind: str) -> None:
    layer = make(kind, FEATURES, UNITS)
    packed = rnn.pack_sequence(sequences_of(SORTED))
    with pytest.raises(ValueError, match=r"h_0 must have shape \(1, 7, 6\).*got \(1, 6, 6\)"):
        layer(packed, state_for(layer, 6))


@every_layer
def test_empty_sequences_cannot_be_packed_but_have_lengths(kind: str) -> None:
    """Torch's packing refuses a length of 0; ``lengths`` takes it, and gives the state back."""
    layer, padded = make(kind, FEATURES, UNITS), draw(4, 2, FEATURES)
    with pytest.raises(RuntimeError, match="greater than 0"):
        rnn.pack_padded_sequence(padded, [4, 0])
    state = state_for(layer, 2)
    y, state_n = layer(padded, state, lengths=[4, 0])
    assert not y[:, 1].any()
    assert_equal(rows_of(state_n, 1), rows_of(state, 1), tolerance=0)
