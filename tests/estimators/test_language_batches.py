import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Corpus, read_documents
from gatewise.estimators.language_batches import (
    NOT_COUNTED,
    Carried,
    Streams,
    Symbols,
    nats,
    piece_loss,
)
from gatewise.estimators.language_network import LanguageNet


def streams(symbols: int, batch_size: int, steps: int, seed: int = 0) -> Streams:
    return Streams(symbols, batch_size, steps, torch.Generator().manual_seed(seed), Carried())


def symbols(*texts: str, have_ends: bool = True) -> Symbols:
    documents = read_documents(list(texts))
    return Symbols(Corpus.of(documents, Alphabet.of(["abc"], "character"), have_ends=have_ends))


def network(cell: str = "lstm", **options: object) -> LanguageNet:
    torch.manual_seed(0)
    sizes = {"symbols": 4, "outputs": 4, "embedding_size": 3, "hidden_size": 5}
    return LanguageNet(cell, **sizes, cell_options=options).double().eval()


@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 40), st.integers(0, 9))
def test_epoch_reads_every_symbol_and_few_twice(
    count: int, batch_size: int, steps: int, seed: int
) -> None:
    order = streams(count, batch_size, steps, seed)
    assert order.streams <= batch_size
    assert order.steps <= max(steps, 1)
    for _ in range(2):
        pieces = [order.positions(order.next()) for _ in range(order.pieces)]
        assert {piece.shape for piece in pieces} == {(order.streams, order.steps)}
        read = torch.cat(pieces, dim=1)  # (B, L): each stream goes on where its last piece ended
        assert torch.equal(
            (read[:, 1:] - read[:, :-1]) % count, torch.ones(()).expand_as(read[:, 1:]) % count
        )
        times = torch.bincount(read.flatten(), minlength=count)
        assert times.min() >= 1
        assert (times - 1).sum() < order.streams * (order.pieces + 1)


def test_epochs_begin_at_different_places_and_with_no_state() -> None:
    order = streams(100, 2, 10)
    begins = set()
    for _ in range(6):
        order.carried.keep(torch.ones(1))
        begins.add(int(order.next()[0]))
        assert order.carried.state is None
        order.carried.keep(torch.ones(1))
        for _ in range(order.pieces - 1):
            order.next()
            assert order.carried.state is not None
    assert len(begins) > 3


@given(st.integers(1, 100), st.integers(1, 5), st.integers(1, 20), st.integers(0, 30))
def test_streams_go_on_where_they_were_kept(
    count: int, batch_size: int, steps: int, skipped: int
) -> None:
    order = streams(count, batch_size, steps)
    for _ in range(skipped):
        order.next()
    again = streams(count, batch_size, steps, seed=7)
    again.load_state_dict(order.state_dict())
    for _ in range(30):
        assert torch.equal(again.next(), order.next())


def test_short_text_has_fewer_streams() -> None:
    assert streams(100, 32, 20).streams == 5
    assert streams(7, 32, 20).streams == 1


def test_gather_gives_what_is_read_and_what_is_told() -> None:
    inputs, targets, resets = symbols("ab", "c").gather(torch.tensor([[0, 1, 2, 3, 4, -1]]))
    assert inputs[:, 0].tolist() == [3, 0, 1, 3, 2, 3]
    assert targets[:, 0].tolist() == [0, 1, 3, 2, 3, NOT_COUNTED]
    assert resets is not None
    assert resets[:, 0].tolist() == [True, False, False, True, False, True]


def test_gather_leaves_out_ends_that_do_not_count() -> None:
    _, targets, _ = symbols("ab", "c", have_ends=False).gather(torch.arange(5)[None])
    assert targets[:, 0].tolist() == [0, 1, NOT_COUNTED, 2, NOT_COUNTED]
    _, _, resets = symbols("ab", "c").gather(torch.tensor([[1, 2]]))
    assert resets is None


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.text("abc", max_size=9), min_size=1, max_size=6).filter(any),
    cell=st.sampled_from(["lstm", "gru", "rnn"]),
    steps=st.integers(1, 12),
    count=st.integers(1, 5),
)
def test_pieces_with_carried_state_equal_documents_alone(
    texts: list[str], cell: str, steps: int, count: int
) -> None:
    """No piece's length and no other document changes what a document costs."""
    net, together = network(cell), symbols(*texts)
    expected = 0.0
    for text in texts:  # a document alone, in one pass, by the plain layer
        codes = torch.tensor([3, *("abc".index(letter) for letter in text), 3])
        with torch.no_grad():
            y, _ = net.rnn(net.embedding(codes[:-1])[:, None])
        told = (y[:, 0] @ net.scores.t() + net.bias).log_softmax(-1)
        expected -= told[torch.arange(len(text) + 1), codes[1:]].sum().item()
    got = nats(net, together, together.in_documents(count), steps)
    assert got == pytest.approx(expected, rel=1e-6)


def test_streams_of_pieces_cover_a_part() -> None:
    positions = Symbols.in_pieces(3, 20, streams=4)
    assert positions.shape == (4, 5)
    assert positions[positions >= 0].tolist() == list(range(3, 20))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_loss_goes_on_from_the_carried_state_without_gradient(cell: str) -> None:
    net, text, order = network(cell), symbols("abcabcabcab"), streams(12, 1, 6)
    loss, carried = piece_loss(text, order), order.carried
    with torch.no_grad():
        whole = nats(net, text, torch.arange(12)[None])
    first, count = loss(net, torch.tensor([0]))
    kept = carried.state_dict()
    second, _ = loss(net, torch.tensor([6]))
    torch.testing.assert_close(float((first + second).detach()), whole)
    assert int(count) == 6
    second.backward()  # the first piece's graph is not gone into, so it is still there
    first.backward()
    assert len(kept["state"]) == (2 if cell == "lstm" else 1)
    carried.load_state_dict(kept)
    resumed, _ = loss(net, torch.tensor([6]))
    torch.testing.assert_close(resumed, second, rtol=0, atol=0)


def test_carried_state_that_is_empty_is_kept_as_such() -> None:
    again = Carried()
    again.keep(torch.ones(1))
    again.load_state_dict(Carried().state_dict())
    assert again.state is None
