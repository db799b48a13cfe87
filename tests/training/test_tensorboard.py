import os

import pytest
import torch
from lightning_fabric.loggers import tensorboard as fabric

from gatewise.training import (
    Execution,
    Shuffled,
    TrainingError,
    TrainingOptions,
    checkpoint,
    train,
)


def run(folder, **rest):
    torch.manual_seed(0)
    return train(
        torch.nn.Linear(1, 1),
        lambda module, chosen: (
            module(chosen[:, None].float()).square().sum(),
            torch.tensor(len(chosen)),
        ),
        Shuffled(8, 4, torch.Generator().manual_seed(0)),
        lambda module: float(module.weight.square()),
        TrainingOptions(steps=10, batch_size=4, evaluations=5),
        Execution("cpu", tensorboard=folder, **rest),
    )[1]


def logged(folder, name):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


@pytest.mark.skipif(not fabric._TENSORBOARD_AVAILABLE, reason="tensorboard is not installed")
def test_history_is_logged(tmp_path):
    history = run(tmp_path / "log")
    for name in ("train_loss", "validation_error", "learning_rate", "epoch"):
        expected = [(row["step"], pytest.approx(row[name])) for row in history]
        assert logged(tmp_path / "log", name) == expected


@pytest.mark.skipif(not fabric._TENSORBOARD_AVAILABLE, reason="tensorboard is not installed")
def test_training_that_is_gone_on_with_logs_each_step_once(tmp_path, monkeypatch):
    """What was logged behind the last checkpoint is logged again, and shown once."""
    monkeypatch.setattr(checkpoint, "_SHARE", 0)
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)

    def leave(step, *_):
        if step == 5:
            monkeypatch.setattr(checkpoint, "_SECONDS", 1e9)
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "log", checkpoint=tmp_path / "c", on_step=leave)
    run(tmp_path / "log", checkpoint=tmp_path / "c")
    assert [step for step, _ in logged(tmp_path / "log", "epoch")] == [2, 4, 6, 8, 10]


def test_missing_tensorboard_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(fabric, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(fabric, "_TENSORBOARDX_AVAILABLE", False)
    with pytest.raises(TrainingError, match=r"pip install 'gatewise\[tensorboard\]'"):
        run(tmp_path / "log", checkpoint=tmp_path / "c")
    assert os.listdir(tmp_path) == []
