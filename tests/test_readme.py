"""The README is run: its Python as doctests and as scripts, its commands with a small budget."""

import doctest
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from gatewise.ops.native_call import native

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()
SMALL = ["--steps", "3", "--folds", "4", "--seeds", "1", "--hidden", "4", "--quiet"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture(scope="module")
def bikes(tmp_path_factory):
    """A folder with the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("bikes")
    table = pl.read_parquet(str(files("gatewise.data") / "bundled" / "bike_sharing.parquet"))
    table.head(1200).write_csv(folder / "bikes.csv")
    ahead = table.slice(1200, 24).select("date_time", "holiday", "workingday")
    ahead.write_csv(folder / "tomorrow.csv")
    cases = [",".join(str((step * case) % 7) for step in range(8)) for case in range(24)]
    rows = "\n".join(f"{case}:{'ab'[n % 2]}" for n, case in enumerate(cases))
    (folder / "vowels.ts").write_text(f"@classLabel true a b\n@data\n{rows}\n")
    (folder / "plays.txt").write_text("ROMEO: what light through yonder window breaks?\n" * 200)
    return folder


@pytest.mark.skipif(native is None, reason="the core was not built, and the README shows it")
def test_readme_doctests_pass():
    results = doctest.testfile(str(README), module_relative=False)
    assert results.attempted >= 12
    assert results.failed == 0


def test_readme_commands_run(bikes):
    commands = [
        line[2:]
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ gatewise")
    ]
    verbs = ["compare", "explain", "compare", "fit", "predict", "inspect"]
    verbs += ["compare", "fit", "generate"]
    assert [c.split()[1] for c in commands] == verbs
    for command in commands[1:]:
        verb, *words = shlex.split(command)[1:]
        small = SMALL if verb == "compare" else []
        small = [*small, "--jobs", "1"] if "--task" in words and verb == "compare" else small
        small = ["--steps", "3", "--hidden", "4"] if "--task" in words and verb == "fit" else small
        run = subprocess.run(
            [sys.executable, "-m", "gatewise", verb, *words, *small],
            cwd=bikes,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
    forecast = pl.read_csv(bikes / "forecast.csv", try_parse_dates=True)
    assert forecast.columns == ["series", "time", "step", "forecast", "q10", "q50", "q90"]
    assert len(forecast) == 24


def test_readme_scripts_run(bikes, monkeypatch):
    import gatewise

    monkeypatch.chdir(bikes)
    (script,) = [block for block in blocks("python") if ">>>" not in block]
    small = script.replace('["holiday"])\nprint', '["holiday"], steps=3, folds=4, seeds=1)\nprint')
    small = small.replace('["holiday"]).fit', '["holiday"], steps=3).fit')
    assert small.count("steps=3") == 2
    names = {"gatewise": gatewise}
    exec(compile(small, str(README), "exec"), names)
    assert names["forecast"].columns[:4] == ["series", "time", "step", "forecast"]


def test_readme_table_has_the_columns_of_today():
    from gatewise.comparison.metrics import METRICS
    from gatewise.comparison.summary import headers

    shown = next(line for line in TEXT.splitlines() if line.startswith("model "))
    assert shown.split() == " ".join(headers({"metric": "mae", "metrics": METRICS})).split()


def test_readme_make_verbs_are_in_the_makefile():
    makefile = README.with_name("Makefile").read_text()
    for verb in re.findall(r"^\$ make (\w+)", TEXT, flags=re.MULTILINE):
        assert f"\n{verb}:" in makefile


def test_readme_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("http") or (README.parent / link).exists(), link
