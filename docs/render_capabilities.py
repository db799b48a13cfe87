"""Write docs/pytorch.md: what modules of ours and of torch.nn can do, each entry tried.

    python docs/render_capabilities.py [CHECK ...]

It takes some minutes: models are compiled, and trained by two processes. With names of checks it
tries those alone, and leaves the rest as the page has it.
"""

import re
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "pytorch"), str(ROOT / "tests")]

from capabilities import CAPABILITIES, COLUMNS, ENTRIES, SECTIONS, attempt  # noqa: E402
from capability import Capability  # noqa: E402
from subjects import Subject  # noqa: E402

PAGE = Path(__file__).with_name("pytorch.md")
TEMPLATE = """# Among the tools of PyTorch

What layers (LSTM, GRU, RNN) and cells (LSTMCell and so on) can do among PyTorch's own tools, ours
and those of `torch.nn`, on a CPU with torch {version}. Every entry is a test (`tests/pytorch`) that
compares numbers wherever there are any; ours are tried in every form, each option alone and all
together. Made by `make capabilities`. A number in brackets leads to what was raised.

What is compiled, exported or trained runs on the core's own kernels. Second derivatives, forward
mode and `torch.func` run eagerly, step by step, through the reference: `auto` takes it by itself,
and `gatewise.explain_backend` says so. With `backend="cpu"` or `"torch"` asked for, forward mode
and `torch.func` are an error that names the backend which can. On a GPU `torch.nn`'s layers are
cuDNN's, which have no second derivatives, as PyTorch says; no GPU was at hand to try.

{tables}

## Where ours say no

{reasons}

## What was raised

{notes}
"""
Tried = dict[tuple[str, Subject], str]  # by capability and subject: what was raised, or ""


def main(names: list[str]) -> None:
    """Try the checks of these names, or all, and write the page."""
    tried = read(PAGE.read_text()) if names else {}
    for capability, subject in ENTRIES:
        if not names or capability.name in names:
            tried[capability.name, subject] = attempt(capability, subject)
            print(capability.name, subject.name, tried[capability.name, subject] or "yes")
    PAGE.write_text(render(tried, torch.__version__.split("+")[0]))


def render(tried: Tried, version: str) -> str:
    """Give the page."""
    notes: list[str] = []
    tables = "\n\n".join(table(section, tried, notes) for section in SECTIONS)
    reasons = "\n".join(f"- {c.title}: {c.why}" for c in CAPABILITIES if c.why)
    listed = "\n".join(f"{number}. `{note}`" for number, note in enumerate(notes, start=1))
    return TEMPLATE.format(version=version, tables=tables, reasons=reasons, notes=listed)


def table(section: str, tried: Tried, notes: list[str]) -> str:
    """Give a section's table; what was raised goes into ``notes``."""
    columns = [column.replace("torch.nn", "`torch.nn`") for column in COLUMNS]
    rows = [
        [capability.title, *(entry(capability, column, tried, notes) for column in COLUMNS)]
        for capability in CAPABILITIES
        if capability.section == section
    ]
    lines = [["", *columns], ["---"] * (len(COLUMNS) + 1), *rows]
    return f"## {section}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def entry(capability: Capability, column: str, tried: Tried, notes: list[str]) -> str:
    """Give one entry: yes, no, or who lacks it; the first reason stands for all."""
    subjects = capability.subjects(column)
    if not subjects:
        return "–"
    lacking = {s: r for s in subjects if (r := tried[capability.name, s])}
    if not lacking:
        return "yes"
    reason = next(iter(lacking.values()))
    if reason not in notes:
        notes.append(reason)
    number = f"([{notes.index(reason) + 1}](#what-was-raised))"
    if len(lacking) == len(subjects):
        return f"no {number}"
    return f"yes, but not {', '.join(subject.form for subject in lacking)} {number}"


def read(page: str) -> Tried:
    """Give what a page says of every subject; the reason with the first that lacks it."""
    notes = dict(re.findall(r"^(\d+)\. `(.*)`$", page, flags=re.MULTILINE))
    rows = {
        title: entries.split(" | ")
        for title, entries in re.findall(r"^\| (.+?) \| (.*) \|$", page, re.M)
    }
    said: Tried = {}
    for capability in CAPABILITIES:
        for column, text in zip(COLUMNS, rows[capability.title], strict=True):
            number = re.search(r"\[(\d+)\]", text)
            named = re.sub(r".*not | \(\[.*", "", text).replace(",", " ").split()
            for subject in capability.subjects(column):
                lacks = text.startswith("no ") or (" not " in text and subject.form in named)
                said[capability.name, subject] = notes[number[1]] if number and lacks else ""
    return said


if __name__ == "__main__":
    main(sys.argv[1:])
