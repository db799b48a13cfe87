"""Checks of the parameters that all estimators share, and what they come to for the training."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import joblib

from gatewise.estimators.recurrent import CELLS, OWN_OPTIONS
from gatewise.training import Execution, TrainingOptions
from gatewise.training.progress import OnProgress

_COUNTS = ("steps", "batch_size", "hidden_size", "num_layers", "patience")
_SHARES = ("validation", "dropout")
_FILES = frozenset({"checkpoint", "tensorboard"})
_UNDECIDING = _FILES | {"device", "progress", "precision", "compile", "steps", "batch_size"}


def check_parameters(
    estimator: Any, *, counts: Iterable[str] = (), shares: Iterable[str] = ()
) -> None:
    """Refuse parameters out of their range.

    Args:
        estimator: has the shared parameters (those named here that it has).
        counts: further whole numbers from 1 on; None is let through.
        shares: further numbers in 0 ≤ p < 1.

    Raises:
        ValueError: names the parameter, what it may be and what was given.
    """
    for name in (*_COUNTS, *counts):
        if getattr(estimator, name, None) is not None:
            require_count(name, getattr(estimator, name))
    for name in (*_SHARES, *shares):
        value = getattr(estimator, name, 0)
        if name == "validation" and isinstance(value, str):
            continue  # a time
        if not 0 <= value < 1:
            raise ValueError(
                f"{name} must be at least 0 and below 1, got {getattr(estimator, name)}"
            )
    if not estimator.learning_rate > 0:
        raise ValueError(f"learning_rate must be positive, got {estimator.learning_rate}")
    if estimator.cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {estimator.cell!r}")
    own = sorted(OWN_OPTIONS & set(estimator.cell_options or {}))
    if own:
        raise ValueError(f"cell_options must leave {own[0]!r} to the estimator")


def require_count(name: str, value: Any) -> None:
    """Refuse what is not a whole number from 1 on."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number, at least 1, got {value!r}")


def training_options(estimator: Any, **others: Any) -> TrainingOptions:
    """Gather the training's options from an estimator's parameters of the same names."""
    names = ("steps", "batch_size", "learning_rate", "weight_decay", "patience")
    given = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    return TrainingOptions(**{**given, **others})


def execution(estimator: Any, on_step: OnProgress | None, data: Any = None) -> Execution:
    """Gather where and how to train from an estimator's parameters of the same names.

    Args:
        estimator: has them.
        on_step: moves a progress bar.
        data: what it is trained on, arrays and plain values: a checkpoint of a training on other
            data is refused by its hash.
    """
    names = ("device", "precision", "compile", "checkpoint", "tensorboard")
    given = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
    if given.get("checkpoint") is not None:
        given["identity"] = {**_deciding(estimator), "data": joblib.hash(data)}
    return Execution(**given, on_step=on_step, interruptible=True)


def saved_parameters(estimator: Any) -> dict[str, Any]:
    """Give the parameters that a model file keeps: no generator's state, no file of this run."""
    parameters = estimator.get_params()
    if not isinstance(parameters.get("random_state"), Integral):
        parameters["random_state"] = None
    return {**parameters, **dict.fromkeys(_FILES & set(parameters))}


def _deciding(estimator: Any) -> dict[str, Any]:
    """Give the parameters that decide what is learnt, as they are told apart by their words."""
    parameters = saved_parameters(estimator)
    return {name: str(v) for name, v in parameters.items() if name not in _UNDECIDING}
