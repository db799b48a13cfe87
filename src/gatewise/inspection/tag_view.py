"""A tagger on one sequence of words or numbers."""

from typing import Any

import numpy as np
import torch

from gatewise.data.errors import DataError
from gatewise.data.sequences import Tagged
from gatewise.data.tagged import read_tagged
from gatewise.estimators.sequence_input import as_sequences, is_list, read_as_in_fit
from gatewise.estimators.tagger import SequenceTagger
from gatewise.estimators.tagging_input import as_words, holds_words
from gatewise.inspection.capture import capture, device_of, first_steps, named, set_aside
from gatewise.inspection.choice import Choice, number_of
from gatewise.inspection.influence import gradient_rows, rows_worth
from gatewise.inspection.sequence_view import channels, unnamed
from gatewise.inspection.view import Axis, Curve, Influence, View


def tag_view(model: SequenceTagger, data: Any, choice: Choice) -> View:
    """Look at what is said of each step of a sequence.

    Args:
        model: a fitted one.
        data: what ``gatewise predict`` reads, or what the model's ``predict`` takes.
        choice: ``sequence``, and ``steps``, which cuts what is shown: all of it is read.

    Raises:
        DataError: there is no such sequence, or the model cannot read it.
    """
    found = _read(model, data)
    number = number_of(choice.sequence, found.ids, found.name)
    (item,) = _checked(model, [found.items[number]], found.name)
    net = set_aside(model.model_.net)
    device = device_of(net)
    inputs, lengths = model.model_.encoder.encode([item]).batch(torch.tensor([0]))
    run = capture(net, tuple(tensor.to(device) for tensor in inputs), lengths.to(device))
    outputs = run.outputs[:, 0]  # (T, K)
    shown = min(len(item), choice.steps or len(item))
    best = outputs.detach().argmax(1)
    chosen = rows_worth(net.rnn, len(item), shown)
    rows = torch.from_numpy(chosen).to(device)
    predicted = [str(name) for name in model.classes_[best.cpu().numpy()].tolist()]
    probability = outputs.detach().softmax(1).amax(1).double().cpu().numpy()
    curve = Curve(
        "probability of the predicted label",
        "prediction",
        range(1, shown + 1),
        probability[:shown],
    )
    words = item if isinstance(item, list) else None
    return View(
        name=named(net.rnn),
        cell=net.rnn.cell,
        about=f"{found.name}, sequence {found.ids[number]!r} of {len(item):,} steps"
        + _right(predicted, found.tags[number]),
        axis=Axis("step", range(1, shown + 1), labels=None if words is None else words[:shown]),
        curves=[curve] if words else [*channels(item[:shown], found.features), curve],
        layers=first_steps(run.layers, shown),
        influence=Influence(
            values=gradient_rows(outputs[rows, best[rows]], run.read)[:, :shown],
            rows=[int(step) + 1 for step in chosen],
            title="label at step",
            about="Norm of the gradient of the predicted label's score, before the softmax, with "
            "respect to all that the recurrent layers read at each step.",
        ),
    )


def _right(predicted: list[str], tags: Any) -> str:
    """Say how many labels are right, where there are labels."""
    pairs = [
        (label, str(tag))
        for label, tag in zip(predicted, tags, strict=False)
        if tag is not None and tag == tag
    ]
    if not pairs:
        return "."
    right = sum(label == tag for label, tag in pairs)
    return f": {right:,} of {len(pairs):,} labels are predicted right."


def _read(model: SequenceTagger, data: Any) -> Tagged:
    if not (is_list(data) or isinstance(data, np.ndarray)):
        return read_tagged(data, **read_as_in_fit(model))
    if holds_words(data):
        items = as_words(data)
        ids = [str(number) for number in range(len(items))]
        return Tagged("data", items, [[] for _ in items], ids, ["word"])
    found = unnamed(model, _checked(model, data, "data"))
    return Tagged("data", found.values, [[] for _ in found.ids], found.ids, found.features)


def _checked(model: SequenceTagger, items: Any, name: str) -> list[Any]:
    """Refuse words where the model reads numbers, and the other way round."""
    if model._reads_words != holds_words(items):
        reads, holds = ("words", "numbers") if model._reads_words else ("numbers", "words")
        raise DataError(f"the model reads {reads}, and the data holds {holds}", name=name)
    return as_words(items) if model._reads_words else as_sequences(model, items, fitting=False)
