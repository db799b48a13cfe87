import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, read_sequences
from gatewise.data.ts_format import read_ts

SMALL = """#a comment
@problemName Small
@timeStamps false
@univariate false
@dimensions 2
@classLabel true up down
@data
1,2,3:4,5,6:up

7,?:NaN,10:down
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.ts"
    path.write_text(text)
    return path


def test_ts_reads_channels_lengths_missing_and_classes(tmp_path: Path) -> None:
    found = read_ts(write(tmp_path, SMALL))
    first, second = found.values
    assert first.tolist() == [[1, 4], [2, 5], [3, 6]]
    np.testing.assert_array_equal(second, np.float32([[7, np.nan], [np.nan, 10]]))
    assert first.dtype == np.float32
    assert found.labels is not None
    assert found.labels.tolist() == ["up", "down"]
    assert (found.name, found.ids, found.features) == (
        "small.ts",
        ["1", "2"],
        ["channel 1", "channel 2"],
    )
    assert found.notes == ["small.ts: 2 sequences of 2 to 3 steps, 2 features"]


def test_ts_target_label_is_a_number(tmp_path: Path) -> None:
    text = SMALL.replace("@classLabel true up down", "@targetLabel true")
    found = read_ts(write(tmp_path, text.replace(":up", ":1.5").replace(":down", ":-2")))
    assert found.labels is not None
    assert found.labels.dtype == np.float64
    assert found.labels.tolist() == [1.5, -2]


def test_ts_without_classes_has_no_labels(tmp_path: Path) -> None:
    text = SMALL.replace("true up down", "false").replace(":up", "").replace(":down", "")
    found = read_ts(write(tmp_path, text))
    assert found.labels is None
    assert found.values[0].shape == (3, 2)


BAD = {
    "timestamps": (SMALL.replace("Stamps false", "stamps true"), "row 3: sequences with time sta"),
    "class": (SMALL.replace(":down", ":left"), "row 10: the class 'left' is not among those of @"),
    "number": (SMALL.replace("5,", "x,"), "row 8: 'x' in channel 2 is no number"),
    "infinite": (SMALL.replace("5,", "inf,"), "row 8: 'inf' in channel 2 is no number"),
    "empty": (SMALL.replace("5,", ","), "row 8: '' in channel 2 is no number"),
    "channels": (SMALL.replace("7,?:", ""), "row 10: 1 channels, where 2 are expected"),
    "lengths": (SMALL.replace("7,?", "7"), "row 10: channel 2 has 2 values, channel 1 has 1"),
    "early": ("1,2:a\n@data\n", "row 1: data before a line @data"),
    "no data": ("@problemName x\n", "no line @data"),
    "nothing": (SMALL.partition("1,2")[0], "no sequences after @data"),
    "target": (
        SMALL.replace("class", "target").replace("@targetLabel true up down", "@targetLabel true"),
        "row 8: the target must be a number, got 'up'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_ts_says_what_is_wrong_and_where(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(DataError) as caught:
        read_ts(write(tmp_path, text))
    assert str(caught.value).startswith(("small.ts, " + message, "small.ts: " + message))


numbers = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.integers(1, 5).flatmap(
                lambda length: st.lists(
                    st.lists(numbers, min_size=length, max_size=length),
                    min_size=width,
                    max_size=width,
                )
            ),
            min_size=1,
            max_size=4,
        )
    )
)
def test_ts_written_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, cases: list[list[list[float]]]
) -> None:
    lines = [":".join(",".join(map(repr, channel)) for channel in case) + ":c" for case in cases]
    path = tmp_path_factory.mktemp("ts") / "x.ts"
    path.write_text("@classLabel true c\n@data\n" + "\n".join(lines))
    for want, got in zip(cases, read_ts(path).values, strict=True):
        np.testing.assert_array_equal(got, np.float32(want).T)


@pytest.mark.parametrize(
    ("name", "cases", "width", "lengths", "classes"),
    [
        ("JapaneseVowels_TRAIN", 270, 12, (7, 26), 9),
        ("JapaneseVowels_TEST", 370, 12, (7, 29), 9),
        ("ItalyPowerDemand_TRAIN", 67, 1, (24, 24), 2),
        ("ItalyPowerDemand_TEST", 1029, 1, (24, 24), 2),
        ("BasicMotions_TRAIN", 40, 6, (100, 100), 4),
        ("BasicMotions_TEST", 40, 6, (100, 100), 4),
    ],
)
def test_ts_reads_the_archives_files(
    shared_data: Path, name: str, cases: int, width: int, lengths: tuple[int, int], classes: int
) -> None:
    path = shared_data / "classification" / f"{name}.ts"
    found = read_sequences(path)
    assert (len(found), len(found.features)) == (cases, width)
    assert (min(map(len, found.values)), max(map(len, found.values))) == lengths
    assert found.labels is not None
    assert len({*found.labels}) == classes
    with path.open() as file:  # the last line once more, by another way
        channels = file.read().strip().rsplit("\n", 1)[1].split(":")
    want = np.array([[float(v) for v in row] for row in csv.reader(channels[:-1])]).T
    np.testing.assert_allclose(found.values[-1], want, rtol=1e-6)
    assert found.labels[-1] == channels[-1]


def test_ts_takes_no_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a .ts file has no use for label \(--label\)"):
        read_sequences(write(tmp_path, SMALL), label="x")


def test_ts_past_chooses_channels(tmp_path: Path) -> None:
    found = read_sequences(write(tmp_path, SMALL), past=["channel 2"])
    assert found.values[0].tolist() == [[4], [5], [6]]
    assert found.features == ["channel 2"]
    with pytest.raises(DataError, match="no such feature; the features are: channel 1, channel 2"):
        read_sequences(write(tmp_path, SMALL), past="channel 3")
