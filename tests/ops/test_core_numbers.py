"""The core's numbers at the edges: odd strides, odd and great sizes, memory."""

import ctypes
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from sequence_cases import (
    assert_same,
    both_ways,
    cast,
    every_core_form,
    make_tensors,
    on_every_target,
    run_operator,
    scaled_error,
    tolerance,
)
from torch import Tensor

import gatewise
from gatewise.ops.buffers import buffers
from gatewise.ops.cases import DTYPES
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")


# ---- odd memory ----

VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "expanded": lambda v: v[..., :1].expand_as(v),
    "transposed": lambda v: v.movedim(0, -1).contiguous().movedim(-1, 0),
    "every second": lambda v: v.repeat_interleave(2, 0)[::2],
    "offset": lambda v: torch.cat([v.flatten()[:1], v.flatten()])[1:].view_as(v),
    # As the imaginary part of a conjugate: the sign of what stands in memory is to be turned.
    "negated": lambda v: torch._neg_view(-v),
}


def as_given(view: Tensor) -> Tensor:
    """Give a view as it is."""
    return view


def copied(view: Tensor) -> Tensor:
    """Give a dense copy of a view."""
    return view.resolve_neg().clone(memory_format=torch.contiguous_format)


@on_every_target
@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("form", ["lstm-everything", "gru-layer-norm", "rnn"])
def test_views_give_what_their_copies_give(
    form: str, name: str, set_threads: Callable[[int], None]
) -> None:
    """Of every tensor that goes in, also into the backward."""
    view = VIEWS[name]
    set_threads(2)
    resets = torch.eye(5, 6).bool().t()
    for hidden, reverse in ((5, True), (65, False)):
        drawn = make_tensors(form, 6, 5, 3, hidden)
        plain = {key: value.detach() for key, value in drawn.items()}
        options: dict[str, Any] = {"backend": "cpu", "reverse": reverse}
        results = []
        for make in (as_given, copied):
            tensors = {key: make(view(value)).requires_grad_() for key, value in plain.items()}
            outputs = run_operator(form, tensors, resets=make(resets), **options)
            ramps = (torch.linspace(-1, 1, out.numel()).to(out).view_as(out) for out in outputs)
            dys = [make(view(ramp)) for ramp in ramps]
            gradients = torch.autograd.grad(outputs, list(tensors.values()), dys)
            results.append([*outputs, *gradients])
        assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.fixture
def fill_with_nan() -> Iterator[None]:
    """Let torch fill all fresh memory with NaN."""
    torch.use_deterministic_algorithms(True)
    assert torch.ones(1).new_empty(9).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@every_core_form
@pytest.mark.usefixtures("fill_with_nan", "target")
def test_nothing_is_read_or_given_that_was_not_written(
    form: str, set_threads: Callable[[int], None]
) -> None:
    set_threads(2)
    for dtype, hidden in itertools.product(DTYPES, (5, 65)):
        tensors = make_tensors(form, 4, 3, 5, hidden, dtype=dtype)
        masks = {"lengths": torch.tensor([0, 4, 2]), "resets": torch.eye(4, 3).bool()}
        for reverse in (False, True):
            got, expected = both_ways(form, tensors, reverse=reverse, **masks)
            assert_same(got, expected, tolerance(dtype, 4, form))


def test_sum_of_the_output_is_differentiated() -> None:
    """The gradient of a sum is one number, expanded."""
    tensors = make_tensors("gru", 5, 3)
    got, expected = (
        torch.autograd.grad(run_operator("gru", tensors, backend=b)[0].sum(), tensors["w_hh"])[0]
        for b in ("cpu", "reference")
    )
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", ["x", "h_0", "w_ih", "w_hh", "b_hh"])
def test_tensors_of_another_type_are_refused(name: str) -> None:
    """Their bytes must not be taken for numbers of the input's type."""
    tensors = make_tensors("gru", 3, 2, dtype=torch.float32)
    mixed = tensors | {name: tensors[name].double()}
    with pytest.raises((RuntimeError, ValueError), match="type"):
        run_operator("gru", mixed, backend="cpu")


