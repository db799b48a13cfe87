import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, Table, delimited, read_table
from gatewise.data.delimited import read_delimited


@pytest.fixture(autouse=True, scope="module", params=["careful", "quick"])
def parser(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test goes through both readers: the quick one takes even the smallest file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "LARGE", 0 if request.param == "quick" else 1 << 40)
        yield request.param


SMALL = "day,sales,kind\n2011-01-01,1.5,a\n2011-01-02,NA,b\n2011-01-03,3,a\n"


def write(folder: Path, content: str | bytes, name: str = "small.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def assert_small(table: Table) -> None:
    assert table.frame.to_dict(as_series=False) == {
        "day": ["2011-01-01", "2011-01-02", "2011-01-03"],
        "sales": [1.5, None, 3.0],
        "kind": ["a", "b", "a"],
    }


@pytest.mark.parametrize(
    "content",
    [
        SMALL,
        "\ufeff" + SMALL,
        SMALL.rstrip("\n"),
        SMALL.replace("\n", "\r\n"),
        SMALL + "\n\n",
        "\n" + SMALL,
        SMALL.replace("2011-01-01", '"2011-01-01"').replace("day", '"day"'),
        SMALL.replace("1.5", " 1.5 "),
    ],
    ids=["plain", "bom", "no-newline", "crlf", "blank-end", "blank-start", "quoted", "blanks"],
)
def test_csv_reads_the_same_however_it_is_written(tmp_path: Path, content: str) -> None:
    table = read_table(write(tmp_path, content))
    assert_small(table)
    assert (table.name, table.row(1), table.frame_type) == ("small.csv", table.first_row + 1, None)
    assert table.notes == ["small.csv: 3 rows, 3 columns, separator ','"]


@pytest.mark.parametrize(("separator", "told"), [(";", "';'"), ("\t", "tab"), ("|", "'|'")])
def test_csv_separator_is_found_and_said(tmp_path: Path, separator: str, told: str) -> None:
    table = read_table(write(tmp_path, SMALL.replace(",", separator)))
    assert_small(table)
    assert table.notes == [f"small.csv: 3 rows, 3 columns, separator {told}"]


def test_csv_separator_given_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace(",", "~"))
    assert_small(read_table(path, separator="~"))


def test_csv_separator_inside_quotes_does_not_count(tmp_path: Path) -> None:
    path = write(tmp_path, 'a;b\n"1,2,3";5\n"4,5,6";7\n')
    assert read_table(path).frame.to_dict(as_series=False) == {
        "a": ["1,2,3", "4,5,6"],
        "b": [5, 7],
    }


def test_csv_decimal_commas_are_read_and_said(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "day;sales\n2011-01-01;1,5\n2011-01-02;2\n"))
    assert table.frame["sales"].to_list() == [1.5, 2.0]
    assert table.notes[-1] == "decimal commas read as points in 'sales'"


def test_csv_decimal_commas_leave_the_wrong_value_to_be_named(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "day;sales\na;1,5\nb;2,5\nc;x\n"))
    assert table.frame["sales"].to_list() == ["1.5", "2.5", "x"]


def test_csv_gzipped_reads_the_same_with_its_own_hash(tmp_path: Path) -> None:
    packed = gzip.compress(SMALL.encode())
    table = read_table(write(tmp_path, packed, "small.csv.gz"))
    assert_small(table)
    assert table.sha256 == hashlib.sha256(packed).hexdigest()


def test_parquet_reads_values_and_counts_rows_from_one(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, SMALL)).frame
    frame.write_parquet(tmp_path / "small.parquet")
    table = read_table(str(tmp_path / "small.parquet"))
    assert_small(table)
    assert table.row(0) == 1


@pytest.mark.parametrize("word", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", " NA "])
def test_csv_missing_words_are_missing(tmp_path: Path, word: str) -> None:
    assert_small(read_table(write(tmp_path, SMALL.replace("NA", word))))


def test_csv_dash_is_not_missing(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, SMALL.replace("NA", "-")))
    assert table.frame["sales"].to_list() == ["1.5", "-", "3"]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        (["1", "-2", "+3"], [1, -2, 3]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["True", "false", "TRUE"], [True, False, True]),
        (["007", "008", "010"], ["007", "008", "010"]),
        (["00.5", "1.5", "2"], [0.5, 1.5, 2.0]),
        (["1", "2", "x"], ["1", "2", "x"]),
        (["12345678901234567890", "1", "2"], [12345678901234567890.0, 1.0, 2.0]),
    ],
)
def test_csv_types_follow_all_values(tmp_path: Path, values: list[str], want: list) -> None:
    path = write(tmp_path, "k,v\n" + "".join(f"a,{value}\n" for value in values))
    got = read_table(path).frame["v"].to_list()
    assert got == want
    assert [type(value) for value in got] == [type(value) for value in want]


