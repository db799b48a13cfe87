import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewise.training import Shuffled


def order(examples, batch_size, lengths=None, seed=0):
    return Shuffled(examples, batch_size, torch.Generator().manual_seed(seed), lengths)


@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.integers(0, 9))
def test_every_epoch_holds_each_example_once(examples, batch_size, by_length, seed):
    lengths = list(range(examples)) if by_length else None
    batches = order(examples, batch_size, lengths, seed)
    per_epoch = -(-examples // batch_size)
    for _ in range(2):
        epoch = torch.cat([batches.next() for _ in range(per_epoch)])
        assert sorted(epoch.tolist()) == list(range(examples))


@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.integers(0, 30))
def test_order_goes_on_where_it_was_kept(examples, batch_size, by_length, skipped):
    lengths = list(range(examples)) if by_length else None
    batches = order(examples, batch_size, lengths)
    for _ in range(skipped):
        batches.next()
    again = order(examples, batch_size, lengths, seed=7)
    again.load_state_dict(batches.state_dict())
    for _ in range(20):
        assert torch.equal(batches.next(), again.next())


def test_batches_by_length_hold_like_lengths():
    lengths = torch.randint(1, 100, (320,), generator=torch.Generator().manual_seed(0))
    batches = order(320, 10, lengths.tolist())
    spreads = []
    for _ in range(32):
        of_batch = lengths[batches.next()]
        spreads.append(int(of_batch.max() - of_batch.min()))
    assert sum(spreads) / 32 < 15  # in random order it is some 80


def test_no_examples_are_refused():
    with pytest.raises(ValueError, match="at least one example, got 0"):
        order(0, 4)
