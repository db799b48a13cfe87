"""The report of a run as Markdown, for a pull request."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gatewise.files import write_atomic
from gatewise.report import tables
from gatewise.report.figures import short
from gatewise.report.rendering import number
from gatewise.report.run_files import read_run
from gatewise.report.story import Story, tell

LONGEST_NAME = 80
"""Longer cells of a table, and names in headings, are cut."""

LONGEST_TEXT = 2_000
"""Longer sentences, commands and samples are cut."""

_MEANING = re.compile(r"[\\`*_\[\]|~$#]")
_LINKED = re.compile(
    r"[@#](?=\w)|(?:https?|ftp|mailto|xmpp|www)(?=[:.])|\bGH(?=-\d)", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_APART = "\u2060"  # a word joiner, which is not seen


def write_markdown(run_dir: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write the report of a run folder as Markdown to ``path``, from the run's files.

    Returns:
        The path.

    Raises:
        FileNotFoundError: the run is not finished, or files of it are missing.
        ValueError: ``result.json`` is damaged or of a newer format.
    """
    write_atomic(path, render_markdown(tell(read_run(run_dir))))
    return Path(path)


def render_markdown(story: Story) -> str:
    """Lay a report out as GitHub's Markdown: what the page says, without its pictures."""
    return (
        _environment()
        .get_template("report.md.j2")
        .render(story=story, run=story.run, result=story.result, tables=tables)
    )


def escaped(text: str, longest: int = LONGEST_TEXT) -> Markup:
    r"""Text that stands inside a line of Markdown, or in a cell of a table, as text.

    It is cut behind ``longest`` characters and brought to one line. What means something is
    escaped: by ``\`` or, in HTML, as an entity. Mentions (@name), references (#1) and bare links,
    which GitHub makes of finished text, are parted by a word joiner, which is not seen.
    """
    line = short(" ".join(_CONTROL.sub("\ufffd", text.replace("\r", "\n")).split()), longest)
    line = _MEANING.sub(r"\\\g<0>", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(_LINKED.sub(rf"\g<0>{_APART}", line))


def paragraph(value: Any, longest: int = LONGEST_TEXT) -> Markup:
    """Text that a line of Markdown may begin with: it begins no heading, list or rule."""
    line = escaped(str(value), longest)
    line = Markup(re.sub(r"^[+=-](?!\d)", r"\\\g<0>", line))
    return Markup(re.sub(r"^(\d+)([.)])(?= |$)", r"\g<1>\\\g<2>", line))


def table(shown: tables.Table) -> Markup:
    """A table in GitHub's Markdown; the rows of the cell to take are bold."""
    width = len(shown.headers)
    lines = [_line([escaped(header, LONGEST_NAME) for header in shown.headers])]
    lines.append(_line([":---", *["---:"] * (width - 1)]))
    for at, row in enumerate(shown.rows):
        cells = [escaped(value, LONGEST_NAME) for value in row]
        bold = at in shown.taken
        lines.append(_line([f"**{cell}**" if bold and cell else cell for cell in cells]))
    return Markup("\n".join(lines))


def fenced(text: str) -> Markup:
    """Text as a block of code, whatever stands in it."""
    cut = short(_CONTROL.sub("\ufffd", text.replace("\r", "\n")), LONGEST_TEXT)
    longest = max(map(len, re.findall(r"`+", cut)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}text\n{cut}\n{fence}")


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(cells)} |"


def _finished(value: Any) -> Any:
    """What a template's expression comes to: escaped, unless it is Markdown already."""
    return value if isinstance(value, Markup) else paragraph(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gatewise.report"),
        autoescape=False,  # every expression goes through _finished, which escapes it
        finalize=_finished,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "name": lambda text: paragraph(text, LONGEST_NAME)}
    environment.globals |= {"table": table, "fenced": fenced}
    return environment
