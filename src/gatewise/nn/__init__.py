"""The layers, with torch.nn's arguments, weights and numbers, and options that torch lacks."""

from gatewise.nn.cells import GRUCell, LSTMCell, RNNCell
from gatewise.nn.explain import Explanation, explain_backend
from gatewise.nn.layers import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Explanation",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "explain_backend",
]
