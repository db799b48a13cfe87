"""Tables of the wild: what is empty goes, what is odd is read as told, and suggested if not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gatewise.data import DataError, Panel, Reading, Table, make_panel, read_table

Read = Callable[[str], Table]


def air(rows: int = 72) -> str:
    """An hourly table in the style of UCI's Air Quality, with numbers of our own."""
    lines = ["Date;Time;CO(GT);PT08.S1;T;RH;;"]
    for hour in range(rows):
        day, clock = 12 + hour // 24, hour % 24
        co = "-200" if hour % 9 == 5 else f"{1 + hour % 7 * 0.3:.1f}".replace(".", ",")
        s1 = "-200" if hour % 11 == 4 else str(900 + hour * 17 % 400)
        temperature = f"{11 + clock * 0.4:.1f}".replace(".", ",")
        lines.append(f"{day}/03/2004;{clock:02d}.00.00;{co};{s1};{temperature};{40 + clock},0;;")
    return "\n".join([*lines, ";;;;;;;", ";;;;;;;", ""])


def test_air_quality_is_read_whole(read: Read, tmp_path: Path) -> None:
    told = read_table(_path(read, air(), tmp_path), reading=Reading.of(missing="-200"))
    panel = make_panel(told, target="CO(GT)")
    assert panel.columns.time == ("Date", "Time")
    assert panel.columns.past == ("PT08.S1", "T", "RH")
    assert (str(panel.frequency), panel.steps) == ("1 hour", 72)
    assert str(panel.times[0][0]) == "2004-03-12T00:00:00.000000"
    co = panel.target[0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(co)), np.arange(5, 72, 9))
    assert co[:3].tolist() == [1.0, 1.3, 1.6]
    assert panel.values["RH"][0][:2].tolist() == [40, 41]
    notes = "\n".join(panel.notes)
    for said in (
        "decimal commas read as points in 'CO(GT)', 'T', 'RH'",
        "2 columns without a name or a value left out",
        "2 rows without any value left out (first: row 74)",
        "15 values -200 read as missing",
        "target 'CO(GT)': 8 of 72 values missing",
    ):
        assert said in notes
    assert "--missing" not in notes


def test_air_quality_not_told_suggests_the_code(read: Read) -> None:
    panel = make_panel(read(air()), target="CO(GT)")
    assert panel.target[0].min() == -200
    assert panel.notes[-1] == (
        "column 'CO(GT)': -200 stands 8 times and lies far outside the rest (and in 1 column "
        "more): if it means missing, say missing=-200 (--missing -200)"
    )


def _path(read: Read, text: str, folder: Path) -> Path:
    read("a\n1\n")
    path = folder / "small.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("code", [-200, -200.0, "-200", [-200], ["-200", "x"], (-200, 7)])
def test_missing_codes_are_numbers_or_text(code: object) -> None:
    frame = pl.DataFrame({"a": [1, -200, 3], "b": [0.5, -200.0, None], "c": ["-200", "7.5", "1"]})
    table = read_table(frame, reading=Reading.of(missing=code))  # type: ignore[arg-type]
    assert table.frame.to_dict(as_series=False) == {
        "a": [1, None, 3],
        "b": [0.5, None, None],
        "c": [None, 7.5, 1.0],
    }
    assert "read as missing" in table.notes[-1]


def test_missing_words_leave_numbers(read: Read, tmp_path: Path) -> None:
    path = _path(read, "t,y,k\n1,2,-\n2,-,-\n3,4,u\n", tmp_path)
    frame = read_table(path, reading=Reading.of(missing="-")).frame
    assert frame["y"].to_list() == [2, None, 4]
    assert frame["k"].to_list() == [None, None, "u"]


def test_missing_code_that_a_type_cannot_hold_is_no_error() -> None:
    frame = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.UInt8), "b": [True, False]})
    table = read_table(frame, reading=Reading.of(missing=[-200, 1.5]))
    assert table.frame["a"].to_list() == [1, 2]
    assert table.notes[-1] == "0 values -200, 1.5 read as missing"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0.5, 1, 2] * 9 + [-200] * 3, "-200"),
        ([500, 900, 1900] * 9 + [-200] * 3, "-200"),
        ([5, 9, 1] * 9 + [9999] * 3, "9999"),
        ([-3, 9, 1] * 9 + [-999.9] * 3, "-999.9"),
        ([0.5, 1, 2] * 9 + [-200] * 2, None),  # too few
        ([-30, 9, 100] * 9 + [-200] * 3, "-200"),
        ([-150, 9, 100] * 9 + [-200] * 3, None),  # one among others
        ([0, 1] * 9, None),
        ([0.0, 500, 900] * 9, None),  # zero is a value
        ([7.0] * 9 + [-200] * 3, None),  # no spread to judge by
    ],
)
def test_missing_codes_are_suggested_where_they_stand_far_out(
    values: list[float], code: str | None
) -> None:
    frame = pl.DataFrame({"t": pl.Series(_hours(len(values))), "y": np.array(values, dtype=float)})
    notes = [n for n in make_panel(read_table(frame), target="y").notes if "--missing" in n]
    assert (
        notes == [] if code is None else notes[0].endswith(f"say missing={code} (--missing {code})")
    )


