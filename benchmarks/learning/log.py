"""The log of evaluations: every look at a test part is a line, and the lines are the results.

A line of ``benchmarks/results/learning/<dataset>.jsonl`` is one evaluation of one model.
``docs/render_results.py`` writes docs/results.md from these files alone.

Names that the page knows, with the metric it holds against a floor (``references.json``):
``etth1`` and ``etth1_ot`` (mse), ``m4_hourly`` (smape), ``bike_sharing`` (mae), ``beijing_pm25``
(rmse), each with ``coverage`` beside it; ``japanese_vowels``, ``italy_power_demand``,
``basic_motions``, ``pendigits``, ``spoken_digits``, ``atis`` (accuracy); ``tiny_shakespeare``,
``jsb_chorales``, ``nottingham`` (nats); ``adding_600`` (mse), ``copying_50`` (accuracy). Accuracy
and coverage are shares of 1, not of 100. Further metrics are shown as they are named.
"""

import json
import math
import os
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from gatewise.comparison.record import machine, versions

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "learning"
PARTS = ("test", "validation")


def record(
    dataset: str,
    *,
    task: str,
    cell: str,
    seed: int,
    part: str,
    metrics: Mapping[str, float],
    seconds: float,
    settings: Mapping[str, Any],
    command: str,
    folder: Path = RESULTS,
) -> dict[str, Any]:
    """Append one evaluation to the log, and give the line.

    Args:
        dataset: the file's name, small letters, digits and ``_``.
        task: what is asked, such as ``"forecast 96 hours of 7 columns"``.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"``, or a baseline's name.
        seed: of this run.
        part: on what it was evaluated: ``"test"`` or ``"validation"``.
        metrics: finite numbers by name.
        seconds: of training.
        settings: the whole configuration but for the seed: runs of equal settings are averaged.
        command: what makes this number, as one types it in the project's root.
        folder: where the files are.

    Raises:
        ValueError: if the name, the part or a metric is not one of these.
        TypeError: if settings are not plain JSON values.
    """
    if not re.fullmatch(r"[a-z0-9_]+", dataset):
        raise ValueError(f"dataset: small letters, digits and _ alone; got {dataset!r}.")
    if part not in PARTS:
        raise ValueError(f"part must be one of {PARTS}; got {part!r}.")
    figures = {name: float(value) for name, value in metrics.items()}
    if not figures:
        raise ValueError("there is no metric: an evaluation has one at least.")
    for name, value in figures.items():
        if not math.isfinite(value):
            raise ValueError(f"metric {name!r} must be a finite number; got {value}.")
    line = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset,
        "task": task,
        "cell": cell,
        "seed": int(seed),
        "part": part,
        "metrics": figures,
        "seconds": round(float(seconds), 2),
        "settings": dict(settings),
        "command": command,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "machine": machine(),
        "versions": versions(),
        **SOURCE,
    }
    text = json.dumps(line, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{dataset}.jsonl").open("a") as file:  # one write, so that lines never mix
        file.write(text)
    return line


def source() -> dict[str, Any]:
    """Give the commit, and whether files but for results differ from it; None outside git."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!docs")
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "is_dirty": None}
    return {"commit": commit, "is_dirty": bool(changed.strip())}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


SOURCE = source()  # of the code as it was loaded, whatever is edited while it runs
