"""The oracle from the papers against torch.nn, ONNX Runtime and what follows from them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from oracles import run_onnx, run_torch
from paper_oracle import layer_norm, run_paper

STEPS, BATCH, FEATURES, HIDDEN = 7, 3, 4, 5
LENGTHS = np.array([4, 7, 1])
FLOAT64, FLOAT32 = 1e-13, 3e-6
BIASES = ("b_ih", "b_hh")

# form -> (cell, gate blocks, options)
FORMS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "lstm": ("lstm", 4, {}),
    "lstm-identity": ("lstm", 4, {"output_activation": "identity"}),
    "lstm-peephole": ("lstm", 4, {}),
    "lstm-coupled": ("lstm", 3, {"coupled": True}),
    "lstm-coupled-peephole": ("lstm", 3, {"coupled": True}),
    "gru": ("gru", 3, {}),
    "gru-reset-before": ("gru", 3, {"reset_after": False}),
    "rnn": ("rnn", 1, {}),
    "rnn-relu": ("rnn", 1, {"nonlinearity": "relu"}),
}
TORCH_FORMS = ("lstm", "gru", "rnn", "rnn-relu")
both_directions = pytest.mark.parametrize("reverse", [False, True])


def draw(form: str, steps: int = STEPS, batch: int = BATCH, *, proj: int = 0) -> dict[str, Any]:
    """Draw a form's tensors by name."""
    cell, gates, _ = FORMS[form]
    rows, width = gates * HIDDEN, proj or HIDDEN
    shapes: dict[str, tuple[int, ...]] = {
        "x": (steps, batch, FEATURES),
        "h_0": (batch, width),
        "w_ih": (rows, FEATURES),
        "w_hh": (rows, width),
        "b_ih": (rows,),
        "b_hh": (rows,),
    }
    if cell == "lstm":
        shapes["c_0"] = (batch, HIDDEN)
    if proj:
        shapes["w_hr"] = (proj, HIDDEN)
    if "peephole" in form:
        shapes["w_peephole"] = ((gates - 1) * HIDDEN,)
    rng = np.random.default_rng(0)
    return {name: rng.normal(scale=0.7, size=shape) for name, shape in shapes.items()}


def paper(form: str, tensors: dict[str, Any], **others: Any) -> tuple[np.ndarray, ...]:
    """Run the oracle in a form."""
    cell, _, options = FORMS[form]
    return run_paper(cell, tensors, options=options | others.pop("options", {}), **others)


def by_torch(form: str, tensors: dict[str, Any], reverse: bool = False) -> tuple[np.ndarray, ...]:
    """Run torch.nn in float64."""
    given = {name: torch.from_numpy(value) for name, value in tensors.items()}
    return tuple(out.numpy() for out in run_torch(form, given, reverse=reverse))


def by_onnx(form: str, tensors: dict[str, Any], **others: Any) -> tuple[np.ndarray, ...]:
    """Run ONNX Runtime in float32."""
    given = {name: torch.from_numpy(value).float() for name, value in tensors.items()}
    y, *state = run_onnx(form, given["x"], [given], **others)
    return y.numpy(), *(s.squeeze(0).numpy() for s in state)


def assert_same(got: tuple[np.ndarray, ...], expected: Any, limit: float) -> None:
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == np.float64
        np.testing.assert_allclose(mine, theirs, rtol=limit, atol=limit)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("form", "proj"), [*((form, 0) for form in TORCH_FORMS), ("lstm", 2)])
@both_directions
def test_plain_cells_match_torch(form: str, proj: int, bias: bool, reverse: bool) -> None:
    tensors = draw(form, proj=proj)
    tensors = {name: value for name, value in tensors.items() if bias or name not in BIASES}
    assert_same(
        paper(form, tensors, reverse=reverse), by_torch(form, tensors, reverse=reverse), FLOAT64
    )


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("form", FORMS)
@both_directions
def test_forms_match_onnx_runtime(form: str, lengths: np.ndarray | None, reverse: bool) -> None:
    tensors = draw(form)
    given = None if lengths is None else torch.from_numpy(lengths)
    expected = by_onnx(form, tensors, lengths=given, reverse=reverse)
    assert_same(paper(form, tensors, lengths=lengths, reverse=reverse), expected, FLOAT32)


