import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data.alphabet import UNITS, Alphabet
from gatewise.data.errors import DataError

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def spelled(alphabet: Alphabet, symbols: list[int]) -> list[str]:
    """The characters that symbols make, each told allowed before it came."""
    spelling, pieces = alphabet.spelling(), []
    for symbol in symbols:
        assert spelling.allowed()[symbol]
        pieces.append(spelling.add(symbol))
    return [piece for piece in pieces if piece]


@given(any_text, st.sampled_from(UNITS))
def test_text_comes_back_character_by_character(text: str, unit: str) -> None:
    alphabet = Alphabet.of([text], unit)
    symbols = alphabet.encode(text)
    assert symbols.dtype == np.int32
    assert spelled(alphabet, symbols.tolist()) == list(text)
    made = [alphabet.symbols()[symbol] for symbol in symbols]
    joined = "".join(made) if unit == "character" else b"".join(made).decode()  # type: ignore[arg-type]
    assert joined == text


def test_characters_are_numbered_in_their_order() -> None:
    alphabet = Alphabet.of(["ba", "c😀a"], "character")
    assert alphabet.characters == "abc😀"
    assert alphabet.encode("😀ab").tolist() == [3, 0, 1]
    assert (alphabet.size, alphabet.boundary) == (4, 4)


def test_given_characters_stand_in_place_of_the_texts() -> None:
    assert Alphabet.of(["ab"], "character", "zyx").characters == "xyz"


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=60))
def test_any_bytes_that_are_allowed_are_proper_text(draws: list[float]) -> None:
    spelling, data, text = Alphabet("byte").spelling(), b"", ""
    while draws or not spelling.allowed()[256]:
        allowed = np.flatnonzero(spelling.allowed()[:256])
        byte = int(allowed[int((draws.pop() if draws else 0.5) * len(allowed))])
        data += bytes([byte])
        text += spelling.add(byte)
    assert data.decode() == text


def test_every_first_byte_of_a_character_is_allowed_and_no_other() -> None:
    first = {chr(code).encode()[0] for code in range(0x110000) if not 0xD800 <= code < 0xE000}
    allowed = Alphabet("byte").spelling().allowed()
    assert set(np.flatnonzero(allowed[:256]).tolist()) == first
    assert allowed[256]


@pytest.mark.parametrize("first", [0xC2, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF3, 0xF4])
def test_second_bytes_are_those_of_real_characters(first: int) -> None:
    codes = (code for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000)
    spelled = (chr(code).encode() for code in codes)
    expected = {character[1] for character in spelled if character[0] == first}
    spelling = Alphabet("byte").spelling()
    spelling.add(first)
    assert set(np.flatnonzero(spelling.allowed()).tolist()) == expected


def test_no_document_ends_inside_a_character() -> None:
    spelling = Alphabet("byte").spelling()
    assert spelling.add(0xC3) == ""
    assert not spelling.allowed()[256]
    assert spelling.add(0xA4) == "ä"
    assert spelling.allowed()[256]


@pytest.mark.parametrize("known", ["ab\n", ""])
def test_unknown_character_is_named_with_its_place(known: str) -> None:
    alphabet = Alphabet.of([known], "character")
    text = "ab\nab€" if known else "€"
    where = "row 2: character 3" if known else "row 1: character 1"
    with pytest.raises(DataError, match=rf"^a\.txt, {where}, '€' \(U\+20AC\), is not one of the"):
        alphabet.encode(text, "a.txt")


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    with pytest.raises(DataError, match=r"character 2, '\\ud800' \(U\+D800\), is half of a surr"):
        Alphabet("byte").encode("a\ud800")
