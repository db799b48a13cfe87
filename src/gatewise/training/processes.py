"""The processes that train together: one, or those that ``torchrun`` has started."""

import atexit
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import Tensor, nn

from gatewise.training.errors import TrainingError
from gatewise.training.execution import Execution
from gatewise.training.torchrun import process_count

T = TypeVar("T")
_PRECISIONS = (None, "32-true", "bf16-mixed", "16-mixed")


class _Replicas(DDPStrategy):
    """Fabric's data-parallel processes, with the gradients summed by :class:`Processes`.

    Torch's wrapper averages the gradients of equal parts. Here parts have different counts (masked
    steps, a last batch that cannot be divided), and one may be empty.
    """

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        return module


class Processes:
    """This process's part in a training.

    Args:
        execution: device and precision.

    Attributes:
        fabric: Fabric, launched.
        number: of this process, from 0.
        count: of all processes.

    Raises:
        TrainingError: if device or precision are not to be had.
    """

    def __init__(self, execution: Execution) -> None:
        self.fabric = _fabric(execution)
        self.number = self.fabric.global_rank
        self.count = self.fabric.world_size

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.number == 0

    def part(self, indices: Tensor) -> Tensor:
        """Give this process's part of a batch, (n,); it may be empty."""
        return indices if self.count == 1 else indices[self.number :: self.count]

    def sum(self, *values: Tensor | float) -> Tensor:
        """Sum each of ``values`` over the processes, in float64."""
        device = self.fabric.device
        kind = torch.float32 if device.type == "mps" else torch.float64
        own = torch.stack([torch.as_tensor(v, dtype=kind, device=device).detach() for v in values])
        return own if self.count == 1 else self._all_reduce(own)

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sums of the gradients; where none has one there stays none."""
        if self.count == 1:
            return
        given = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        there = torch.tensor([float(p.grad is not None) for p in parameters])
        kind = torch.promote_types(torch.float32, given[0].dtype)
        flat = torch.cat([g.flatten().to(kind) for g in given] + [there.to(given[0].device, kind)])
        flat = self._all_reduce(flat)
        sums = flat.split([p.numel() for p in parameters] + [len(parameters)])
        for parameter, total, anywhere in zip(parameters, sums, sums[-1].tolist(), strict=False):
            parameter.grad = total.view_as(parameter).to(parameter.dtype) if anywhere else None

    def agree(self, *flags: bool) -> list[bool]:
        """Say of each flag whether it is set in any process."""
        return list(flags) if self.count == 1 else [n > 0 for n in self.sum(*flags).tolist()]

    def from_first(self, make: Callable[[], T]) -> T:
        """Give every process what ``make()`` gives in the first, or raise its TrainingError."""
        if self.count == 1:
            return make()
        made: list[Any] = [None, None]
        if self.first:
            try:
                made[0] = make()
            except TrainingError as error:
                made[1] = str(error)
        torch.distributed.broadcast_object_list(made, src=0, device=self.fabric.device)
        if made[1] is not None:
            raise TrainingError(made[1])
        return made[0]

    def gather(self, value: T) -> list[T]:
        """Give the values of all processes, in every one."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def _all_reduce(self, values: Tensor) -> Tensor:
        torch.distributed.all_reduce(values)
        return values


def _leave() -> None:
    """Leave the group of processes: torch's gloo threads abort an exit that finds them running."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _fabric(execution: Execution) -> Fabric:
    if execution.precision not in _PRECISIONS:
        raise TrainingError(
            f"precision {execution.precision!r} is none of 32-true, bf16-mixed and 16-mixed"
        )
    count = process_count()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    strategy: str | Strategy = "auto"
    if count > 1:
        strategy = _Replicas()
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it counts the processes
    try:
        with warnings.catch_warnings():  # it would take another precision instead
            warnings.filterwarnings("ignore", ".*AMP with fp16 is not supported")
            fabric = Fabric(
                accelerator=execution.device,
                devices=here,
                num_nodes=count // here,
                strategy=strategy,
                precision=execution.precision,  # type: ignore[arg-type]
            )
        joined = torch.distributed.is_available() and torch.distributed.is_initialized()
        fabric.launch()
        if count > 1 and not joined:
            atexit.register(_leave)
    except (ImportError, RuntimeError, ValueError) as error:  # unknown, or not in this machine
        raise TrainingError(
            f"device {execution.device!r} cannot be used, try 'cpu' or 'auto': {error}"
        ) from None
    if execution.precision == "16-mixed" and fabric.device.type == "cpu":
        raise TrainingError("precision '16-mixed' needs a GPU; on a CPU take 'bf16-mixed'")
    return fabric
