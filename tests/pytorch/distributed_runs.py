"""Two processes that train together, on every subject at once: DDP and FSDP2.

A script that torchrun starts twice: ``distributed_runs.py often|others OUT``.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from subjects import SUBJECTS, Subject, run
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close

WAYS = ("ddp", "fsdp", "fsdp-compiled")


def main(group: str, out: str) -> None:
    """Be one of two processes; the first writes what came of it."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    found = {
        f"{way} {subject.name}": attempt(way, subject, rank)
        for way in WAYS
        for subjects in SUBJECTS.values()
        for subject in subjects
        if subject.is_often == (group == "often")
    }
    both: list[Any] = [None, None]
    dist.all_gather_object(both, found)
    if rank == 0:
        Path(out).write_text(
            json.dumps({name: said or both[1][name] for name, said in found.items()})
        )
    dist.destroy_process_group()


def attempt(way: str, subject: Subject, rank: int) -> str:
    """Train a subject in one way; give what was raised, or ""."""
    try:
        train(way, subject, rank)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Network(nn.Module):
    """A model around a subject."""

    def __init__(self, subject: Subject, *, is_compiled: bool) -> None:
        super().__init__()
        self.inner = subject.make()
        self.last = nn.Linear(run(self.inner, subject.draw()).shape[-1], 1, dtype=torch.float64)
        if is_compiled:
            self.inner.compile(fullgraph=True, backend="aot_eager")

    def forward(self, x: Tensor) -> Tensor:
        return self.last(run(self.inner, x))


def train(way: str, subject: Subject, rank: int) -> None:
    """Take steps on half of a batch each, and compare with steps on the whole."""
    torch._dynamo.reset()
    network = Network(subject, is_compiled=way == "fsdp-compiled")
    alone = Network(subject, is_compiled=False)
    model: Any = wrap(way, network)
    x = subject.draw()
    parts = [x, 2 * x]
    optimisers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (model, alone)]
    for _ in range(2):
        for optimiser in optimisers:
            optimiser.zero_grad()
        model(parts[rank]).square().mean().backward()
        losses = [alone(part).square().mean() for part in parts]
        ((losses[0] + losses[1]) / 2).backward()
        for optimiser in optimisers:
            optimiser.step()
    for got, want in zip(network.parameters(), alone.parameters(), strict=True):
        assert_close(got.full_tensor() if isinstance(got, DTensor) else got, want)


def wrap(way: str, network: Network) -> Any:
    """Make a network one of several that train together."""
    if way == "ddp":
        return DistributedDataParallel(network, find_unused_parameters=True)
    fully_shard(network.inner)
    return fully_shard(network)


if __name__ == "__main__":
    main(*sys.argv[1:])
