"""Keras as a truth: its recurrent dropout, against the equations written out."""

import numpy as np
import pytest
import torch
from keras_oracle import KERAS_FORMS, run_keras
from sequence_cases import FORMS, assert_same, make_tensors, run_operator, scaled_error, tolerance
from torch import Tensor

every_form = pytest.mark.parametrize("form", [n for n in KERAS_FORMS if "dropout" not in n])


def test_keras_tells_the_reset_forms_apart() -> None:
    tensors = make_tensors("gru", 5, 3)
    error = scaled_error(run_operator("gru", tensors)[0], run_keras("gru-reset-before", tensors)[0])
    assert error > 1e-3


def test_keras_leaves_the_defaults_of_torch_alone() -> None:
    run_keras("lstm", make_tensors("lstm", 2, 1))
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_device() == torch.device("cpu")


def draw_mask(batch: int, hidden: int) -> Tensor:
    """Draw a recurrent-dropout mask for p = 0.3, (B, H)."""
    keep = torch.full((batch, hidden), 0.7, dtype=torch.float64)
    return torch.bernoulli(keep, generator=torch.Generator().manual_seed(3)) / 0.7


def masked_steps(
    form: str, tensors: dict[str, Tensor], mask: Tensor, *, carries_masked: bool = False
) -> tuple[Tensor, ...]:
    """Run a form with h·mask before the recurrent weights, and only there, in NumPy.

    ``carries_masked`` is the other reading: the GRU's z also keeps h·mask.
    """
    x, h, *c, w_ih, w_hh, b_ih, b_hh = (tensor.detach().numpy() for tensor in tensors.values())
    blocks = w_hh.shape[0] // h.shape[1]
    y = []
    for x_t in x:
        masked = h * mask.numpy()
        xs = np.split(x_t @ w_ih.T + b_ih, blocks, -1)
        hs = np.split(masked @ w_hh.T + b_hh, blocks, -1)
        if form == "lstm":
            i, f, g, o = (a + b for a, b in zip(xs, hs, strict=True))
            c = [_sigmoid(i) * np.tanh(g) + _sigmoid(f) * c[0]]
            h = _sigmoid(o) * np.tanh(c[0])
        elif form == "rnn":
            h = np.tanh(xs[0] + hs[0])
        else:
            r, z = (_sigmoid(xs[k] + hs[k]) for k in (0, 1))
            w_n, b_n = (np.split(part, 3)[2] for part in (w_hh, b_hh))
            reset = r * hs[2] if form == "gru" else (r * masked) @ w_n.T + b_n
            h = (1 - z) * np.tanh(xs[2] + reset) + z * (masked if carries_masked else h)
        y.append(h)
    return tuple(torch.from_numpy(out) for out in (np.stack(y), h, *c))


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def by_name(outputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Name y, h_n and, if it is there, c_n."""
    return {name: out.detach() for name, out in zip(("y", "h_n", "c_n"), outputs, strict=False)}


@every_form
def test_keras_recurrent_dropout_masks_h_before_the_recurrent_weights(form: str) -> None:
    tensors = make_tensors(FORMS[form][0], 6, 3, 4, 5)
    mask = draw_mask(3, 5)
    got = run_keras(form, tensors, mask=mask)
    expected = masked_steps(form, tensors, mask)
    assert_same(by_name(got), by_name(expected), tolerance(torch.float64, 6))
    assert not torch.allclose(got[0], run_keras(form, tensors)[0])


@pytest.mark.parametrize("form", ["gru", "gru-reset-before"])
def test_keras_gru_keeps_the_unmasked_state(form: str) -> None:
    """Keras' z·h takes h as it is, so that its GRU can be a truth for ours."""
    tensors = make_tensors("gru", 6, 3, 4, 5)
    mask = draw_mask(3, 5)
    got = run_keras(form, tensors, mask=mask)
    other = masked_steps(form, tensors, mask, carries_masked=True)
    with pytest.raises(AssertionError, match="exceeds"):
        assert_same(by_name(got), by_name(other), 1e-3)


@every_form
def test_keras_recurrent_dropout_in_reverse_with_lengths(form: str) -> None:
    """One mask for each sequence, from the sequence's own end."""
    tensors = make_tensors(FORMS[form][0], 5, 3, 4, 5)
    mask, lengths = draw_mask(3, 5), [3, 5, 1]
    y, *state = run_keras(form, tensors, lengths=torch.tensor(lengths), reverse=True, mask=mask)
    for row, length in enumerate(lengths):
        alone = {
            name: tensor[:length, [row]].flip(0) if name == "x" else tensor[[row]]
            for name, tensor in tensors.items()
            if name in ("x", "h_0", "c_0")
        }
        y_alone, *state_alone = masked_steps(form, tensors | alone, mask[[row]])
        expected = (torch.cat([y_alone.flip(0), torch.zeros(5 - length, 1, 5)]), *state_alone)
        got = (y[:, [row]], *(s[[row]] for s in state))
        assert_same(by_name(got), by_name(expected), tolerance(torch.float64, 5))
