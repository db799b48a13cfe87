"""The equations of one step, against formulas written out in NumPy and torch's own cells."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gatewise.cells import gru_step, lstm_step, rnn_step

B, H = 3, 5
LIMIT = 1e-14  # a handful of float64 roundings


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("output_activation", ["tanh", "identity"])
@pytest.mark.parametrize("proj", [0, 2])
def test_lstm_step_matches_the_notes(output_activation: str, proj: int) -> None:
    xw, h, c = draw(B, 4 * H), draw(B, proj or H), draw(B, H)
    w_hh, b_hh, w_hr = draw(4 * H, proj or H), draw(4 * H), draw(proj, H) if proj else None
    step = lstm_step(xw, h, c, w_hh, b_hh, output_activation=output_activation, w_hr=w_hr)

    i, f, g, o = np.split(xw.numpy() + h.numpy() @ w_hh.numpy().T + b_hh.numpy(), 4, axis=1)
    new_c = sigmoid(i) * np.tanh(g) + sigmoid(f) * c.numpy()
    new_h = sigmoid(o) * (np.tanh(new_c) if output_activation == "tanh" else new_c)
    new_h = new_h if w_hr is None else new_h @ w_hr.numpy().T
    expected = (new_h, new_c, sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o), sigmoid(f))
    for name, got, want in zip(step._fields, step, expected, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=LIMIT, atol=LIMIT, err_msg=name)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_step_matches_the_notes(reset_after: bool) -> None:
    xw, h, w_hh, b_hh = draw(B, 3 * H), draw(B, H), draw(3 * H, H), draw(3 * H)
    step = gru_step(xw, h, w_hh, b_hh, reset_after=reset_after)

    x_r, x_z, x_n = np.split(xw.numpy(), 3, axis=1)
    w_r, w_z, w_n = np.split(w_hh.numpy(), 3)
    b_r, b_z, b_n = np.split(b_hh.numpy(), 3)
    old = h.numpy()
    r, z = sigmoid(x_r + old @ w_r.T + b_r), sigmoid(x_z + old @ w_z.T + b_z)
    n = np.tanh(x_n + (r * (old @ w_n.T + b_n) if reset_after else (r * old) @ w_n.T + b_n))
    expected = ((1 - z) * n + z * old, r, z, n, z)
    for name, got, want in zip(step._fields, step, expected, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=LIMIT, atol=LIMIT, err_msg=name)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn_step_matches_the_notes(nonlinearity: str) -> None:
    xw, h, w_hh, b_hh = draw(B, H), draw(B, H), draw(H, H), draw(H)
    got = rnn_step(xw, h, w_hh, b_hh, nonlinearity=nonlinearity).h
    before = xw.numpy() + h.numpy() @ w_hh.numpy().T + b_hh.numpy()
    expected = np.tanh(before) if nonlinearity == "tanh" else np.maximum(before, 0)
    np.testing.assert_allclose(got.numpy(), expected, rtol=LIMIT, atol=LIMIT)


STEPS: dict[str, tuple[Any, int]] = {
    "lstm": (lstm_step, 4),
    "gru": (gru_step, 3),
    "rnn": (rnn_step, 1),
}

TORCH_STEPS: dict[str, Any] = {
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
    "rnn": torch.rnn_tanh_cell,
}


@pytest.mark.parametrize("cell", STEPS)
def test_step_without_bias_equals_zero_bias(cell: str) -> None:
    step, gates = STEPS[cell]
    state = [draw(B, H)] * (2 if cell == "lstm" else 1)
    xw, w_hh = draw(B, gates * H), draw(gates * H, H)
    zeros = torch.zeros(gates * H, dtype=torch.float64)
    for got, expected in zip(
        step(xw, *state, w_hh, None), step(xw, *state, w_hh, zeros), strict=True
    ):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("cell", STEPS)
def test_step_runs_in_every_dtype(cell: str, dtype: torch.dtype) -> None:
    step, gates = STEPS[cell]
    state = [draw(B, H)] * (2 if cell == "lstm" else 1)
    tensors = [draw(B, gates * H), *state, draw(gates * H, H) / 4, draw(gates * H)]
    exact = step(*tensors)
    for got, expected in zip(step(*(t.to(dtype) for t in tensors)), exact, strict=True):
        assert got.dtype == dtype
        error = (got.double() - expected).abs().max().item()
        assert error <= 32 * torch.finfo(dtype).eps


def test_lstm_step_keeps_the_memory_to_the_bit_when_the_gates_say_so() -> None:
    xw = draw(B, 4 * H)
    xw[:, :H], xw[:, H : 2 * H] = -1e4, 1e4  # i = 0 and f = 1 exactly
    c = draw(B, H)
    step = lstm_step(xw, draw(B, H), c, torch.zeros(4 * H, H, dtype=torch.float64), None)
    assert torch.equal(step.i, torch.zeros_like(c))
    assert torch.equal(step.f, torch.ones_like(c))
    assert torch.equal(step.c, c)


VARIANTS: dict[str, dict[str, Any]] = {
    "peephole": {"w_peephole": torch.zeros(3 * H, dtype=torch.float64)},
    "layer norm": {
        "w_ln_hh": torch.full((4 * H,), 1.5, dtype=torch.float64),
        "w_ln_c": torch.full((H,), 1.5, dtype=torch.float64),
        "b_ln_c": torch.full((H,), 0.5, dtype=torch.float64),
    },
    "identity": {"output_activation": "identity"},
    "mask": {"recurrent_mask": torch.full((B, H), 2.0, dtype=torch.float64)},
    "zoneout": {"keep_h": torch.ones(B, H).bool(), "keep_c": torch.eye(B, H).bool()},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_lstm_step_keeps_the_memory_to_the_bit(variant: str) -> None:
    xw, c = draw(B, 4 * H), draw(B, H)
    xw[:, :H], xw[:, H : 2 * H] = -1e4, 1e4
    step = lstm_step(xw, draw(B, H), c, draw(4 * H, H), None, **VARIANTS[variant])
    assert torch.equal(step.c, c)
    assert torch.equal(step.kept, torch.ones_like(c))


def test_coupled_lstm_step_keeps_the_memory_to_the_bit_when_nothing_is_written() -> None:
    xw, c = draw(B, 3 * H), draw(B, H)
    xw[:, :H] = -1e4  # i = 0, and so f = 1
    step = lstm_step(xw, draw(B, H), c, draw(3 * H, H), None, coupled=True)
    assert torch.equal(step.f, torch.ones_like(c))
    assert torch.equal(step.c, c)
    step = lstm_step(-xw, draw(B, H), c, draw(3 * H, H), None, coupled=True)
    assert torch.equal(step.c, step.g)  # i = 1: all is written anew


@pytest.mark.parametrize("cell", STEPS)
def test_zoneout_of_a_step_mixes_old_and_new(cell: str) -> None:
    step, gates = STEPS[cell]
    state = tuple(draw(B, H) for _ in range(2 if cell == "lstm" else 1))
    xw, w_hh, names = draw(B, gates * H), draw(gates * H, H), ("keep_h", "keep_c")[: len(state)]
    new = step(xw, *state, w_hh, None)
    for part, name in enumerate(names):
        bits = torch.rand(B, H) < 0.5
        for keep, share in ((bits, bits.double()), (0.3, 0.3), (0.0, 0.0), (1.0, 1.0)):
            zoned = step(xw, *state, w_hh, None, **{name: keep})
            want = share * state[part] + (1 - share) * new[part]
            torch.testing.assert_close(zoned[part], want, rtol=LIMIT, atol=LIMIT)
            for other in set(range(len(state))) - {part}:
                assert torch.equal(zoned[other], new[other])
            if name == ("keep_c" if cell == "lstm" else "keep_h") and cell != "rnn":
                gate = new.f if cell == "lstm" else new.z
                kept = share + (1 - share) * gate
                torch.testing.assert_close(zoned.kept, kept, rtol=LIMIT, atol=LIMIT)


@pytest.mark.parametrize(
    ("cell", "options"),
    [("lstm", {}), ("gru", {}), ("gru", {"reset_after": False}), ("rnn", {})],
)
def test_recurrent_mask_acts_on_the_way_into_the_weights_alone(
    cell: str, options: dict[str, Any]
) -> None:
    step, gates = STEPS[cell]
    state = [draw(B, H) for _ in range(2 if cell == "lstm" else 1)]
    xw, w_hh, mask = draw(B, gates * H), draw(gates * H, H), 2.0 * (torch.rand(H) < 0.5).double()
    masked = step(xw, *state, w_hh, None, recurrent_mask=mask, **options)
    scaled = step(xw, *state, w_hh * mask, None, **options)
    for got, expected in zip(masked, scaled, strict=True):
        torch.testing.assert_close(got, expected, rtol=LIMIT, atol=LIMIT)


def test_gru_step_keeps_the_state_to_the_bit_when_the_gate_says_so() -> None:
    xw, h = draw(B, 3 * H), draw(B, H)
    xw[:, H : 2 * H] = 1e4  # z = 1 exactly
    assert torch.equal(gru_step(xw, h, draw(3 * H, H), None).h, h)


@pytest.mark.parametrize("cell", STEPS)
@pytest.mark.parametrize("extreme", [-1e30, 1e30, -float("inf"), float("inf")])
def test_saturated_step_matches_torch(cell: str, extreme: float) -> None:
    step, gates = STEPS[cell]
    state = [draw(B, H)] * (2 if cell == "lstm" else 1)
    w_hh = draw(gates * H, H)
    w_ih = torch.eye(gates * H, dtype=torch.float64)
    for column in range(gates * H):
        xw = draw(B, gates * H)
        xw[:, column] = extreme
        # An infinite input times the zeros of w_ih would be NaN: a large one stands for it.
        finite = xw.clamp(-1e300, 1e300)
        expected = TORCH_STEPS[cell](finite, state if cell == "lstm" else state[0], w_ih, w_hh)
        expected = expected if cell == "lstm" else (expected,)
        got = step(xw, *state, w_hh, None)[: len(state)]
        for mine, their in zip(got, expected, strict=True):
            assert torch.isfinite(mine).all()
            torch.testing.assert_close(mine, their, rtol=LIMIT, atol=LIMIT)
