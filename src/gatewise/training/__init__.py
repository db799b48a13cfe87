"""The one training loop, and the threads it may use."""

from gatewise.training.batches import Batches, Shuffled
from gatewise.training.execution import Execution
from gatewise.training.loop import TrainingError, TrainingOptions, train
from gatewise.training.threads import torch_threads

__all__ = [
    "Batches",
    "Execution",
    "Shuffled",
    "TrainingError",
    "TrainingOptions",
    "torch_threads",
    "train",
]
