"""Gatewise: exact LSTM and GRU layers, open to look inside, compared on your own data.

Every public name is loaded when it is first used: ``import gatewise`` alone imports no torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewise.comparison import compare
    from gatewise.data import DataError
    from gatewise.estimators import (
        Forecaster,
        LanguageModel,
        SequenceClassifier,
        SequenceRegressor,
        SequenceTagger,
        load,
    )
    from gatewise.inspection import Inspection, inspect
    from gatewise.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, explain_backend
    from gatewise.ops import BackendError
    from gatewise.tracing import Trace, trace

__version__ = version("gatewise")

_HOME = {
    "LSTM": "gatewise.nn",
    "GRU": "gatewise.nn",
    "RNN": "gatewise.nn",
    "LSTMCell": "gatewise.nn",
    "GRUCell": "gatewise.nn",
    "RNNCell": "gatewise.nn",
    "BackendError": "gatewise.ops",
    "explain_backend": "gatewise.nn",
    "Trace": "gatewise.tracing",
    "trace": "gatewise.tracing",
    "DataError": "gatewise.data",
    "Forecaster": "gatewise.estimators",
    "LanguageModel": "gatewise.estimators",
    "SequenceClassifier": "gatewise.estimators",
    "SequenceRegressor": "gatewise.estimators",
    "SequenceTagger": "gatewise.estimators",
    "load": "gatewise.estimators",
    "Inspection": "gatewise.inspection",
    "inspect": "gatewise.inspection",
    "compare": "gatewise.comparison",
}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "BackendError",
    "DataError",
    "Forecaster",
    "GRUCell",
    "Inspection",
    "LSTMCell",
    "LanguageModel",
    "RNNCell",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Trace",
    "compare",
    "explain_backend",
    "inspect",
    "load",
    "trace",
]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'gatewise' has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
