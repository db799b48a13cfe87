"""A small training, which as a script is killed at random moments until it ends.

Arguments: a folder for its files, how often to kill, and a seed for the moments. A checkpoint is
written after every step, so that a kill often falls into the writing. Each training is a process
forked off, so that torch is imported once.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import gatewise
from gatewise.training import Execution, Shuffled, TrainingOptions, checkpoint, train

OPTIONS = TrainingOptions(steps=120, batch_size=8, evaluations=24)


class Stream:
    """A recurrent state carried from step to step, as in truncated backpropagation."""

    def __init__(self) -> None:
        self.h = torch.zeros(1, 8, 4)

    def state_dict(self) -> dict[str, Any]:
        return {"h": self.h}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.h = state["h"]


class Net(nn.Module):
    """A GRU with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = gatewise.GRU(2, 4)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(4, 1)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        y, h = self.rnn(x, h)
        return self.out(self.dropout(y)), h


def run(path: str | None, pause: float = 0.0, **rest: Any) -> nn.Module:
    """Train; two calls with the same files train the same."""
    torch.manual_seed(0)
    x = torch.randn(6, 32, 2)
    y = x.cumsum(0)[..., :1]
    stream, net = Stream(), Net()

    def batch_loss(module: nn.Module, chosen: Tensor) -> tuple[Tensor, Tensor]:
        time.sleep(pause)
        made, h = module(x[:, chosen], stream.h[:, : len(chosen)])
        stream.h = h.detach()
        off = (made - y[:, chosen]).square()
        return off.sum(), torch.tensor(off.numel())

    def validate(module: nn.Module) -> float:
        made, _ = module(x, torch.zeros(1, 32, 4))
        return float((made - y).square().mean())

    batches = Shuffled(32, 8, torch.Generator().manual_seed(1))
    execution = Execution("cpu", checkpoint=path, **rest)
    return train(net, batch_loss, batches, validate, OPTIONS, execution, carried=stream)[0]


def forked(folder: Path, pause: float) -> int:
    """Train in a new process, which writes its weights beside and renames them; give its id."""
    process = os.fork()
    if process == 0:
        weights = run(str(folder / "checkpoint"), pause).state_dict()
        torch.save(weights, folder / "beside")
        (folder / "beside").rename(folder / "weights")
        os._exit(0)
    return process


def stamp(folder: Path) -> int:
    """Tell one checkpoint from the next."""
    path = folder / "checkpoint"
    return path.stat().st_ino if path.exists() else 0


def main(folder: Path, kills: int, seed: int) -> None:
    """Kill a training ``kills`` times, each time when it has written at least one checkpoint."""
    chance, pause, killed = random.Random(seed), 0.01, 0
    for _ in range(kills):
        before, process = stamp(folder), forked(folder, pause)
        ended = 0
        while stamp(folder) == before and not ended:
            ended, _ = os.waitpid(process, os.WNOHANG)
            time.sleep(0.001)
        if not ended:
            time.sleep(chance.uniform(0, 3 * pause))
            os.kill(process, signal.SIGKILL)
            killed += os.waitpid(process, 0)[1] == signal.SIGKILL
    os.waitpid(forked(folder, 0.0), 0)
    print(killed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    checkpoint._SHARE, checkpoint._SECONDS = 0, 0.0
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
