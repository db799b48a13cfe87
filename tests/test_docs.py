"""The pages in docs/ are run: their Python as doctests; and no option is left out of them."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import gatewise

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OPTIONS = (DOCS / "options.md").read_text()
LAYERS = (gatewise.LSTM, gatewise.GRU, gatewise.RNN)
CELLS = (gatewise.LSTMCell, gatewise.GRUCell, gatewise.RNNCell)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def own_options() -> set[str]:
    """Name the arguments of constructors and ``forward`` that torch's layers lack."""
    functions = [f for owner in (*LAYERS, *CELLS) for f in (owner.__init__, owner.forward)]
    return {
        name
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def sections(text: str) -> set[str]:
    """Name the options that a heading of the second level is about."""
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    return {name for heading in headings for name in re.findall(r"`(\w+)`", heading)}


@each_page
def test_docs_doctests_pass(page: Path) -> None:
    assert doctest.testfile(str(page), module_relative=False).failed == 0


@each_page
def test_docs_python_is_doctest_or_compiles(page: Path) -> None:
    for block in python_blocks(page.read_text()):
        if ">>>" not in block:
            compile(block, str(page), "exec")


@each_page
def test_docs_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert link.startswith("http") or (page.parent / link).exists(), link


def test_every_option_has_a_section() -> None:
    assert {"peephole", "zoneout", "resets", "mask"} <= own_options()
    assert own_options() - sections(OPTIONS) == set()


def test_every_option_section_is_about_an_argument() -> None:
    arguments = {name for layer in LAYERS for name in inspect.signature(layer).parameters}
    assert sections(OPTIONS) - arguments - own_options() == set()


def test_a_missing_section_is_seen() -> None:
    without = OPTIONS.replace("\n## `peephole`", "\n### `peephole`")
    assert own_options() - sections(without) == {"peephole"}


def test_options_page_runs_an_example_in_every_section() -> None:
    for section in re.split(r"^## (?=`)", OPTIONS, flags=re.MULTILINE)[1:]:
        assert any(">>>" in block for block in python_blocks(section)), section.splitlines()[0]
