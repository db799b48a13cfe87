"""A training that is killed goes on to the same weights; a bad checkpoint is told and kept."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import killed
import pytest
import torch
from torch import nn

from gatewise.training import (
    Execution,
    Shuffled,
    TrainingError,
    TrainingOptions,
    checkpoint,
    discard,
    train,
)

SCRIPT = Path(__file__).with_name("killed.py")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def every_step(monkeypatch):
    """Write a checkpoint after each step."""
    monkeypatch.setattr(checkpoint, "_SHARE", 0)
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)


class Killed(BaseException):
    """Ends a training as a kill would, as far as its files are concerned."""


def kill_at(last):
    def on_step(step, *_):
        if step == last:
            raise Killed

    return on_step


def same(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)


@pytest.mark.usefixtures("every_step")
def test_training_goes_on_to_the_same_bits(tmp_path):
    """With dropout, a moving average, a carried state and an order, stopped at many steps."""
    whole = killed.run(None)
    path = tmp_path / "c"
    for step in range(2, killed.OPTIONS.steps, 9):
        with pytest.raises(Killed):
            killed.run(path, on_step=kill_at(step))
    steps = []
    assert same(killed.run(path, on_step=lambda step, *_: steps.append(step)), whole)
    assert steps == [119, 120]  # step 119 was done and kept nowhere, so it is done again
    assert same(killed.run(path, on_step=lambda step, *_: steps.append(step)), whole)
    assert len(steps) == 2  # a training that is through is read, not done again


@pytest.mark.usefixtures("every_step")
def test_history_and_patience_are_gone_on_with(tmp_path):
    errors = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]

    def run(path, **rest):
        torch.manual_seed(0)
        seen = iter(errors[len(done) :])

        def validate(_):
            done.append(next(seen))
            return done[-1]

        return train(
            nn.Linear(1, 1),
            lambda module, chosen: (module(chosen[:, None].float()).square().sum(), len_of(chosen)),
            Shuffled(8, 2, torch.Generator().manual_seed(0)),
            validate,
            TrainingOptions(steps=20, evaluations=10, patience=4),
            Execution("cpu", checkpoint=path, **rest),
        )

    done = []
    whole, expected = run(None)
    done = []
    with pytest.raises(Killed):
        run(tmp_path / "c", on_step=kill_at(10))
    again, history = run(tmp_path / "c")
    assert same(whole, again)
    assert [row["step"] for row in history] == [2, 4, 6, 8, 10, 12]
    drop = {"seconds": 0}
    assert [{**row, **drop} for row in history] == [{**row, **drop} for row in expected]
    seconds = [row["seconds"] for row in history]
    assert seconds == sorted(seconds)


def len_of(chosen):
    return torch.tensor(len(chosen))


def test_killed_training_ends_with_the_same_bits(tmp_path):
    assert kill(tmp_path, kills=10, seed=0) == 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_killed_training_ends_with_the_same_bits_at_other_moments(tmp_path, seed):
    assert kill(tmp_path, kills=25, seed=seed) == 25


def kill(folder, *, kills, seed):
    """Kill the script's trainings; require the undisturbed weights, give how many were killed."""
    command = [sys.executable, SCRIPT, folder, str(kills), str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    weights = torch.load(folder / "weights")
    whole = killed.run(None).state_dict()
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    assert sorted(os.listdir(folder)) == ["checkpoint", "weights"]
    return int(done.stdout)


# Files that cannot be used


def small(path, *, rate=0.01, examples=8, wide=False, identity=None, **rest):
    """A training of three steps."""
    torch.manual_seed(0)
    return train(
        nn.Linear(2 if wide else 1, 1),
        lambda module, chosen: (
            module(chosen[:, None].float().expand(-1, 2 if wide else 1)).square().sum(),
            len_of(chosen),
        ),
        Shuffled(examples, 4, torch.Generator().manual_seed(0)),
        None,
        TrainingOptions(steps=3, batch_size=4, learning_rate=rate),
        Execution("cpu", checkpoint=path, identity=identity or {}, **rest),
    )


OTHERS = {
    "rate": ({"rate": 0.1}, "learning_rate 0.01 there, 0.1 here"),
    "examples": ({"examples": 9}, "examples 8 there, 9 here"),
    "module": ({"wide": True}, r"weights '2 \(.*there, '3 \("),
    "data": ({"identity": {"data": "b"}}, "data nothing there, 'b' here"),
    "precision": ({"precision": "bf16-mixed"}, "precision None there, 'bf16-mixed' here"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_trainings_checkpoint_is_refused_and_kept(tmp_path, other):
    path = tmp_path / "c"
    small(path)
    before = path.read_bytes()
    arguments, difference = OTHERS[other]
    with pytest.raises(TrainingError, match=f"checkpoint of another training.*{difference}"):
        small(path, **arguments)
    assert path.read_bytes() == before


def damage(data):
    half = len(data) // 2
    return {
        "cut": (data[:half], "damaged checkpoint"),
        "longer": (data + b"x", "damaged checkpoint"),
        "one byte": (data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :], "damaged"),
        "empty": (b"", "not a checkpoint of gatewise"),
        "foreign": (b"PK\x03\x04 something else", "not a checkpoint of gatewise"),
        "newer": (data.replace(b'"format": 1', b'"format": 2', 1), "newer gatewise"),
    }


@pytest.mark.parametrize("kind", damage(b"  "))
def test_bad_checkpoint_is_refused_and_kept(tmp_path, kind):
    path = tmp_path / "c"
    small(path)
    bad, message = damage(path.read_bytes())[kind]
    path.write_bytes(bad)
    with pytest.raises(TrainingError, match=message) as told:
        small(path)
    assert str(path) in str(told.value)
    assert path.read_bytes() == bad


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_reading_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    """A file whose hash is right, and whose state is a pickle that would call a function."""
    path = tmp_path / "c"
    small(path)
    monkeypatch.setattr(checkpoint.torch, "save", lambda _, file: pickle.dump(Path("here"), file))
    kept = checkpoint.Checkpoint(path, identity_of(path))
    kept.write({})
    with pytest.raises(TrainingError, match="holds more than numbers"):
        kept.read()


def identity_of(path):
    about = json.loads(path.read_bytes().partition(b"\n")[0])
    return about["gatewise_checkpoint"]["identity"]


def test_folder_that_cannot_be_written_is_told_before_any_training(tmp_path):
    steps = []
    with pytest.raises(TrainingError, match=r"nowhere/c: a checkpoint cannot be written here: No"):
        small(tmp_path / "nowhere" / "c", on_step=lambda *_: steps.append(1))
    assert not steps


def full_disk(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_full_disk_at_the_begin_is_an_error(tmp_path, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(TrainingError, match="cannot be written here: No space left on device"):
        small(tmp_path / "c")
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("every_step")
def test_disk_that_fills_up_is_told_once_and_keeps_the_earlier_checkpoint(tmp_path, monkeypatch):
    whole = killed.run(None)
    path = tmp_path / "c"

    def fill(step, *_):
        if step == 10:
            full_disk(monkeypatch)

    with pytest.warns(UserWarning, match="cannot be written .No space left") as told:
        assert same(killed.run(path, on_step=fill), whole)
    assert len(told) == 1
    assert os.listdir(tmp_path) == ["c"]
    monkeypatch.undo()
    steps = []
    assert same(killed.run(path, on_step=lambda step, *_: steps.append(step)), whole)
    assert steps[0] == 10


@pytest.mark.skipif(not shutil.which("mount"), reason="needs mount")
def test_a_disk_that_is_really_full_is_told(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(TrainingError, match="cannot be written here: No space left"):
            killed.run(tmp_path / "c")
        assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    (tmp_path / ".c.tmp-123").write_bytes(b"half")
    (tmp_path / ".other.tmp-123").write_bytes(b"half")
    small(tmp_path / "c")
    assert sorted(os.listdir(tmp_path)) == [".other.tmp-123", "c"]


def test_checkpoints_take_a_hundredth_of_the_time(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    kept = checkpoint.Checkpoint(tmp_path / "c", {})
    clock[0] = 0.5
    assert not kept.due  # never more than one a second
    clock[0] = 1.0
    assert kept.due
    monkeypatch.setattr(checkpoint.torch, "save", lambda *_: clock.append(clock.pop() + 0.3))
    kept.write({})
    clock[0] = 31.2
    assert not kept.due
    clock[0] = 31.4
    assert kept.due


def test_finished_checkpoint_is_discarded_and_an_interrupted_one_stays(tmp_path):
    path = tmp_path / "c"
    path.write_text("x")
    discard(path, [{"step": 1, "interrupted": True}])
    assert path.exists()
    discard(path, [{"step": 1}])
    assert not path.exists()
    discard(path, [{"step": 1}])
    discard(None, [])
