"""On a bare machine the verbs say in one line what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.mark.parametrize(
    "verb",
    [
        "demo",
        "test",
        "test-full",
        "test-cluster",
        "test-ecosystem",
        "check",
        "bench",
        "docs",
        "pictures",
    ],
)
@pytest.mark.parametrize(
    ("fails_on", "message"),
    [
        ("version_info", "Python 3.10 or newer is missing: sudo apt-get install python3"),
        ("ensurepip", "python3-venv is missing: sudo apt-get install python3-venv"),
    ],
)
def test_missing_part_is_named_with_the_command_that_gets_it(tmp_path, verb, fails_on, message):
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$*" in *{fails_on}*) exit 1;; esac\n')
    python.chmod(0o755)
    environment = tmp_path / "venv"
    run = subprocess.run(
        ["make", "--silent", verb, f"PYTHON={python}", f"VENV={environment}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert run.stdout.strip().startswith(message)
    assert len(run.stdout.strip().splitlines()) == 1
    assert not environment.exists()


def test_help_lists_every_verb():
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for verb in ("demo", "test", "check", "bench", "clean"):
        assert any(line.startswith(verb) for line in run.stdout.splitlines())
