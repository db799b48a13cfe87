"""The equations of the cells: one step each, as plain PyTorch and nothing else."""

from gatewise.cells.gru import GRUStep, gru_step
from gatewise.cells.lstm import LSTMStep, lstm_step
from gatewise.cells.rnn import RNNStep, rnn_step

__all__ = ["GRUStep", "LSTMStep", "RNNStep", "gru_step", "lstm_step", "rnn_step"]
