"""The one training loop, and the threads it may use."""

from gatewise.training.batches import Batches, Shuffled
from gatewise.training.checkpoint import discard, was_interrupted
from gatewise.training.course import Carried
from gatewise.training.errors import TrainingError, fitting
from gatewise.training.execution import Execution
from gatewise.training.loop import train
from gatewise.training.options import TrainingOptions
from gatewise.training.threads import torch_threads
from gatewise.training.torchrun import process_count, process_number

__all__ = [
    "Batches",
    "Carried",
    "Execution",
    "Shuffled",
    "TrainingError",
    "TrainingOptions",
    "discard",
    "fitting",
    "process_count",
    "process_number",
    "torch_threads",
    "train",
    "was_interrupted",
]
