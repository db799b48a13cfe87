"""Small trainings that ``torchrun`` runs in several processes, and a test in one.

As a script: trains each case and writes its weights, errors and messages into the folder named.
"""

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import gatewise
from gatewise.training import (
    Execution,
    Shuffled,
    TrainingError,
    TrainingOptions,
    process_number,
    train,
)

EXAMPLES = 13
CASES: dict[str, dict[str, Any]] = {
    "even": {"batch_size": 4},
    "odd": {"batch_size": 5},  # the last of an epoch has 3
    "single": {"batch_size": 1},  # the second process has nothing to do
    "gru": {"batch_size": 5, "layer": gatewise.GRU},
    "stops": {"batch_size": 5, "patience": 2, "worsening": True},
}


class Net(nn.Module):
    """A recurrent layer, a map of its outputs, a buffer, and a weight that is not used."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.rnn = layer(3, 5)
        self.out = nn.Linear(5, 1)
        self.unused = nn.Parameter(torch.ones(2))
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.out(self.rnn(x)[0])


def run(
    *,
    layer: Any = gatewise.LSTM,
    execution: Any = None,
    worsening: bool = False,
    **options: Any,
) -> tuple[nn.Module, list[dict[str, Any]], set[int]]:
    """Train in float64; give the module, its history and the examples that were read here."""
    number = process_number()
    seeds = torch.Generator().manual_seed(0)
    x = torch.randn(7, EXAMPLES, 3, generator=seeds).double()
    y = x.cumsum(0).sum(-1, keepdim=True)
    counted = torch.rand(7, EXAMPLES, 1, generator=seeds).double() < 0.6
    counted[:, 3] = False  # an example without any truth
    seen: set[int] = set()

    def batch_loss(module: nn.Module, chosen: Tensor) -> tuple[Tensor, Tensor]:
        seen.update(chosen.tolist())
        off = (module(x[:, chosen]) - y[:, chosen]).abs() * counted[:, chosen]
        return off.sum(), counted[:, chosen].sum()

    errors = [0.0]

    def validate(module: nn.Module) -> float:
        errors.append(errors[-1] + 1 if worsening else float((module(x) - y).square().mean()))
        return errors[-1]

    torch.manual_seed(number)  # not alike: the first process's weights and order count
    net = Net(layer).double()
    settings = TrainingOptions(steps=50, evaluations=10, **options)
    batches = Shuffled(EXAMPLES, settings.batch_size, torch.Generator().manual_seed(number))
    made = execution or Execution("cpu")
    module, history = train(net, batch_loss, batches, validate, settings, made)
    return module, history, seen


def interrupted(step: int, *_: Any) -> None:
    """Press Ctrl-C in the second process alone."""
    if step == 7 and process_number() == 1:
        signal.raise_signal(signal.SIGINT)


class Odd(nn.Module):
    """Gives NaN for an example that only the second process has in its part."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, chosen: Tensor) -> Tensor:
        return self.weight * torch.where(chosen == 3, torch.nan, 1.0)


def fail() -> str:
    """Train on a NaN and give the error's words."""
    try:
        train(
            Odd(),
            lambda module, chosen: (module(chosen).sum(), torch.tensor(len(chosen))),
            Shuffled(4, 4, torch.Generator().manual_seed(0)),
            None,
            TrainingOptions(steps=4, batch_size=4),
            Execution("cpu"),
        )
    except TrainingError as error:
        return str(error)
    return "nothing"


def main(folder: Path) -> None:
    """Run every case."""
    number = process_number()
    results: dict[str, Any] = {}
    for name, case in CASES.items():
        module, history, seen = run(**case)
        steps = [row["step"] for row in history]
        results[name] = {"weights": module.state_dict(), "steps": steps, "seen": sorted(seen)}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        execution = Execution("cpu", on_step=interrupted, interruptible=True)
        _, history, _ = run(batch_size=5, execution=execution)
    results["interrupted"] = {"last": history[-1]["step"], "told": len(told)}
    results["failed"] = fail()
    path = str(folder / "checkpoint")
    kept = Execution("cpu", checkpoint=path, on_step=leave_at(20), interruptible=True)
    try:
        run(batch_size=5, execution=kept)
    except StopIteration:
        module, *_ = run(batch_size=5, execution=Execution("cpu", checkpoint=path))
        results["gone on"] = module.state_dict()
    torch.save(results, folder / f"results-{number}")


def leave_at(last: int) -> Any:
    """Leave the training at a step, in every process."""

    def on_step(step: int, *_: Any) -> None:
        if step == last:
            raise StopIteration

    return on_step


if __name__ == "__main__":
    from gatewise.training import checkpoint

    checkpoint._SHARE, checkpoint._SECONDS = 0, 0.0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
