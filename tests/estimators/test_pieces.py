"""Long sequences in pieces: their order, their state, and the tagger that learns by them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatewise import SequenceTagger
from gatewise.estimators.pieces import Carried, Pieces
from gatewise.estimators.tagging_network import NumberReader, TaggingNet
from gatewise.training import Shuffled

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=9)


def pieces_of(lengths: list[int], steps: int, seed: int = 0) -> Pieces:
    shuffled = Shuffled(len(lengths), 4, torch.Generator().manual_seed(seed), lengths)
    return Pieces(shuffled, torch.tensor(lengths), steps, Carried())


@given(LENGTHS, st.integers(1, 13))
def test_every_step_is_read_once_an_epoch_and_in_order(lengths: list[int], steps: int) -> None:
    pieces, read = pieces_of(lengths, steps), [0] * len(lengths)
    while sum(read) < sum(lengths):
        for number in pieces.next().tolist():
            left = lengths[number] - pieces.start
            if left > 0:
                assert read[number] == pieces.start
                read[number] += min(left, steps)
    assert read == lengths


@given(LENGTHS, st.integers(1, 13), st.integers(0, 20))
def test_order_goes_on_where_it_was_kept(lengths: list[int], steps: int, taken: int) -> None:
    pieces, again = pieces_of(lengths, steps), pieces_of(lengths, steps, seed=7)
    for _ in range(taken):
        pieces.next()
    again.load_state_dict(pieces.state_dict())
    for _ in range(9):
        assert pieces.next().tolist() == again.next().tolist()
        assert pieces.start == again.start


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_pieces_with_carried_state_equal_the_whole(cell: str) -> None:
    torch.manual_seed(0)
    reader = NumberReader(channels=2, indicators=0, jitter=0.0)
    net = TaggingNet(reader, cell, outputs=3, hidden_size=5, num_layers=2).eval()
    x, lengths, carried = torch.randn(11, 3, 2), torch.tensor([11, 4, 7]), Carried()
    whole = net((x,), lengths)
    for start in range(0, 11, 4):
        inside = (lengths - start).clamp(min=0, max=4)
        piece = net((x[start : start + 4],), inside, carried)
        for row, length in enumerate(inside.tolist()):
            torch.testing.assert_close(piece[:length, row], whole[start : start + length, row])
        assert not any(part.requires_grad for part in carried.state_dict()["state"])


def data(count: int = 20, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """At each step, whether the *first* step was positive: memory alone can tell."""
    random = np.random.default_rng(seed)
    values = [random.normal(size=(random.integers(6, 12), 2)) for _ in range(count)]
    return values, [np.full(len(x), int(x[0, 0] > 0)) for x in values]


def quick(**parameters: Any) -> SequenceTagger:
    small = {"hidden_size": 8, "steps": 12, "jitter": 0.0, "dropout": 0.0, "batch_size": 8}
    run = {"bidirectional": False, "random_state": 0, "device": "cpu", "progress": False}
    return SequenceTagger(**{**small, **run, **parameters})


def weights(tagger: SequenceTagger) -> torch.Tensor:
    return torch.cat([p.flatten() for p in tagger.model_.net.parameters()])


def test_one_piece_as_long_as_the_longest_is_the_whole() -> None:
    whole, one, two = (quick(bptt=bptt).fit(*data()) for bptt in (None, 12, 6))
    assert torch.equal(weights(whole), weights(one))
    assert not torch.equal(weights(whole), weights(two))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_what_was_before_a_piece_is_learnt_to_be_kept(cell: str) -> None:
    """Pieces of two steps; at the last steps only the carried state knows the first."""
    tagger = quick(cell=cell, bptt=2, steps=400, learning_rate=0.02).fit(*data(60))
    values, labels = data(60, seed=1)
    last = [tags[-1] for tags in tagger.predict(values)]
    assert np.mean(np.array(last) == [tags[-1] for tags in labels]) > 0.8


def test_words_are_read_in_pieces_too() -> None:
    sentences, tags = [["a", "b", "c", "d", "e"], ["a", "b"]] * 5, [list("XYXYX"), list("XY")] * 5
    tagger = quick(bptt=2, word_size=4, character_size=3, steps=150).fit(sentences, tags)
    assert tagger.score(sentences, tags) > 0.9


def test_epochs_are_counted_in_pieces() -> None:
    values = [np.zeros((8_000, 1))] * 3
    tagger = quick(bptt=20, steps=None, batch_size=1)
    tagger.classes_ = np.arange(2)
    assert tagger._settings(values, 3).training.steps == 8 * 3 * 400


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bptt": 0}, "bptt must be a whole number, at least 1"),
        ({"bptt": 5, "bidirectional": True}, "give bidirectional=False"),
    ],
)
def test_pieces_that_cannot_be_read_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        quick(**wrong).fit(*data())
