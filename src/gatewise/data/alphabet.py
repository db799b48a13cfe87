"""The symbols of a text: characters or bytes, their numbers, and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatewise.data.errors import DataError

UNITS = ("character", "byte")


@dataclass(frozen=True)
class Alphabet:
    """Numbers for the symbols of a text, 0 … size − 1, and one more for where a document ends.

    Attributes:
        unit: ``"character"`` (Unicode code points) or ``"byte"`` (of UTF-8).
        characters: all characters in order; "" for bytes.
    """

    unit: str
    characters: str = ""

    @classmethod
    def of(cls, documents: Iterable[str], unit: str, characters: str | None = None) -> "Alphabet":
        """Take the characters of ``documents``, or those given."""
        if unit == "byte":
            return cls(unit)
        known: set[str] = set()
        for text in documents if characters is None else [characters]:
            known.update(text)
        return cls(unit, "".join(sorted(known)))

    @property
    def size(self) -> int:
        """Number of symbols."""
        return 256 if self.unit == "byte" else len(self.characters)

    @property
    def boundary(self) -> int:
        """The number that stands before a document, and behind one that has an end."""
        return self.size

    def encode(self, text: str, name: str = "") -> np.ndarray:
        """Give the text's symbols as numbers, (n,) int32.

        Args:
            text: of known characters.
            name: of the text, for the message.

        Raises:
            DataError: names the first character that is not known, and its place.
        """
        if self.unit == "byte":
            try:
                return np.frombuffer(text.encode(), np.uint8).astype(np.int32)
            except UnicodeEncodeError as error:
                raise _refused(text, error.start, name, "half of a surrogate pair") from None
        codes, known = _codes(text), _codes(self.characters)
        numbers = np.searchsorted(known, codes).clip(max=max(len(known) - 1, 0))
        wrong = np.flatnonzero(known[numbers] != codes) if len(known) else np.arange(len(codes))
        if len(wrong):
            why = (
                f"not one of the {len(known):,} that the model knows; mend the text, or "
                "train on a text (or with alphabet=) that has it, or with unit='byte', which "
                "knows every text"
            )
            raise _refused(text, int(wrong[0]), name, why)
        return numbers.astype(np.int32)

    def symbols(self) -> list[str] | list[bytes]:
        """Give all symbols in order: characters, or single bytes."""
        if self.unit == "byte":
            return [bytes([number]) for number in range(256)]
        return list(self.characters)

    def spelling(self) -> "Spelling":
        """Begin a text that is made symbol by symbol."""
        return Spelling(self)


class Spelling:
    """A text in the making: which symbols may come next, and the characters that are whole."""

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self._begun = b""  # of a character of several bytes

    def allowed(self) -> np.ndarray:
        """Say which symbols may come next, (size + 1,) bool; the last is the document's end.

        Bytes go on as UTF-8 asks, and no document ends inside a character.
        """
        if self.alphabet.unit == "byte":
            return _allowed_bytes(self._begun)
        return np.ones(self.alphabet.size + 1, dtype=bool)

    def add(self, symbol: int) -> str:
        """Add a symbol and give the character that it makes whole, "" where one is only begun."""
        if self.alphabet.unit == "character":
            return self.alphabet.characters[symbol]
        self._begun += bytes([symbol])
        piece = _decoded(self._begun)
        if piece:
            self._begun = b""
        return piece


@lru_cache(maxsize=4096)
def _allowed_bytes(begun: bytes) -> np.ndarray:
    allowed = np.array([_goes_on(begun + bytes([byte])) for byte in range(256)] + [not begun])
    allowed.setflags(write=False)
    return allowed


def _goes_on(data: bytes) -> bool:
    """Say whether ``data`` is a character or can become one, with the least or largest bytes."""
    return any(_decoded(data + fill * more) for fill in (b"\x80", b"\xbf") for more in range(4))


def _decoded(data: bytes) -> str:
    """Give the one character that ``data`` spells, or "" if it spells none."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if len(text) == 1 else ""


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _refused(text: str, place: int, name: str, why: str) -> DataError:
    row = text.count("\n", 0, place) + 1
    within = place - (text.rfind("\n", 0, place) + 1) + 1
    character = text[place]
    return DataError(
        f"character {within:,}, {character!r} (U+{ord(character):04X}), is {why}",
        name=name or "text",
        row=row,
    )
