"""Bad input ends in one clear message and exit code 2, and leaves nothing half-written.

The files under ``golden/`` are transcripts: a command, and the last line it prints on stderr; where
it ends in "…", how another package goes on is left open. In ``usage.txt`` stand our own words.
"""

import gzip
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
import torch
from command import Gatewise
from safetensors.torch import save_file
from tables import hourly, several

GOLDEN = Path(__file__).parent / "golden"


def transcript(name: str) -> dict[str, str]:
    """Commands and the messages that belong to them."""
    blocks = (GOLDEN / name).read_text().strip().split("\n\n$ ")
    pairs = (block.removeprefix("$ ").partition("\n") for block in blocks)
    return {command: message.rstrip() for command, _, message in pairs}


BAD, USAGE = transcript("bad_input.txt"), transcript("usage.txt")


@pytest.fixture
def bad(folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of tables that cannot be used."""
    frame = hourly(60)
    frame[:20].write_csv(folder / "short.csv")
    frame.select("time", "sky").write_csv(folder / "text.csv")
    frame.with_columns(load=pl.lit(None, pl.String)).write_csv(folder / "empty.csv")
    times = frame["time"].dt.strftime("%Y-%m-%d %H:%M").to_list()
    times[3] = "2024-13-01 03:00"
    frame.with_columns(time=pl.Series(times)).write_csv(folder / "dates.csv")
    frame.select("load", "temp").write_csv(folder / "notime.csv")
    shops = several((100, 100))
    keep = (pl.col("shop") == "shop 0") | (pl.col("time").dt.hour() % 6 == 0)
    shops.filter(keep).write_csv(folder / "mixed.csv")
    (folder / "latin.csv").write_bytes(b"time,load\n2024-01-01,1\n2024\xe9,2\n")
    (folder / "comma.csv").write_text('time,load\n2024-01-01,"1,5"\n2024-01-02,"2,5"\n')
    minutes = pl.Series([n * n % 7 + n * 4 for n in range(60)])
    irregular = pl.col("time").first() + pl.duration(minutes=minutes)
    frame.with_columns(time=irregular).write_csv(folder / "irregular.csv")
    (folder / "folder").mkdir()
    (folder / "folder" / "note.txt").write_text("mine")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 8)
    (folder / "cut.csv.gz").write_bytes(gzip.compress(b"time,load\n" * 999)[:-9])
    (folder / "book.xlsx").write_bytes(b"PK\x03\x04")
    save_file({"w": torch.zeros(2)}, folder / "foreign.safetensors")
    ahead = pl.read_csv(folder / "ahead.csv")
    ahead[[0, 1, 3, 4, 5]].write_csv(folder / "gap.csv")
    if "m.safetensors" in request.node.name:
        request.getfixturevalue("model")
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("command", BAD)
def test_bad_input_gives_one_clear_message(command: str, bad: Path, gatewise: Gatewise) -> None:
    before = listing(bad)
    done = gatewise(*shlex.split(command)[1:])
    *_, message = done.err.splitlines()
    expected = BAD[command]
    assert message.startswith("gatewise: ")
    assert message.startswith(expected[:-1]) if expected.endswith("…") else message == expected
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert listing(bad) == before


@pytest.mark.parametrize("command", USAGE)
def test_wrong_usage_gives_one_clear_message(command: str, bad: Path, gatewise: Gatewise) -> None:
    before = listing(bad)
    done = gatewise(*shlex.split(command)[1:])
    *_, message = done.err.splitlines()
    assert USAGE[command] in message
    assert (done.code, done.out) == (2, "")
    assert listing(bad) == before


def test_bad_input_is_told_by_the_installed_script(bad: Path) -> None:
    script = Path(sys.executable).with_name("gatewise")
    command = [script, "predict", "foreign.safetensors", "load.csv"]
    done = subprocess.run(command, cwd=bad, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == BAD["gatewise predict foreign.safetensors load.csv"]


def test_unknown_device_is_refused(gatewise: Gatewise) -> None:
    done = gatewise(
        *("fit", "load.csv", "--target", "load", "--horizon", 6),
        *("--device", "abacus", "--out", "new.safetensors", "--quiet"),
    )
    assert done.code == 2
    assert done.err.startswith("gatewise: device 'abacus' cannot be used, try 'cpu' or 'auto'")
    assert not os.path.exists("new.safetensors")


# Help

SAME_WORDS = (
    *("--task", "--target", "--horizon", "--lookback", "--time", "--series", "--past"),
    *("--future", "--static", "--out", "--from", "--device", "--seed", "--quiet"),
)
WORDS = {
    "compare": (
        *SAME_WORDS,
        *("--cells", "--match", "--seeds", "--folds", "--search", "--jobs", "--json"),
    ),
    "fit": (*SAME_WORDS, "--cell"),
    "predict": ("--future", "--out", "--quiet"),
}


@pytest.mark.parametrize("verb", WORDS)
def test_help_has_an_example_and_every_word(verb: str, gatewise: Gatewise) -> None:
    done = gatewise(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Example: gatewise {verb} " in done.out
    shown = set(done.out.replace(",", " ").split())
    assert [word for word in WORDS[verb] if word not in shown] == []


def test_help_tells_the_defaults_that_depend_on_the_data(gatewise: Gatewise) -> None:
    shown = " ".join(gatewise("compare", "--help").out.split())
    for default in ("a season", "by the frequency", "found", "all usable", "all cores"):
        assert f"[default: {default}]" in shown
    assert "Optimiser steps at most. [default: by the task]" in shown


def test_no_verb_shows_the_verbs(gatewise: Gatewise) -> None:
    done = gatewise()
    assert all(f"  {verb} " in done.out + done.err for verb in WORDS)


def test_version_is_printed(gatewise: Gatewise) -> None:
    assert gatewise("--version").out.strip() == version("gatewise")
