"""The driver of ``make sanitize``: its list is the project's, and it finds nothing.

Sanitized kernels take minutes to compile and to run; few cases run with the installed ones.
"""

import os
import platform
import re
import shutil
import subprocess
from types import ModuleType

import pytest
from core_build import DRIVER, ROOT, installed_objects, run_few_cases
from torch import float32

from gatewise.ops import cases


@pytest.fixture
def lister(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DRIVER)
    import list_cases

    return list_cases


def test_driver_runs_the_projects_list_of_cases(lister: ModuleType) -> None:
    written = lister.LIST.read_text()
    assert written == lister.render(), "run: python native/tests/list_cases.py"


def test_every_form_shape_and_dtype_is_in_the_list(lister: ModuleType) -> None:
    written = lister.LIST.read_text()
    for form in cases.FORMS:
        assert f"form={form} " in written
    for steps, batch, inputs, units in cases.SHAPES:
        assert f"steps={steps} batch={batch} inputs={inputs} units={units} " in written
    assert re.findall(r"dtype=(\w+)", written) == ["float32", "float64"]


def test_list_changes_with_the_cases(lister: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lister.render()
    monkeypatch.setattr(lister, "DTYPES", (float32,))
    assert lister.render() != before
    monkeypatch.undo()
    monkeypatch.setitem(lister.FORMS, "new", cases.Form("gru", {"zoneout": 0.5}))
    assert "form=new cell=gru zoneout_h=0.5\n" in lister.render()


def test_list_knows_every_option_of_the_driver(lister: ModuleType) -> None:
    """A name that the driver does not know would stop it."""
    known = set(re.findall(r'^    \{"(\w+)", "', (DRIVER / "case.cpp").read_text(), re.MULTILINE))
    used = set(re.findall(r"(\w+)=", lister.render().replace(lister.HEAD, "")))
    assert used <= known
    assert known - used <= {"scale", "seed"}


@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_driver_is_built_for_the_same_instruction_sets(target: str) -> None:
    built = re.search(rf"flags_{target} +:= (.*)", (DRIVER / "Makefile").read_text())
    product = re.search(
        rf'targets/{target}\.cpp PROPERTIES\s+COMPILE_OPTIONS "\$\{{KERNEL_FLAGS\}};(.*)"',
        (ROOT / "CMakeLists.txt").read_text(),
    )
    assert built is not None
    assert product is not None
    assert built[1].split() == [flag for flag in product[1].split(";") if flag.startswith("-m")]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="not an x86 processor")
@pytest.mark.skipif(shutil.which("c++") is None, reason="a C++ compiler is not installed")
@pytest.mark.parametrize(
    ("target", "flags"),
    [("baseline", "-mavx"), ("avx2", "-mavx2"), ("avx512", "-mavx2 -mfma -mavx512f")],
)
def test_file_of_an_instruction_set_demands_its_flags(target: str, flags: str) -> None:
    """Its name, which tests ask for, then says what it was compiled to."""
    source = ROOT / "native" / "targets" / f"{target}.cpp"
    command = ["c++", "-std=c++20", "-E", *flags.split(), str(source)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode != 0
    assert re.search(r"#error .*(compiled without|must run on every)", run.stderr)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("verb", "commands"),
    [
        ("sanitize", ["/address/driver cases.txt", "/thread/driver cases.txt"]),
        ("fuzz", ["/address/driver fuzz 600"]),
        ("ulp", ["/ulp/ulp"]),
        ("older", ["-cpu Nehalem {} ' on baseline:'; \\", "-cpu Haswell {} ' on avx2 baseline:'"]),
    ],
)
def test_verb_runs_the_driver(verb: str, commands: list[str]) -> None:
    run = subprocess.run(
        ["make", "--dry-run", verb], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in commands:
        ending = command.format("../../build/sanitize/plain/driver older.txt | grep")
        assert any(line.rstrip().endswith(ending) for line in run.stdout.splitlines()), ending


def test_driver_finds_nothing_in_few_cases() -> None:
    said = run_few_cases(
        installed_objects(), ROOT / "build" / "sanitize-few", os.environ.get("CXX", "g++")
    )
    assert re.fullmatch(rf"{2 * len(cases.FORMS)} cases on [a-z0-9 ]+: nothing found\n", said)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("command", "runs"), [(["make", "sanitize"], 2), (["make", "fuzz", "SECONDS=60"], 1)]
)
def test_driver_finds_nothing(command: list[str], runs: int) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing found") == runs
