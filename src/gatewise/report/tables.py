"""The tables of a report as words, the same on the page and in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatewise.report.breakdowns import Breakdown, Confusion
from gatewise.report.figures import short
from gatewise.report.rendering import number, percent, size
from gatewise.report.run_files import Run
from gatewise.report.windows import Coverage

MEANINGS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mase": "the MAE divided by that of a naive forecast on the training part",
    "error": "share of wrong labels",
    "log_loss": "mean negative logarithm of the true label's probability",
    "nats": "mean negative logarithm of the true character's probability",
}
"""What each error is."""

_LARGEST_DIFFERENCE = 2  # there can be none beyond: of an error from an error of 0


@dataclass(frozen=True)
class Table:
    """A table, its cells as they are shown.

    Attributes:
        headers: of the columns.
        rows: the first cell of each names it.
        taken: the rows of the cell to take.
        shades: for each row a number from 0 to 1 a cell, where the table is a heat map.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    taken: Sequence[int] = ()
    shades: Sequence[Sequence[float | None]] | None = None


def errors_table(run: Run) -> Table:
    """Mean error and interval of every model, and the luck of a training run."""
    result = run.result
    models = (*result["cells"], *result["baselines"])
    rows = []
    for model in models:
        words = run.labels.get(model["name"]) or model["label"]
        best = " (best baseline)" if model.get("best") else ""
        errors = [_interval(model[name]) for name in result["metrics"]]
        rows.append((words + best, *errors, number(model.get("seed_spread"))))
    headers = ("Error", *result["metrics"].values(), "Spread over seeds")
    return Table(headers, rows, _taken(run, [model["name"] for model in models]))


def costs_table(run: Run) -> Table:
    """What each cell costs."""
    rows = [
        (
            run.labels[cell["name"]],
            *(number(cell[key]) for key in ("hidden", "parameters")),
            *(number(cell[key]) for key in ("train_seconds", "step_microseconds")),
            size(cell["size_bytes"]),
        )
        for cell in run.result["cells"]
    ]
    headers = ("Cost", "Hidden units", "Parameters", "Training (s)", "One step (µs)", "Size")
    return Table(headers, rows, _taken(run, [cell["name"] for cell in run.result["cells"]]))


def pair_words(run: Run, test: Mapping[str, Any]) -> str:
    """Name the two models of a test."""
    first, second = (run.labels.get(test[side], test[side]) for side in "ab")
    return f"{first} against {second}"


def tests_table(run: Run, confidence: str) -> Table:
    """Each test of a pair."""
    rows = [
        (
            pair_words(run, test),
            percent(test["difference"]),
            "–" if test["low"] is None else f"{percent(test['low'])} to {percent(test['high'])}",
            number(test["p"]),
            number(test["p_holm"]),
            _detectable(test["detectable"]),
        )
        for test in run.result["tests"]
    ]
    headers = ("Pair", "Difference", f"{confidence} % interval", "p", "p, corrected", "Detectable")
    return Table(headers, rows)


def differences_table(run: Run) -> Table:
    """Each test's difference, fold by fold."""
    pairs = [(test, fold_differences(run, test)) for test in run.result["tests"]]
    folds = [f"Fold {fold}" for fold in range(run.folds)]
    rows = [
        (pair_words(run, test), *map(percent, of_folds), percent(test["difference"]))
        for test, of_folds in pairs
    ]
    return Table(("Pair", *folds, "Mean"), rows)


def fold_differences(run: Run, test: Mapping[str, Any]) -> list[float]:
    """Give a test's relative difference in each fold, (a − b) / ((a + b) / 2), 0 where both are 0.

    Their mean is the test's ``difference``.
    """
    models = {m["name"]: m for m in (*run.result["cells"], *run.result["baselines"])}
    first, second = (models[test[side]][run.result["metric"]]["folds"] for side in "ab")
    pairs = zip(first, second, strict=True)
    return [2 * (a - b) / (a + b) if a + b > 0 else 0.0 for a, b in pairs]


def coverage_table(run: Run, found: Mapping[str, Coverage]) -> Table:
    """How many truths lie inside each model's bands."""
    rows = [
        (run.labels[name], f"{100 * one.share:.1f} %", number(one.truths), number(one.width))
        for name, one in found.items()
    ]
    headers = ("Band of", "Truths inside", "Truths", "Mean width")
    return Table(headers, rows, _taken(run, found))


def horizon_table(run: Run) -> Table:
    """The error at each step of the horizon."""
    by_step = run.result["by_horizon"]
    steps = len(by_step[next(iter(run.labels))])
    rows = [
        (str(step + 1), *(number(by_step[name][step]) for name in run.labels))
        for step in range(steps)
    ]
    return Table(("Step", *run.labels.values()), rows)


