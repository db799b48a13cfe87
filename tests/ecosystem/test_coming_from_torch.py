"""docs/coming_from_torch.md: its examples in other people's projects run."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.ecosystem

PAGE = (Path(__file__).parents[2] / "docs" / "coming_from_torch.md").read_text()
BLOCKS = {
    re.findall(r"neuralforecast|skorch|captum", block)[0]: block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    if ">>>" not in block
}


def run(project: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the block about a project, in a folder that may be written to; give its names."""
    pytest.importorskip(project, reason="make test-ecosystem installs it")
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": project}
    exec(compile(BLOCKS[project], project, "exec"), names)
    return names


def test_neuralforecast_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("neuralforecast", tmp_path, monkeypatch)
    forecasts = names["forecast"].predict()
    assert len(forecasts) == 24
    assert forecasts["GatewiseLSTM"].notna().all()


def test_skorch_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = run("skorch", tmp_path, monkeypatch)["search"]
    assert len(search.cv_results_["params"]) == 4
    assert 0 <= search.best_score_ <= 1


def test_captum_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run("captum", tmp_path, monkeypatch)
    beyond = torch.arange(7) >= names["lengths"].unsqueeze(1)
    assert not names["credit"][beyond].any()
    assert names["credit"][~beyond].any()
