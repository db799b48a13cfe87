"""Train a module: AdamW, warm-up and cosine, clipping, averaging, early stopping."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gatewise.training.batches import Batches
from gatewise.training.execution import Execution


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and what to try."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; every model of a comparison gets the same.

    Attributes:
        steps: optimiser steps at most.
        batch_size: windows or sequences a step.
        learning_rate: the peak, reached after a tenth of the steps, then a cosine down to 1 %.
        weight_decay: AdamW's.
        clip: largest norm of the whole gradient.
        averaging: decay of the moving average over the steps' weights (Polyak & Juditsky 1992),
            which is what is validated and kept.
        evaluations: how often, evenly spread over ``steps``, the validation error is taken.
        patience: evaluations without a better validation error after which training stops.
    """

    steps: int = 600
    batch_size: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4
    clip: float = 1.0
    averaging: float = 0.98
    evaluations: int = 25
    patience: int = 15


def train(
    module: nn.Module,
    batch_loss: Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]],
    batches: Batches,
    validate: Callable[[nn.Module], float] | None,
    options: TrainingOptions,
    execution: Execution,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train ``module`` and load its best averaged weights into it.

    Args:
        module: what is trained; moved to the device.
        batch_loss: ``batch_loss(module, indices)`` gives the sum of the losses of the examples
            named by ``indices`` (batch,), and how many it sums over (steps with a truth, labels,
            characters): the step's loss is their ratio.
        batches: which examples each step takes.
        validate: ``validate(module)`` gives the validation error, in evaluation mode and without
            gradients; the lower the better. None trains for all steps and keeps the last average.
        options: budget and step sizes.
        execution: where and how to train.

    Returns:
        The trained module and its history: one row for each evaluation with ``step``, ``epoch``,
        ``train_loss``, ``validation_error`` (None without one), ``learning_rate`` and ``seconds``.

    Raises:
        TrainingError: if a loss or a validation error is NaN or infinite, or there is no such
            device.
    """
    fabric = _fabric(execution.device)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_cosine(options.steps))
    model, optimizer = fabric.setup(module, optimizer)
    every = math.ceil(options.steps / options.evaluations)

    average = AveragedModel(
        module, multi_avg_fn=get_ema_multi_avg_fn(options.averaging), use_buffers=True
    )
    history: list[dict[str, Any]] = []
    best, best_error, stale = _weights(module), math.inf, 0
    losses: list[Tensor] = []
    error, start = math.nan, time.perf_counter()
    for step in range(1, options.steps + 1):
        model.train()
        optimizer.zero_grad()
        total, count = batch_loss(model, batches.next())
        loss = total / count.clamp(min=1)
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=options.clip, error_if_nonfinite=False)
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        average.update_parameters(module)
        losses.append(loss.detach())
        if step % every == 0 or step == options.steps:
            train_loss = float(torch.stack(losses).mean())
            _require_finite(train_loss, "loss", step, options)
            if validate is not None:
                error = _evaluate(average.module, validate)
                _require_finite(error, "validation error", step, options)
            history.append(
                {
                    "step": step,
                    "epoch": step * options.batch_size / batches.examples,
                    "train_loss": train_loss,
                    "validation_error": error if validate is not None else None,
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - start,
                }
            )
            losses.clear()
            if validate is None or error < best_error:
                best, best_error, stale = _weights(average.module), error, 0
            else:
                stale += 1
        if execution.on_step is not None:
            execution.on_step(step, options.steps, f"validation error {error:.4f}")
        if stale >= options.patience:
            break
    module.load_state_dict(best)
    return module.eval(), history


def _fabric(device: str) -> Fabric:
    try:
        return Fabric(accelerator=device, devices=1)
    except (ImportError, RuntimeError, ValueError) as error:  # unknown, or not in this machine
        raise TrainingError(
            f"device {device!r} cannot be used, try 'cpu' or 'auto': {error}"
        ) from None


def _warmup_cosine(steps: int) -> Callable[[int], float]:
    warmup = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, steps - warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


@torch.no_grad()
def _evaluate(model: nn.Module, validate: Callable[[nn.Module], float]) -> float:
    model.eval()
    return validate(model)


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def _require_finite(value: float, what: str, step: int, options: TrainingOptions) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} became {value} at step {step}: try a learning rate below "
            f"{options.learning_rate:g}, or look for extreme values in the data"
        )
