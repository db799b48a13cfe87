"""From arguments and a task to a plan, and what the plan says in words."""

from collections.abc import Mapping
from typing import Any

from gatewise.comparison.matching import MATCHES, match_hidden_sizes
from gatewise.comparison.parallel import CLUSTERS
from gatewise.comparison.plan import Plan
from gatewise.comparison.task import Task
from gatewise.estimators.recurrent import CELLS

_LEAST = {"folds": 1, "seeds": 1, "search": 0, "steps": 1, "hidden_size": 1, "margin": 0}


class ArgumentError(ValueError):
    """An argument that no comparison could be made with."""


def check_arguments(
    arguments: Mapping[str, Any], jobs: int | None = None, cluster: str | None = None
) -> None:
    """Refuse what no run could be made of, whatever the task.

    Raises:
        ArgumentError: names the argument, what it may be and what was given.
    """
    require_one_of("match", arguments["match"], MATCHES)
    if cluster is not None:
        require_one_of("cluster", cluster, CLUSTERS)
    cells = arguments["cells"]
    if not cells or len(set(cells)) < len(cells) or not set(cells) <= set(CELLS):
        raise ArgumentError(f"cells must be different ones of {', '.join(CELLS)}, got {cells}")
    open_ = [name for name in ("steps", "hidden_size") if arguments[name] is None]
    require_least(arguments, {name: low for name, low in _LEAST.items() if name not in open_})
    if jobs is not None and jobs < 1:
        raise ArgumentError(f"jobs must be at least 1, got {jobs}")


def require_one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not among those allowed."""
    if value not in allowed:
        raise ArgumentError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def require_least(arguments: Mapping[str, Any], least: Mapping[str, float]) -> None:
    """Refuse arguments below their least values."""
    for name, low in least.items():
        if arguments[name] < low:
            raise ArgumentError(f"{name} must be at least {low}, got {arguments[name]}")


def make_plan(arguments: Mapping[str, Any], task: Task, threads: int) -> Plan:
    """Match the cells and fix what is left open by the arguments."""
    cells = tuple(arguments["cells"])
    given = ("match", "folds", "seeds", "seed", "search", "steps", "metric", "margin", "device")
    hidden = match_hidden_sizes(cells, arguments["match"], arguments["hidden_size"], task, threads)
    return Plan(
        task=task.name,
        cells=cells,
        baselines=task.baselines,
        in_time=task.in_time,
        metrics=dict(task.metrics),
        hidden=hidden,
        threads=threads,
        **{name: arguments[name] for name in given},
    )


def plan_notes(plan: Plan, task: Task) -> list[str]:
    """Say what the run does, one line each."""
    matched = ", ".join(f"{cell.upper()} {size} units" for cell, size in plan.hidden.items())
    first, *others = task.plan_notes()
    notes = [
        f"{first}; {plan.folds} folds, {plan.seeds} seeds, {plan.metrics[plan.metric]} decides",
        f"budget: {plan.steps} optimiser steps, the same for every cell; {matched} (matched by "
        f"{plan.match})",
    ]
    if plan.search:
        notes.append(f"search: {plan.search} learning rates a trial, chosen on validation")
    return [*notes, *others]
