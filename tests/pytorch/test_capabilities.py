"""docs/pytorch.md is true: each of its entries is tried, ours on every form of the cells."""

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from capabilities import CAPABILITIES, ENTRIES, attempt
from capability import Capability
from subjects import Subject

from gatewise.ops.native_call import native

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
renderer = import_module("render_capabilities")
PAGE = renderer.PAGE.read_text()
SAID = renderer.read(PAGE)
VERSION = torch.__version__.split("+")[0]
IS_ABOUT_THIS_TORCH = f"torch {VERSION}. Every" in PAGE

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")


def as_parameter(capability: Capability, subject: Subject) -> Any:
    is_slow = capability.is_slow and not subject.is_often
    name = f"{capability.name}-{subject.name}"
    return pytest.param(capability, subject, id=name, marks=[pytest.mark.slow] if is_slow else [])


@pytest.mark.parametrize(("capability", "subject"), [as_parameter(*entry) for entry in ENTRIES])
def test_what_the_page_says_is_so(capability: Capability, subject: Subject) -> None:
    if not subject.is_ours and not IS_ABOUT_THIS_TORCH:
        pytest.skip(f"the page is about another torch than {VERSION}")
    said = SAID[capability.name, subject]
    if not said:
        capability.check(subject)
        return
    found = attempt(capability, subject)
    assert found, "it can be done: make capabilities"
    first = next(s for s in capability.subjects(subject.column) if SAID[capability.name, s])
    if IS_ABOUT_THIS_TORCH and subject == first:
        assert found == said, "it raises something else: make capabilities"


def test_page_is_as_it_was_made() -> None:
    version = re.search(r"torch (\S+)\. Every", PAGE)
    assert version is not None
    assert renderer.render(SAID, version[1]) == PAGE


def test_page_says_why_wherever_ours_lack_something() -> None:
    for capability in CAPABILITIES:
        lacks = any(SAID[one.name, s] for one, s in ENTRIES if one == capability and s.is_ours)
        assert lacks == bool(capability.why), capability.title
