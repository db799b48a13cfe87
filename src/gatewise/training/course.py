"""How far a training has come: its steps, its evaluations, its history, and its state on disk."""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gatewise.training.batches import Batches
from gatewise.training.checkpoint import Checkpoint
from gatewise.training.errors import TrainingError
from gatewise.training.learner import BatchLoss, Learner, NotFiniteError
from gatewise.training.processes import Processes

Validate = Callable[[nn.Module], float]


class Carried(Protocol):
    """What ``batch_loss`` keeps from one step to the next, such as a recurrent state."""

    def state_dict(self) -> dict[str, Any]:
        """Give it as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set it."""


class Course:
    """How far a training has come."""

    def __init__(
        self,
        processes: Processes,
        learner: Learner,
        batches: Batches,
        validate: Validate | None,
        carried: Carried | None,
    ) -> None:
        self._processes = processes
        self._learner = learner
        self._options = options = learner.options
        self._batches = batches
        self._validate = validate
        self._carried = carried
        self._every = math.ceil(options.steps / options.evaluations)
        self._losses: list[Tensor] = []
        self._best_error = math.inf
        self._stale = 0
        self._start = time.perf_counter()
        self._indices = torch.empty(0)
        self.step = 0
        self.interrupted = False
        self.history: list[dict[str, Any]] = []

    @property
    def over(self) -> bool:
        """Whether all steps are done, or patience is at its end."""
        return self.step == self._options.steps or self._stale >= self._options.patience

    def go_on(self, batch_loss: BatchLoss) -> dict[str, Any] | None:
        """Take a step; give the history's new row, if the validation error was taken."""
        self._indices = self._batches.next()
        self.step += 1
        self._losses.append(self._learner.step(batch_loss, self._indices))
        if self.step % self._every and self.step != self._options.steps:
            return None
        return self._evaluate()

    def words(self) -> str:
        """Say how it goes: epochs, the last loss, the last validation error."""
        epochs = self._epochs(self._options.steps)
        said = [f"epoch {math.ceil(self._epochs(self.step)):,} of {math.ceil(epochs):,}"]
        if self._losses and self._losses[-1].device.type == "cpu":
            said.append(f"loss {float(self._losses[-1]):.4f}")
        elif self.history:
            said.append(f"loss {self.history[-1]['train_loss']:.4f}")
        if self.history and self.history[-1]["validation_error"] is not None:
            said.append(f"validation error {self.history[-1]['validation_error']:.4f}")
        return ", ".join(said)

    def look_up(self, checkpoint: Checkpoint | None, asked_to_stop: bool) -> None:
        """Between two steps: write the checkpoint if it is time, and stop if Ctrl-C was pressed."""
        due = self.over or (checkpoint is not None and self._processes.first and checkpoint.due)
        stop, due = self._processes.agree(asked_to_stop, due)
        if checkpoint is not None and (due or stop):
            self.keep(checkpoint)
        if stop and not self.over:
            self._interrupt()

    def failure(self, what: str, value: float) -> TrainingError:
        """Make the error for a number that is not finite."""
        some = self._indices[:5].tolist()
        more = ", …" if len(self._indices) > len(some) else ""
        per_epoch = max(1, math.ceil(self._batches.examples / self._options.batch_size))
        epoch, batch = divmod(self.step - 1, per_epoch)
        kept = ""
        if self.history:
            best = [row["validation_error"] for row in self.history]
            self._learner.load_best()
            kept = f"; the best weights so far ({len(best)} evaluations) are kept"
        return TrainingError(
            f"the {what} became {value} at step {self.step} of {self._options.steps} (epoch "
            f"{epoch + 1}, batch {batch + 1}, examples {', '.join(map(str, some))}{more}): try a "
            f"learning rate below {self._options.learning_rate:g}, or look for extreme values in "
            f"the data{kept}",
            self._learner.module.eval() if self.history else None,
            self.history,
        )

    def begin(self, checkpoint: Checkpoint | None) -> None:
        """Set where the training stands: at its begin, or where the checkpoint was written."""
        processes = self._processes
        state = processes.from_first(lambda: checkpoint.read() if checkpoint else None)
        if state is not None:
            self._load(state)
            return
        if processes.count > 1:  # with another seed in each, they would not begin alike
            self._load_shared(processes.from_first(self._shared))
            torch.manual_seed(torch.initial_seed() + processes.number)  # dropout differs
        if checkpoint is not None:
            state = self._state()
            processes.from_first(lambda: checkpoint.begin(state))

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write where the training stands."""
        self._require_finite_losses()
        state = self._state()
        if self._processes.first:
            checkpoint.keep(state)

    def _interrupt(self) -> None:
        """Take the validation error once more, and note that this was not the planned end."""
        if self._losses:
            self._evaluate()
        self.history[-1]["interrupted"] = self.interrupted = True
        if self._processes.first:
            warnings.warn(
                f"training was stopped by Ctrl-C at step {self.step} of {self._options.steps}: "
                "the best weights so far are kept",
                stacklevel=4,
            )

    def _evaluate(self) -> dict[str, Any]:
        train_loss = self._require_finite_losses()
        error = None
        if self._validate is not None:
            error = self._processes.from_first(self._validation_error)
            if not math.isfinite(error):
                raise NotFiniteError("validation error", error)
        self.history.append(
            {
                "step": self.step,
                "epoch": self._epochs(self.step),
                "train_loss": train_loss,
                "validation_error": error,
                "learning_rate": self._options.rate(self.step),
                "seconds": time.perf_counter() - self._start,
            }
        )
        self._losses.clear()
        if error is None or error < self._best_error:
            self._learner.keep_best()
            self._best_error, self._stale = error if error is not None else math.inf, 0
        else:
            self._stale += 1
        return self.history[-1]

    @torch.no_grad()
    def _validation_error(self) -> float:
        assert self._validate is not None
        return float(self._validate(self._learner.average.eval()))

    def _require_finite_losses(self) -> float:
        """Give the mean loss since the last evaluation; NaN if there was no step."""
        mean = float(torch.stack(self._losses).mean()) if self._losses else math.nan
        if self._losses and not math.isfinite(mean):
            raise NotFiniteError("loss", mean)
        return mean

    def _epochs(self, step: int) -> float:
        return step * self._options.batch_size / self._batches.examples

    def _shared(self) -> dict[str, Any]:
        return {
            "learner": self._learner.state_dict(),
            "batches": self._batches.state_dict(),
            "losses": self._losses,
            "best_error": self._best_error,
            "stale": self._stale,
            "step": self.step,
            "history": self.history,
            "seconds": time.perf_counter() - self._start,
        }

    def _state(self) -> dict[str, Any]:
        own = {
            "random": _random_state(self._processes.fabric.device),
            "carried": None if self._carried is None else self._carried.state_dict(),
        }
        return {"shared": self._shared(), "own": self._processes.gather(own)}

    def _load(self, state: dict[str, Any]) -> None:
        self._load_shared(state["shared"])
        own = state["own"][self._processes.number]
        if self._carried is not None and own["carried"] is not None:
            self._carried.load_state_dict(own["carried"])
        _set_random_state(own["random"], self._processes.fabric.device)

    def _load_shared(self, state: dict[str, Any]) -> None:
        device = self._processes.fabric.device
        self._learner.load_state_dict(state["learner"])
        self._batches.load_state_dict(state["batches"])
        self._losses = [loss.to(device) for loss in state["losses"]]
        self._best_error = state["best_error"]
        self._stale = state["stale"]
        self.step = state["step"]
        self.history = state["history"]
        self._start = time.perf_counter() - state["seconds"]


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
