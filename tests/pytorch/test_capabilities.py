"""docs/pytorch.md is true: each of its entries is tried, ours on every form of the cells."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
from capabilities import CAPABILITIES, COLUMNS, SUBJECTS, applies, attempt
from capability import Capability
from subjects import Subject

from gatewise.ops.native_call import native

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
renderer = import_module("render_capabilities")
PAGE = renderer.PAGE.read_text()
SAID = renderer.read(PAGE)
VERSION = torch.__version__.split("+")[0]
OFTEN = ("lstm-everything", "gru")  # the forms on which also what takes seconds is tried each time

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")


def cells() -> Iterator[object]:
    for capability in CAPABILITIES:
        for column in COLUMNS:
            if applies(capability, column):
                for subject in SUBJECTS[column]:
                    is_slow = capability.is_slow and subject.is_ours and subject.form not in OFTEN
                    marks = [pytest.mark.slow] if is_slow else []
                    name = f"{capability.name}-{subject.name}"
                    yield pytest.param(capability, subject, id=name, marks=marks)


@pytest.mark.parametrize(("capability", "subject"), cells())
def test_what_the_page_says_is_so(capability: Capability, subject: Subject) -> None:
    said = SAID[capability.name, subject]
    if not said:
        capability.check(subject)
        return
    if not subject.is_ours and f"torch {VERSION}." not in PAGE:
        pytest.skip(f"the page is about another torch than {VERSION}")
    found = attempt(capability, subject)
    assert found, "it can be done: make capabilities"
