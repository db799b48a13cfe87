"""How every model of a comparison is trained."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; every model of a comparison gets the same.

    Attributes:
        steps: optimiser steps at most.
        batch_size: windows or sequences a step, over all processes.
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

    def rate(self, step: int) -> float:
        """Give the learning rate of ``step``, counted from 1."""
        done, warmup = step - 1, max(1, self.steps // 10)
        if done < warmup:
            return self.learning_rate * step / warmup
        progress = (done - warmup) / max(1, self.steps - warmup)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
