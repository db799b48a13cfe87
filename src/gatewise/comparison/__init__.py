"""LSTM or GRU? Cells trained on the same folds beside honest baselines, tested, and judged."""

from gatewise.comparison.planning import ArgumentError
from gatewise.comparison.run import Comparison, compare

__all__ = ["ArgumentError", "Comparison", "compare"]
