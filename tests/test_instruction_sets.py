"""Code for wide vectors stands only where it was asked for: other processors stop at it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from core_build import installed_objects, kernels

WIDE = re.compile(r"%[yz]mm\d")

pytestmark = pytest.mark.skipif(
    shutil.which("objdump") is None or shutil.which("nm") is None,
    reason="objdump and nm are not installed",
)


def disassemble(path: Path) -> str:
    command = ["objdump", "--disassemble", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(path: Path) -> list[str]:
    """List what the linker may take from a file, weak symbols included."""
    command = ["nm", "--demangle", "--defined-only", "--extern-only", "--no-sort", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split(maxsplit=2)[2] for line in lines if line]


def test_only_wide_targets_use_wide_registers() -> None:
    for path in installed_objects():
        is_wide = path.name in ("avx2.cpp.o", "avx512.cpp.o")
        assert bool(WIDE.search(disassemble(path))) == is_wide, path.name


def test_targets_export_their_table_alone() -> None:
    """A weak symbol, as of an inline function, may stand in for that of another target."""
    for path in kernels(installed_objects()):
        name = path.name.removesuffix(".cpp.o")
        assert exported(path) == [f"gatewise::target_{name}()"]
