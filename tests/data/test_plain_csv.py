"""The quick reader says what the careful one says, or leaves the text to it."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.data import DataError, delimited, plain_csv, read_table
from gatewise.data.delimited import read_delimited
from gatewise.data.plain_csv import read_plain

NUMBERS = "1|-2|+3|007|00.5|1.5|1e3|2.|.5|1,5|inf|-inf|12345678901234567890|1e400|0x10|1_0|-"
WORDS = 'NaN|nan||NA|null| 1|1 |true|False|TRUE|x|é|2024-01-01|1 000|"q"|i\'m'
FIELD = st.sampled_from([*NUMBERS.split("|"), *WORDS.split("|")])


def read(text: str, *, quick: bool, separator: str | None) -> object:
    """What a reader makes of a text: the table, rows and notes, or the error's words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "LARGE", 0 if quick else 1 << 40)
        try:
            frame, rows, notes = read_delimited(text.encode(), "x.csv", separator)
        except DataError as error:
            return str(error)
    numbers = range(2, frame.height + 2) if rows is None else rows.tolist()
    return frame.schema, frame.to_dict(as_series=False), list(numbers), notes


def same(a: object, b: object) -> bool:
    return repr(a) == repr(b)  # NaN equals itself so


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n\n"]),
    st.booleans(),
    st.booleans(),
)
def test_quick_reader_equals_the_careful_one(
    rows: list[list[str]], mark: str, ending: str, last: str, quoted: bool, bom: bool
) -> None:
    def field(text: str) -> str:
        return f'"{text}"' if (quoted or mark in text) and '"' not in text else text

    header = mark.join(f"c{n}" for n in range(len(rows[0])))
    lines = [header, *(mark.join(map(field, row)) for row in rows)]
    text = "\ufeff" * bom + ending.join(lines) + last.replace("\n", ending)
    for separator in (mark, None):
        careful = read(text, quick=False, separator=separator)
        assert same(read(text, quick=True, separator=separator), careful)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('a1.,;\n\r" é\0'), max_size=30))
def test_quick_reader_leaves_odd_text_to_the_careful_one(text: str) -> None:
    text = "a,b\n" + text
    careful = read(text, quick=False, separator=",")
    assert same(read(text, quick=True, separator=","), careful)


@pytest.mark.parametrize(
    "text", ["1\n,,", '"1,1"', '",', "\r,", "\n1,2", '1,"2\n3"', "1,2\n\n3,4", '"1" ,2', '1,2"']
)
def test_quick_reader_leaves_these_to_the_careful_one(text: str) -> None:
    text = "a,b\n" + text
    assert read_plain(text.encode(), ["a", "b"], ",", ".") is None


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_quick_reader_counts_across_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_csv, "CHUNK", chunk)
    text = b"a,b,c\n" + b"1,2,3\n" * 20
    assert read_plain(text, ["a", "b", "c"], ",", ".") is not None
    assert read_plain(text + b"1,2\n1,2,3,4\n", ["a", "b", "c"], ",", ".") is None
    assert read_plain(text + b"1,2", ["a", "b", "c"], ",", ".") is None


def test_quick_reader_takes_large_clean_files(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": pl.int_range(60_000, eager=True), "y": [0.5, 1.25, -3.0] * 20_000})
    frame = frame.with_columns(word=pl.lit("né"), when=pl.lit("2024-01-01 05:00"))
    frame.write_csv(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").stat().st_size > delimited.LARGE
    table = read_table(tmp_path / "x.csv")
    assert table.frame.equals(frame)
    assert table.rows is None  # the quick reader's sign
    assert [table.row(0), table.row(59_999)] == [2, 60_001]


def test_quick_reader_reads_columns_that_change_behind_the_sample() -> None:
    rows = ["1.5,1,x"] * 2_000 + ["2,007,1"]
    text = "\n".join(["a,b,c", *rows]).encode()
    read_frame = read_plain(text, ["a", "b", "c"], ",", ".")
    assert read_frame is not None
    frame, _ = read_frame
    assert frame.dtypes == [pl.Float64, pl.String, pl.String]
    text = text.replace(b"\n2,007", b"\nq,007")
    read_frame = read_plain(text, ["a", "b", "c"], ",", ".")
    assert read_frame is not None
    assert read_frame[0]["a"].to_list()[-2:] == ["1.5", "q"]


@pytest.mark.parametrize("line", ["1.5", "1.5,2,3", '"1.5,2', "\xe9,2"])
def test_errors_of_large_files_name_the_row(tmp_path: Path, line: str) -> None:
    lines = ["a,b"] + ["1.25,2"] * 200_000
    lines[150_000] = line
    (tmp_path / "x.csv").write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(DataError, match=r"row 150,001|look for a quote that is not closed"):
        read_table(tmp_path / "x.csv")
