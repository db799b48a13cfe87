"""A real browser for the pages: Chromium by Playwright, at desktop and phone size."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SCREENSHOTS = Path(__file__).resolve().parents[1] / "build" / "screenshots"
MISSING = (
    "no Chromium here, and Playwright could not fetch one; on Debian: apt-get install chromium, "
    "elsewhere: python -m playwright install chromium"
)


@contextmanager
def launched() -> Iterator[Any]:
    """A browser that is there, or that Playwright can fetch; without one tests are skipped.

    With ``GATEWISE_BROWSER=required`` they fail.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = _find(playwright)
        if path is None:
            if os.environ.get("GATEWISE_BROWSER") == "required":
                pytest.fail(MISSING)
            pytest.skip(MISSING)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _find(playwright: Any) -> str | None:
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    if not Path(own).exists():
        fetch = [sys.executable, "-m", "playwright", "install", "chromium"]
        try:
            subprocess.run(fetch, capture_output=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return None
    return own if Path(own).exists() else None


@contextmanager
def opened(browser: Any, path: Path, size: str = "desktop", *, dark: bool = False) -> Iterator[Any]:
    """A page in a browser; at the end, that it complained of nothing and loaded nothing."""
    problems: list[str] = []
    context = browser.new_context(
        viewport=SIZES[size],
        color_scheme="dark" if dark else "light",
        has_touch=size == "phone",
        accept_downloads=True,
    )
    page = context.new_page()
    page.on(
        "console", lambda said: said.type in ("error", "warning") and problems.append(said.text)
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("() => typeof drawn === 'undefined' ? null : drawn")  # waits for all plots
    try:
        yield page
    finally:
        context.close()
    outside = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert outside == [path.as_uri()]
    assert problems == []


def screenshot(page: Any, name: str, *, whole: bool = True) -> Path:
    """Keep a picture of the page among the tests' artefacts, ``build/screenshots``."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=whole)
    return path
