"""Write docs/results.md from the log of evaluations alone.

    python docs/render_results.py [RESULTS [PAGE]]

The log is benchmarks/results/learning/*.jsonl, a line an evaluation; floors and the figures of
others are in benchmarks/learning/references.json.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results" / "learning"
REFERENCES = HERE.parent / "benchmarks" / "learning" / "references.json"
ENOUGH = 3  # seeds that make a group whole
NAMES = {"mse": "MSE", "mae": "MAE", "rmse": "RMSE", "smape": "sMAPE"}
SHARES = ("accuracy", "coverage")  # shown in percent; more of accuracy is better
FIELDS = {
    "date": str,
    "dataset": str,
    "task": str,
    "cell": str,
    "seed": int,
    "part": str,
    "metrics": dict,
    "seconds": float,
    "settings": dict,
    "command": str,
    "threads": int,
    "machine": str,
    "versions": dict,
    "commit": (str, type(None)),
    "is_dirty": (bool, type(None)),
}

Line = dict[str, Any]

HEAD = """# What learning with Gatewise reaches

Made by `make results` from the log of evaluations, `benchmarks/results/learning/`, and from
nothing else. Every look at a test part is a line of that log, with its date, configuration, seed,
commit and machine. What a model is trained with was chosen on validation parts.

Of each cell the newest configuration that was run with three seeds or more is shown (where there is
none, the newest at all), *not the best*; evaluations of other configurations are counted below each
table. The floor is what this project holds itself to. Seconds are those of training, mean over the
seeds, on the threads and at the load of the machine that the row names; other work ran beside.
What others published is cited from the named source and was not run again here.

{machines}
"""


def read_log(folder: Path) -> dict[str, list[Line]]:
    """Read the evaluations on test parts, by data set, oldest first.

    Raises:
        ValueError: if a line is not an evaluation: which one, and what is wrong.
    """
    log: dict[str, list[Line]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        lines = [
            parse(text, f"{path.name}, line {number}", path.stem)
            for number, text in enumerate(path.read_text().splitlines(), 1)
        ]
        tests = [line for line in lines if line["part"] == "test"]
        log |= {path.stem: sorted(tests, key=lambda line: line["date"])} if tests else {}
    return log


def parse(text: str, where: str, dataset: str) -> Line:
    """Read one line and check it."""
    try:
        line = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON ({error}).") from None
    if not isinstance(line, dict):
        raise ValueError(f"{where} is not an evaluation, but {text[:40]!r}.")
    for name, kind in FIELDS.items():
        if name not in line or not isinstance(line[name], kind):
            raise ValueError(f"{where}: {name!r} is {line.get(name, 'missing')!r}.")
    numbers = [type(value) in (int, float) for value in line["metrics"].values()]
    if not numbers or not all(numbers):
        raise ValueError(f"{where}: 'metrics' must hold numbers; got {line['metrics']!r}.")
    if line["dataset"] != dataset:
        raise ValueError(f"{where}: 'dataset' is {line['dataset']!r}, but the file is {dataset!r}.")
    return line


def choose(lines: Sequence[Line], enough: int = ENOUGH) -> list[Line]:
    """Choose what counts for one cell: the newest configuration with enough seeds, by seed.

    Args:
        lines: all evaluations of one cell, oldest first.
        enough: seeds that make a group whole; where no group is, the newest group counts.
    """
    groups: dict[str, dict[int, Line]] = {}
    for line in lines:
        key = json.dumps([line["task"], line["settings"]], sort_keys=True)
        group = groups.setdefault(key, {})
        group[line["seed"]] = line  # of one seed the newest
    newest = sorted(groups.values(), key=lambda group: max(x["date"] for x in group.values()))
    whole = [group for group in newest if len(group) >= enough]
    chosen = (whole or newest)[-1]
    return [chosen[seed] for seed in sorted(chosen)]


def render(folder: Path = RESULTS, references: Path = REFERENCES) -> str:
    """Give the page.

    Raises:
        ValueError: if the log has a broken line.
    """
    log, known = read_log(folder), json.loads(references.read_text())
    order = [*(name for name in known if name in log), *sorted(log.keys() - known.keys())]
    sections = [render_set(log[name], known.get(name, {"title": name})) for name in order]
    waiting = [entry["title"] for name, entry in known.items() if name not in log]
    if waiting:
        sections.append(f"## Not evaluated yet\n\n{'; '.join(waiting)}.\n")
    return "\n".join([HEAD.format(machines=show_machines(log)), *sections])


def show_machines(log: dict[str, list[Line]]) -> str:
    """Say on what machines and with what versions the log was made."""
    lines = [line for lines in log.values() for line in lines]
    machines = sorted({line["machine"] for line in lines})
    versions: dict[str, set[str]] = {}
    for line in lines:
        for name, version in line["versions"].items():
            versions.setdefault(name, set()).add(version)
    shown = [f"{name} {' and '.join(sorted(found))}" for name, found in versions.items()]
    return f"Machines: {'; '.join(machines) or 'none'}. Versions: {', '.join(shown) or 'none'}."


def render_set(lines: list[Line], entry: dict[str, Any]) -> str:
    """Show one data set: what ours reached, what others did, how often the test part was seen."""
    cells = list(dict.fromkeys(sorted((line["cell"] for line in lines), key=_cell_order)))
    enough = entry.get("seeds", ENOUGH)
    chosen = [choose([x for x in lines if x["cell"] == cell], enough) for cell in cells]
    metric = entry.get("metric") or next(iter(chosen[0][0]["metrics"]))
    others = dict.fromkeys(n for g in chosen for x in g for n in x["metrics"] if n != metric)
    header = ["cell", f"{name_of(metric)}, mean", "by seed", "floor", "held", *map(name_of, others)]
    header += ["seconds", "run", "command"]
    body = [show_group(group, metric, list(others), entry) for group in chosen]
    counted = sum(map(len, chosen))
    parts = [f"## {entry['title']}", entry.get("about", ""), table(header, body)]
    parts.append(show_references(entry, metric))
    parts.append(show_count(len(lines), counted))
    return "\n\n".join(filter(None, parts)) + "\n"


def _cell_order(cell: str) -> tuple[int, str]:
    known = ("lstm", "gru", "rnn")
    return (known.index(cell) if cell in known else len(known), cell)


def show_group(
    group: list[Line], metric: str, others: list[str], entry: dict[str, Any]
) -> list[str]:
    """Give a cell's row."""
    values = figures(group, metric)
    floor = entry.get("floor", {}).get(group[0]["cell"])
    newest = max(group, key=lambda line: line["date"])
    return [
        group[0]["cell"].upper()
        if group[0]["cell"] in ("lstm", "gru", "rnn")
        else group[0]["cell"],
        f"**{show(metric, mean(values))}**" if values else "–",
        ", ".join(
            f"{x['seed']}: {show(metric, x['metrics'][metric])}"
            for x in group
            if metric in x["metrics"]
        ),
        "–" if floor is None else show(metric, floor),
        show_held(metric, values, floor),
        *(show_other(group, name, entry) for name in others),
        f"{mean(line['seconds'] for line in group):.0f}",
        show_run(newest),
        show_commands(group),
    ]


