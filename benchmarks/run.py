"""Time our layers beside their peers: results compared first, rounds alternated, medians.

    python benchmarks/run.py [--shapes T,B,I,H …] [--cells …] [--cases …] [--grid] …

Each contender runs in a process of its own and sleeps while others have their turn; all processes
are started anew several times. Writes JSON; ``benchmarks/render.py`` makes BENCHMARKS.md of it.
"""

import argparse
import importlib.metadata
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from cases import (
    CASES,
    CELLS,
    CONTENDERS,
    GRID,
    MODES,
    PAIR,
    SHAPES,
    Contest,
    Shape,
    label_entries,
    plain_contests,
)
from processes import Team, run_contest
from results import save

from gatewise.comparison.record import machine, versions

RESULTS = Path(__file__).parent / "results" / "layers.json"
BUSY = 0.5  # load from which on others are in the way
PEERS = ("onnx", "onnxruntime", "openvino", "jax")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; the status is 1 if anyone's results disagreed."""
    given = parse(arguments)
    torch.set_num_threads(1)  # only to draw tensors
    result: dict[str, Any] = describe(given, sys.argv[1:] if arguments is None else arguments)
    contests = [contest for threads in given.threads for contest in choose(given, threads)]
    rows = [describe_contest(contest) for contest in contests]
    for restart in range(given.restarts):
        for threads in given.threads:
            mine = [pair for pair in zip(contests, rows, strict=True) if pair[0].threads == threads]
            head = f"restart {restart + 1} of {given.restarts}, {threads} threads"
            run_restart(mine, threads, given.rounds, result["peak"], head)
        save(given.out, result | {"rows": rows})
    return int(any("disagrees" in e.get("reason", "") for r in rows for e in r["entries"].values()))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--shapes", type=_shape, nargs="*", default=list(SHAPES), metavar="T,B,I,H")
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    add("--modes", nargs="+", choices=MODES, default=list(MODES))
    add(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=list(CONTENDERS),
        help="of the plain layers at the most threads; at fewer, torch and ours of them;\n"
        "the further cases have contenders of their own",
    )
    add("--threads", type=int, nargs="+", default=[1, 2], help="the last is the page's own")
    add("--rounds", type=int, default=3, help="a restart")
    add("--restarts", type=int, default=5, help="of all processes")
    add("--grid", action="store_true", help="also a coarse grid of shapes, torch and ours")
    add("--cases", nargs="*", choices=CASES, default=list(CASES), help="at the last of --threads")
    add("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


def _shape(text: str) -> Shape:
    steps, batch, features, hidden = map(int, text.split(","))
    return steps, batch, features, hidden


def choose(given: argparse.Namespace, threads: int) -> Iterator[Contest]:
    """Give the contests at that many threads."""
    settings = {**vars(given), "threads": threads}
    if threads != given.threads[-1]:
        pair = label_entries(*(e.contender for e in PAIR if e.contender in given.contenders))
        yield from plain_contests("layers", settings, given.shapes, pair)
        return
    entries = label_entries(*sorted(given.contenders, key=CONTENDERS.index))  # torch is the truth
    yield from plain_contests("layers", settings, given.shapes, entries)
    if given.grid:
        yield from plain_contests("grid", settings, GRID, PAIR)
    for case in given.cases:
        yield from CASES[case](settings)


def describe(given: argparse.Namespace, arguments: Sequence[str]) -> dict[str, Any]:
    """Give the head of the result: machine, versions, and how it was made."""
    shown = [a for a in arguments if a != str(given.out) and a != "--out"]
    return {
        "machine": machine(),
        "load": find_load(),
        "versions": versions() | {name: find_version(name) for name in PEERS},
        "command": shlex.join(["python", "benchmarks/run.py", *shown]),
        "threads": given.threads,
        "rounds": given.rounds,
        "restarts": given.restarts,
        "peak": {},
    }


def find_load() -> float:
    """Give the mean number of busy processes in the last minute, and warn if there are any."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    if load > BUSY:
        print(f"load {load:.1f}: others use the processor, times will not mean much", flush=True)
    return round(load, 2)


def find_version(package: str) -> str:
    """Give the version of a peer, or say that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def describe_contest(contest: Contest) -> dict[str, Any]:
    """Give the row of a contest, without figures yet."""
    row = {k: v for k, v in asdict(contest).items() if k not in ("entries", "options")}
    entries = {e.label: {"is_plain": True} if e.is_plain else {} for e in contest.entries}
    return row | {"entries": entries}


def run_restart(
    contests: list[tuple[Contest, dict[str, Any]]],
    threads: int,
    rounds: int,
    peaks: dict[str, Any],
    head: str,
) -> None:
    """Run all contests in new processes, and add what they gave to their rows and the peaks."""
    with Team(threads) as team:
        found = team.find("ours").ask("peak", threads=threads)
        record_peak(peaks.setdefault(str(threads), {"gflops": []}), found)
        for contest, row in contests:
            outcome = run_contest(team, contest, rounds)
            row["operations"] = outcome["operations"]
            for label, figures in outcome["entries"].items():
                record_entry(row["entries"][label], figures)
            print(f"{head}: {show(contest, outcome['entries'])}", flush=True)


def record_peak(peak: dict[str, Any], found: dict[str, Any]) -> None:
    """Add one measurement of the peak, or the reason why there is none."""
    if "reason" in found:
        peak["reason"] = found["reason"]
    else:
        peak["gflops"].append(found["gflops"])
        peak["target"] = found["target"]


def record_entry(entry: dict[str, Any], figures: dict[str, Any]) -> None:
    """Add one restart's figures; a reason against the contender outweighs all figures."""
    if "reason" in figures:
        entry["reason"] = figures["reason"]
    else:
        entry.setdefault("seconds", []).append(figures["seconds"])
        entry["awake"] = max(figures["awake"], entry.get("awake", 0.0))


def show(contest: Contest, entries: dict[str, dict[str, Any]]) -> str:
    """Say a contest and its figures in one line."""
    figures = ", ".join(
        f"{label} {e['reason']}" if "reason" in e else f"{label} {e['seconds'] * 1e3:.3g} ms"
        for label, e in entries.items()
    )
    shape = ", ".join(map(str, contest.shape))
    name = " ".join(filter(None, (contest.part, contest.cell, contest.case, contest.mode)))
    return f"{name} ({shape}): {figures}"


if __name__ == "__main__":
    sys.exit(main())
