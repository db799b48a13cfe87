"""A whole sequence through one layer in one direction: the operators and their backends."""

from gatewise.ops.call import OPTIONS, Call, Extras, GRUOptions, LSTMOptions, RNNOptions
from gatewise.ops.dispatch import BackendError, Choice, backend_names, choose
from gatewise.ops.operators import gru, lstm, rnn

__all__ = [
    "OPTIONS",
    "BackendError",
    "Call",
    "Choice",
    "Extras",
    "GRUOptions",
    "LSTMOptions",
    "RNNOptions",
    "backend_names",
    "choose",
    "gru",
    "lstm",
    "rnn",
]