@pytest.mark.parametrize("lengths", [(4, 5, 0), (-1, 2, 3), (4, 4_000_000, 4)])
def test_lengths_beyond_the_input_are_refused(lengths: tuple[int, ...]) -> None:
    """Before any memory is read, with gradients and without."""
    for wants_gradients in (True, False):
        tensors = make_tensors("gru", 4, 3)
        given = {k: t.requires_grad_(wants_gradients) for k, t in cast(tensors, DTYPES[0]).items()}
        with pytest.raises(ValueError, match="lengths must lie between 0 and the input's 4 steps"):
            run_operator("gru", given, backend="cpu", lengths=torch.tensor(lengths))


@pytest.mark.parametrize(
    ("name", "guide"), [("lengths", torch.ones(3)), ("resets", torch.ones(4, 3))]
)
def test_guides_of_another_type_are_refused(name: str, guide: Tensor) -> None:
    with pytest.raises(ValueError, match=f"{name} must have dtype torch.*; got torch.float32"):
        run_operator("gru", make_tensors("gru", 4, 3), backend="cpu", **{name: guide})


@pytest.mark.parametrize("name", ["h_0", "w_hh", "lengths", "resets"])
def test_tensors_that_are_not_on_the_cpu_are_refused(name: str) -> None:
    tensors = make_tensors("gru", 4, 3)
    guides = {"lengths": torch.full((3,), 4), "resets": torch.zeros(4, 3, dtype=torch.bool)}
    given = {k: v.to("meta") if k == name else v for k, v in (tensors | guides).items()}
    guides = {k: given.pop(k) for k in guides}
    with pytest.raises(ValueError, match=f"{name} must be too; it is on meta"):
        run_operator("gru", given, backend="cpu", **guides)


# ---- odd and great sizes ----


@every_core_form
def test_no_features_leave_the_recurrence(form: str) -> None:
    tensors = make_tensors(form, 3, 2, 0, 5)
    assert_same(*both_ways(form, tensors), tolerance(torch.float64, 3, form))


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_large_odd_size_matches_torch(cell: str) -> None:
    """T 63, B 3, I 5, H 650."""
    theirs = getattr(torch.nn, cell)(5, 650)
    mine = getattr(gatewise, cell)(5, 650, backend="cpu")
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn(63, 3, 5, generator=torch.Generator().manual_seed(0))
    results = []
    for layer in (mine, theirs):
        y = layer(x)[0]
        results.append([y, *torch.autograd.grad(y.square().sum(), list(layer.parameters()))])
    for got, expected in zip(*results, strict=True):
        assert scaled_error(got, expected) <= 2e-5


# Rows of no length cost nothing: the places of the others lie far apart in memory untouched.
FAR_STEPS, FAR_BATCH = 33, 2**16
LIMIT = 2**31
TOTAL_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(TOTAL_MEMORY < 12e9, reason="the system would not promise so much memory")
def test_places_beyond_2_31_elements_are_computed_right() -> None:
    """Both x and what the backward keeps have more elements than 32 bits can count."""
    tensors = make_tensors("lstm-projection", FAR_STEPS, 1, 1000, 176, dtype=torch.float32)
    tensors = give_one_projection(tensors)
    assert FAR_STEPS * FAR_BATCH * min(1000, 6 * 176) > LIMIT
    far = {
        name: tensors[name].detach().new_empty(shape)
        for name, shape in (
            ("x", (FAR_STEPS, FAR_BATCH, 1000)),
            ("h_0", (FAR_BATCH, 1)),
            ("c_0", (FAR_BATCH, 176)),
        )
    }
    far["x"][:, -1] = tensors["x"][:, 0].detach()
    far["h_0"][-1], far["c_0"][-1] = tensors["h_0"][0].detach(), tensors["c_0"][0].detach()
    lengths = torch.zeros(FAR_BATCH, dtype=torch.int64)
    lengths[-1] = FAR_STEPS
    weights = [name for name in tensors if name not in far]
    results = []
    for given, options in ((tensors, {}), (tensors | far, {"lengths": lengths})):
        y, h_n, _ = run_operator("lstm-projection", given, backend="cpu", **options)
        dws = torch.autograd.grad(y[:, -1].square().sum(), [given[name] for name in weights])
        results.append([y[:, -1], h_n[-1], *dws])
    for alone, among in zip(*results, strict=True):
        torch.testing.assert_close(among, alone, rtol=1e-5, atol=1e-6)


