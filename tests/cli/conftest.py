"""The command line in this process: what it prints, and the exit code."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command import FIT, Done, Gatewise
from tables import hourly

from gatewise.cli import main


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def gatewise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Gatewise:
    """Call ``gatewise ARGUMENTS …`` as the installed script does, in a copy of ``folder``."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["gatewise", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``load.csv``, two weeks of hours with gaps, and what comes after it."""
    frame = hourly(342, gaps=True)
    frame[:336].write_csv(tmp_path / "load.csv")
    frame[336:].select("time", "open").write_csv(tmp_path / "ahead.csv")
    return tmp_path


@pytest.fixture
def model(gatewise: Gatewise) -> str:
    """The name of a model file in ``folder``, with a column known in the future."""
    done = gatewise("fit", "load.csv", *FIT, "--future", "open", "--out", "m.safetensors")
    assert done.code == 0, done.err
    return "m.safetensors"