@pytest.mark.parametrize("unused", [2.0, float("nan")])
@pytest.mark.parametrize("form", ["lstm-coupled", "lstm-coupled-peephole"])
def test_onnx_runtime_reads_no_forget_block_of_coupled_gates(form: str, unused: float) -> None:
    tensors = draw(form)
    assert_same(paper(form, tensors), by_onnx(form, tensors, unused=unused), FLOAT32)


def test_layer_norm_matches_torch() -> None:
    v, scale, shift = np.random.default_rng(0).normal(size=(3, 11))
    for factor in (1.0, 1e-3):  # the second is ruled by eps
        given = [torch.from_numpy(part) for part in (factor * v, scale, shift)]
        expected = torch.nn.functional.layer_norm(given[0], (11,), given[1], given[2], eps=1e-5)
        np.testing.assert_allclose(layer_norm(factor * v, scale, shift), expected, rtol=1e-12)


def undo(v: np.ndarray, shift: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Give scale and shift with which layer norm gives v + shift back."""
    return np.full(v.shape, np.sqrt(v.var() + 1e-5)), v.mean() + shift


@pytest.mark.parametrize("form", ["lstm", "lstm-identity", "lstm-coupled-peephole", "gru"])
def test_undone_layer_norm_matches_plain_step(form: str) -> None:
    tensors = draw(form, 1, 1)
    plain = paper(form, tensors)
    from_x, from_h = tensors["w_ih"] @ tensors["x"][0, 0], tensors["w_hh"] @ tensors["h_0"][0]
    normed: dict[str, Any] = dict(tensors)
    normed["w_ln_ih"], normed["b_ih"] = undo(from_x, tensors["b_ih"])
    normed["w_ln_hh"], normed["b_hh"] = undo(from_h, tensors["b_hh"])
    if FORMS[form][0] == "lstm":
        normed["w_ln_c"], shift = undo(plain[2][0])
        normed["b_ln_c"] = np.full(HIDDEN, shift)
    assert_same(paper(form, normed), plain, FLOAT64)
    assert np.abs(paper(form, normed | {"w_ln_hh": -normed["w_ln_hh"]})[0] - plain[0]).max() > 0.01


def test_layer_norm_of_the_cell_is_seen_by_the_output_alone() -> None:
    tensors = draw("lstm-peephole", 1, 1)
    _, h_n, c_n = paper("lstm-peephole", tensors)
    scale, shift = undo(c_n[0])
    doubled = {"w_ln_c": 2 * scale, "b_ln_c": np.full(HIDDEN, 2 * shift)}  # LN(c) = 2c
    expected = h_n / np.tanh(c_n) * np.tanh(2 * c_n)
    assert_same(paper("lstm-peephole", tensors | doubled)[1:], (expected, c_n), FLOAT64)


def test_undone_layer_norm_of_gru_reset_before_has_two_parts() -> None:
    form, rz = "gru-reset-before", slice(0, 2 * HIDDEN)
    tensors = draw(form, 1, 1)
    x, h, w_hh, b_hh = tensors["x"][0, 0], tensors["h_0"][0], tensors["w_hh"], tensors["b_hh"]
    from_x = tensors["w_ih"] @ x
    r = 1 / (1 + np.exp(-(from_x + tensors["b_ih"] + w_hh @ h + b_hh)[:HIDDEN]))
    parts = undo(w_hh[rz] @ h, b_hh[rz]), undo(w_hh[2 * HIDDEN :] @ (r * h), b_hh[2 * HIDDEN :])
    normed = dict(tensors)
    normed["w_ln_ih"], normed["b_ih"] = undo(from_x, tensors["b_ih"])
    normed["w_ln_hh"], normed["b_hh"] = (np.concatenate(both) for both in zip(*parts, strict=True))
    assert_same(paper(form, normed), paper(form, tensors), FLOAT64)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("form", TORCH_FORMS)
@both_directions
def test_cut_and_padded_rows_match_torch_on_each_piece(
    form: str, learned: bool, reverse: bool
) -> None:
    tensors = draw(form, batch=5)
    lengths = np.array([7, 4, 0, 1, 7])
    cuts = [(0, 3, 4), (2, 3, 5), (0, 1), (0, 1, 6), ()]  # some beyond the length
    resets = np.array([[t in row_cuts for row_cuts in cuts] for t in range(STEPS)])
    for row, length in enumerate(lengths):
        tensors["x"][length:, row] = np.nan
    if learned:
        rng = np.random.default_rng(1)
        tensors |= {name: rng.normal(size=HIDDEN) for name in ("initial_h", "initial_c")}
    y, *finals = paper(form, tensors, lengths=lengths, resets=resets, reverse=reverse)
    for row, length in enumerate(lengths):
        expected = walk_pieces(form, tensors, row, int(length), cuts[row], reverse)
        np.testing.assert_array_equal(y[length:, row], 0.0)
        assert_same((y[:length, row], *(final[row] for final in finals)), expected, FLOAT64)


def walk_pieces(
    form: str,
    tensors: dict[str, Any],
    row: int,
    length: int,
    cuts: tuple[int, ...],
    reverse: bool,
) -> tuple[np.ndarray, ...]:
    """Run every piece of a row alone through torch.nn; give y and the final states."""
    names = [name for name in ("h_0", "c_0") if name in tensors]
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < length}), length]
    pieces = list(itertools.pairwise(edges)) if length else []
    fresh = [tensors.get(f"initial_{name[0]}", np.zeros(HIDDEN)) for name in names]
    given = [tensors[name][row] for name in names]
    state = fresh if length and 0 in cuts and not reverse else given
    y = np.zeros((length, HIDDEN))
    for k, (start, end) in enumerate(reversed(pieces) if reverse else pieces):
        begin = {n: s[None] for n, s in zip(names, fresh if k else state, strict=True)}
        weights = {name: tensors[name] for name in ("w_ih", "w_hh", *BIASES)}
        x = {"x": np.ascontiguousarray(tensors["x"][start:end, row : row + 1])}
        part, *final = by_torch(form, x | begin | weights, reverse)
        y[start:end], state = part[:, 0], [s[0] for s in final]
    return y, *state


@pytest.mark.parametrize("form", FORMS)
def test_recurrent_mask_matches_scaled_columns_of_w_hh(form: str) -> None:
    tensors = draw(form, batch=1)
    mask = np.array([[0.0, 1.25, 1.25, 0.0, 1.25]])
    masked = tensors | {"w_hh": tensors["w_hh"] * mask}
    in_torch = form in TORCH_FORMS
    expected = by_torch(form, masked) if in_torch else by_onnx(form, masked)
    got = paper(form, tensors, masks={"recurrent": mask})
    assert_same(got, expected, FLOAT64 if in_torch else FLOAT32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("form", "proj"), [("lstm", 0), ("lstm", 2), ("gru", 0), ("rnn", 0)])
@both_directions
def test_zoneout_matches_mixed_torch_steps(
    form: str, proj: int, training: bool, reverse: bool
) -> None:
    tensors = draw(form, proj=proj)
    names, shares = ("hc", (0.3, 0.1)) if form == "lstm" else ("h", (0.3,))
    rng = np.random.default_rng(2)
    kept = {n: rng.random((STEPS, *tensors[f"{n}_0"].shape)) < 0.5 for n in names}
    state, y = {n: tensors[f"{n}_0"] for n in names}, np.zeros_like(kept["h"], dtype=float)
    for t in reversed(range(STEPS)) if reverse else range(STEPS):
        step = tensors | {"x": tensors["x"][t : t + 1]} | {f"{n}_0": state[n] for n in names}
        _, *proposed = by_torch(form, step)
        for name, share, new in zip(names, shares, proposed, strict=True):
            old = state[name]
            mixed = share * old + (1 - share) * new
            state[name] = np.where(kept[name][t], old, new) if training else mixed
        y[t] = state["h"]
    masks = {f"zoneout_{name}": kept[name] for name in names} if training else {}
    got = paper(form, tensors, masks=masks, options={"zoneout": shares}, reverse=reverse)
    assert_same(got, (y, *state.values()), FLOAT64)


def test_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="peepholes"):
        paper("lstm", draw("lstm"), options={"peepholes": True})


def test_no_steps_and_no_rows() -> None:
    tensors = draw("lstm", 0)
    y, h_n, _ = paper("lstm", tensors)
    assert y.shape == (0, BATCH, HIDDEN)
    np.testing.assert_array_equal(h_n, tensors["h_0"])
    assert paper("lstm", draw("lstm", STEPS, 0))[0].shape == (STEPS, 0, HIDDEN)