def _hours(count: int) -> np.ndarray:
    return np.datetime64("2024-01-01T00", "us") + np.arange(count) * np.timedelta64(1, "h")


def test_blank_rows_keep_the_rows_of_the_file(read: Read) -> None:
    table = read("t,y\n2024-01-01,1\n,\n2024-01-02,2\n")
    assert table.frame.height == 2
    assert [table.row(0), table.row(1)] == [2, 4]
    frame = read_table(pl.DataFrame({"a": [None, 1, None], "b": [None, None, 2]}))
    assert [frame.row(0), frame.row(1)] == [2, 3]


def test_nameless_columns_with_values_stay(read: Read) -> None:
    assert read("a,,\n1,2,\n").frame.columns == ["a", "column 2"]
    table = read_table(pl.DataFrame({"a": [1], "b": [None]}))
    assert table.frame.columns == ["a", "b"]


def test_only_blank_rows_are_an_error(read: Read) -> None:
    with pytest.raises(DataError, match="no row holds a value"):
        read("a,b\n,\n,\n")


@pytest.mark.parametrize("separator", [",", "\t"])
def test_decimal_commas_beside_other_separators_are_told(
    read: Read, tmp_path: Path, separator: str
) -> None:
    text = separator.join(['"t"', '"y"', '"z"']) + "\n"
    for day in range(1, 4):
        text += separator.join([f'"2024-01-0{day}"', f'"{day},5"', f'"{day}"']) + "\n"
    path = _path(read, text, tmp_path)
    table = read_table(path)
    assert table.frame["y"][0] == "1,5"
    assert table.notes[-1] == "'y': decimal commas? Then say decimal=',' (--decimal ,)"
    with pytest.raises(DataError, match=r"got '1,5'; say decimal=',' \(--decimal ,\) if that is"):
        make_panel(table, target="y")
    told = read_table(path, reading=Reading.of(decimal=","))
    assert told.frame["y"].to_list() == [1.5, 2.5, 3.5]
    pointed = read_table(path.rename(tmp_path / "x.csv"), reading=Reading.of(decimal="."))
    assert pointed.frame["y"][0] == "1,5"


def test_decimal_point_told_beside_semicolons_keeps_commas(read: Read, tmp_path: Path) -> None:
    path = _path(read, "a;b\n1,5;2\n2,5;3\n", tmp_path)
    assert read_table(path, reading=Reading.of(decimal=".")).frame["a"].to_list() == ["1,5", "2,5"]


def test_encoding_is_told_and_suggested(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("Straße,y\nä,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"row 1: byte 0xDF .* is not UTF-8; say encoding='cp1252'"):
        read_table(path)
    assert read_table(path, reading=Reading.of(encoding="latin-1")).frame.columns == ["Straße", "y"]
    path.write_bytes("a,b\n1,2\n".encode("utf-16"))
    assert read_table(path, reading=Reading.of(encoding="utf-16")).frame["b"].to_list() == [2]


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("decimal", ";", "decimal must be '.' or ',', got ';'"),
        ("encoding", "utf-7000", "encoding 'utf-7000' is unknown"),
        ("timezone", "Europe/Pariss", "timezone 'Europe/Pariss' is unknown"),
        ("timezone", "../x", "timezone '../x' is unknown"),
        ("timezone", "Europe", "timezone 'Europe' is unknown"),
        ("resample", "hourly", "no frequency: 'hourly'"),
    ],
)
def test_reading_refuses_what_there_is_not(parameter: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.").replace("'", "'")):
        Reading.of(**{parameter: value})  # type: ignore[arg-type]


def test_clock_columns_are_found_beside_dates(read: Read) -> None:
    def panel(text: str) -> Panel:
        return make_panel(read(text), target="y")

    for clock in ("0{}:30", "0{}:30:00", "0{}.30.00"):
        rows = "".join(f"2024-01-01,{clock.format(n)},{n * n}\n" for n in range(5))
        found = panel("day,clock,y\n" + rows)
        assert found.columns.time == ("day", "clock")
        assert str(found.times[0][1]) == "2024-01-01T01:30:00.000000"
