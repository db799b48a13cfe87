import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.comparison.text_baselines import NGram
from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Documents, read_documents


def documents(*texts: str) -> Documents:
    return Documents("documents", texts, have_ends=True)


@pytest.mark.parametrize(("order", "published"), [(1, 3.347), (2, 2.488), (3, 2.066)])
def test_ngram_gives_the_data_sets_figures(order: int, published: float, shared_data: Path) -> None:
    text = (shared_data / "text" / "tinyshakespeare.txt").read_text()
    whole, cut = Alphabet.of([text], "character"), len(text) * 9 // 10
    model = NGram(order, whole).fit(read_documents(text[:cut]))
    assert model.nats(read_documents(text[cut:])) == pytest.approx(published, abs=6e-4)


def by_hand(order: int, constant: float, train: list[str], test: list[str]) -> float:
    """Count in dictionaries, letter by letter; "." is the boundary, and is told at each end."""
    outcomes = len({*"".join(train)}) + 1
    pairs: dict[str, int] = {}
    contexts: dict[str, int] = {}

    def every(texts: list[str]) -> list[tuple[str, str]]:
        return [
            (("." * order + text)[at + 1 : at + order], symbol)
            for text in texts
            for at, symbol in enumerate(text + ".")
        ]

    for context, symbol in every(train):
        pairs[context + symbol] = pairs.get(context + symbol, 0) + 1
        contexts[context] = contexts.get(context, 0) + 1
    nats = [
        -math.log(
            (pairs.get(context + symbol, 0) + constant)
            / (contexts.get(context, 0) + constant * outcomes)
        )
        for context, symbol in every(test)
    ]
    return sum(nats) / len(nats)


@settings(max_examples=50, deadline=None)
@given(
    order=st.integers(1, 5),
    constant=st.floats(0.01, 2),
    train=st.lists(st.text("abc", max_size=8), min_size=1, max_size=5),
    test=st.lists(st.text("abc", max_size=8), min_size=1, max_size=5),
)
def test_ngram_equals_counting_by_hand(
    order: int, constant: float, train: list[str], test: list[str]
) -> None:
    train = ["abc", *train]
    model = NGram(order, Alphabet.of(train, "character"), constant).fit(documents(*train))
    expected = by_hand(order, constant, train, test)
    assert model.nats(documents(*test)) == pytest.approx(expected, rel=1e-12)


def test_ngram_of_bytes_counts_nats_per_character() -> None:
    train, test = "äbäb" * 9, "äb"
    model = NGram(2, Alphabet.of([], "byte")).fit(read_documents(train))
    characters = NGram(2, Alphabet.of([train], "character")).fit(read_documents(train))
    assert 0 < model.nats(read_documents(test)) < 2 * math.log(256)
    assert characters.nats(read_documents(test)) < math.log(2)


def test_ngram_names_itself() -> None:
    alphabet = Alphabet.of(["ab"], "character")
    labels = [NGram(order, alphabet).label for order in (1, 2, 3, 4)]
    assert labels == ["unigram", "bigram", "trigram", "4-gram"]


def test_ngram_refuses_what_cannot_be_counted() -> None:
    alphabet = Alphabet.of([], "byte")
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        NGram(0, alphabet)
    with pytest.raises(ValueError, match="constant must be positive, got 0"):
        NGram(2, alphabet, 0)
    with pytest.raises(ValueError, match="order 9 is too large for 256 symbols"):
        NGram(9, alphabet)
