"""Where and how a training runs: nothing in it decides what is learnt."""

import os
from dataclasses import dataclass, field
from typing import Any

from gatewise.training.progress import OnProgress


@dataclass(frozen=True)
class Execution:
    """Device, precision, files and progress of a training.

    Attributes:
        device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, …
        precision: Fabric's ``"32-true"``, ``"bf16-mixed"`` or (on a GPU) ``"16-mixed"``; None
            keeps the module's own.
        compile: whether the module goes through ``torch.compile``.
        checkpoint: file that the training's state is kept in, and gone on with if it is there;
            None keeps none.
        identity: what tells this training from others beside its options and the module's shape:
            parameters and a hash of the data, plain values; a checkpoint with another is refused.
        tensorboard: folder that losses are logged to for TensorBoard; None logs nothing.
        on_step: called with (step, steps, the latest errors in words) after each step.
        interruptible: whether Ctrl-C ends the training with what was learnt so far; else it is a
            KeyboardInterrupt as anywhere.
    """

    device: str = "auto"
    precision: str | None = None
    compile: bool = False
    checkpoint: str | os.PathLike[str] | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    tensorboard: str | os.PathLike[str] | None = None
    on_step: OnProgress | None = None
    interruptible: bool = False
