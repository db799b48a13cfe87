"""The kernels' tanh and sigmoid at all 2^32 floats; ``make ulp`` prints how far off they are."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_tanh_and_sigmoid_stay_within_their_limits() -> None:
    done = subprocess.run(["make", "--silent", "ulp"], cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("float32") == done.stdout.count("float64") >= 2
