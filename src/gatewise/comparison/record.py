"""The record of a run: arguments, data, versions, machine, and how its numbers were made."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.task import Task

_PACKAGES = ("gatewise", "torch", "numpy", "polars", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the numbers."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def machine() -> str:
    """Name the processor, its cores and the operating system, in one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def make_record(
    data: Any, name: str, sha256: str, arguments: dict[str, Any], plan: Plan
) -> dict[str, Any]:
    """Give ``run.json``'s content: what is run, on what, with what."""
    is_path = isinstance(data, (str, os.PathLike))
    return {
        "arguments": arguments,
        "plan": asdict(plan),
        "data": {
            "name": name,
            "path": str(Path(data).resolve()) if is_path else None,
            "sha256": sha256,
        },
        "command": _command(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": machine(),
    }


def describe_setup(
    record: dict[str, Any],
    plan: Plan,
    task: Task,
    results: Mapping[str, Mapping[str, Any]],
    times: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Give ``result.json``'s ``setup``: how the numbers were made."""
    sizes = [
        results[Trial(plan.baselines[0], fold, 0).name]["test_size"] for fold in range(plan.folds)
    ]
    return {
        **{key: getattr(plan, key) for key in ("folds", "seeds", "steps", "match", "search")},
        "in_time": plan.in_time,
        "threads": plan.threads,
        "backend": " and ".join(sorted({b for cell in times.values() for b in cell["backends"]})),
        "device": plan.device,
        **{key: record[key] for key in ("machine", "versions", "command", "created")},
        "notes": task.notes,
        "assumptions": task.assumptions,
        "fold_table": task.fold_table(sizes),
    }


def _command() -> str:
    called = Path(sys.argv[0]).name
    if called not in ("gatewise", "__main__.py"):
        return "gatewise.compare(…) from Python"
    return shlex.join(["gatewise", *sys.argv[1:]])
