"""RecurrentPPO of sb3-contrib, with its own LSTM and with ours: the update, and all of learning.

    python benchmarks/reinforcement.py [--hidden 64 256] [--rounds 7] [--threads 1]

Needs the extra ``ecosystem``. The learners of ``examples/recurrent_ppo.py`` start from one seed;
after some rollouts their weights are compared, and whoever differs stops the run. Then each in turn
goes over its rollout again, or learns from the start. "torch, no loop" is what sb3-contrib could do
with torch's LSTM: its batches are cut where episodes start, so that only the states before them
must be cleared. Prints Markdown; a ratio is sb3-contrib's time divided by the other's, the median
over the rounds, in brackets the least and the largest.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor, nn

from gatewise.comparison.record import machine, versions

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from recurrent_ppo import MEMORIES, build

ROLLOUT = 512  # steps
TOLERANCE = 1e-3  # of the weights' largest, after some updates
NAMES = {
    "torch": "sb3-contrib",
    "torch, no loop": "torch, no loop",
    "gatewise": "our LSTM",
    "whole": "our LSTM, whole sequences",
}


class NoLoop(RecurrentActorCriticPolicy):
    """Theirs, where no episode starts within a sequence."""

    @staticmethod
    def _process_sequence(
        features: Tensor,
        lstm_states: tuple[Tensor, Tensor],
        episode_starts: Tensor,
        lstm: nn.LSTM,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        sequences = lstm_states[0].shape[1]
        x = features.reshape(sequences, -1, lstm.input_size).transpose(0, 1)
        kept = 1 - episode_starts.reshape(sequences, -1)[:, :1]  # (B, 1)
        y, lstm_states = lstm(x, (kept * lstm_states[0], kept * lstm_states[1]))
        return y.transpose(0, 1).flatten(0, 1), lstm_states


MEMORIES["torch, no loop"] = (RecurrentPPO, NoLoop)


def learn(name: str, hidden: int, rollouts: int) -> BaseAlgorithm:
    """Learn from some rollouts."""
    return build(name, 0, hidden).learn(rollouts * ROLLOUT)


def prepare(hidden: int, rollouts: int) -> dict[str, BaseAlgorithm]:
    """Give the learners after some rollouts, all with the same weights.

    Raises:
        SystemExit: if the weights of one differ.
    """
    learners = {name: learn(name, hidden, rollouts) for name in NAMES}
    truth = nn.utils.parameters_to_vector(learners["torch"].policy.parameters())
    for name, learner in learners.items():
        off = (nn.utils.parameters_to_vector(learner.policy.parameters()) - truth).abs().max()
        if off > TOLERANCE * truth.abs().max():
            raise SystemExit(f"{NAMES[name]} disagrees with sb3-contrib by {off:.2g}: not timed")
    return learners


def alternate(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each run in turn, after one round that is not counted; seconds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            np.random.seed(number)  # noqa: NPY002 - where a buffer cuts its batches
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: seconds[1:] for name, seconds in times.items()}


def row(what: str, times: dict[str, list[float]]) -> str:
    """Give the table's row: the original's time, and the others' with their ratios to it."""
    cells = [what, f"{median(times['torch']):.3g} s"]
    for name in list(NAMES)[1:]:
        ratios = [a / b for a, b in zip(times["torch"], times[name], strict=True)]
        cells.append(
            f"{median(times[name]):.3g} s, {median(ratios):.2f} "
            f"({min(ratios):.2f}–{max(ratios):.2f})"
        )
    return f"| {' | '.join(cells)} |"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 256], help="units")
    parser.add_argument("--rollouts", type=int, default=8, help="to learn from, 512 steps each")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = parse()
    torch.set_num_threads(given.threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"| what | {' | '.join(NAMES.values())} |\n|{' --- |' * (len(NAMES) + 1)}", flush=True)
    for hidden in given.hidden:
        learners = prepare(hidden, given.rollouts)
        updates = alternate({name: model.train for name, model in learners.items()}, given.rounds)
        print(row(f"one update, {hidden} units", updates), flush=True)
        runs = {name: partial(learn, name, hidden, given.rollouts) for name in NAMES}
        print(
            row(
                f"{given.rollouts * ROLLOUT} steps of learning, {hidden} units",
                alternate(runs, max(1, given.rounds // 2)),
            ),
            flush=True,
        )
    peers = {name: version(name) for name in ("stable-baselines3", "sb3-contrib", "gymnasium")}
    shown = ", ".join(f"{name} {number}" for name, number in {**versions(), **peers}.items())
    print(f"\nMachine: {machine()}; threads {given.threads}; load before the run {load:.2f}.")
    print(f"Versions: {shown}.\nMade by `{shlex.join(['python', *sys.argv])}`.")


if __name__ == "__main__":
    main()
