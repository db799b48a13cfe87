from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, Table, read_sequences, read_tagged

Read = Callable[[str], Table]

LONG = """id,t,x,y,label
b,2,1,,up
a,1,3,4,down
b,1,5,6.5,up
a,2,7,8,down
b,3,10,11,up
"""


def test_long_sequences_keep_the_files_order(read: Read) -> None:
    found = read_sequences(read(LONG), past=["x", "y"])
    assert (found.ids, found.features) == (["b", "a"], ["x", "y"])
    assert found.labels is not None
    assert found.labels.tolist() == ["up", "down"]
    np.testing.assert_array_equal(found.values[0], np.float32([[1, np.nan], [5, 6.5], [10, 11]]))
    assert found.values[1].tolist() == [[3, 4], [7, 8]]
    assert found.values[0].dtype == np.float32
    assert found.notes[1:] == [
        "sequences by column 'id'",
        "labels from column 'label'",
        "small.csv: 2 sequences of 2 to 3 steps, 2 features",
    ]


def test_long_columns_that_count_are_left_out(read: Read) -> None:
    found = read_sequences(read("id,step,x\na,1,5\na,2,3\nb,1,4\nb,2,4\n"))
    assert found.features == ["x"]
    assert "column 'step' left out: counts the rows of each sequence" in found.notes


def test_long_time_sorts_and_says_so(read: Read) -> None:
    found = read_sequences(read(LONG), time="t")
    assert found.values[0][:, 0].tolist() == [5, 1, 10]
    assert "rows not in order of time: sorted (first: row 4)" in found.notes


@pytest.mark.parametrize("times", [["2024-01-02", "2024-01-01"], ["2", "1"], ["10", "9"]])
def test_long_time_is_dates_or_numbers(read: Read, times: list[str]) -> None:
    rows = "".join(f"a,{time},{number}\n" for number, time in enumerate(times))
    assert read_sequences(read("id,t,x\n" + rows), time="t").values[0].tolist() == [[1], [0]]


def test_long_rows_of_one_time_are_said(read: Read) -> None:
    found = read_sequences(read("id,t,x\na,1,1\na,1,2\n"), time="t")
    assert found.values[0].tolist() == [[1], [2]]
    assert any("1 row with the time of another row" in note for note in found.notes)


def test_long_columns_named_are_used(read: Read) -> None:
    text = "who,x,y,kind\n7,1,2,0.5\n7,3,4,0.5\n9,5,6,1\n"
    found = read_sequences(read(text), series="who", label="kind", past=["y"])
    assert found.labels is not None
    assert (found.ids, found.labels.tolist()) == (["7", "9"], [0.5, 1.0])
    assert [value.tolist() for value in found.values] == [[[2], [4]], [[6]]]


@pytest.mark.parametrize(
    ("label", "want", "kind"),
    [("3", 3, "i"), ("1.5", 1.5, "f"), ("true", "true", "O"), ("x", "x", "O"), ("007", "007", "O")],
)
def test_long_labels_are_whole_numbers_numbers_or_text(
    read: Read, label: str, want: object, kind: str
) -> None:
    found = read_sequences(read(f"id,x,class\na,1,{label}\nb,2,{label}\n"))
    assert found.labels is not None
    assert (found.labels.tolist(), found.labels.dtype.kind) == ([want, want], kind)


def test_long_text_and_empty_columns_are_left_out_and_said(read: Read) -> None:
    found = read_sequences(read("id,x,c,e,when\na,1,q,,2024-01-01\na,3,r,,2024-01-02\n"))
    assert found.features == ["x"]
    assert found.labels is None
    assert "column 'c' left out: not all numbers (row 2: 'q')" in found.notes
    assert "column 'e' left out: empty" in found.notes


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x,y\n1,2\n", {}, "no id column found that tells the sequences apart; name it"),
        ("id,x\na,1\n,2\n", {}, "row 3, column 'id': the sequence's id is missing"),
        ("id,x,label\na,1,u\na,2,v\n", {}, "row 3, column 'label': not one label a sequence: se"),
        ("id,x,label\na,1,u\na,2,\n", {}, "row 3, column 'label': the label is missing"),
        ("id,x\na,1\na,q\n", {"past": "x"}, "row 3, column 'x': values must be numbers, got 'q'"),
        ("id,x\na,1\na,inf\n", {}, "row 3, column 'x': an infinite value"),
        ("id,x\na,q\n", {}, "no column of numbers besides id, time and label"),
        ("id,x\na,1\n", {"label": "lab"}, "column 'lab': no such column"),
        ("id,x\na,1\n", {"labels": "l.csv"}, "one table has no use for labels (--labels)"),
    ],
)
def test_long_says_what_is_wrong(
    read: Read, text: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_sequences(read(text), **options)
    assert message in str(caught.value)


def test_long_frames_read_like_files(read: Read) -> None:
    frame = read(LONG).frame
    pd = pytest.importorskip("pandas")
    want = read_sequences(read(LONG))
    for got in (
        read_sequences(frame),
        read_sequences(pd.DataFrame(frame.to_dict(as_series=False))),
    ):
        assert got.ids == want.ids
        for a, b in zip(got.values, want.values, strict=True):
            np.testing.assert_array_equal(a, b)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(-1e6, 1e6, width=32), st.sampled_from("uv")),
        min_size=1,
        max_size=30,
    )
)
def test_long_rows_come_back(rows: list[tuple[str, float, str]]) -> None:
    frame = pl.DataFrame(rows, schema=["series", "x", "tag"], orient="row")
    found = read_tagged(frame, label="tag", past="x")
    want: dict[str, list[tuple[float, str]]] = {}
    for name, x, tag in rows:
        want.setdefault(name, []).append((x, tag))
    assert found.ids == list(want)
    for name, values, tags in zip(found.ids, found.items, found.tags, strict=True):
        assert isinstance(values, np.ndarray)
        assert values[:, 0].tolist() == [x for x, _ in want[name]]
        assert tags == [tag for _, tag in want[name]]


def test_tagged_tables_give_words_and_tags(read: Read) -> None:
    text = "sentence,word,label\n1,I,P\n1,go,V\n2,007,N\n"
    found = read_tagged(read(text), series="sentence", words="word")
    assert found.items == [["I", "go"], ["007"]]
    assert found.tags == [["P", "V"], ["N"]]
    assert found.features == ["word"]


def test_tagged_without_id_is_one_sequence(read: Read) -> None:
    found = read_tagged(read("t,x,state\n2,1.5,5\n1,2.5,6\n"), label="state", time="t")
    (values,) = found.items
    assert isinstance(values, np.ndarray)
    assert (values.tolist(), found.tags) == ([[2.5], [1.5]], [["6", "5"]])


def test_tagged_says_what_is_wrong(read: Read) -> None:
    with pytest.raises(DataError, match="row 3, column 'label': the label is missing"):
        read_tagged(read("x,label\n1,a\n2,\n"))
    with pytest.raises(DataError, match="column 'w': no such column"):
        read_tagged(read("x,label\n1,a\n"), words="w")
