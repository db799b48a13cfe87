"""How a page is made: one HTML document that loads nothing, from a template and its assets."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs


def render(template: str, /, **shown: Any) -> str:
    """Fill a template of ``report/templates`` (HTML is escaped, what is missing is an error)."""
    return _environment().get_template(template).render(**shown)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gatewise.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {"number": number, "percent": percent, "size": size}
    environment.filters |= filters
    environment.globals |= {"asset": asset, "plotly": lambda: Markup(get_plotlyjs())}
    return environment


def asset(name: str) -> Markup:
    """Give a file of ``report/assets``, a style sheet or a script, to stand inside a page."""
    return Markup((files("gatewise.report") / "assets" / name).read_text(encoding="utf-8"))


def embedded(figure: Any) -> Markup:
    """A figure as JSON that can stand inside a script element: Plotly writes ``<`` as an escape."""
    return Markup(figure.to_json())


def number(value: float | None) -> str:
    """Four digits, all of a whole number, thousands apart; "–" for what is not known."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(share: float | None) -> str:
    """A share as a signed percentage with two decimals."""
    return "–" if share is None else f"{100 * share:+.2f} %"


def size(count: int | None) -> str:
    """Bytes in the unit that reads best."""
    if count is None:
        return "–"
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
