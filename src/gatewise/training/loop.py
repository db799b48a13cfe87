"""Train a module: AdamW, warm-up and cosine, clipping, averaging, early stopping."""

import hashlib
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

import gatewise
from gatewise.training.batches import Batches
from gatewise.training.checkpoint import Checkpoint
from gatewise.training.course import Carried, Course, Validate
from gatewise.training.execution import Execution
from gatewise.training.interrupts import Interrupts
from gatewise.training.learner import BatchLoss, Learner, NotFiniteError
from gatewise.training.options import TrainingOptions
from gatewise.training.processes import Processes
from gatewise.training.tensorboard import open_log, require_tensorboard


def train(
    module: nn.Module,
    batch_loss: BatchLoss,
    batches: Batches,
    validate: Validate | None,
    options: TrainingOptions,
    execution: Execution,
    *,
    carried: Carried | None = None,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train ``module`` and load its best averaged weights into it.

    With a checkpoint, a training that was killed goes on from its last one and learns, on one
    thread bit for bit, what it would have learnt undisturbed. Under ``torchrun`` each process
    takes its own part of each batch, and all end with the same weights.

    Args:
        module: what is trained; moved to the device.
        batch_loss: ``batch_loss(module, indices)`` gives the sum of the losses of the examples
            named by ``indices`` (batch,), and how many it sums over (steps with a truth, labels,
            characters): the step's loss is their ratio. All randomness in it is torch's.
        batches: which examples each step takes.
        validate: ``validate(module)`` gives the validation error, in evaluation mode and without
            gradients; the lower the better. None trains for all steps and keeps the last average.
        options: budget and step sizes.
        execution: where and how to train.
        carried: what ``batch_loss`` keeps between steps; kept in the checkpoint and set again.

    Returns:
        The trained module and its history: one row for each evaluation with ``step``, ``epoch``,
        ``train_loss``, ``validation_error`` (None without one), ``learning_rate`` and ``seconds``.
        Where Ctrl-C stopped it, the last row also has ``interrupted`` (True), and a warning is
        given; the checkpoint stays, to go on from.

    Raises:
        TrainingError: if a loss, a gradient or a validation error is NaN or infinite (its
            ``module`` has the best weights so far), there is no such device or precision, or the
            checkpoint cannot be written or is not this training's.
    """
    require_tensorboard(execution.tensorboard)
    processes = Processes(execution)
    learner = Learner(processes, module, options, compiled=execution.compile)
    course = Course(processes, learner, batches, validate, carried)
    checkpoint = None
    if execution.checkpoint is not None:
        identity = _identity(module, batches, options, execution, processes)
        checkpoint = Checkpoint(execution.checkpoint, identity)
    course.begin(checkpoint)
    with (
        Interrupts(execution.interruptible) as interrupts,
        open_log(execution.tensorboard, course.step, processes.first) as log,
    ):
        try:
            while not (course.over or course.interrupted):
                row = course.go_on(batch_loss)
                if log is not None and row is not None:
                    log(row)
                if execution.on_step is not None:
                    execution.on_step(course.step, options.steps, course.words())
                course.look_up(checkpoint, interrupts.noted)
        except NotFiniteError as found:
            if checkpoint is not None and not course.history and processes.first:
                checkpoint.remove()  # it has nothing that could be gone on with
            raise course.failure(found.what, found.value) from None
    return learner.load_best(), course.history


def _identity(
    module: nn.Module,
    batches: Batches,
    options: TrainingOptions,
    execution: Execution,
    processes: Processes,
) -> dict[str, Any]:
    state = module.state_dict()
    shapes = [(n, str(t.dtype), tuple(t.shape)) for n, t in state.items() if isinstance(t, Tensor)]
    digest = hashlib.blake2b(repr(shapes).encode(), digest_size=4).hexdigest()
    return {
        **execution.identity,
        **asdict(options),
        "examples": batches.examples,
        "weights": f"{sum(p.numel() for p in module.parameters()):,} ({digest})",
        "precision": execution.precision,
        "compile": execution.compile,
        "processes": processes.count,
        "gatewise": gatewise.__version__,
        "torch": torch.__version__,
    }
