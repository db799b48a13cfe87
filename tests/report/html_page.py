"""A page as a reader of HTML sees it, and names that no page may stumble over."""

import json
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background"}
HOSTILE = {
    "html": "<script>alert(1)</script><b>bold</b>",
    "closing script": "</script><img src=x onerror=alert(1)>",
    "quotes": "\"double\" 'single' `back` & &amp; {{ 7 * 7 }}",
    "emoji": "🚲 Räder\u2028 – 数",
    "comment": "<!--<script>",
    "long": "x" * 10_000,
}


class Page(HTMLParser):
    """What a browser would see: elements with attributes, visible text, content of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.figures: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing that is open"

    def handle_data(self, data):
        element = self.open[-1] if self.open else ""
        if element == "script":
            self.scripts[-1] += data
        elif element == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def plots(self) -> list[dict]:
        kinds = [attributes.get("type") for tag, attributes in self.elements if tag == "script"]
        pairs = zip(kinds, self.scripts, strict=True)
        return [json.loads(script) for kind, script in pairs if kind == "application/json"]

    @property
    def charts(self) -> list[str]:
        """Names of the plots, as their files are called."""
        return [a["data-name"] or "" for _, a in self.elements if "data-name" in a]

    def plot(self, name: str) -> dict:
        return self.plots[self.charts.index(name)]


def read_page(path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == [], f"never closed: {page.open}"
    return page


def change_result(run_dir, change):
    """Let ``change`` work on the content of a run's ``result.json``."""
    path = run_dir / "result.json"
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))


def result_of(run_dir):
    return json.loads((run_dir / "result.json").read_text())
