import webbrowser
from pathlib import Path

import pytest
from command import Gatewise


def test_explain_writes_the_page_and_prints_its_path(gatewise: Gatewise, folder: Path) -> None:
    done = gatewise("explain")
    assert (done.code, done.out, done.err) == (0, "gatewise-explain.html\n", "")
    page = folder / "gatewise-explain.html"
    assert 'value="lstm" checked' in page.read_text(encoding="utf-8")
    page.write_text("mine")
    assert gatewise("explain", "--cell", "gru").code == 0
    assert 'value="gru" checked' in page.read_text(encoding="utf-8")


def test_explain_writes_where_it_is_told(gatewise: Gatewise, folder: Path) -> None:
    done = gatewise("explain", "--out", "cells.html")
    assert (done.code, done.out) == (0, "cells.html\n")
    assert (folder / "cells.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not (folder / "gatewise-explain.html").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("no/page.html", "gatewise: --out no/page.html: no such folder: no"),
        (".", "gatewise: --out .: a directory; name a file in it"),
        ("load.csv/page.html", "gatewise: --out load.csv/page.html: no such folder: load.csv"),
    ],
)
def test_bad_path_is_one_message(out: str, message: str, gatewise: Gatewise, folder: Path) -> None:
    before = sorted(path.name for path in folder.iterdir())
    done = gatewise("explain", "--out", out)
    assert (done.code, done.out, done.err) == (2, "", f"{message}\n")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_cell_that_is_not_explained_is_refused(gatewise: Gatewise, folder: Path) -> None:
    done = gatewise("explain", "--cell", "rnn")
    assert (done.code, done.out) == (2, "")
    assert "'--cell'" in done.err
    assert not (folder / "gatewise-explain.html").exists()


@pytest.mark.parametrize("there", [True, False])
def test_open_shows_the_page_in_the_browser(
    there: bool, gatewise: Gatewise, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: shown.append(url) or there)
    done = gatewise("explain", "--open")
    assert shown == [(folder / "gatewise-explain.html").resolve().as_uri()]
    said = "no browser was found here: open gatewise-explain.html in one\n"
    assert (done.code, done.err) == (0, "" if there else said)


def test_help_has_an_example(gatewise: Gatewise) -> None:
    done = gatewise("explain", "--help")
    assert done.code == 0
    assert "Example: gatewise explain " in done.out
    assert all(word in done.out for word in ("--out", "--cell", "--open"))
