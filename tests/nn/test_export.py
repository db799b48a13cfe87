"""Programs that were saved run in a process that has no more than the operators."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from layer_cases import TWOFOLD, make_form
from torch import Tensor

from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

LOAD = """
import sys
import torch
import gatewise.ops

path, kind, numbers = sys.argv[1:]
load = torch._inductor.aoti_load_package if kind == "package" else torch.export.load
program = load(path)
run = program if kind == "package" else program.module()
with torch.no_grad():
    torch.save(run(torch.load(numbers))[0], numbers)
"""


def export(layer: torch.nn.Module, x: Tensor, path: Path) -> None:
    torch.export.save(torch.export.export(layer, (x,)), path)


def package(layer: torch.nn.Module, x: Tensor, path: Path) -> None:
    program = torch.export.export(layer, (x,))
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))


@pytest.mark.parametrize("save", [export, package], ids=lambda save: save.__name__)
def test_saved_program_runs_elsewhere(
    save: Callable[[torch.nn.Module, Tensor, Path], None], tmp_path: Path
) -> None:
    layer = make_form("lstm-everything", **TWOFOLD).eval()
    x = torch.randn(4, 3, 3, dtype=torch.float64)
    path, numbers = tmp_path / "model.pt2", tmp_path / "numbers.pt"
    torch.save(x, numbers)
    with torch.no_grad():
        save(layer, x, path)
        expected = layer(x)[0]
    subprocess.run([sys.executable, "-c", LOAD, path, save.__name__, numbers], check=True)
    torch.testing.assert_close(torch.load(numbers), expected)
