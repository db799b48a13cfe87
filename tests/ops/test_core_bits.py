"""To the bit: the same from run to run, whatever threads, batch and chunks a call is cut into."""

import hashlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sequence_cases import (
    CORE_FORMS,
    FORMS,
    cast,
    every_core_form,
    make_tensors,
    on_every_target,
    run_operator,
    with_gradients,
)
from torch import Tensor

from gatewise.ops import cases
from gatewise.ops.cases import DTYPES
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

Results = dict[str, Tensor]
STEPS, BATCH = 7, 13


def draw_guides(form: str) -> dict[str, Any]:
    """Give lengths, cuts, and masks where the form draws some."""
    return {
        "lengths": (torch.arange(BATCH) * 5 + 2) % (STEPS + 1),
        "resets": torch.rand(STEPS, BATCH, generator=torch.Generator().manual_seed(2)) < 0.2,
        "seed": 5 if cases.draws(FORMS[form]) else None,
    }


def run(form: str, tensors: Results, **options: Any) -> Results:
    """Give the core's outputs and gradients."""
    return with_gradients(run_operator(form, tensors, backend="cpu", **options), tensors)


# ---- from run to run ----


def digests(form: str) -> list[str]:
    """Give a digest of all results for each size, number of threads and dtype."""
    found = []
    for hidden, threads, dtype in itertools.product((17, 65), (1, 2), DTYPES):
        torch.set_num_threads(threads)
        tensors = make_tensors(form, STEPS, BATCH, 3, hidden, dtype=dtype)
        results = run(form, tensors, **draw_guides(form))
        digest = hashlib.sha256()
        for value in results.values():
            digest.update(value.detach().numpy().tobytes())
        found.append(digest.hexdigest())
    return found


@every_core_form
@on_every_target
def test_same_call_gives_the_same_bits(form: str, set_threads: Callable[[int], None]) -> None:
    set_threads(1)  # and at the end the old number again
    assert digests(form) == digests(form)


@on_every_target
def test_another_process_gives_the_same_bits(set_threads: Callable[[int], None]) -> None:
    set_threads(1)
    command = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == [digest for form in CORE_FORMS for digest in digests(form)]


# ---- threads and batch ----


@every_core_form
@on_every_target
@pytest.mark.parametrize("hidden", [17, 65])
def test_threads_do_not_change_a_bit_of_the_outputs(
    form: str, hidden: int, set_threads: Callable[[int], None]
) -> None:
    tensors = make_tensors(form, STEPS, BATCH, 3, hidden, dtype=torch.float32)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(run_operator(form, tensors, backend="cpu", **draw_guides(form)))
    for others in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], others, strict=True))


@every_core_form
@on_every_target
@pytest.mark.parametrize("hidden", [17, 65])
def test_batch_does_not_change_a_bit_of_a_row(
    form: str, hidden: int, set_threads: Callable[[int], None]
) -> None:
    """Its output, its last state, and the gradients of its input and its first state."""
    set_threads(2)
    guides = draw_guides(form) | {"seed": None}  # masks go by the row's place
    drawn = make_tensors(form, STEPS, BATCH, 3, hidden, dtype=torch.float32)
    whole = run_with_even_loss(form, drawn, **guides)
    for rows in (slice(4, 5), slice(6, 10)):
        part = {name: take_rows(name, value.detach(), rows) for name, value in drawn.items()}
        given = {
            name: None if g is None else take_rows(name, g, rows) for name, g in guides.items()
        }
        alone = run_with_even_loss(form, cast(part, torch.float32), **given)
        for name, value in alone.items():
            assert torch.equal(value, take_rows(name, whole[name], rows)), name


OF_ROWS = ("h_0", "c_0", "h_n", "c_n", "lengths")
OF_STEPS_AND_ROWS = ("x", "y", "resets")


def take_rows(name: str, value: Tensor, rows: slice) -> Tensor:
    """Give some rows of what has rows."""
    if name.removeprefix("d") in OF_ROWS:
        return value[rows]
    return value[:, rows] if name.removeprefix("d") in OF_STEPS_AND_ROWS else value


def run_with_even_loss(form: str, tensors: Results, **options: Any) -> Results:
    """Give the outputs, and the gradients of what has rows; the loss is the same for each row."""
    outputs = run_operator(form, tensors, backend="cpu", **options)
    wanted = {name: tensors[name] for name in ("x", "h_0", "c_0") if name in tensors}
    loss: Any = sum(out.square().sum() for out in outputs)
    gradients = torch.autograd.grad(loss, list(wanted.values()))
    results = dict(zip(("y", "h_n", "c_n"), outputs, strict=False))
    return results | {f"d{name}": g for name, g in zip(wanted, gradients, strict=True)}


# ---- chunks ----


@every_core_form
@on_every_target
@pytest.mark.parametrize(("threads", "hidden"), [(1, 17), (2, 65)], ids=["rows", "units"])
def test_chunks_and_single_steps_equal_whole_to_the_bit(
    form: str, threads: int, hidden: int, set_threads: Callable[[int], None]
) -> None:
    set_threads(threads)
    for batch, reverse in ((3, False), (3, True), (13, False)):
        tensors = make_tensors(form, 7, batch, 5, hidden, dtype=torch.float32)
        tensors = {name: tensor.detach() for name, tensor in tensors.items()}
        whole = run_operator(form, tensors, backend="cpu", reverse=reverse)
        for size in (3, 1):
            got = run_in_chunks(form, tensors, size, reverse=reverse)
            assert all(torch.equal(a, b) for a, b in zip(got, whole, strict=True))


def run_in_chunks(
    form: str, tensors: dict[str, Tensor], size: int, *, reverse: bool
) -> tuple[Tensor, ...]:
    """Run a sequence in chunks of some steps, each from the state that the one before left."""
    chunks, ys, final = tensors["x"].split(size), [], ()
    names = [name for name in ("h_0", "c_0") if name in tensors]
    for x in chunks[::-1] if reverse else chunks:
        given = tensors | {"x": x} | dict(zip(names, final, strict=False))
        y, *final = run_operator(form, given, backend="cpu", reverse=reverse)
        ys.append(y)
    return (torch.cat(ys[::-1] if reverse else ys), *final)


if __name__ == "__main__":
    print(*(digest for form in CORE_FORMS for digest in digests(form)))
