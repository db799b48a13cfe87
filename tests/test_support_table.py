"""docs/support.md says what the backends say."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from gatewise.ops import dispatch

DOCS = Path(__file__).parents[1] / "docs"


def load_renderer() -> ModuleType:
    spec = spec_from_file_location("render_support", DOCS / "render_support.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_support_table_is_up_to_date() -> None:
    written = (DOCS / "support.md").read_text()
    assert written == load_renderer().render(), "run: make docs"


def test_support_table_changes_with_the_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = load_renderer()
    silent = [b._replace(unsupported=lambda call: None) for b in dispatch.BACKENDS]  # noqa: ARG005
    monkeypatch.setattr(renderer, "BACKENDS", silent)
    assert renderer.render() != (DOCS / "support.md").read_text()
    assert "no:" not in renderer.render()
