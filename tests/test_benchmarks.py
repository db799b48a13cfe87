"""The benchmark compares before it times, and its page says what the results say."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import run
from cases import CASES, CELLS, MODES, SHAPES, Contest, count_operations, draw_tensors
from cases import label_entries as label
from processes import Team, Worker, find_disagreement, race, run_contest
from render import render

SHAPE = (3, 2, 4, 5)  # T, B, I, H
QUICK = {"rounds": 2, "turn": 0.001}
PAIR = Contest("layers", "GRU", "train", SHAPE, 1, label("torch", "ours"))


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with Team(threads=1) as made:
        yield made


def write_tensors(folder: Path, contest: Contest, spoilt: str) -> dict[str, str]:
    """Write the same arrays for every entry, one of them scaled for the last."""
    arrays = draw_tensors(contest.job(contest.entries[0]))
    files = {entry.label: str(folder / f"{entry.label}.npz") for entry in contest.entries}
    for path in files.values():
        np.savez(path, **arrays)
    np.savez(path, **(arrays | {spoilt: arrays[spoilt] * np.float32(1.05)}))
    return files


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cell", CELLS)
def test_equal_results_are_timed(team: Team, cell: str, mode: str) -> None:
    outcome = run_contest(team, replace(PAIR, cell=cell, mode=mode), **QUICK)
    assert all(outcome["entries"][name]["seconds"] > 0 for name in ("torch", "ours"))


@pytest.mark.parametrize("spoilt", ["weight_hh_l0", "dy"])
def test_disagreement_is_refused(team: Team, tmp_path: Path, spoilt: str) -> None:
    entries = race(team, PAIR, write_tensors(tmp_path, PAIR, spoilt), **QUICK)
    wrong = "y" if spoilt == "weight_hh_l0" else "x"  # dy reaches the gradients alone
    assert entries["ours"]["reason"].startswith(f"disagrees with torch: {wrong} by ")
    assert "seconds" not in entries["ours"]
    assert entries["torch"]["seconds"] > 0


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "jax"])
def test_peers_agree_with_torch(team: Team, peer: str) -> None:
    pytest.importorskip(peer, reason=f"{peer} is not installed")
    for cell in CELLS:
        for mode in MODES if peer == "jax" else MODES[:1]:
            contest = replace(PAIR, cell=cell, mode=mode, entries=label("torch", peer))
            entries = run_contest(team, contest, **QUICK)["entries"]
            assert "reason" not in entries[peer], (cell, mode, entries)


@pytest.mark.parametrize("case", CASES)
def test_further_cases_agree(team: Team, case: str) -> None:
    given = {"cells": ["GRU"], "modes": ["train"], "threads": 1, "shapes": [SHAPE]}
    contest = next(iter(CASES[case](given)))
    contest = replace(contest, shape=(1 if contest.mode == "step" else 3, *SHAPE[1:]))
    near = tuple(entry._replace(process="ours") for entry in contest.entries)
    entries = run_contest(team, replace(contest, entries=near), **QUICK)["entries"]
    reasons = [entry.get("reason", "") for entry in entries.values()]
    assert all("cannot do" in reason for reason in reasons if reason), entries


def test_missing_peer_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = 'raise ModuleNotFoundError("No module named \'jax\'", name="jax")'
    (tmp_path / "jax.py").write_text(absent)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Team(threads=1) as team:
        entries = run_contest(team, replace(PAIR, entries=label("jax")), **QUICK)["entries"]
    assert entries == {"jax": {"reason": "jax is not installed"}}


def test_what_a_peer_cannot_do_is_recorded(team: Team) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    entries = run_contest(team, replace(PAIR, entries=label("onnxruntime")), **QUICK)["entries"]
    assert entries["onnxruntime"] == {"reason": "only the plain layer, forward"}


def test_ended_process_is_recorded() -> None:
    worker = Worker(threads=1)
    worker.process.kill()
    assert worker.ask("drop", key="")["reason"].startswith("its process ended with status")
    worker.close()


def test_disagreement_names_the_array() -> None:
    truth = {"y": np.array([1.0, -4.0]), "x": np.zeros(2)}
    assert find_disagreement({"y": truth["y"] + 3e-4, "x": truth["x"]}, truth, 1e-4) == ""
    assert "y by 1.5e-04" in find_disagreement({"y": truth["y"] + 6e-4}, truth, 1e-4)
    assert "y by nan" in find_disagreement({"y": truth["y"] * np.nan}, truth, 1e-4)
    assert find_disagreement({"y": truth["y"]}, truth, 1e-4) == "no x"
    assert "shape" in find_disagreement({"y": truth["y"][:1]}, truth, 1e-4)


@pytest.mark.parametrize(("cell", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_operations_are_those_of_the_products(cell: str, gates: int) -> None:
    forward = replace(PAIR, cell=cell, mode="forward").job(PAIR.entries[0])
    arrays = draw_tensors(forward)
    assert count_operations(forward, arrays) == 2 * 3 * 2 * gates * 5 * (4 + 5)
    assert count_operations(forward | {"mode": "train"}, arrays) == 6 * 3 * 2 * gates * 5 * (4 + 5)
    lengths = {"lengths": np.array([3, 1])}
    assert count_operations(forward, arrays | lengths) == 2 * 4 * gates * 5 * (4 + 5)


def test_the_same_job_draws_the_same_tensors() -> None:
    job = replace(PAIR, batch="ragged").job(PAIR.entries[0])
    one, two = draw_tensors(job), draw_tensors(job)
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    beyond = np.arange(SHAPE[0])[:, None] >= one["lengths"]
    assert not one["dy"][beyond].any()


def test_all_contests_can_be_sent() -> None:
    given = run.parse(["--grid"])
    contests = [contest for threads in (1, 2) for contest in run.choose(given, threads)]
    assert {contest.part for contest in contests} == {"layers", "grid", *CASES}
    for contest in contests:
        assert all(json.dumps(contest.job(entry)) for entry in contest.entries)
        assert len({entry.label for entry in contest.entries}) == len(contest.entries)
    assert {c.shape for c in contests if c.part == "layers"} == set(SHAPES)


def test_command_line_writes_results_that_render(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    shape = ["--shapes", "3,2,4,5", "--cells", "LSTM", "--modes", "forward", "--cases"]
    amount = ["--contenders", "ours", "--threads", "1", "--rounds", "1", "--restarts", "1"]
    assert run.main([*shape, *amount, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert [len(e["seconds"]) for r in result["rows"] for e in r["entries"].values()] == [1]
    assert str(tmp_path) not in out.read_text()
    assert "| LSTM | 3, 2, 4, 5 |" in render(result)


def make_row(ours: list[float], **others: Any) -> dict[str, Any]:
    given = {name: v if isinstance(v, dict) else {"seconds": v} for name, v in others.items()}
    return {
        "part": "layers",
        "cell": "LSTM",
        "mode": "forward",
        "shape": [10, 32, 8, 16],
        "threads": 2,
        "case": "",
        "operations": 1_000_000,
        "entries": {"ours": {"seconds": ours, "awake": 0.001}, **given},
    }


def make_result(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": "a machine",
        "load": 0.1,
        "versions": {"python": "3.11", "torch": "2.8", "jax": "not installed"},
        "command": "python benchmarks/run.py --rounds 1",
        "threads": [1, 2],
        "rounds": 1,
        "restarts": 3,
        "peak": {"2": {"gflops": [90.0, 100.0, 110.0], "target": "avx2"}},
        "rows": list(rows),
    }


def test_page_shows_ratios_ranges_and_the_share_of_the_peak() -> None:
    row = make_row([0.001, 0.002, 0.0001], torch=[0.002, 0.002, 0.0004], jax=[0.003] * 3)
    page = render(make_result(row))
    assert "| LSTM | 10, 32, 8, 16 | 1 (0.1–2) | 1.0 | 1% | **2.00 (1.00–4.00)** | 3.00 |" in page
    assert "| LSTM | forward | 2.00 | 2.00 | – | – |" in page  # geometric means
    assert "Nowhere in this run." in page
    assert page == render(json.loads(json.dumps(make_result(row))))


def test_page_lists_a_loss_and_its_geometric_mean() -> None:
    slow, fast = make_row([0.001], torch=[0.0005]), make_row([0.001], torch=[0.008])
    page = render(make_result(slow, fast | {"shape": [10, 64, 8, 16]}))
    assert "| layers | LSTM | forward |  | 10, 32, 8, 16 | 2 | torch.nn | 0.50 |" in page
    assert "| LSTM | forward | 2.00 | 2.00 | – | – |" in page


def test_page_names_who_was_not_timed_and_counts_other_functions_as_no_loss() -> None:
    plain = {"seconds": [0.0001], "is_plain": True}
    refused = {"reason": "disagrees with torch: y by 1.0e+00", "seconds": [0.0001]}
    page = render(make_result(make_row([0.001], torch=[0.002], jax=refused, plain=plain)))
    assert "| JAX | disagrees with torch: y by 1.0e+00 | layers LSTM forward |" in page
    assert "Nowhere in this run." in page


def test_every_table_names_its_command() -> None:
    parts = ("layers", "grid", *CASES)
    page = render(make_result(*(make_row([0.001], torch=[0.0005]) | {"part": p} for p in parts)))
    *sections, outlook = page.split("\n## ")[1:]
    assert outlook.startswith("What more speed would need")
    assert len(sections) == len(parts) + 2  # forward, means, losses; the layers have two
    assert all(
        s.rstrip().splitlines()[-1].startswith("`python benchmarks/run.py") for s in sections
    )


def test_restarts_add_up_and_a_reason_stays() -> None:
    entry: dict[str, Any] = {}
    run.record_entry(entry, {"seconds": 1.0, "awake": 0.2})
    run.record_entry(entry, {"seconds": 2.0, "awake": 0.1})
    assert entry == {"seconds": [1.0, 2.0], "awake": 0.2}
    run.record_entry(entry, {"reason": "its process ended with status -9"})
    assert entry["reason"] == "its process ended with status -9"
