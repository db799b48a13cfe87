"""Lengths, resets, chunks and rows: what every operator keeps on every backend, both ways."""

import itertools
from typing import Any

import pytest
import torch
from sequence_cases import (
    FORMS,
    RUNS,
    assert_same,
    make_tensors,
    run_operator,
    tolerance,
    with_gradients,
)
from torch import Tensor

from gatewise.ops.cases import draws

T, B = 6, 5
LENGTHS = torch.tensor([4, 0, 6, 1, 6])
every_run = pytest.mark.parametrize(("form", "backend"), RUNS)
# Also with random masks, where rows and steps have masks of their own wherever they stand.
every_run_with_masks = pytest.mark.parametrize(
    ("form", "backend", "seed"),
    [
        *((form, backend, None) for form, backend in RUNS),
        *((name, "reference", 1) for name, form in FORMS.items() if draws(form)),
    ],
)
# Torch's kernels take no resets.
every_run_with_resets = pytest.mark.parametrize(
    ("form", "backend"), [run for run in RUNS if run[1] != "torch"]
)
every_form = pytest.mark.parametrize("form", FORMS)
both_ways = pytest.mark.parametrize("reverse", [False, True])


def draw_resets(seed: int = 3) -> Tensor:
    return torch.rand(T, B, generator=torch.Generator().manual_seed(seed)) < 0.4


def take_rows(tensors: dict[str, Tensor], rows: slice) -> dict[str, Tensor]:
    """Take some sequences of the batch, with the same weights."""
    part = {"x": tensors["x"][:, rows]}
    part |= {name: tensors[name][rows] for name in ("h_0", "c_0") if name in tensors}
    return tensors | part


@every_run
@both_ways
def test_lengths_equal_each_sequence_alone(form: str, backend: str, reverse: bool) -> None:
    tensors = make_tensors(form, T, B)
    options: dict[str, Any] = {"backend": backend, "reverse": reverse}
    together = run_operator(form, tensors, lengths=LENGTHS, **options)

    ys, states = [], []
    for row, length in enumerate(LENGTHS.tolist()):
        alone = take_rows(tensors, slice(row, row + 1))
        alone["x"] = alone["x"][:length]
        # No backend but the reference takes a sequence of no steps alone.
        own = options if length else options | {"backend": "reference"}
        y, *state = run_operator(form, alone, **own)
        ys.append(torch.cat([y, y.new_zeros(T - length, *y.shape[1:])]))
        states.append(state)
    expected = (torch.cat(ys, 1), *(torch.cat(parts) for parts in zip(*states, strict=True)))
    assert_same(
        with_gradients(together, tensors),
        with_gradients(expected, tensors),
        tolerance(torch.float64, T, form),
    )


@every_run_with_masks
@both_ways
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_padding_never_leaks(
    form: str, backend: str, seed: int | None, reverse: bool, poison: float
) -> None:
    clean = make_tensors(form, T, B)
    beyond = torch.arange(T).unsqueeze(1) >= LENGTHS
    dirty_x = clean["x"].detach().masked_fill(beyond.unsqueeze(-1), poison).requires_grad_()
    dirty = clean | {"x": dirty_x}
    options: dict[str, Any] = {"backend": backend, "reverse": reverse, "seed": seed}
    results = [
        with_gradients(run_operator(form, tensors, lengths=LENGTHS, **options), tensors)
        for tensors in (dirty, clean)
    ]
    for name, value in results[0].items():
        assert torch.isfinite(value).all(), name
    assert_same(results[0], results[1], 0.0)
    assert not results[0]["dx"][beyond].any()
    assert not results[0]["y"][beyond].any()


@every_run_with_resets
@both_ways
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_resets_equal_pieces_alone(
    form: str, backend: str, reverse: bool, lengths: Tensor | None
) -> None:
    tensors = make_tensors(form, T, B)
    resets = draw_resets()
    options: dict[str, Any] = {"reverse": reverse, "backend": backend}
    together = run_operator(form, tensors, lengths=lengths, resets=resets, **options)
    rows = [
        run_in_pieces(
            form,
            take_rows(tensors, slice(row, row + 1)),
            T if lengths is None else int(lengths[row]),
            resets[:, row],
            reverse,
        )
        for row in range(B)
    ]
    expected = (
        torch.cat([row[0] for row in rows], 1),
        *(torch.cat([row[k] for row in rows]) for k in range(1, len(rows[0]))),
    )
    assert_same(
        with_gradients(together, tensors),
        with_gradients(expected, tensors),
        tolerance(torch.float64, T, form),
    )


