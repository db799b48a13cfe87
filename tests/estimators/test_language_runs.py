"""Trainings of a language model that are killed, fail, or run in another way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from language_replica import learn
from texts import small, text
from torchrun import torchrun

from gatewise import LanguageModel
from gatewise.estimators import language_model
from gatewise.training import TrainingError, checkpoint, course


def weights(model: LanguageModel) -> dict[str, torch.Tensor]:
    return model.model_.state_dict()


def same(first: LanguageModel, second: LanguageModel) -> bool:
    return all(
        torch.equal(tensor, weights(second)[name]) for name, tensor in weights(first).items()
    )


class Killed(BaseException):
    """Nobody expects it."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the training die after a step; it writes its checkpoint at every other."""
    monkeypatch.setattr(checkpoint, "_SHARE", 1)
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    go_on = course.Course.go_on

    def install(step: int) -> None:
        def instead(self: Any, batch_loss: Any) -> Any:
            row = go_on(self, batch_loss)
            if self.step == step:
                raise Killed
            return row

        monkeypatch.setattr(course.Course, "go_on", instead)

    return install


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_killed_training_goes_on_to_the_same_bits(
    cell: str, kill_after: Callable[[int], None], tmp_path: Path
) -> None:
    """With its order, dropout and the carried state, killed within an epoch and at the next's."""
    whole = small(cell=cell).fit(text())
    path = tmp_path / "c"
    for step in (13, 24, 25):
        kill_after(step)
        with pytest.raises(Killed):
            small(cell=cell, checkpoint=path).fit(text())
    kill_after(0)
    gone_on = small(cell=cell, checkpoint=path).fit(text())
    assert same(gone_on, whole)
    assert [row["train_loss"] for row in gone_on.history_] == [
        row["train_loss"] for row in whole.history_
    ]
    gone_on.save(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_checkpoint_of_another_text_is_refused(
    kill_after: Callable[[int], None], tmp_path: Path
) -> None:
    kill_after(5)
    with pytest.raises(Killed):
        small(checkpoint=tmp_path / "c").fit(text())
    with pytest.raises(TrainingError, match="data"):
        small(checkpoint=tmp_path / "c").fit(text(seed=1))
    with pytest.raises(TrainingError, match="bptt"):
        small(checkpoint=tmp_path / "c", bptt=10).fit(text())


def test_loss_that_is_no_number_keeps_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    make = language_model.piece_loss

    def broken(symbols: Any, streams: Any) -> Any:
        loss, steps = make(symbols, streams), []

        def instead(module: Any, begins: Any) -> Any:
            steps.append(begins)
            total, count = loss(module, begins)
            return total * (torch.nan if len(steps) == 21 else 1.0), count

        return instead

    monkeypatch.setattr(language_model, "piece_loss", broken)
    model = small()
    with pytest.raises(TrainingError, match="the loss became nan at step 21 of 40") as caught:
        model.fit(text())
    assert caught.value.fitted is model
    best = min(row["validation_error"] for row in model.history_)
    assert model.nats(text()[-len(text()) // 20 :]) == pytest.approx(best, rel=0.2)


def test_mixed_precision_learns_something_else() -> None:
    mixed, plain = small(precision="bf16-mixed").fit(text()), small().fit(text())
    assert not same(mixed, plain)
    assert mixed.nats(text(9)) == pytest.approx(plain.nats(text(9)), rel=0.05)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Each carries the state of its own streams."""
    done = torchrun(Path(__file__).with_name("language_replica.py"), tmp_path)
    assert done.code == 0, done.err
    for name, expected in learn().items():
        for rank in (0, 1):
            got = torch.load(tmp_path / str(rank))[name]
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_compiled_training_learns_the_same() -> None:
    options = {"steps": 5, "dropout": 0.0, "input_dropout": 0.0, "recurrent_dropout": 0.0}
    compiled, plain = small(compile=True, **options), small(**options)
    assert compiled.fit(text()).nats(text(9)) == pytest.approx(
        plain.fit(text()).nats(text(9)), rel=1e-5
    )


def test_losses_are_logged_where_asked(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    small(tensorboard=tmp_path / "logs").fit(text())
    assert any((tmp_path / "logs").rglob("events*"))
