"""Installs: without a compiler that works, and of wheels from each compiler that is here."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from core_build import ROOT, clean_environment, objects_of, run_few_cases

pytestmark = pytest.mark.slow

STEP = """
import torch, gatewise
torch.manual_seed(0)
layer, x = gatewise.LSTM(3, 5), torch.randn(9, 8, 3)
optimizer = torch.optim.SGD(layer.parameters(), 0.1)
losses = []
for _ in range(2):
    losses.append(layer(x)[0].square().mean())
    optimizer.zero_grad()
    losses[-1].backward()
    optimizer.step()
assert losses[1] < losses[0]
print(gatewise.__file__)
print(gatewise.explain_backend(layer, x))
"""
ON_BASELINE = """
from gatewise.ops.native_call import target
print(target())
"""


class Built(NamedTuple):
    compiler: str
    wheel: Path
    folder: Path
    said: str


def pip(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(**environment),
    )


def install_source(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return pip(
        *("install", "--no-deps", "--target", folder / "installed"),
        *(f"--config-settings=build-dir={folder / 'build'}", ROOT),
        **environment,
    )


def run_installed(
    folder: Path, script: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script on what is installed there, and not on the package that is being tested."""
    path = os.pathsep.join([str(folder), sysconfig.get_path("platlib")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],  # -S: an editable install would come first
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment(PYTHONPATH=path, **environment),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(folder))
    return done


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A build gets its own tools from a registry."""
    folder = tmp_path_factory.mktemp("tools")
    done = pip("download", "--no-deps", "--dest", folder, "scikit-build-core", "nanobind")
    if done.returncode != 0:
        pytest.skip("pip cannot get what builds the package")


@pytest.fixture(scope="module", params=["g++", "clang++"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    compiler: str = request.param
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    done = pip(
        *("wheel", "--verbose", "--no-deps", "--wheel-dir", folder),
        *(f"--config-settings=build-dir={folder / 'build'}", ROOT),
        CXX=compiler,
        GATEWISE_NATIVE="required",
    )
    assert done.returncode == 0, done.stdout
    return Built(compiler, next(folder.glob("gatewise-*.whl")), folder / "build", done.stdout)


def test_install_with_broken_compiler_works_and_says_what_is_lost(tmp_path: Path) -> None:
    done = install_source(tmp_path, CXX="/bin/false")
    assert done.returncode == 0, done.stdout
    installed = tmp_path / "installed"
    assert (installed / "gatewise" / "ops" / "native_call.py").is_file()
    assert not list(installed.rglob("_native*"))
    said = run_installed(installed, STEP).stderr
    assert said.count("without its C++ core") == 1
    assert "layers are slower" in said
    assert "freeze() is missing" in said


def test_install_that_requires_the_core_shows_the_compilers_problem(tmp_path: Path) -> None:
    done = install_source(tmp_path, CXX="/bin/false", GATEWISE_NATIVE="required")
    assert done.returncode != 0
    assert "/bin/false" in done.stdout
    assert "is not able to compile a simple test program" in re.sub(r"\s+", " ", done.stdout)
    assert not (tmp_path / "installed" / "gatewise").exists()


def test_wheel_installs_and_trains_without_compiler(built: Built, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    installed = tmp_path / "installed"
    options = ("--no-deps", "--no-index", "--target", installed)
    done = pip("install", *options, built.wheel, PATH=str(nothing))
    assert done.returncode == 0, done.stdout
    run = run_installed(installed, STEP + ON_BASELINE, PATH=str(nothing), GATEWISE_CPU="baseline")
    assert run.stdout.splitlines()[-1] == "baseline"
    assert "without its C++ core" not in run.stderr


def test_core_compiles_without_warnings(built: Built) -> None:
    assert "Building CXX object CMakeFiles/_native.dir/native/targets/baseline.cpp.o" in built.said
    assert "warning:" not in built.said


def test_driver_finds_nothing_in_the_compilers_kernels(built: Built, tmp_path: Path) -> None:
    objects = objects_of(built.folder)
    assert run_few_cases(objects, tmp_path, built.compiler).endswith(": nothing found\n")
