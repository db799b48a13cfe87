"""The core with every combination of options, on every instruction set: outputs and gradients.

The truth is the reference in float64, which the papers' own loops check (``test_oracles.py``).
"""

import itertools
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
import torch
from form_choices import CHOICES
from sequence_cases import TARGETS, assert_same, with_gradients
from truths import Tensors, limit, run_call

from gatewise.ops import cases, cpu_backend
from gatewise.ops.cases import DTYPES, Form
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

STEPS, BATCH, FEATURES = 4, 3, 5
SIZES = (17, 65)
# With fewer, layer norm would divide by the deviation of a few small numbers.
PROJECTED = 13
LENGTHS = torch.tensor([2, 4, 3])
RESETS = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]).bool()


class Arrangement(NamedTuple):
    """What a combination of options is tried with."""

    hidden: int
    reverse: bool
    bias: bool
    seed: int | None


def combinations(cell: Any) -> list[Form]:
    """Give a cell with all combinations of the values of its options."""
    choices = dict(CHOICES[cell])
    if "proj_size" in choices:
        choices["proj_size"] = (0, PROJECTED)
    every = itertools.product(*choices.values())
    return [Form(cell, dict(zip(choices, chosen, strict=True))) for chosen in every]


def arrangements(form: Form) -> list[Arrangement]:
    """Give all that a form can be tried with; the k-th from either end are opposites."""
    seeds = (None, 5) if cases.draws(form) else (None,)
    return list(map(Arrangement._make, itertools.product(SIZES, *[(False, True)] * 2, seeds)))


def draw_opposites(form: Form, draw: random.Random) -> tuple[Arrangement, Arrangement]:
    """Draw an arrangement, and take with it the one that differs in everything."""
    every = arrangements(form)
    k = draw.randrange(len(every))
    return every[k], every[-1 - k]


def run(form: Form, tensors: Tensors, arrangement: Arrangement, backend: str) -> Tensors:
    """Give outputs and gradients by name, with lengths and resets."""
    _, reverse, _, seed = arrangement
    options: dict[str, Any] = {"seed": seed, "reverse": reverse, "backend": backend}
    call = cases.make_call(form, tensors, lengths=LENGTHS, resets=RESETS, **options)
    return with_gradients(run_call(call), tensors)


def check(form: Form, some: Iterable[Arrangement], patch: pytest.MonkeyPatch) -> int:
    """Compare every instruction set, in both types, with the truth; count the comparisons."""
    count = 0
    for arrangement in some:
        shape = (STEPS, BATCH, FEATURES, arrangement.hidden)
        drawn = cases.make_tensors(form, *shape, dtype=torch.float32, bias=arrangement.bias)
        given = {
            d: {k: t.detach().to(d).requires_grad_() for k, t in drawn.items()} for d in DTYPES
        }
        truth = run(form, given[torch.float64], arrangement, "reference")
        assert all(truth[f"d{name}"].any() for name in drawn)
        for target, dtype in itertools.product(TARGETS, DTYPES):
            patch.setenv(cpu_backend.WANTED_TARGET, target)
            got = run(form, given[dtype], arrangement, "cpu")
            assert_same(got, truth, limit(form, dtype, STEPS))
            count += 1
    return count


@pytest.mark.parametrize(("cell", "count"), [("lstm", 256), ("gru", 32), ("rnn", 16)], ids=CHOICES)
def test_every_combination_matches_reference(
    cell: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one arrangement and its opposite: both sizes, directions, with and without biases."""
    draw = random.Random(0)
    checked = [check(f, draw_opposites(f, draw), monkeypatch) for f in combinations(cell)]
    assert sum(checked) == count * 2 * len(TARGETS) * len(DTYPES)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CHOICES)
def test_every_combination_matches_reference_in_every_arrangement(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in combinations(cell):
        check(form, arrangements(form), monkeypatch)
