import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from gatewise.data import Columns, DataError, Table, make_panel

Read = Callable[[str], Table]


def daily(**columns: list[Any]) -> str:
    """CSV text with one row a day, and the columns."""
    count = len(next(iter(columns.values())))
    lines = [",".join(["date", *columns])]
    for i, row in enumerate(zip(*columns.values(), strict=True)):
        lines.append(",".join([f"2011-01-{i + 1:02d}", *map(str, row)]))
    assert len(lines) == count + 1
    return "\n".join(lines) + "\n"


def test_columns_survive_json() -> None:
    columns = Columns("y", ("year", "month"), "id", past=("a",), future=("b", "c"))
    assert Columns.from_dict(json.loads(json.dumps(dataclasses.asdict(columns)))) == columns


def test_target_is_the_only_varying_number(read: Read) -> None:
    table = read(daily(No=[1, 2, 3, 4], one=[5, 5, 5, 5], y=[3, 1, 4, 1], word=list("abab")))
    panel = make_panel(table)
    assert panel.columns == Columns("y", ("date",), past=("word",))
    assert panel.notes[2:] == [
        "target 'y': the only numeric column",
        "column 'No' left out: counts the rows",
        "column 'one' left out: constant",
    ]


def test_target_may_be_constant_or_counting_when_alone(read: Read) -> None:
    assert make_panel(read(daily(y=[5, 5, 5]))).columns.target == "y"
    assert make_panel(read(daily(y=[1, 2, 3]))).columns.target == "y"


