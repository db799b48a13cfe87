import numpy as np
import polars as pl
import pytest
from tables import hourly, several

from gatewise.data import DataError, read_table
from gatewise.data.panel import make_panel
from gatewise.data.wide import make_wide_panel


@pytest.fixture
def frame() -> pl.DataFrame:
    return hourly(300, gaps=True).with_columns(other=pl.col("load") * 2 + 1)


def test_each_target_is_a_series_of_its_own(frame):
    panel = make_wide_panel(read_table(frame), ["load", "other"], past=["temp"], future=["open"])
    assert panel.series == ["load", "other"]
    for number, name in enumerate(panel.series):
        alone = make_panel(read_table(frame), target=name, past=["temp"], future=["open"])
        np.testing.assert_array_equal(panel.target[number], alone.target[0])
        np.testing.assert_array_equal(panel.times[number], alone.times[0])
        for column in ("temp", "open"):
            np.testing.assert_array_equal(panel.values[column][number], alone.values[column][0])
    assert panel.times[0] is panel.times[1]


def test_no_target_is_a_feature_of_another(frame):
    panel = make_wide_panel(read_table(frame), ["load", "other"])
    assert panel.columns.past == ("temp", "open", "sky")


def test_notes_say_what_is_missing_in_each_target(frame):
    panel = make_wide_panel(read_table(frame), ["load", "other"])
    for name in ("load", "other"):
        assert any(note.startswith(f"target {name!r}: ") for note in panel.notes)
    assert "2 target columns, each a series of its own: load, other" in panel.notes
    assert len(set(panel.notes)) == len(panel.notes)


@pytest.mark.parametrize("targets", [[], ["load", "load"]])
def test_targets_are_different_columns(frame, targets):
    with pytest.raises(DataError, match="target must name different columns"):
        make_wide_panel(read_table(frame), targets)


def test_unknown_target_is_named(frame):
    with pytest.raises(DataError, match="lod"):
        make_wide_panel(read_table(frame), ["load", "lod"])


def test_table_of_several_series_is_refused():
    with pytest.raises(DataError, match=r"several targets \(load, temp\) and an id column \(shop"):
        make_wide_panel(read_table(several()), ["load", "temp"], series="shop")
