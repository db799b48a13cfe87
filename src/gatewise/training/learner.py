"""One step of the learning: gradient, clipping, AdamW, moving average."""

import copy
import math
from collections.abc import Callable
from itertools import chain, compress
from typing import Any

import torch
from lightning_fabric.plugins.precision.amp import MixedPrecision
from torch import Tensor, nn

from gatewise.training.options import TrainingOptions
from gatewise.training.processes import Processes

BatchLoss = Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]


class NotFiniteError(Exception):
    """A loss or a gradient is NaN or infinite; the weights are those of the step before.

    Args:
        what: which of them.
        value: what it is.
    """

    def __init__(self, what: str, value: float) -> None:
        super().__init__(what, value)
        self.what = what
        self.value = value


class Learner:
    """A module with all that changes while it learns.

    Args:
        processes: which train together.
        module: moved to the device, and trained in place.
        options: step sizes.
        compiled: whether steps go through ``torch.compile``.

    Attributes:
        average: a copy of the module with the moving average of its weights and buffers.
    """

    def __init__(
        self, processes: Processes, module: nn.Module, options: TrainingOptions, *, compiled: bool
    ) -> None:
        fabric = self._fabric = processes.fabric
        self._processes = processes
        self.module = module
        self.options = options
        self._scaler = getattr(fabric.strategy.precision, "scaler", None)
        # One kernel for all tensors; loss scaling wants to see the gradients in between.
        fused = self._scaler is None and fabric.device.type in ("cpu", "cuda")
        optimizer = torch.optim.AdamW(
            module.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=fused or None,
        )
        made: nn.Module = torch.compile(module) if compiled else module  # type: ignore[assignment]
        if isinstance(fabric.strategy.precision, MixedPrecision):
            self._model, self._optimizer = fabric.setup(made, optimizer)
        else:  # nothing to convert: Fabric's wrappers would only cost time, at every step
            fabric.to_device(module)
            self._model, self._optimizer = made, optimizer
        self._trained = [p for p in module.parameters() if p.requires_grad]
        self.average = copy.deepcopy(module).requires_grad_(False)
        self._live, self._averaged = _tensors(module), _tensors(self.average)
        real = [t.is_floating_point() for t in self._live]
        self._real = [list(compress(tensors, real)) for tensors in (self._averaged, self._live)]
        others = [not is_real for is_real in real]
        self._whole = [list(compress(tensors, others)) for tensors in (self._live, self._averaged)]
        self._best = [tensor.clone() for tensor in self._averaged]
        self._steps = 0

    def step(self, batch_loss: BatchLoss, indices: Tensor) -> Tensor:
        """Take one step on the batch ``indices`` (batch,), and give its loss ().

        Raises:
            NotFiniteError: on a CPU, where looking costs nothing, before the weights are touched.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self.options.rate(self._steps + 1)
        if not self.module.training:
            self.module.train()
        self._optimizer.zero_grad()
        loss = self._gradient(batch_loss, self._processes.part(indices))
        _require_finite("loss", loss)
        self._processes.sum_gradients(self._trained)
        self._clip()
        self._optimizer.step()
        self._steps += 1
        self._move_average()
        return loss

    def keep_best(self) -> None:
        """Note the average's weights as the best so far."""
        _copy(self._averaged, self._best)

    def load_best(self) -> nn.Module:
        """Give the module the best weights, in evaluation mode."""
        _copy(self._best, self._live)
        return self.module.eval()

    def state_dict(self) -> dict[str, Any]:
        """Give all that the next step depends on, as tensors and plain values."""
        return {
            "steps": self._steps,
            "live": self._live,
            "averaged": self._averaged,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` stands."""
        self._steps = state["steps"]
        _copy(state["live"], self._live)
        _copy(state["averaged"], self._averaged)
        _copy(state["best"], self._best)
        self._optimizer.load_state_dict(state["optimizer"])
        self._fabric.strategy.precision.load_state_dict(state["precision"])

    def _gradient(self, batch_loss: BatchLoss, indices: Tensor) -> Tensor:
        """Give the loss of the whole batch, and the parameters this part's share of its gradient.

        A part may be empty: other processes have the batch's examples.
        """
        if self._processes.count == 1:
            with self._fabric.autocast():
                total, count = batch_loss(self._model, indices)
            loss = total / count.clamp(min=1)
            self._fabric.backward(loss)
            return loss.detach()
        if len(indices) == 0:
            sums = self._processes.sum(0.0, 0.0)
            return sums[0] / sums[1].clamp(min=1)
        with self._fabric.autocast():
            total, count = batch_loss(self._model, indices)
        sums = self._processes.sum(total, count)
        all_count = sums[1].clamp(min=1)
        self._fabric.backward(total / all_count.to(total.dtype))
        return sums[0] / all_count

    @torch.no_grad()
    def _clip(self) -> None:
        """Scale the gradient down to the norm that it may have at most."""
        self._fabric.strategy.precision.unscale_gradients(self._optimizer)
        gradients = [p.grad for p in self._trained if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        if self._scaler is None:  # it skips steps whose gradient is infinite
            _require_finite("gradient's norm", norm)
        if norm.device.type != "cpu":  # without waiting for the device
            torch._foreach_mul_(gradients, (self.options.clip / (norm + 1e-6)).clamp(max=1.0))
        elif (length := norm.item()) > self.options.clip:
            torch._foreach_mul_(gradients, self.options.clip / (length + 1e-6))

    @torch.no_grad()
    def _move_average(self) -> None:
        if self._steps == 1:
            _copy(self._live, self._averaged)
            return
        averaged, live = self._real
        torch._foreach_lerp_(averaged, live, 1 - self.options.averaging)
        _copy(*self._whole)


def _require_finite(what: str, value: Tensor) -> None:
    if value.device.type == "cpu" and not math.isfinite(number := value.item()):
        raise NotFiniteError(what, number)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]


@torch.no_grad()
def _copy(source: list[Tensor], target: list[Tensor]) -> None:
    for new, old in zip(source, target, strict=True):
        old.copy_(new)
