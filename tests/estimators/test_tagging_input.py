import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise import DataError
from gatewise.estimators.tagging_input import (
    WordEncoder,
    as_words,
    encoder_from_json,
    flat_labels,
    holds_words,
)

SENTENCES = st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=5), min_size=1, max_size=6)


@given(training=SENTENCES, other=SENTENCES)
@settings(deadline=None, max_examples=50)
def test_batch_spells_every_word_that_is_known(
    training: list[list[str]], other: list[list[str]]
) -> None:
    encoder = WordEncoder.fit(training)
    again = encoder_from_json(json.loads(json.dumps(encoder.to_json())))
    steps = again.encode(other)
    (words, which, letters, spelt), lengths = steps.batch(torch.arange(len(other)))
    assert lengths.tolist() == [len(item) for item in other]
    for row, item in enumerate(other):
        for step, word in enumerate(item):
            number = int(words[step, row])
            known = word in encoder.words
            assert number == (1 + encoder.words.index(word) if known else 0)
            form = int(which[step, row])
            spelling = letters[: int(spelt[form]), form].tolist()
            wanted = [
                1 + encoder.characters.index(c) if c in encoder.characters else 0 for c in word
            ]
            assert spelling == (wanted or [0])


@pytest.mark.parametrize(
    ("X", "answer"),
    [
        ([["a"]], True),
        ([("a", "b")], True),
        ([np.array(["a"])], True),
        ([[1.0]], False),
        ([np.zeros((3, 2))], False),
        (np.zeros((2, 3)), False),
        ([], False),
        ([[]], False),
        (["word"], False),
    ],
)
def test_words_are_told_from_numbers(X: Any, answer: bool) -> None:
    assert holds_words(X) is answer


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([["a"], []], "sequence 1 has no words"),
        ([["a"], ["b", 3]], "sequence 1 holds 3, which is no word"),
        ([["a"], ["b", None]], "sequence 1 holds None, which is no word"),
        ([["a"], "abc"], "sequence 1 must be a list of words, got 'abc'"),
    ],
)
def test_what_is_no_word_is_named(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_words(X)


@pytest.mark.parametrize(
    ("y", "labels", "known"),
    [
        ([["N"], ["V", "N"]], ["N", "V", "N"], [True] * 3),
        ([["N"], ["V", None]], ["N", "V"], [True, True, False]),
        ([[None], ["V", float("nan")]], ["V"], [False, True, False]),
        ([[1], [2, 1]], [1, 2, 1], [True] * 3),
        ([[1], [2, None]], [1, 2], [True, True, False]),
        ([np.array([1.0]), np.array([np.nan, 0.0])], [1.0, 0.0], [True, False, True]),
        (np.array([[1, 0], [0, 1]]), [1, 0, 0, 1], [True] * 4),
    ],
)
def test_labels_come_end_to_end_and_missing_ones_are_marked(
    y: Any, labels: list[Any], known: list[bool]
) -> None:
    flat, is_known = flat_labels(y, [len(item) for item in y])
    assert flat[is_known].tolist() == labels
    assert is_known.tolist() == known
    assert flat.dtype.kind in "Uif"


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["N"]], "2 sequences in X, and labels for 1 in y"),
        ([["N"], ["V"]], "sequence 1 has 2 steps and 1 labels"),
        ([["N"], "VN"], "sequence 1 has 2 steps and 0 labels"),
        ([["N"], [["V"], ["N"]]], "the labels of sequence 1 must be a list"),
        ([[None], [None, None]], "no label in y but missing ones"),
        ([["N"], ["V", 1]], "partly text and partly numbers"),
        ("NV", "one list of labels for each sequence"),
        (3, "one list of labels for each sequence"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        flat_labels(y, [1, 2])
