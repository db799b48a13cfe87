"""The CoNLL-U text format of Universal Dependencies: one word a line, ten columns.

Source: https://universaldependencies.org/format.html
"""

import os
import re
from pathlib import Path

from gatewise.data.errors import DataError
from gatewise.data.sequences import Tagged
from gatewise.data.text import decode, read_bytes

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD = re.compile(r"\d+")
_SKIPPED = re.compile(r"\d+(-\d+|\.\d+)")


def read_conllu(
    path: str | os.PathLike[str],
    *,
    words: str | None = None,
    label: str | None = None,
    encoding: str | None = None,
) -> Tagged:
    """Read sentences from a ``.conllu`` file.

    Comments, multiword tokens (``1-2``) and empty nodes (``1.1``) are skipped; the notes count the
    latter two.

    Args:
        path: the file.
        words: the column of the words, by its CoNLL-U name; None is ``"form"``.
        label: the column of the tags; None is ``"upos"``.
        encoding: None is UTF-8.

    Raises:
        DataError: no such column, a line without ten columns, no sentences.
    """
    path = Path(path)
    name = path.name
    word, tag = (_column(c, name) for c in (words or "form", label or "upos"))
    found = Tagged(name, [], [], [], [COLUMNS[word]])
    items: list[list[str]] = []
    skipped = 0
    sentence_id = ""
    inside = False
    lines = decode(read_bytes(path), name, encoding, what="text of the CoNLL-U format")
    for row, line in enumerate(lines.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            inside, sentence_id = False, ""
        elif line.startswith("#"):
            if line.startswith("# sent_id ="):
                sentence_id = line.partition("=")[2].strip()
        else:
            fields = _fields(line, name, row)
            if _SKIPPED.fullmatch(fields[0]):
                skipped += 1
                continue
            if not inside:
                inside = True
                items.append([])
                found.tags.append([])
                found.ids.append(sentence_id or str(len(items)))
            items[-1].append(fields[word])
            found.tags[-1].append(fields[tag])
    if not items:
        raise DataError("no sentences", name=name)
    found.items = items
    total = sum(map(len, items))
    found.notes.append(
        f"{name}: {len(items):,} sentences, {total:,} words, tags from column {COLUMNS[tag]}"
    )
    if skipped:
        found.notes.append(f"{skipped:,} multiword tokens and empty nodes skipped")
    return found


def _column(column: str, name: str) -> int:
    if column.lower() not in COLUMNS:
        raise DataError(
            f"no such column; the columns of CoNLL-U are: {', '.join(COLUMNS)}",
            name=name,
            column=column,
        )
    return COLUMNS.index(column.lower())


def _fields(line: str, name: str, row: int) -> list[str]:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise DataError(
            f"{len(fields)} columns split by tabs, where CoNLL-U has {len(COLUMNS)}",
            name=name,
            row=row,
        )
    if not _WORD.fullmatch(fields[0]) and not _SKIPPED.fullmatch(fields[0]):
        raise DataError(f"{fields[0]!r} is no word's number", name=name, row=row)
    return fields
