"""The rooms, and who may import whom."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

import gatewise

SOURCE = Path(gatewise.__file__).parent

MAY_IMPORT = {
    "files": set(),
    "cells": set(),
    "ops": {"cells"},
    "nn": {"cells", "ops"},
    "tracing": {"cells", "ops", "nn"},
    "data": {"files"},
    "training": {"files"},
    "estimators": {"training", "data", "nn", "files"},
    "report": {"data", "files"},
    "inspection": {"estimators", "data", "nn", "tracing", "report", "files"},
    "comparison": {"estimators", "training", "data", "report", "nn", "files"},
    "cli": {"comparison", "inspection", "report", "estimators", "training", "data", "files"},
}

DEFERRED = {("tracing.py", "inspection")}  # against the stream, in a function: Trace.to_html


def room(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(source):
    """Rooms of the package that a file's source imports, wherever in the file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (n.split(".")[1] for n in names if n.startswith("gatewise."))


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_imports_go_one_way(name):
    files = [p for p in SOURCE.rglob("*.py") if room(p) == name]
    assert files
    for path in files:
        deferred = {target for source, target in DEFERRED if path == SOURCE / source}
        wrong = set(imported_rooms(path.read_text())) - MAY_IMPORT[name] - {name} - deferred
        assert not wrong, f"{path.relative_to(SOURCE)} imports {sorted(wrong)}"


def test_every_room_has_a_rule():
    rooms = {room(path) for path in SOURCE.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms == set(MAY_IMPORT)


def test_the_check_of_imports_can_fail():
    source = "def f():\n    from gatewise.cli.app import main\n    import gatewise.report.page"
    assert list(imported_rooms(source)) == ["cli", "report"]


HEAVY = ("torch", "numpy", "polars", "sklearn", "joblib", "plotly")


def loaded_after(statement):
    code = f"import sys\n{statement}\nprint(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.parametrize("statement", ["import gatewise", "import gatewise.cli.app"])
def test_importing_is_light(statement):
    assert loaded_after(statement) == []


def test_using_a_layer_loads_torch_and_no_data_library():
    loaded = loaded_after("import gatewise; gatewise.LSTM")
    assert "torch" in loaded
    assert not {"polars", "sklearn", "joblib", "plotly"} & set(loaded)


def test_public_names_are_there_and_no_module_hides_one():
    for module in walk_packages([str(SOURCE)], "gatewise."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in gatewise.__all__:
        public = getattr(gatewise, name)
        assert not isinstance(public, ModuleType), name
        assert callable(public), name
        assert public.__doc__, name
    assert sorted(gatewise.__all__, key=str.lower) == sorted(
        (n for n in gatewise._HOME), key=str.lower
    )
    assert set(gatewise.__all__) <= set(dir(gatewise))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'xLSTM'"):
        _ = gatewise.xLSTM


def test_files_stay_short():
    long = {
        str(p.relative_to(SOURCE)): lines
        for p in SOURCE.rglob("*.py")
        if (lines := len(p.read_text().splitlines())) > 400
    }
    assert not long
