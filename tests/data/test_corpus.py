from pathlib import Path

import numpy as np
import pytest

from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Corpus, Documents, read_documents
from gatewise.data.errors import DataError


def test_one_text_has_no_end_and_documents_have() -> None:
    assert read_documents("one\ntwo") == Documents("text", ["one\ntwo"], have_ends=False)
    listed = read_documents(np.array(["one", "two"]))
    assert (listed.texts, listed.have_ends) == (["one", "two"], True)
    lines = read_documents("one\n\ntwo\n", lines=True)
    assert (lines.texts, lines.have_ends) == (["one", "two"], True)


def test_path_is_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffäb\r\nc".encode())
    for source in (path, str(path)):
        assert read_documents(source) == Documents("a.txt", ["äb\nc"], have_ends=False)


def test_characters_are_counted_with_ends_or_without() -> None:
    documents = read_documents(["äb", "", "c"])
    assert documents.count(with_ends=False) == 3
    assert documents.count(with_ends=True) == 6


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "the text is empty"),
        (b"ab", "not a text, a path or a list of texts: bytes"),
        (3, "not a text, a path or a list of texts: int"),
        (["a", 3], "document 1 is no text: int"),
        ([], "no documents, or only empty ones"),
        (["", ""], "no documents, or only empty ones"),
        (Path("nowhere.txt"), "nowhere.txt: no such file"),
    ],
)
def test_what_is_no_text_is_refused(source: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_documents(source)


def test_lines_that_are_all_empty_are_refused() -> None:
    with pytest.raises(DataError, match="only empty lines"):
        read_documents("\n\n", lines=True)


@pytest.mark.parametrize("have_ends", [True, False])
def test_corpus_has_a_boundary_around_each_document(have_ends: bool) -> None:
    documents = read_documents(["ab", "", "b"])
    corpus = Corpus.of(documents, Alphabet.of(["ab"], "character"), have_ends=have_ends)
    assert corpus.symbols.tolist() == [2, 0, 1, 2, 2, 1, 2]
    assert corpus.starts.tolist() == [0, 3, 4, 6]
    assert corpus.last == (6 if have_ends else 5)


def test_unknown_character_is_said_to_be_in_which_document() -> None:
    with pytest.raises(DataError, match=r"^documents, document 1, row 1: character 2, 'x'"):
        Corpus.of(read_documents(["a", "ax"]), Alphabet.of(["a"], "character"), have_ends=True)