def fresh_state(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the state from which a piece begins after a cut: the learned one, or 0."""
    learned = {"h_0": "initial_h", "c_0": "initial_c"}
    return {
        name: tensors[learned[name]].expand_as(tensors[name])
        if learned[name] in tensors
        else torch.zeros_like(tensors[name])
        for name in ("h_0", "c_0")
        if name in tensors
    }


def run_in_pieces(
    form: str, tensors: dict[str, Tensor], length: int, resets: Tensor, reverse: bool
) -> tuple[Tensor, ...]:
    """Run one sequence's pieces one by one; the state that was given goes to the first walked."""
    cuts = [t for t in range(length) if resets[t]]
    bounds = [0, *[t for t in cuts if t > 0], length]
    pieces = list(itertools.pairwise(bounds))
    given = {name: tensors[name] for name in ("h_0", "c_0") if name in tensors}
    fresh = fresh_state(tensors)
    ys: dict[int, Tensor] = {}
    state = list(given.values())
    for k, (start, stop) in enumerate(reversed(pieces) if reverse else pieces):
        keeps_given = k == 0 and (reverse or not (length and resets[0]))
        piece = tensors | (given if keeps_given else fresh) | {"x": tensors["x"][start:stop]}
        ys[start], *state = run_operator(form, piece, reverse=reverse, backend="reference")
    y = torch.cat([ys[start] for start in sorted(ys)])
    return torch.cat([y, y.new_zeros(T - length, *y.shape[1:])]), *state


@every_run_with_resets
def test_flag_at_step_0_drops_the_given_state_forward_only(form: str, backend: str) -> None:
    tensors, options = make_tensors(form, T, B), {"backend": backend}
    flags = torch.zeros(T, B, dtype=torch.bool)
    flags[0] = True
    forward = run_operator(form, tensors, resets=flags, **options)
    assert torch.equal(forward[0], run_operator(form, tensors | fresh_state(tensors), **options)[0])
    assert not torch.equal(forward[0], run_operator(form, tensors, **options)[0])
    back = run_operator(form, tensors, resets=flags, reverse=True, **options)
    assert torch.equal(back[0], run_operator(form, tensors, reverse=True, **options)[0])


@every_run_with_resets
@both_ways
def test_flags_beyond_a_length_are_ignored(form: str, backend: str, reverse: bool) -> None:
    tensors = make_tensors(form, T, B)
    beyond = torch.arange(T).unsqueeze(1) >= LENGTHS
    options: dict[str, Any] = {"lengths": LENGTHS, "reverse": reverse, "backend": backend}
    got = run_operator(form, tensors, resets=beyond, **options)
    expected = run_operator(form, tensors, **options)
    for mine, plain in zip(got, expected, strict=True):
        assert torch.equal(mine, plain)


@every_run
@both_ways
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_chunks_with_carried_state_equal_whole(
    form: str, backend: str, reverse: bool, cut: int
) -> None:
    tensors = make_tensors(form, T, B)
    options: dict[str, Any] = {"backend": backend, "reverse": reverse}
    whole = run_operator(form, tensors, **options)
    chunks = [tensors["x"][:cut], tensors["x"][cut:]]
    state = {name: tensors[name] for name in ("h_0", "c_0") if name in tensors}
    ys = []
    for x in reversed(chunks) if reverse else chunks:
        y, *final = run_operator(form, tensors | state | {"x": x}, **options)
        state = dict(zip(state, final, strict=True))
        ys.append(y)
    joined = (torch.cat(ys[::-1] if reverse else ys), *state.values())
    assert_same(
        with_gradients(joined, tensors),
        with_gradients(whole, tensors),
        tolerance(torch.float64, T, form),
    )


@every_run
@both_ways
def test_batch_equals_its_rows(form: str, backend: str, reverse: bool) -> None:
    tensors = make_tensors(form, T, B)
    options: dict[str, Any] = {"backend": backend, "reverse": reverse}
    together = run_operator(form, tensors, **options)
    rows = [
        run_operator(form, take_rows(tensors, slice(row, row + 1)), **options) for row in range(B)
    ]
    y, *state = zip(*rows, strict=True)
    expected = (torch.cat(y, 1), *(torch.cat(parts) for parts in state))
    assert_same(
        with_gradients(together, tensors),
        with_gradients(expected, tensors),
        tolerance(torch.float64, T, form),
    )


@every_run_with_masks
@both_ways
@pytest.mark.parametrize("lengths", [None, torch.tensor([6, 2, 6, 5, 3])])
def test_one_rows_nan_stays_in_its_row(
    form: str, backend: str, seed: int | None, reverse: bool, lengths: Tensor | None
) -> None:
    tensors = make_tensors(form, T, B)
    options: dict[str, Any] = {
        "backend": backend,
        "reverse": reverse,
        "lengths": lengths,
        "seed": seed,
    }
    spoilt = tensors["x"].detach().clone()
    spoilt[1, 2] = float("nan")
    got = run_operator(form, tensors | {"x": spoilt}, **options)
    expected = run_operator(form, tensors, **options)
    others = torch.arange(B) != 2
    assert torch.isnan(got[0][:, 2]).any()
    assert torch.equal(got[0][:, others], expected[0][:, others])
    for mine, clean in zip(got[1:], expected[1:], strict=True):
        assert torch.equal(mine[others], clean[others])


@every_run
@both_ways
def test_non_contiguous_tensors_change_nothing(form: str, backend: str, reverse: bool) -> None:
    tensors = make_tensors(form, T, B)
    strided = {
        name: torch.stack([value.detach(), value.detach()], -1)[..., 0].requires_grad_()
        for name, value in tensors.items()
    }
    assert not strided["x"].is_contiguous()
    results = [
        with_gradients(run_operator(form, some, backend=backend, reverse=reverse), some)
        for some in (strided, tensors)
    ]
    assert_same(results[0], results[1], tolerance(torch.float64, T, form))


@every_run_with_resets
@both_ways
@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("with_masks", [False, True])
def test_empty_batches_and_sequences_work(
    form: str, backend: str, reverse: bool, steps: int, batch: int, with_masks: bool
) -> None:
    tensors = make_tensors(form, steps, batch)
    masks = {}
    if with_masks:
        masks["lengths"] = torch.zeros(batch, dtype=torch.int64)
        masks["resets"] = torch.ones(steps, batch, dtype=torch.bool)
    outputs = run_operator(form, tensors, reverse=reverse, backend=backend, **masks)
    assert outputs[0].shape == (steps, batch, tensors["h_0"].shape[1])
    for got, name in zip(outputs[1:], ("h_0", "c_0"), strict=False):
        assert torch.equal(got, tensors[name])
    results = with_gradients(outputs, tensors)
    assert not results["dw_ih"].any()
    assert results["dx"].shape == tensors["x"].shape


@every_form
def test_each_option_changes_the_output(form: str) -> None:
    tensors = make_tensors(form, T, B)
    plain = run_operator(form, tensors)[0]
    for changed in (
        run_operator(form, tensors, reverse=True)[0],
        run_operator(form, tensors, lengths=LENGTHS)[0],
        run_operator(form, tensors, resets=draw_resets())[0],
    ):
        assert (changed - plain).abs().max() > 1e-3


@pytest.mark.parametrize("form", [name for name in FORMS if "-" in name])
def test_each_form_differs_from_the_plain_cell(form: str) -> None:
    """The same draws, as far as shapes agree; what only training or cuts show is shown there."""
    tensors, cell = make_tensors(form, T, B), FORMS[form].cell
    given: dict[str, Any] = {"resets": draw_resets(), "seed": 1}
    mine = run_operator(form, tensors, **given)[0]
    plain = run_operator(cell, make_tensors(cell, T, B), **given)[0]
    assert mine.shape != plain.shape or (mine - plain).abs().max() > 1e-3
