"""Trainings of sequences that are cut short, go on, fail, or run another way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatewise import SequenceClassifier, SequenceRegressor, SequenceTagger
from gatewise.estimators import sequence_estimators, tagger
from gatewise.training import TrainingError, checkpoint

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(RNG.integers(2, 9), 2)) for _ in range(30)]
TRUTH: dict[type, Any] = {
    SequenceClassifier: [x[0, 0] > 0 for x in X],
    SequenceRegressor: [x[0, 0] for x in X],
    SequenceTagger: [x[:, 0] > 0 for x in X],
}
KINDS = pytest.mark.parametrize("kind", TRUTH, ids=lambda kind: kind.__name__)


def quick(kind: type, **parameters: Any) -> Any:
    small = {"hidden_size": 4, "steps": 20, "random_state": 0, "device": "cpu"}
    return kind(**{**small, "progress": False, **parameters})


def weights(model: Any) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in model.model_.net.state_dict().values()]


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@contextmanager
def cut(title: str, show: bool | None) -> Iterator[Callable[[int, int, str], None]]:  # noqa: ARG001
    def stop(step: int, steps: int, words: str) -> None:  # noqa: ARG001
        if step == 13:
            raise RuntimeError("cut")

    yield stop


@KINDS
def test_training_that_was_cut_ends_with_the_same_bits(
    kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_SHARE", 1)
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    whole = quick(kind).fit(X, TRUTH[kind])
    kept = tmp_path / "kept"
    with monkeypatch.context() as patch:
        for module in (sequence_estimators, tagger):
            patch.setattr(module, "progress_bar", cut)
        with pytest.raises(RuntimeError, match="cut"):
            quick(kind, checkpoint=kept).fit(X, TRUTH[kind])
    assert kept.exists()
    other = [x + 1 for x in X]
    with pytest.raises(TrainingError, match="checkpoint of another training"):
        quick(kind, checkpoint=kept).fit(other, TRUTH[kind])
    with pytest.raises(TrainingError, match="checkpoint of another training"):
        quick(kind, checkpoint=kept, dropout=0.1).fit(X, TRUTH[kind])
    again = quick(kind, checkpoint=kept).fit(X, TRUTH[kind])
    assert same(again, whole)
    again.save(tmp_path / "model")
    assert not kept.exists()


@KINDS
def test_best_weights_are_kept_where_the_loss_is_no_number(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatewise.training.learner import Learner, NotFiniteError

    plain = Learner.step

    def step(self: Any, *arguments: Any) -> Any:
        if self._steps == 12:
            raise NotFiniteError("loss", float("nan"))
        return plain(self, *arguments)

    monkeypatch.setattr(Learner, "step", step)
    model = quick(kind)
    with pytest.raises(TrainingError, match="the loss became nan"):
        model.fit(X, TRUTH[kind])
    assert model.history_
    assert len(model.predict(X)) == len(X)


@KINDS
def test_lower_precision_changes_the_weights(kind: type) -> None:
    mixed = quick(kind, precision="bf16-mixed").fit(X, TRUTH[kind])
    assert not same(mixed, quick(kind).fit(X, TRUTH[kind]))
    assert weights(mixed)[0].dtype == np.float32


@KINDS
def test_compile_hands_the_network_to_torch(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    quick(kind, compile=True).fit(X, TRUTH[kind])
    assert len(compiled) == 1


@KINDS
def test_losses_are_logged_for_tensorboard(kind: type, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    quick(kind, tensorboard=tmp_path / "log").fit(X, TRUTH[kind])
    assert list((tmp_path / "log").rglob("events*"))
