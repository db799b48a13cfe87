"""``gatewise fit`` that is killed, stopped, fails, or is several processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gatewise
from sklearn.exceptions import NotFittedError
from torchrun import torchrun

from gatewise import load
from gatewise.estimators import forecast_model
from gatewise.training import course

LOAD = ("load.csv", "--target", "load", "--horizon", 6, "--lookback", 24, "--hidden", 4)


OFTEN = """
from gatewise.cli import main
from gatewise.training import checkpoint
checkpoint._SHARE, checkpoint._SECONDS = 1, 0.0  # else a second of training is between two writes
main()
"""


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    return load(path).model_.net.state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in {**first, **second})


def inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def test_killed_fit_goes_on_to_the_same_model(folder: Path, gatewise: Gatewise) -> None:
    command = ("fit", *LOAD, "--steps", 300, "--out")
    checkpoint = folder / "m.checkpoint"
    process = subprocess.Popen(
        [sys.executable, "-c", OFTEN, *map(str, command), "m"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    seen: set[int] = set()
    while process.poll() is None and len(seen - {0}) < 2:  # the second has some training in it
        seen.add(inode(checkpoint))
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "m").exists()
    done = gatewise(*command, "m")
    assert done.code == 0, done.err
    assert done.err.splitlines()[0] == "going on from m.checkpoint"
    assert not checkpoint.exists()
    gatewise(*command, "whole", "--quiet")
    assert same(weights("m"), weights("whole"))
    assert load("m").history_[-1]["step"] == load("whole").history_[-1]["step"]


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, Callable[[], Any]], None]]:
    """Do something after a step of the training."""
    go_on = course.Course.go_on

    def install(step: int, do: Callable[[], Any]) -> None:
        def instead(self: Any, batch_loss: Any) -> Any:
            row = go_on(self, batch_loss)
            if self.step == step:
                do()
            return row

        monkeypatch.setattr(course.Course, "go_on", instead)

    yield install
    monkeypatch.undo()


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_writes_the_best_model_so_far(
    folder: Path, gatewise: Gatewise, after: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("fit", *LOAD, "--steps", 50, "--out", "m")
    after(21, press_ctrl_c)
    done = gatewise(*command)
    assert done.code == 130
    lines = done.err.splitlines()
    assert lines[0] == (
        "gatewise: warning: training was stopped by Ctrl-C at step 21 of 50: the best weights so "
        "far are kept"
    )
    assert "m has the best weights so far; the same command goes on from m.checkpoint" in lines
    history = load("m").history_
    assert history[-1]["interrupted"] is True
    assert history[-1]["step"] == 21
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert gatewise(*command).code == 0
    gatewise(*command[:-1], "whole")
    assert same(weights("m"), weights("whole"))
    assert len(load("m").history_) == 25


def test_second_ctrl_c_stops_at_once(
    folder: Path, gatewise: Gatewise, after: Callable[..., None]
) -> None:
    def twice() -> None:
        press_ctrl_c()
        time.sleep(0.6)
        press_ctrl_c()

    after(3, twice)
    done = gatewise("fit", *LOAD, "--steps", 50, "--out", "m")
    assert (done.code, done.err) == (130, "")
    assert not (folder / "m").exists()


@pytest.mark.parametrize("step", [1, 21])
def test_nan_keeps_the_best_weights_beside(
    step: int, folder: Path, gatewise: Gatewise, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "m").write_text("an older model")
    steps = []
    forecast_loss = forecast_model.forecast_loss

    def with_nan(module: Any, *rest: Any) -> Any:
        steps.append(module.training)
        total, count = forecast_loss(module, *rest)
        return total * (torch.nan if sum(steps) == step else 1.0), count

    monkeypatch.setattr(forecast_model, "forecast_loss", with_nan)
    done = gatewise("fit", *LOAD, "--steps", 50, "--out", "m")
    assert done.code == 2
    message = done.err.splitlines()[-1]
    assert message.startswith(f"gatewise: the loss became nan at step {step} of 50 (epoch ")
    assert "try a learning rate below 0.01, or look for extreme values in the data" in message
    assert (folder / "m").read_text() == "an older model"
    assert not (folder / "m.checkpoint").exists()
    assert (folder / "m.best").exists() == (step > 1)
    if step > 1:
        assert message.endswith("(10 evaluations) are kept: they were written to m.best")
        assert load("m.best").predict("load.csv")["forecast"].is_finite().all()


def test_other_arguments_do_not_go_on_from_the_checkpoint(
    folder: Path, gatewise: Gatewise, after: Callable[..., None]
) -> None:
    after(21, press_ctrl_c)
    gatewise("fit", *LOAD, "--steps", 50, "--out", "m")
    (folder / "m").unlink()
    before = (folder / "m.checkpoint").read_bytes()
    others = {
        "cell 'lstm' there, 'gru' here": ("--cell", "gru"),
        "random_state '0' there, '1' here": ("--seed", 1),
        "data '": ("--past", ""),
    }
    for difference, other in others.items():
        done = gatewise("fit", *LOAD, "--steps", 50, *other, "--out", "m")
        assert done.code == 2
        message = done.err.splitlines()[-1]
        assert message.startswith("gatewise: m.checkpoint: the checkpoint of another training (")
        assert difference in message
        assert message.endswith("write elsewhere, or delete it to begin anew")
    assert (folder / "m.checkpoint").read_bytes() == before
    assert not (folder / "m").exists()


def test_fit_of_two_processes_speaks_and_writes_once(folder: Path, gatewise: Gatewise) -> None:
    command = ("fit", *LOAD, "--steps", 20, "--out")
    done = torchrun("-m", "gatewise", *command, "two")
    assert done.code == 0, done.err
    one = gatewise(*command, "one")
    said = [line for line in done.err.splitlines() if "OMP_NUM" not in line and "****" not in line]
    assert [line for line in said if line] == one.err.replace(": one", ": two").splitlines()
    assert sorted(set(os.listdir(folder)) - {"load.csv", "ahead.csv"}) == ["one", "two"]
    first, second = (load(name).predict("load.csv")["forecast"] for name in ("one", "two"))
    assert (first - second).abs().max() < 0.5  # dropout's masks differ; the wave's height is 3


def test_options_of_the_training_reach_the_forecaster(
    gatewise: Gatewise, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("gatewise.Forecaster.fit", lambda self, *_: given.update(vars(self)))
    options = ("--precision", "bf16-mixed", "--compile", "--tensorboard", "logs")
    with pytest.raises(NotFittedError):
        gatewise("fit", *LOAD, *options, "--out", "m")
    assert (given["precision"], given["compile"]) == ("bf16-mixed", True)
    assert given["tensorboard"] == Path("logs")
    assert given["checkpoint"] == Path("m.checkpoint")


def test_compare_is_not_for_torchrun(gatewise: Gatewise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = gatewise("compare", "load.csv")
    assert done.code == 2
    assert "trials are shared out by --jobs: start it without torchrun" in done.err