def breakdown_table(run: Run, breakdown: Breakdown) -> Table:
    """The error of each model in groups of the test cases, and how many there are."""
    rows = [
        (group, number(count), *(number(breakdown.errors[name][place]) for name in run.labels))
        for place, (group, count) in enumerate(zip(breakdown.groups, breakdown.counts, strict=True))
    ]
    by = breakdown.by[:1].upper() + breakdown.by[1:]
    return Table((by, breakdown.cases.capitalize(), *run.labels.values()), rows)


def confusion_table(confusion: Confusion) -> Table:
    """Counts of each predicted label for each true one, shaded by their share of the true one."""
    places = range(len(confusion.labels))
    rows = [
        (
            confusion.labels[row],
            *(number(count) for count in confusion.counts[row]),
            f"{100 * confusion.share(row, row):.0f} %" if sum(confusion.counts[row]) else "–",
        )
        for row in places
    ]
    if confusion.others:  # "other" for "other" may be right or wrong
        rows[-1] = (*rows[-1][:-1], "–")
    shades = [[None, *(confusion.share(row, column) for column in places), None] for row in places]
    names = [short(name) for name in confusion.labels]
    return Table(("True label", *names, "Right"), rows, shades=shades)


def trials_table(run: Run) -> Table:
    """Each training run: what it came to, and how far it went."""
    metric = run.result["metric"]
    rows = [
        (
            run.labels.get(trial["model"], trial["model"]),
            *(str(trial[key]) for key in ("fold", "seed")),
            number(trial["test"].get(metric)),
            *(number(trial.get(key)) for key in ("best_step", "steps_taken")),
            *(number(trial.get(key)) for key in ("learning_rate", "seconds")),
        )
        for trial in run.trials
    ]
    shown = run.result["metrics"][metric]
    headers = ("Cell", "Fold", "Seed", shown, "Step kept", "Steps", "Learning rate", "Seconds")
    return Table(headers, rows)


def folds_table(run: Run) -> Table:
    """What each fold is."""
    folds = run.result["setup"]["fold_table"]
    headers = [key.replace("_", " ").capitalize() for key in folds[0]]
    rows = [
        [value if isinstance(value, str) else number(value) for value in fold.values()]
        for fold in folds
    ]
    return Table(headers, rows)


def setup_facts(run: Run) -> list[tuple[str, str]]:
    """How the run was made, beside its folds: titles and facts."""
    setup, record = run.result["setup"], run.record
    facts = {
        "Folds": f"{setup['folds']}, "
        + ("in the order of time" if setup["in_time"] else "drawn at random"),
        "Seeds in a fold": str(setup["seeds"]),
        "Budget": f"at most {number(setup['steps'])} optimiser steps, the same for every cell",
        "Cells matched by": setup["match"],
        "Margin": f"{100 * run.result['verdict']['margin']:g} % counts as equal",
        "Backend": setup["backend"],
        "Learning rates searched": "" if not setup.get("search") else str(setup["search"]),
        "Device": _known(setup, "device"),
        "Threads, of each trial and of the times": _known(setup, "threads"),
        "Machine": setup["machine"],
        "Versions": ", ".join(f"{name} {version}" for name, version in setup["versions"].items()),
        "Begun": _known(setup, "created"),
        "Data (SHA-256)": _known(record.get("data", {}), "sha256"),
        "Arguments": "; ".join(
            f"{name} {_argument(value)}"
            for name, value in record.get("arguments", {}).items()
            if value not in (None, [], (), "")
        ),
    }
    return [(title, fact) for title, fact in facts.items() if fact]


def _known(facts: Mapping[str, Any], key: str) -> str:
    return str(facts[key]) if facts.get(key) is not None else ""


def _argument(value: Any) -> str:
    if isinstance(value, Mapping):
        known = {name: part for name, part in value.items() if part not in (None, [], "")}
        return ", ".join(f"{name}: {_argument(part)}" for name, part in known.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _interval(error: Mapping[str, Any] | None) -> str:
    if error is None:
        return "–"
    mean = number(error["mean"])
    if error["low"] is None:
        return mean
    return f"{mean} ({number(error['low'])} to {number(error['high'])})"


def _detectable(share: float | None) -> str:
    if share is None:
        return "–"
    return "none" if share >= _LARGEST_DIFFERENCE else f"{100 * share:.2f} %"


def _taken(run: Run, models: Iterable[str]) -> list[int]:
    """Say which rows are those of the cell to take."""
    return [row for row, name in enumerate(models) if name == run.take]
