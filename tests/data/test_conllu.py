from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, read_tagged

SMALL = """# sent_id = first
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\tV\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_
2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_


# no id
1\tmar\tmar\tNOUN\tN\t_\t0\troot\t_\t_
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "small.conllu"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_conllu_reads_words_and_tags(tmp_path: Path, ending: str) -> None:
    found = read_tagged(write(tmp_path, SMALL.replace("\n", ending)))
    assert found.items == [["vamos", "nos"], ["mar"]]
    assert found.tags == [["VERB", "PRON"], ["NOUN"]]
    assert (found.ids, found.features, len(found)) == (["first", "2"], ["form"], 2)
    assert found.notes == [
        "small.conllu: 2 sentences, 3 words, tags from column upos",
        "2 multiword tokens and empty nodes skipped",
    ]


def test_conllu_other_columns_by_name(tmp_path: Path) -> None:
    found = read_tagged(write(tmp_path, SMALL), words="LEMMA", label="xpos")
    assert found.items == [["ir", "nosotros"], ["mar"]]
    assert found.tags == [["V", "P"], ["N"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL.replace("\tmar\tmar", "\tmar mar"), ", row 10: 9 columns split by tabs, where CoN"),
        (SMALL.replace("\n1\tmar", "\nx\tmar"), ", row 10: 'x' is no word's number"),
        ("# nothing\n\n", ": no sentences"),
    ],
)
def test_conllu_says_what_is_wrong_and_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_tagged(write(tmp_path, text))
    assert str(caught.value).startswith("small.conllu" + message)


def test_conllu_unknown_column_and_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'pos': no such column; the columns of CoNLL-U are"):
        read_tagged(write(tmp_path, SMALL), label="pos")
    with pytest.raises(DataError, match=r"a \.conllu file has no use for series"):
        read_tagged(write(tmp_path, SMALL), series="id")


word = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1)


@given(st.lists(st.lists(st.tuples(word, word), min_size=1, max_size=4), min_size=1, max_size=4))
def test_conllu_written_words_come_back(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str]]]
) -> None:
    blocks = [
        "".join(
            f"{n}\t{w}\t_\t{t}\t_\t_\t_\t_\t_\t_\n" for n, (w, t) in enumerate(sentence, start=1)
        )
        for sentence in sentences
    ]
    path = tmp_path_factory.mktemp("conllu") / "x.conllu"
    path.write_text("\n".join(blocks), encoding="utf-8")
    found = read_tagged(path)
    assert found.items == [[w for w, _ in sentence] for sentence in sentences]
    assert found.tags == [[t for _, t in sentence] for sentence in sentences]


@pytest.mark.parametrize(
    ("part", "sentences", "words", "tags"),
    [("train", 4274, 48655, 13), ("dev", 572, 6644, None), ("test", 586, 6580, None)],
)
def test_conllu_reads_the_atis_files(
    shared_data: Path, part: str, sentences: int, words: int, tags: int | None
) -> None:
    found = read_tagged(shared_data / "tagging" / "ud_english_atis" / f"en_atis-ud-{part}.conllu")
    assert (len(found), sum(map(len, found.items))) == (sentences, words)
    kinds = {tag for sentence in found.tags for tag in sentence}
    assert tags is None or len(kinds) == tags
    assert ("SYM" in kinds) == (part == "dev")
