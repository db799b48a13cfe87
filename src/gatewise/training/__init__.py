"""The one training loop."""

from gatewise.training.loop import TrainingError, TrainingOptions, train

__all__ = ["TrainingError", "TrainingOptions", "train"]
