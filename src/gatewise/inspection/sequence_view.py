"""A classifier or a regressor on one sequence."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.data.read_sequences import read_sequences
from gatewise.data.sequences import Sequences
from gatewise.estimators.sequence_estimators import SequenceClassifier, SequenceRegressor
from gatewise.estimators.sequence_input import as_sequences, is_list, read_as_in_fit
from gatewise.estimators.sequence_model import scaled
from gatewise.inspection.capture import capture, device_of, first_steps, named, set_aside
from gatewise.inspection.choice import Choice, number_of
from gatewise.inspection.influence import gradient_rows
from gatewise.inspection.view import Axis, Curve, Influence, View


def sequence_view(model: SequenceClassifier | SequenceRegressor, data: Any, choice: Choice) -> View:
    """Look at what is said of one whole sequence.

    Args:
        model: a fitted one.
        data: what ``gatewise predict`` reads, or what the model's ``predict`` takes.
        choice: ``sequence``, and ``steps``, which cuts what is shown: all of it is read.

    Raises:
        DataError: there is no such sequence, or the model cannot read it.
    """
    found = _read(model, data)
    number = number_of(choice.sequence, found.ids, found.name)
    (value,) = as_sequences(model, [found.values[number]], fitting=False)
    net = set_aside(model.model_.net)
    x, lengths = scaled(model.model_.scaler, [value]).batch(torch.tensor([0]))
    run = capture(net, x.to(device_of(net)), lengths.to(device_of(net)))
    shown = min(len(value), choice.steps or len(value))
    said, scores, influence = _told(model, run.outputs[0])
    values = gradient_rows(scores, run.read)[:, :shown]
    place = f"{found.name}, sequence {found.ids[number]!r} of {len(value):,} steps"
    label = "" if found.labels is None else f" Its label is {_text(found.labels[number])}."
    return View(
        name=named(net.rnn),
        cell=net.rnn.cell,
        about=f"{place}: {said}.{label}",
        axis=Axis("step", range(1, shown + 1)),
        curves=channels(value[:shown], found.features),
        layers=first_steps(run.layers, shown),
        influence=Influence(values, *influence),
    )


def channels(value: np.ndarray, features: list[str]) -> list[Curve]:
    """Draw each channel of a sequence (T, F), NaN where missing."""
    steps = range(1, len(value) + 1)
    columns = value.astype(np.float64).T
    return [
        Curve(name, "input", steps, column) for name, column in zip(features, columns, strict=True)
    ]


def _told(
    model: SequenceClassifier | SequenceRegressor, outputs: Tensor
) -> tuple[str, Tensor, tuple[list[str], str, str]]:
    """Give the prediction in words, what gradients are taken of, and what to call them."""
    read = "with respect to all that the recurrent layers read at each step."
    if isinstance(model, SequenceRegressor):
        scores = outputs * model._unit + model._mean  # (1,)
        said = f"predicted is {float(scores[0].detach()):.5g}"
        about = f"Norm of the gradient of the predicted number {read}"
        return said, scores, (["prediction"], "output", about)
    probabilities = outputs.detach().softmax(0)
    best = int(probabilities.argmax())
    names = [str(name) for name in model.classes_.tolist()]
    said = f"predicted is {names[best]}, with probability {float(probabilities[best]):.3f}"
    about = f"Norm of the gradient of each class's score, before the softmax, {read}"
    return said, outputs, (names, "class", about)


def _read(model: Any, data: Any) -> Sequences:
    if not (is_list(data) or isinstance(data, np.ndarray)):
        return read_sequences(data, **read_as_in_fit(model))
    values = as_sequences(model, data, fitting=False)
    return unnamed(model, values)


def unnamed(model: Any, values: list[np.ndarray]) -> Sequences:
    """Number sequences that came as arrays, and their channels."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or len(names) != values[0].shape[1]:  # a table's names are those of steps
        names = [f"channel {number}" for number in range(1, values[0].shape[1] + 1)]
    ids = [str(number) for number in range(len(values))]
    return Sequences("data", values, None, ids, [str(name) for name in names])


def _text(label: Any) -> str:
    return f"{label:.5g}" if isinstance(label, float) else str(label)