def figures(group: list[Line], metric: str) -> list[float]:
    """Give a metric's values over the seeds."""
    return [line["metrics"][metric] for line in group if metric in line["metrics"]]


def show_held(metric: str, values: list[float], floor: float | None) -> str:
    """Say whether the mean keeps to the floor."""
    if floor is None or not values:
        return "–"
    is_held = mean(values) >= floor if metric in SHARES else mean(values) <= floor
    return "yes" if is_held else "**no**"


def show_other(group: list[Line], name: str, entry: dict[str, Any]) -> str:
    """Give the mean of a further metric; a coverage outside its bounds is bold."""
    values = figures(group, name)
    if not values:
        return "–"
    shown = show(name, mean(values))
    if name == "coverage" and "coverage" in entry:
        low, high = entry["coverage"]
        return (
            shown if low <= mean(values) <= high else f"**{shown}**, outside {low:.0%}–{high:.0%}"
        )
    return shown


def show_run(line: Line) -> str:
    """Say when, from which commit and on how many threads."""
    commit = line["commit"][:7] if line["commit"] else "no commit"
    threads = f"{line['threads']} thread{'s' if line['threads'] != 1 else ''}"
    load = "" if line.get("load") is None else f", load {line['load']:.1f}"
    changed = " with changes" if line["is_dirty"] else ""
    return f"{line['date'][:10]}, {commit}{changed}, {threads}{load}"


def show_commands(group: list[Line]) -> str:
    """Give the commands; those that differ by the seed alone as one."""
    commands = dict.fromkeys(line["command"] for line in group)
    if len(commands) > 1:
        commands = dict.fromkeys(re.sub(r"--seed[ =]\d+", "--seed N", c) for c in commands)
    return "; ".join(f"`{command}`" for command in commands)


def show_references(entry: dict[str, Any], metric: str) -> str:
    """Give the table of what others reached."""
    found = entry.get("references", [])
    body = [[x["name"], show_range(metric, x["value"]), x["source"]] for x in found]
    return table(["beside it", name_of(metric), "source"], body) if body else ""


def show_count(total: int, counted: int) -> str:
    """Say how often the test part was looked at."""
    evaluations = f"{total} evaluation{'s' if total != 1 else ''}"
    return (
        f"On the test part: {evaluations} in the log, {total - counted} of them earlier or other."
    )


def name_of(metric: str) -> str:
    """Give a metric's name as it is written."""
    return NAMES.get(metric, metric.replace("_", " "))


def show(metric: str, value: float) -> str:
    """Give a figure: shares in percent, counts whole, the rest in four digits."""
    if metric in SHARES:
        return f"{value * 100:.2f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def show_range(metric: str, value: float | list[float]) -> str:
    """Give a figure, or the range between two."""
    values = value if isinstance(value, list) else [value]
    return "–".join(show(metric, one) for one in values)


def table(header: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """Give a Markdown table."""
    head = list(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def main(arguments: Sequence[str]) -> None:
    """Write the page; a broken log is told in one line."""
    source, page = [*arguments, *("", "")][:2]
    try:
        text = render(Path(source or RESULTS))
    except ValueError as error:
        sys.exit(f"the page is not written: {error}")
    Path(page or HERE / "results.md").write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
