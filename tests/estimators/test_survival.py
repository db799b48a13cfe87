"""A forecaster's ``fit`` that is killed, stopped, or fails; and where and how it trains."""

import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from lightning_fabric.loggers import tensorboard
from sklearn.base import clone
from small import quick
from tables import hourly

from gatewise import Forecaster, load
from gatewise.estimators import forecast_model
from gatewise.training import TrainingError, checkpoint
from gatewise.training.course import Course


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint after each step."""
    monkeypatch.setattr(checkpoint, "_SHARE", 0)
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)


def after_step(step: int, do: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = Course.go_on

    def instead(self: Any, batch_loss: Any) -> Any:
        row = go_on(self, batch_loss)
        if self.step == step:
            do()
        return row

    monkeypatch.setattr(Course, "go_on", instead)


def die() -> None:
    raise MemoryError


def same(first: Forecaster, second: Forecaster) -> bool:
    states = (model.model_.net.state_dict() for model in (first, second))
    return all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


@pytest.mark.parametrize("seed", [0, None])
def test_fit_goes_on_from_its_checkpoint(
    seed: int | None, table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c"
    with monkeypatch.context() as killed:
        after_step(7, die, killed)
        with pytest.raises(MemoryError):
            quick(checkpoint=path, random_state=seed).fit(table)
    steps: list[int] = []
    with monkeypatch.context() as watched:
        for step in range(1, 11):
            after_step(step, lambda step=step: steps.append(step), watched)
        again = quick(checkpoint=path, random_state=seed).fit(table)
    assert steps == [7, 8, 9, 10]
    if seed is not None:
        assert same(again, quick(random_state=seed).fit(table))


def test_checkpoint_is_gone_once_the_model_is_saved(table: pl.DataFrame, tmp_path: Path) -> None:
    model = quick(checkpoint=tmp_path / "c", tensorboard=None).fit(table)
    assert (tmp_path / "c").exists()  # a kill between fit and save loses nothing
    model.save(tmp_path / "m")
    assert not (tmp_path / "c").exists()
    assert load(tmp_path / "m").checkpoint is None


@pytest.mark.parametrize(
    "other", [{"hidden_size": 5}, {"steps": 11}, {"random_state": 1}, {"validation": 0.2}], ids=str
)
def test_checkpoint_of_other_parameters_is_refused(
    other: dict[str, Any], table: pl.DataFrame, tmp_path: Path
) -> None:
    quick(checkpoint=tmp_path / "c").fit(table)
    name = next(iter(other))
    with pytest.raises(TrainingError, match=f"checkpoint of another training.*{name}"):
        quick(**{"checkpoint": tmp_path / "c", **other}).fit(table)


def test_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    quick(checkpoint=tmp_path / "c").fit(hourly(300, seed=0))
    with pytest.raises(TrainingError, match=r"checkpoint of another training \(data "):
        quick(checkpoint=tmp_path / "c").fit(hourly(300, seed=1))


def test_backtest_leaves_the_checkpoint_alone(table: pl.DataFrame, tmp_path: Path) -> None:
    quick(checkpoint=tmp_path / "c").backtest(table, folds=2)
    assert not (tmp_path / "c").exists()


def test_ctrl_c_leaves_a_fitted_model(
    table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_step(5, lambda: signal.raise_signal(signal.SIGINT), monkeypatch)
    model = quick(checkpoint=tmp_path / "c")
    with pytest.warns(UserWarning, match="stopped by Ctrl-C at step 5 of 10: the best weights"):
        model.fit(table)
    assert model.history_[-1]["interrupted"]
    model.save(tmp_path / "m")
    assert (tmp_path / "c").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nan_leaves_the_best_model(table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    after_step(6, lambda: monkeypatch.setattr(forecast_model, "forecast_loss", nan), monkeypatch)
    forecast_loss, model = forecast_model.forecast_loss, quick()

    def nan(*arguments: Any) -> Any:
        total, count = forecast_loss(*arguments)
        return total * torch.nan, count

    with pytest.raises(TrainingError, match=r"loss became nan at step 7 .*evaluations. are kept"):
        model.fit(table)
    assert len(model.history_) == 6
    assert model.predict(table)["forecast"].is_finite().all()


def test_precision_changes_the_weights(table: pl.DataFrame) -> None:
    mixed = quick(precision="bf16-mixed").fit(table)
    assert not same(mixed, quick().fit(table))
    assert mixed.score(table) == pytest.approx(quick().fit(table).score(table), rel=0.1)


def test_compile_and_tensorboard_reach_the_training(
    table: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: (compiled.append(module), module)[1])
    quick(compile=True).fit(table)
    assert len(compiled) == 1
    monkeypatch.setattr(tensorboard, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(tensorboard, "_TENSORBOARDX_AVAILABLE", False)
    with pytest.raises(TrainingError, match="TensorBoard"):
        clone(quick(tensorboard=tmp_path)).fit(table)