def test_csv_blank_lines_are_said_and_rows_still_count_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n1,2\n\n\n3,4\n"))
    assert table.notes[-1] == "2 blank lines skipped"
    assert [table.row(i) for i in range(2)] == [2, 5]


def test_csv_line_breaks_inside_quotes_keep_the_rows(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, 'a,b\n"x\ny",2\nz,4\n'))
    assert table.frame["a"].to_list() == ["x\ny", "z"]
    assert table.row(1) == 4


def test_csv_unnamed_column_gets_a_name(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, ",a\n0,5\n1,6\n")).frame.columns == ["column 1", "a"]


BAD: dict[str, tuple[str | bytes, str]] = {
    "no rows": ("a,b\n", "small.csv: only a header, no rows"),
    "empty": ("", "small.csv: the file is empty"),
    "blank": ("\n \n", "small.csv: the file is empty"),
    "few": ("a,b,c\n1,2,3\n4,5\n", "small.csv, row 3: too few fields: 2, where the header has 3"),
    "many": ("a,b\n1,2\n4,5,6\n7\n", "row 3: too many fields: 3, where the header has 2"),
    "twice": ("a,b,a\n1,2,3\n", "row 1: two columns are named 'a'"),
    "no header": ("2011-01-01,5\n2011-01-02,6\n", "row 1: the first row holds values"),
    "quote": ('a,b\n1,"2\n3,4\n', "quote that is not closed"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a binary file, not a table; read are CSV"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
    "latin-1": (b"a,b\n1,2\n3,caf\xe9\n", "row 3: byte 0xE9 (the file's byte 14) is not UTF-8"),
    "fixed width": ("Year   Jan   Feb\n1749   5   6\n", "fixed-width table is not read"),
    "not gzip": (b"\x1f\x8b\x08\0garbage", "the gzip data is truncated or damaged"),
    "not parquet": (b"PAR1garbage", "the Parquet data is truncated or damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_read_table_names_what_is_wrong(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_table(write(tmp_path, content))
    assert str(caught.value).startswith("small.csv")


def test_read_table_rejects_truncated_gzip_and_parquet(tmp_path: Path) -> None:
    packed = gzip.compress(SMALL.encode() * 100)
    with pytest.raises(DataError, match="gzip data is truncated"):
        read_table(write(tmp_path, packed[:-20], "cut.csv.gz"))
    with pytest.raises(DataError, match="gzip data is truncated"):
        read_table(write(tmp_path, SMALL, "plain.csv.gz"))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(DataError, match="Parquet data is truncated"):
        read_table(write(tmp_path, whole[:-9], "cut.parquet"))


@pytest.mark.parametrize(("name", "what"), [("a.xlsx", "Excel"), ("a.json", "JSON")])
def test_read_table_rejects_other_formats(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(DataError, match=f"{name}: .*{what}.*save it as CSV"):
        read_table(write(tmp_path, "x", name))


def test_read_table_rejects_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read_table(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="a directory, not a file"):
        read_table(tmp_path)


def test_read_table_hash_follows_content(tmp_path: Path) -> None:
    one, two = read_table(write(tmp_path, SMALL)), read_table(write(tmp_path, SMALL + "\n"))
    assert one.sha256 != two.sha256
    frame = pl.DataFrame({"a": [1, 2]})
    assert read_table(frame).sha256 == read_table(frame.clone()).sha256
    assert read_table(frame).sha256 != read_table(frame.with_columns(a=pl.col("a") + 1)).sha256


words = st.text(st.characters(categories=["L", "N", "P", "Zs", "S"], codec="utf-8"), max_size=8)
cells = st.lists(st.tuples(words, words, words), min_size=3, max_size=12)


@given(cells, st.sampled_from([",", ";", "\t", "|"]))
def test_csv_any_text_survives_every_separator(rows: list[tuple[str, ...]], separator: str) -> None:
    frame = pl.DataFrame(rows, schema=["first", "other", "last"], orient="row")
    text = frame.write_csv(separator=separator, quote_style="always")
    got, _, _ = read_delimited(text.encode(), "any.csv", separator)
    want, _, _ = read_delimited(frame.write_csv(quote_style="always").encode(), "any.csv", ",")
    assert got.height == frame.height
    if separator != ";":  # where a comma may be a decimal point
        assert got.equals(want)