def give_one_projection(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cut a projection down to a single number, so that the output is small."""
    cut = {
        "h_0": tensors["h_0"][:, :1],
        "w_hh": tensors["w_hh"][:, :1],
        "w_hr": tensors["w_hr"][:1],
    }
    return tensors | {name: value.detach().requires_grad_() for name, value in cut.items()}


@pytest.mark.slow  # 10 GB of memory
def test_outputs_beyond_2_31_elements_are_computed_right() -> None:
    steps, batch, hidden = 2**12 + 1, 2**16, 8
    tensors = make_tensors("rnn", steps, 1, 1, hidden, dtype=torch.float32)
    tensors = {name: t.detach() for name, t in tensors.items()}
    many = {
        name: tensors[name].new_zeros(shape)
        for name, shape in (("x", (steps, batch, 1)), ("h_0", (batch, hidden)))
    }
    many["x"][:, -1], many["h_0"][-1] = tensors["x"][:, 0], tensors["h_0"][0]
    y, h_n = run_operator("rnn", tensors | many, backend="cpu")
    alone, _ = run_operator("rnn", tensors, backend="cpu")
    assert y.numel() > LIMIT
    torch.testing.assert_close(y[:, -1], alone[:, 0])
    torch.testing.assert_close(h_n[-1], alone[-1, 0])
    torch.testing.assert_close(y[-1, 0], y[-1, batch // 2])


# ---- memory ----

MEASURED = (("LSTM", False), ("GRU", False), ("RNN", False), ("GRU", True))


def peaks_of_a_step(owner: str) -> list[int]:
    """Give what a training step of each cell takes at most, and a compiled one, in kilobytes.

    T 200, B 64, I 128, H 256; torch compiles none of its recurrences, so that its last is eager.
    """
    library, options = (gatewise, {"backend": "cpu"}) if owner == "gatewise" else (torch.nn, {})
    peaks = []
    for cell, is_compiled in MEASURED:
        layer = getattr(library, cell)(128, 256, **options)

        def run(x: Tensor, layer: Any = layer) -> Tensor:
            return layer(x)[0].square().mean()

        if is_compiled and owner == "gatewise":
            run = torch.compile(run, dynamic=True)
        for steps in (3, 200):  # the first loads code, and makes buffers that stay
            x = torch.randn(steps, 64, 128, requires_grad=True)
            ctypes.CDLL(None).malloc_trim(0)  # what earlier steps left does not serve this one
            before = memory("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            run(x).backward()
            layer.zero_grad()
        peaks.append(memory("VmHWM") - before)
        buffers.clear()
    return peaks


def memory(field: str) -> int:
    """Read a field of /proc/self/status, in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_training_step_takes_no_more_memory_than_torchs() -> None:
    """In processes of their own, whose allocator keeps nothing of what was freed."""
    run = partial(subprocess.run, capture_output=True, text=True, timeout=120, check=True)
    command = [sys.executable, str(Path(__file__).resolve())]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    mine, theirs = (
        [int(peak) for peak in run([*command, owner], env=environment).stdout.split()]
        for owner in ("gatewise", "torch")
    )
    for cell, own, torchs in zip(MEASURED, mine, theirs, strict=True):
        assert own <= torchs, f"{cell}: {own} kB, torch {torchs} kB"


if __name__ == "__main__":
    print(*peaks_of_a_step(sys.argv[1]))
