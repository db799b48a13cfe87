"""What a build of the C++ core leaves behind, and the driver of ``native/tests`` linked with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRIVER = ROOT / "native" / "tests"

# Every form once in each manner, and once with all that may guide a call.
FEW_GUIDES = """
steps=13 batch=3 inputs=4 units=33 projected=16

dtype=float32 reverse=1
dtype=float64 lengths=1 resets=1 masks=1 shift=1
"""


def objects_of(build: Path) -> list[Path]:
    """List the object files of the core in a build's folder."""
    return sorted((build / "CMakeFiles" / "_native.dir").rglob("*.o"))


def installed_objects() -> list[Path]:
    """List those of the build that ``make test`` installs, or skip where there is none."""
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    builds = [objects_of(build) for build in (ROOT / "build").glob(f"{version}-*")]
    found = [path for objects in builds for path in objects]
    if not found:
        pytest.skip("the core was not built here")
    return found


def kernels(objects: list[Path]) -> list[Path]:
    """Choose those that were compiled for one instruction set each."""
    return [path for path in objects if path.parent.name == "targets"]


def clean_environment(**more: str) -> dict[str, str]:
    """Give the environment without what decides how the core is built and which part of it runs."""
    decisive = ("CXX", "CXXFLAGS", "GATEWISE_NATIVE", "GATEWISE_CPU", "PYTHONPATH")
    return {name: v for name, v in os.environ.items() if name not in decisive} | more


def run_few_cases(objects: list[Path], build: Path, compiler: str) -> str:
    """Link the driver with compiled kernels, run every form once, and give what it says.

    Only the driver and the core's parts beside its kernels are sanitized: these would take minutes
    to compile. What they write and leave unwritten is seen by the driver's fences.
    """
    if shutil.which("make") is None or shutil.which(compiler) is None:
        pytest.skip(f"make or {compiler} is not installed")
    program = build / "address" / "driver"
    names = " ".join(map(str, kernels(objects)))
    subprocess.run(
        ["make", "--directory", DRIVER, f"BUILD={build}", f"KERNELS={names}", program],
        env=clean_environment(CXX=compiler),
        check=True,
    )
    forms = (DRIVER / "cases.txt").read_text().split("\n\n")[1]
    done = subprocess.run(
        [program, "-"], input=f"{forms}\n{FEW_GUIDES}", capture_output=True, text=True
    )
    return done.stdout + done.stderr
