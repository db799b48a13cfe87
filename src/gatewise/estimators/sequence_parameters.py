"""What the parameters of classifier, regressor and tagger come to, and the checks of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.estimators.defaults import default_batch, default_jitter, default_steps
from gatewise.estimators.parameters import check_parameters, training_options
from gatewise.estimators.sequence_model import SequenceSettings


def check_sequence_parameters(estimator: Any) -> None:
    """Refuse parameters out of their range; those of classifier, regressor and tagger."""
    check_parameters(estimator, shares=("label_smoothing",))
    if estimator.jitter is not None and not estimator.jitter >= 0:
        raise ValueError(f"jitter must be at least 0, got {estimator.jitter}")
    if "bidirectional" in (estimator.cell_options or {}):
        raise ValueError("cell_options must leave 'bidirectional' to the estimator")


def sequence_settings(
    estimator: Any, outputs: int, examples: int, epochs: int, most: int = 128
) -> SequenceSettings:
    """Gather a model's settings from an estimator's parameters.

    Args:
        estimator: has the parameters.
        outputs: of the network.
        examples: sequences trained on, which the rule takes batch and steps from.
        epochs: at least, where ``steps`` is None.
        most: sequences a step at most, where ``batch_size`` is None.
    """
    batch = int(estimator.batch_size or default_batch(examples, most))
    steps = int(estimator.steps or default_steps(examples, batch, epochs))
    jitter = default_jitter(examples) if estimator.jitter is None else float(estimator.jitter)
    options = {"bidirectional": bool(estimator.bidirectional), **(estimator.cell_options or {})}
    return SequenceSettings(
        outputs=outputs,
        cell=estimator.cell,
        hidden_size=int(estimator.hidden_size),
        num_layers=int(estimator.num_layers),
        dropout=float(estimator.dropout),
        jitter=jitter,
        cell_options=options,
        training=training_options(estimator, steps=steps, batch_size=batch),
    )


def missing_notes(values: Sequence[np.ndarray]) -> list[str]:
    """Say how many values are missing, and what is done to them."""
    missing = sum(int(np.isnan(value).sum()) for value in values)
    if not missing:
        return []
    one = "1 missing value" if missing == 1 else f"{missing:,} missing values"
    return [f"{one} filled from the past, with an indicator for each channel that has them"]
