"""The side of the parent: start worker processes, compare their results, alternate their turns."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cases import Contest, Entry, count_operations, draw_tensors

WORKER = Path(__file__).with_name("worker.py")
TOLERANCES = {"forward": 1e-4, "step": 1e-4, "train": 1e-3, "epoch": 1e-3}  # of the largest value
SETTINGS = {  # of the environment, by process
    "avx2": {"GATEWISE_CPU": "avx2"},
    "torch-avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}
TURN = 0.03  # seconds of timed calls
PAUSE = 0.02  # seconds between turns, for the threads of the one before to fall asleep
Arrays = dict[str, np.ndarray]


class Worker:
    """One process, with its own count of threads, and what the environment is to say besides."""

    def __init__(self, threads: int, settings: dict[str, str] | None = None) -> None:
        flag = "--xla_cpu_multi_thread_eigen=" + ("true" if threads > 1 else "false")
        given = {"OMP_NUM_THREADS": str(threads), "XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **given, **(settings or {})},
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for the answer; a process that ended answers with a reason."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"reason": f"its process ended with status {self.process.wait()}"}
        return json.loads(line)

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self.process.communicate()


class Team:
    """The processes of one restart, each started when first needed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.workers: dict[str, Worker] = {}
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.close()
        self.folder.cleanup()

    def find(self, process: str) -> Worker:
        """Give the process of that name, anew if the one before has ended."""
        worker = self.workers.get(process)
        if worker is None or worker.process.poll() is not None:
            worker = self.workers[process] = Worker(self.threads, SETTINGS.get(process))
        return worker

    def path(self, name: str) -> str:
        """Name a file that goes when the team goes."""
        return str(Path(self.folder.name) / name)


def run_contest(team: Team, contest: Contest, rounds: int, turn: float = TURN) -> dict[str, Any]:
    """Prepare, compare, and time what agrees; rounds alternate over the entries.

    Returns:
        Per label the median ``seconds`` and the processor time ``awake`` between turns, or the
        ``reason`` why there is none; and the number of ``operations``.
    """
    tensors: dict[bool, str] = {}
    operations = 0
    for entry in sorted(contest.entries, key=lambda entry: entry.is_plain):
        if entry.is_plain not in tensors:
            arrays = draw_tensors(contest.job(entry))
            operations = operations or count_operations(contest.job(entry), arrays)
            tensors[entry.is_plain] = team.path(f"tensors-{entry.is_plain}.npz")
            np.savez(tensors[entry.is_plain], **arrays)
    files = {entry.label: tensors[entry.is_plain] for entry in contest.entries}
    return {"operations": operations, "entries": race(team, contest, files, rounds, turn)}


def race(
    team: Team, contest: Contest, tensors: dict[str, str], rounds: int, turn: float = TURN
) -> dict[str, dict[str, Any]]:
    """Do the same with the arrays that stand in the files ``tensors``, by label."""
    results = _prepare_all(team, contest, tensors)
    able = [entry for entry in contest.entries if "reason" not in results[entry.label]]
    times: dict[str, list[dict[str, float]]] = {entry.label: [] for entry in able}
    for number in range(rounds):
        start = number % max(len(able), 1)
        for entry in able[start:] + able[:start]:
            time.sleep(PAUSE)
            answer = _find(team, entry).ask("measure", key=entry.label, seconds=turn)
            times[entry.label].append(answer)
    for entry in contest.entries:
        _find(team, entry).ask("drop", key=entry.label)
    return results | {label: _sum_up(answers) for label, answers in times.items()}


def _sum_up(answers: list[dict[str, Any]]) -> dict[str, Any]:
    reasons = [answer["reason"] for answer in answers if "reason" in answer]
    if reasons:
        return {"reason": reasons[0]}
    awake = max(answer["awake"] for answer in answers)
    return {"seconds": median(answer["seconds"] for answer in answers), "awake": awake}


def _prepare_all(team: Team, contest: Contest, tensors: dict[str, str]) -> dict[str, Any]:
    """Make all entries ready; one that cannot, or disagrees with the truth, gets its reason."""
    truth: tuple[str, Arrays] | None = None
    results: dict[str, Any] = {}
    for entry in contest.entries:
        answer, arrays = _prepare(team, contest, entry, tensors[entry.label])
        if "reason" not in answer and not entry.is_plain:
            truth = truth or (entry.label, arrays)
            found = find_disagreement(
                arrays, truth[1], TOLERANCES[contest.mode] * contest.tolerance
            )
            answer = {"reason": f"disagrees with {truth[0]}: {found}"} if found else {}
        results[entry.label] = answer
    return results


def _prepare(
    team: Team, contest: Contest, entry: Entry, tensors: str
) -> tuple[dict[str, Any], Arrays]:
    worker, path = _find(team, entry), team.path("results.npz")
    job = contest.job(entry)
    answer = worker.ask("prepare", key=entry.label, job=job, tensors=tensors)
    if "reason" not in answer:
        answer = worker.ask("check", key=entry.label, path=path)
    if "reason" in answer:
        return {"reason": answer["reason"]}, {}
    with np.load(path) as arrays:
        return {}, dict(arrays)


def _find(team: Team, entry: Entry) -> Worker:
    return team.find(entry.process or entry.contender)


def find_disagreement(found: Arrays, truth: Arrays, tolerance: float) -> str:
    """Name what differs by more than ``tolerance`` of its largest value, or is not there."""
    for name in truth:
        if name not in found:
            return f"no {name}"
        if found[name].shape != truth[name].shape:
            return f"{name} is of shape {found[name].shape}, not {truth[name].shape}"
        largest = np.abs(truth[name]).max(initial=0) or 1
        error = np.abs(found[name] - truth[name]).max(initial=0) / largest
        if not error <= tolerance:  # NaN is not
            return f"{name} by {error:.1e} of its largest value"
    return ""
