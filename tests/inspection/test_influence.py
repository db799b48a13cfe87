"""Gradients of outputs with respect to inputs, against whole Jacobians."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

import gatewise
from gatewise.inspection.influence import layer_influence, some_steps


def norms(layer, x):
    """The Frobenius norm of ∂y_t/∂x_s from the whole Jacobian, (T, T)."""
    whole = jacobian(lambda given: layer(given)[0], x)  # (T, P, T, I)
    return whole.square().sum((1, 3)).sqrt().numpy()


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_influence_of_few_numbers_is_the_jacobian_norm(cell):
    torch.manual_seed(0)
    layer = getattr(gatewise, cell)(2, 3, bidirectional=True, dtype=torch.float64)
    x = torch.randn(7, 2, dtype=torch.float64)
    found = layer_influence(layer, x, None, None, list(range(7)))
    np.testing.assert_allclose(found.values, norms(layer, x), rtol=1e-10, atol=1e-14)
    assert found.rows == list(range(7))


def test_influence_of_many_numbers_is_estimated_and_says_so():
    torch.manual_seed(0)
    layer = gatewise.LSTM(2, 64, dtype=torch.float64)
    x = torch.randn(9, 2, dtype=torch.float64)
    found = layer_influence(layer, x, None, None, list(range(9)))
    exact = norms(layer, x)
    seen = exact > 1e-8
    # Of 16 signs the estimate of a squared norm is off by at most √(2/16) of it, one time in three.
    ratio = found.values[seen] ** 2 / exact[seen] ** 2
    assert abs(ratio.mean() - 1) < 0.2
    assert np.abs(ratio - 1).max() < 4 * np.sqrt(2 / 16)
    assert not found.values[~seen].any()
    assert "estimated from 16 random directions" in found.about
    again = layer_influence(layer, x, None, None, list(range(9)))
    assert np.array_equal(found.values, again.values)


def test_influence_leaves_the_layer_as_it_was():
    layer = gatewise.GRU(2, 3, num_layers=2, dropout=0.5).train()
    layer_influence(layer, torch.randn(5, 2), None, None, list(range(5)))
    assert layer.training
    assert all(p.grad is None for p in layer.parameters())


def test_steps_are_chosen_evenly_with_the_last():
    assert some_steps(3).tolist() == [0, 1, 2]
    many = some_steps(2_000)
    assert len(many) == 200
    assert many[-1] == 1_999
    assert set(np.diff(many)) <= {10, 11}
    assert len(some_steps(0)) == 0
