import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.report.breakdowns import (
    MOST_BINS,
    MOST_LABELS,
    break_down,
    count_confusions,
    kind_of,
)


def rows(model, **columns):
    return pl.DataFrame({"model": model, "fold": 0, **columns})


def test_error_by_length_is_the_mean_of_the_sequences_of_that_length():
    frame = pl.concat(
        [
            rows("gru", length=[3, 3, 9, 9], truth=list("aabb"), predicted=list("abbb")),
            rows("last", length=[3, 3, 9, 9], truth=list("aabb"), predicted=list("bbba")),
        ]
    )
    (by_length,), missing = break_down("classify", frame, ["gru", "last"])
    assert missing == []
    assert (by_length.groups, by_length.counts) == (["3", "9"], [2, 2])
    assert by_length.errors == {"gru": [0.5, 0.0], "last": [1.0, 0.5]}


def test_error_of_numbers_is_absolute():
    frame = rows("gru", length=[1, 1, 2], truth=[0.0, 0.0, 5.0], predicted=[1.0, -3.0, 5.0])
    (by_length,), _ = break_down("regress", frame, ["gru"])
    assert by_length.errors == {"gru": [2.0, 0.0]}


@given(st.lists(st.integers(1, 500), min_size=2, max_size=200))
def test_ranges_hold_every_case_once_in_order(lengths):
    frame = rows("gru", length=lengths, truth=0.0, predicted=1.0)
    made, missing = break_down("regress", frame, ["gru"])
    if len(set(lengths)) == 1:
        assert made == []
        assert f"all cases are alike in it ({lengths[0]})" in missing[0]
        return
    groups, counts = made[0].groups, made[0].counts
    assert 2 <= len(groups) <= MOST_BINS
    ends = [[int(end) for end in group.split("–")] for group in groups]
    assert [sum(low <= n <= high for n in lengths) for low, *_, high in map(twice, ends)] == counts
    assert [end for pair in ends for end in pair] == sorted(end for pair in ends for end in pair)
    assert sum(counts) == len(lengths)


def twice(ends):
    return (ends[0], ends[-1])


def test_steps_are_told_apart_by_length_and_place():
    frame = rows(
        "gru", length=[1, 2, 2], position=[1, 1, 2], truth=list("aaa"), predicted=list("aba")
    )
    by_length, by_place = break_down("tag", frame, ["gru"])[0]
    assert by_length.errors == {"gru": [0.0, 0.5]}
    assert by_place.errors == {"gru": [0.5, 0.0]}


def test_symbols_of_one_text_are_told_apart_by_kind_alone():
    frame = rows("gru", position=[1, 2, 3, 4], symbol=list("abA."), nats=[1.0, 2.0, 4.0, 8.0])
    (by_kind,), _ = break_down("text", frame, ["gru"])
    assert dict(zip(by_kind.groups, by_kind.errors["gru"], strict=True)) == {
        "small letters": 1.5,
        "capital letters": 4.0,
        "punctuation": 8.0,
    }
    assert by_kind.groups[0] == "small letters"  # the commonest first
    assert not by_kind.in_order


def test_symbols_of_documents_are_told_apart_by_place_too():
    frame = rows("gru", position=[1, 2, 1, 2], symbol=["a", None, "b", None], nats=[1.0, 2, 3, 4])
    by_kind, by_place = break_down("text", frame, ["gru"])[0]
    assert set(by_kind.groups) == {"small letters", "ends of documents"}
    assert by_place.errors == {"gru": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("q", "small letters"),
        ("Ä", "capital letters"),
        ("数", "other letters"),
        ("7", "digits"),
        (" ", "spaces"),
        ("\n", "line ends"),
        ("!", "punctuation"),
        ("+", "signs"),
        ("\u0301", "marks"),
        ("\t", "others"),
        ("\\c3", "bytes beyond ASCII"),
        (None, "ends of documents"),
    ],
)
def test_kind_of_a_symbol(symbol, kind):
    assert kind_of(symbol) == kind


def test_rarest_labels_are_counted_together():
    names = [f"k{number:02}" for number in range(MOST_LABELS + 2)]
    truth = names[:MOST_LABELS] * 2 + names[MOST_LABELS:]
    confusion = count_confusions(pl.DataFrame({"truth": truth, "predicted": truth}))
    assert confusion.labels == [*names[:MOST_LABELS], "other"]
    assert [confusion.counts[at][at] for at in range(MOST_LABELS + 1)] == [2] * (MOST_LABELS + 1)
    assert confusion.others
