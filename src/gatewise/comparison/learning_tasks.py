"""From data and arguments to the tasks that are learnt by estimators of sequences and texts."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gatewise.comparison.estimator_task import EstimatorTask
from gatewise.comparison.parts import cut_cases, cut_classes
from gatewise.comparison.planning import ArgumentError, require_one_of
from gatewise.comparison.sequence_task import ClassifyTask, RegressTask
from gatewise.comparison.tag_task import TagTask
from gatewise.comparison.task import Made
from gatewise.comparison.text_task import TextTask, cut_text
from gatewise.data.corpus import read_documents
from gatewise.data.read_sequences import read_sequences
from gatewise.data.reading import Reading
from gatewise.data.tagged import read_tagged
from gatewise.estimators.defaults import default_batch, default_steps

_HIDDEN = {"classify": 64, "regress": 64, "tag": 128, "text": 128}
_TEXT_STEPS = 1_000


def make_learning_task(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> Made:
    """Read sequences, tags or a text, and cut them into folds.

    Raises:
        DataError: if the data cannot be used.
        ArgumentError: for an argument out of its range.
    """
    kind = common["task"]
    make = {"classify": _sequences, "regress": _sequences, "tag": _tags, "text": _text}[kind]
    task, sha256 = make(data, reading, common, parts)
    metrics = tuple(task.metrics)
    arguments = {
        **common,
        **parts,
        "steps": task.steps,
        "hidden_size": common["hidden_size"] or _HIDDEN[kind],
        "metric": common["metric"] or metrics[0],
    }
    require_one_of("metric", arguments["metric"], metrics)
    return Made(task, arguments, task.source, sha256, [])


def _sequences(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> tuple[EstimatorTask, str]:
    sequences = read_sequences(data, reading=reading, **parts)
    numbers = common["task"] == "regress"
    labels = sequences.numbers() if numbers else sequences.classes()
    told = (common["folds"], common["seed"], sequences.name)
    cut = cut_cases(len(labels), *told) if numbers else cut_classes(labels, *told)
    task = (RegressTask if numbers else ClassifyTask)(
        source=sequences.name,
        parts=cut,
        steps=_steps(common, len(cut[0].train), epochs=30),
        device=common["device"],
        notes=sequences.notes,
        sequences=replace(sequences, labels=labels),
    )
    return task, _hash(*sequences.values, labels)


def _tags(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> tuple[EstimatorTask, str]:
    tagged = read_tagged(data, reading=reading, **parts)
    cut = cut_cases(len(tagged), common["folds"], common["seed"], tagged.name)
    task = TagTask(
        source=tagged.name,
        parts=cut,
        steps=_steps(common, len(cut[0].train), epochs=8, most=32),
        device=common["device"],
        notes=tagged.notes,
        tagged=tagged,
    )
    return task, _hash(*tagged.items, *tagged.labels())


def _text(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> tuple[EstimatorTask, str]:
    if reading.told():
        name = next(iter(reading.told()))
        raise ArgumentError(f"task 'text' has no use for {name}: save the text as UTF-8")
    documents = read_documents(data, lines=bool(parts["lines"]))
    task = TextTask(
        source=documents.name,
        parts=cut_text(documents, common["folds"], common["seed"]),
        steps=common["steps"] or _TEXT_STEPS,
        device=common["device"],
        notes=[],
        documents=documents,
        unit=parts["unit"] or "character",
    )
    return task, _hash(documents.texts)


def _steps(common: Mapping[str, Any], examples: int, epochs: int, most: int = 128) -> int:
    return common["steps"] or default_steps(examples, default_batch(examples, most), epochs)


def _hash(*parts: Any) -> str:
    """Give a hash of arrays and lists of text, and of how they are parted."""
    digest = hashlib.sha256()
    for part in parts:
        array = np.asarray(part, dtype=None if isinstance(part, np.ndarray) else np.str_)
        array = array.astype(np.str_) if array.dtype == object else array
        digest.update(f"{array.shape} {array.dtype};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
