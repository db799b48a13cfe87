from pathlib import Path

import pytest

from gatewise.data import DataError, read_text


def write(folder: Path, data: bytes) -> Path:
    path = folder / "small.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"a\xc3\xa9\nb", b"\xef\xbb\xbfa\xc3\xa9\nb", b"a\xc3\xa9\r\nb"])
def test_text_reads_utf8(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    assert read_text(path) == read_text(str(path)) == "aé\nb"


def test_text_given_is_the_text() -> None:
    assert read_text("to be\nor not") == "to be\nor not"
    assert read_text("to be") == "to be"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8"])
def test_text_encoding_told_is_used(tmp_path: Path, encoding: str) -> None:
    assert read_text(write(tmp_path, "café".encode(encoding)), encoding=encoding) == "café"


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (b"", None, ": the file is empty"),
        (b"a\nb\xe9", None, ", row 2: byte 0xE9 (the file's byte 4) is not UTF-8; say encoding="),
        (b"a\nb\x81", "cp1252", ", row 2: byte 0x81 (the file's byte 4) is not cp1252; say anoth"),
        ("a".encode("utf-16"), None, ": the text is UTF-16; save it as UTF-8, or say encoding='ut"),
        (b"a\0b", None, ": a binary file, not a text"),
    ],
)
def test_text_says_what_is_wrong(
    tmp_path: Path, data: bytes, encoding: str | None, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_text(write(tmp_path, data), encoding=encoding)
    assert str(caught.value).startswith("small.txt" + message)


def test_text_refuses_several_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 texts or files; join them"):
        read_text([tmp_path / "a.txt", tmp_path / "b.txt"])
    with pytest.raises(DataError, match="a folder, not a file; join its texts"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_text("nowhere.txt")
    with pytest.raises(DataError, match="not a text and not a path: int"):
        read_text(3)
    with pytest.raises(DataError, match="the text is empty"):
        read_text("")


def test_text_reads_shakespeare(shared_data: Path) -> None:
    text = read_text(shared_data / "text" / "tinyshakespeare.txt")
    assert (len(text), len({*text})) == (1_115_394, 65)
