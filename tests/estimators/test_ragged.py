import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.estimators import ragged
from gatewise.estimators.ragged import Ragged, is_inside

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=20)


@given(lengths=LENGTHS, data=st.data())
@settings(deadline=None, max_examples=50)
def test_batch_gives_each_sequence(lengths: list[int], data: st.DataObject) -> None:
    pieces = list(torch.arange(sum(lengths)).split(lengths))
    sequences = Ragged(torch.cat(pieces)[:, None], torch.tensor(lengths))
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=5))
    steps, own = sequences.batch(torch.tensor(chosen))
    assert steps.shape == (max(lengths[n] for n in chosen), len(chosen), 1)
    for column, number in enumerate(chosen):
        assert int(own[column]) == lengths[number]
        assert torch.equal(steps[: lengths[number], column, 0], pieces[number])


@given(lengths=LENGTHS, most=st.integers(1, 40))
@settings(deadline=None, max_examples=50)
def test_batches_take_each_sequence_once_and_stay_small(lengths: list[int], most: int) -> None:
    sequences = Ragged(torch.zeros(sum(lengths), 1), torch.tensor(lengths))
    before, ragged._MOST_STEPS = ragged._MOST_STEPS, most
    try:
        batches = list(sequences.batches())
    finally:
        ragged._MOST_STEPS = before
    assert sorted(torch.cat(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        steps, own = sequences.batch(batch)
        assert steps.shape[0] * len(batch) <= most or len(batch) == 1
        assert own.tolist() == sorted(own.tolist())


def test_is_inside_marks_the_own_steps() -> None:
    got = is_inside(torch.tensor([1, 3]), 3)
    assert got.tolist() == [[True, True], [False, True], [False, True]]
