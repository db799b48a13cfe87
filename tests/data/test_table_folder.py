from pathlib import Path

import pytest

from gatewise.data import DataError, Reading, read_sequences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of sequences and no labels yet."""
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "b.csv").write_text("t,x,y\n2,1,2\n1,3,4\n")
    (folder / "a.csv").write_text("t,x,y\n1,5,6\n")
    return folder


LABELS = "name,kind\na,up\nb.csv,down\n"


def test_folder_files_are_the_sequences(folder: Path) -> None:
    found = read_sequences(folder, time="t")
    assert (found.ids, found.labels, found.features) == (["a", "b"], None, ["x", "y"])
    assert [value.tolist() for value in found.values] == [[[5, 6]], [[3, 4], [1, 2]]]


@pytest.mark.parametrize("place", ["runs/labels.csv", "labels.csv", "other.csv", "runs/other.csv"])
def test_folder_label_table_is_found_or_named(folder: Path, place: str) -> None:
    path = folder.parent / place
    path.write_text(LABELS)
    named = {"labels": path} if "other" in place else {}
    found = read_sequences(folder, time="t", **named)
    assert found.labels is not None
    assert (found.ids, found.labels.tolist()) == (["a", "b"], ["up", "down"])
    assert found.notes[-1] == f"labels from {path.name}, column 'kind'"


def test_folder_label_columns_are_named(folder: Path) -> None:
    (folder / "labels.csv").write_text("x,y,z\n1,a,3\n2,b,5\n")
    found = read_sequences(folder, series="y", label="z", time="t")
    assert found.labels is not None
    assert found.labels.tolist() == [3, 5]
    with pytest.raises(
        DataError, match=r"several columns could hold the labels, or none \('x', 'z"
    ):
        read_sequences(folder, time="t")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,kind\na,up\n", "labels.csv, column 'name': no label for 1 of 2 files (first: 'b')"),
        ("name,kind\na,u\nb,\n", "labels.csv, row 3, column 'kind': the label is missing"),
        ("name,kind\na,u\na.csv,v\nb,w\n", "row 3, column 'name': 'a' stands in row 2 already"),
        ("name,kind\nq,u\n", "no column holds the files' names (such as 'a')"),
    ],
)
def test_folder_says_what_labels_lack(folder: Path, table: str, message: str) -> None:
    (folder / "labels.csv").write_text(table)
    with pytest.raises(DataError) as caught:
        read_sequences(folder)
    assert message in str(caught.value)


def test_folder_refuses_what_is_unclear(folder: Path) -> None:
    with pytest.raises(DataError, match="a folder of tables has no use for audio"):
        read_sequences(folder, audio="mfcc")
    (folder / "b.csv").write_text("t,x\n1,2\n")
    with pytest.raises(DataError, match=r"b.csv, column 'y': no such column"):
        read_sequences(folder)
    (folder / "b.csv").write_text("id,t,x,y\n1,1,2,3\n2,1,2,3\n")
    with pytest.raises(DataError, match="a file with an id column in a folder of files"):
        read_sequences(folder, time="t")
    (folder / "labels.csv").write_text(LABELS)
    (folder.parent / "labels.csv").write_text(LABELS)
    with pytest.raises(DataError, match=r"a labels.csv in the folder and one beside it"):
        read_sequences(folder)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="a folder without a table or a WAV file in it"):
        read_sequences(folder)


def test_folder_reads_as_told(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_text(path.read_text().replace("5", "-200"))
    found = read_sequences(folder, past=["y", "x"], time="t", reading=Reading.of(missing="-200"))
    assert found.features == ["y", "x"]
    assert str(found.values[0].tolist()) == "[[6.0, nan]]"