TARGETS = {
    "several": (
        daily(a=[3, 1, 4], b=[1, 5, 8]),
        None,
        "several columns could be the target: 'a', 'b'; name one with target (--target)",
    ),
    "none": (daily(a=["x", "y", "z"]), None, "no column of numbers for the target"),
    "nearly": (daily(a=[1, "two", 3]), None, "row 3, column 'a': the target must be numbers"),
    "text": (
        daily(a=["1", "x2", "y3"]),
        "a",
        "row 3, column 'a': the target must be numbers, got 'x2'",
    ),
    "unknown": (
        daily(sales=[1, 2, 4]),
        "sale",
        "column 'sale': no such column; did you mean 'sales'? The columns are: date, sales",
    ),
    "missing": (
        daily(a=["", "NA", ""], b=[1, 2, 4]),
        "a",
        "column 'a': the target holds no value, only missing ones",
    ),
    "infinite": (daily(a=[1, "inf", 3]), "a", "row 3, column 'a': an infinite value"),
    "time": (daily(a=[1, 2, 4]), "date", "column 'date': named for two parts"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_target_errors_name_row_and_column(read: Read, case: str) -> None:
    text, target, message = TARGETS[case]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        make_panel(read(text), target=target)
    assert str(caught.value).startswith("small.csv")


def test_past_columns_are_all_usable_ones_and_the_rest_is_said(read: Read) -> None:
    days = 60
    text = "date,y,num,yes,few,many,second,bad,empty\n" + "".join(
        f"20{11 + i // 28:02d}-01-{i % 28 + 1:02d},{i * i},{i % 7},{i % 2 == 0},k{i % 3},w{i},"
        f"2012-01-01 00:{i:02d},{i * i if i != 4 else '?'},\n"
        for i in range(days)
    )
    panel = make_panel(read(text), target="y", time="date")
    assert panel.columns.past == ("num", "yes", "few")
    for note in (
        "column 'many' left out: text with 60 different values (at most 50)",
        "column 'second' left out: holds times",
        "column 'bad' left out: not all numbers (row 6: '?')",
        "column 'empty' left out: empty",
    ):
        assert note in panel.notes
    assert panel.values["yes"][0][:3].tolist() == [1.0, 0.0, 1.0]
    assert panel.values["few"][0][:3].tolist() == ["k0", "k1", "k2"]


def test_past_empty_means_none_and_static_is_not_guessed(read: Read) -> None:
    panel = make_panel(read(daily(y=[3, 1, 4], a=[1, 5, 9])), target="y", past=())
    assert panel.columns == Columns("y", ("date",))
    assert panel.values == {}


def test_columns_given_are_taken_even_if_constant(read: Read) -> None:
    table = read(daily(y=[3, 1, 4], a=[5, 5, 5], b=[1, 2, 3]))
    panel = make_panel(table, target="y", past="a", future=["b"])
    assert panel.columns == Columns("y", ("date",), past=("a",), future=("b",))
    assert panel.values["b"][0].tolist() == [1.0, 2.0, 3.0]


def test_columns_with_two_parts_are_an_error(read: Read) -> None:
    table = read(daily(y=[3, 1, 4], a=[5, 6, 5]))
    with pytest.raises(DataError, match="column 'a': named for two parts"):
        make_panel(table, target="y", past="a", future="a")


def test_feature_infinite_names_the_row(read: Read) -> None:
    with pytest.raises(DataError, match="row 4, column 'a': an infinite value"):
        make_panel(read(daily(y=[3, 1, 4], a=[5, 6, "-inf"])), target="y")


LONG = "day,shop,city,size,y\n" + "".join(
    f"2011-01-{day:02d},{shop},{city},{size},{y}\n"
    for day, row in enumerate([(3, 1), (4, 1), (5, 9), (2, 6)], start=1)
    for shop, city, size, y in (("s1", "Rome", 10, row[0]), ("s2", "Rome", 20, row[1]))
)


def test_series_column_is_found_and_constants_become_static(read: Read) -> None:
    panel = make_panel(read(LONG), target="y")
    assert panel.columns == Columns("y", ("day",), "shop", static=("size",))
    assert panel.series == ["s1", "s2"]
    assert panel.static == {"size": [10.0, 20.0]}
    assert [target.tolist() for target in panel.target] == [[3, 4, 5, 2], [1, 1, 9, 6]]
    assert "2 series by column 'shop', of 4 to 4 steps" in panel.notes
    assert "constant within each series, so static: 'size'" in panel.notes
    assert "column 'city' left out: constant" in panel.notes


def test_series_of_whole_numbers_is_found_and_sorted_as_numbers(read: Read) -> None:
    text = "day,shop,y\n" + "".join(
        f"2011-01-{day:02d},{shop},{day * shop}.5\n" for day in range(1, 6) for shop in (10, 9, 2)
    )
    panel = make_panel(read(text))
    assert panel.columns == Columns("y", ("day",), "shop")
    assert panel.series == ["2", "9", "10"]


def test_series_several_candidates_are_an_error(read: Read) -> None:
    text = LONG.replace("Rome,10", "Rome,10").replace("Rome,20", "Bari,20")
    with pytest.raises(DataError, match=r"could name the series: 'shop', 'city'; .*--series"):
        make_panel(read(text), target="y")
    assert make_panel(read(text), target="y", series="city").series == ["Bari", "Rome"]


def test_series_without_a_column_asks_for_it(read: Read) -> None:
    text = "day,y\n" + "".join(f"2011-01-{d:02d},{d}.{k}\n" for d in range(1, 9) for k in range(3))
    with pytest.raises(DataError, match=r"row 3, column 'day': many rows share .*--series"):
        make_panel(read(text), target="y")


def test_series_given_but_wrong_names_the_rows(read: Read) -> None:
    with pytest.raises(DataError, match=r"4 rows repeat .* row 2 and row 3, 2011-01-01.*--series"):
        make_panel(read(LONG), target="y", series="city")


def test_series_missing_id_names_the_row(read: Read) -> None:
    with pytest.raises(DataError, match="row 4, column 'shop': the series' id is missing"):
        make_panel(read(LONG.replace("02,s1", "02,")), target="y", series="shop")


def test_static_that_varies_is_an_error(read: Read) -> None:
    text = LONG.replace("Rome,20,6", "Rome,21,6")
    with pytest.raises(DataError, match=r"'size': not one value a series: series 's2' has 20\.0"):
        make_panel(read(text), target="y", series="shop", past=(), static="size")


def test_columns_found_once_give_the_same_panel_when_given(read: Read) -> None:
    first = make_panel(read(LONG), target="y")
    parts = dataclasses.asdict(first.columns)
    again = make_panel(read(LONG), **parts, frequency=str(first.frequency))
    assert again.columns == first.columns
    assert again.static == first.static
