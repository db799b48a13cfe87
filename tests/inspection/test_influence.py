"""Gradients of outputs: torch's own Jacobians, and what random signs can tell of them."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

import gatewise
from gatewise.inspection.influence import evenly_chosen, gradient_rows, layer_influence, rows_worth

T, I = 7, 3  # noqa: E741 - the sizes' usual letters


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def jacobian(layer: Any, x: Tensor, **arguments: Any) -> Tensor:
    """Give ∂y_t/∂x_s of a layer on one sequence (T, I), as torch makes it: (T, W, T, I)."""

    def output(inputs: Tensor) -> Tensor:
        return layer(inputs[:, None], **arguments)[0][:, 0]

    found: Any = torch.autograd.functional.jacobian(output, x)
    return found


LAYERS: dict[str, Any] = {
    "lstm": lambda: gatewise.LSTM(I, 5, dtype=torch.float64),
    "gru, two layers, both ways": lambda: gatewise.GRU(
        I, 4, 2, bidirectional=True, dtype=torch.float64
    ),
    "rnn": lambda: gatewise.RNN(I, 8, dtype=torch.float64),
    "lstm, projected, peepholes": lambda: gatewise.LSTM(
        I, 12, proj_size=3, peephole=True, dtype=torch.float64
    ),
    "gru, paper's": lambda: gatewise.GRU(I, 6, reset_after=False, dtype=torch.float64),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_influence_is_the_norm_of_torchs_jacobian(name: str) -> None:
    layer, x = LAYERS[name](), draw(T, I)
    found = layer_influence(layer, x)
    wanted = jacobian(layer, x).square().sum(dim=(1, 3)).sqrt()
    np.testing.assert_allclose(found.values, wanted.numpy(), rtol=1e-9, atol=1e-12)
    assert "exact" in found.about
    assert list(found.rows) == list(range(1, T + 1))


def test_layer_influence_takes_state_lengths_and_resets() -> None:
    layer, x = gatewise.GRU(I, 4, dtype=torch.float64), draw(T, I)
    given = {
        "hx": draw(1, 1, 4),
        "lengths": torch.tensor([5]),
        "resets": torch.arange(T)[:, None] == 2,
    }
    found = layer_influence(layer, x[:, None], **given)
    wanted = jacobian(layer, x, **given).square().sum(dim=(1, 3)).sqrt().numpy()
    np.testing.assert_allclose(found.values, wanted[:5], rtol=1e-9, atol=1e-12)
    assert (found.values[2:, :2] == 0).all()  # nothing crosses the cut


def test_layer_influence_is_the_same_in_every_form() -> None:
    layer, x = gatewise.GRU(I, 4, dtype=torch.float64), draw(T, I)
    first = gatewise.GRU(I, 4, batch_first=True, dtype=torch.float64)
    first.load_state_dict(layer.state_dict())
    wanted = layer_influence(layer, x).values
    for other, given in ((layer, x[:, None]), (first, x[None]), (layer, pack_sequence([x]))):
        np.testing.assert_array_equal(layer_influence(other, given).values, wanted)


def test_estimate_errs_as_its_probes_say() -> None:
    """The variance of ‖Jᵀv‖² for random signs v is 2 Σ over i ≠ j of (J Jᵀ)ᵢⱼ²."""
    torch.manual_seed(0)
    layer, x = gatewise.LSTM(I, 20, dtype=torch.float64), draw(T, I)
    found = layer_influence(layer, x)
    assert "estimated from 16 random combinations of its 20 numbers" in found.about
    exact = jacobian(layer, x).permute(0, 2, 1, 3)  # (T, T, W, I)
    products = exact @ exact.mT
    variance = 2 * (
        products.square().sum((2, 3)) - products.diagonal(dim1=2, dim2=3).square().sum(2)
    )
    error = found.values**2 - exact.square().sum((2, 3)).numpy()
    deviations = error / np.sqrt(variance.numpy() / 16).clip(min=1e-12)
    assert np.abs(deviations).max() < 5
    assert np.abs(deviations).max() > 0.1  # it is an estimate
    np.testing.assert_array_equal(layer_influence(layer, x).values, found.values)


def test_layer_influence_chooses_rows_and_calls_them() -> None:
    layer, x = gatewise.GRU(I, 4, dtype=torch.float64), draw(T, I)
    places = [f"2024-01-0{day}" for day in range(1, T + 1)]
    found = layer_influence(layer, x, places=places, most=3)
    assert found.rows == ["2024-01-01", "2024-01-04", "2024-01-07"]
    np.testing.assert_array_equal(found.values, layer_influence(layer, x).values[[0, 3, 6]])


def test_layer_influence_leaves_the_layer_and_ignores_its_mode() -> None:
    layer = gatewise.GRU(I, 4, recurrent_dropout=0.5, dtype=torch.float64)
    x = draw(T, I)
    with torch.no_grad():
        found = layer_influence(layer, x)
    assert layer.training
    assert layer.weight_ih_l0.requires_grad
    assert layer.weight_ih_l0.grad is None
    wanted = jacobian(layer.eval(), x).square().sum(dim=(1, 3)).sqrt()
    np.testing.assert_allclose(found.values, wanted.numpy(), rtol=1e-9, atol=1e-12)


def test_layer_influence_rejects_several_sequences_and_other_layers() -> None:
    with pytest.raises(ValueError, match="takes one sequence, got a batch of 2"):
        layer_influence(gatewise.GRU(I, 4), torch.zeros(T, 2, I))
    with pytest.raises(ValueError, match="takes a gatewise LSTM, GRU or RNN"):
        layer_influence(torch.nn.GRU(I, 4), torch.zeros(T, I))  # type: ignore[arg-type]


def test_gradient_rows_are_norms_step_by_step() -> None:
    read = draw(4, 1, 3).requires_grad_()
    weights = draw(2, 4, 1, 3)
    found = gradient_rows((weights * read.square()).sum((1, 2, 3)), read)
    wanted = (2 * weights * read.detach()).flatten(2).norm(dim=2)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-12)


def test_evenly_chosen_keeps_both_ends() -> None:
    assert evenly_chosen(3, 5).tolist() == [0, 1, 2]
    chosen = evenly_chosen(2_000)
    assert len({*chosen.tolist()}) == 200
    assert (chosen[0], chosen[-1]) == (0, 1_999)
    assert evenly_chosen(0).tolist() == []


def test_large_layers_have_fewer_rows() -> None:
    small, large = gatewise.GRU(4, 8), gatewise.LSTM(64, 1_024)
    assert len(rows_worth(small, 1_000, 1_000)) == 200
    assert 25 <= len(rows_worth(large, 1_000, 1_000)) < 100
    assert rows_worth(large, 1_000, 10).tolist() == list(range(10))


def test_layer_influence_takes_seconds_for_a_hundred_units_and_two_thousand_steps() -> None:
    layer, x = gatewise.LSTM(10, 100), torch.randn(2_000, 10)
    begun = time.process_time()
    assert layer_influence(layer, x, most=20).values.shape == (20, 2_000)
    assert time.process_time() - begun < 20  # about one
