"""Frozen layers: the same numbers in steps and pieces; when weights that change are seen."""

import re
from typing import Any

import numpy as np
import pytest
import torch

import gatewise
from gatewise.ops.cases import FORMS
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

LAYERS = {"lstm": gatewise.LSTM, "gru": gatewise.GRU, "rnn": gatewise.RNN}


def make_layer(form: str, **kwargs: Any) -> Any:
    cell, options = FORMS[form]
    torch.manual_seed(0)
    layer = LAYERS[cell](3, 5, backend="cpu", **options, **kwargs).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.7, 0.7)
    return layer


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_steps_pieces_and_whole_give_the_layers_numbers(form: str, batch_size: int) -> None:
    layer = make_layer(form, num_layers=2)
    x = torch.randn(7, batch_size, 3)
    expected, state = layer(x)
    frozen = layer.freeze(batch_size)
    whole = frozen(x.numpy())
    np.testing.assert_array_equal(whole, expected.detach().numpy())
    h_n = state[0] if isinstance(state, tuple) else state
    np.testing.assert_array_equal(frozen.state[-1][0], h_n[-1].detach().numpy())
    frozen.reset()
    np.testing.assert_array_equal(np.stack([frozen.step(v) for v in x.numpy()]), whole)
    frozen.reset()
    np.testing.assert_array_equal(
        np.concatenate([frozen(x.numpy()[:3]), frozen(x.numpy()[3:])]), whole
    )


def test_a_single_sequence_needs_no_batch() -> None:
    layer = make_layer("gru")
    x = torch.randn(4, 3)
    frozen = layer.freeze()
    expected = layer(x)[0].detach().numpy()
    np.testing.assert_array_equal(frozen(x.numpy()), expected)
    frozen.reset()
    assert frozen.step(x.numpy()[0]).shape == (5,)


def test_float64_and_a_state_that_is_written() -> None:
    layer = make_layer("lstm").double()
    x, state = torch.randn(1, 2, 3).double(), torch.randn(2, 1, 2, 5).double()
    frozen = layer.freeze(2)
    for part, value in zip(frozen.state[0], state.numpy(), strict=True):
        part[:] = value[0]
    expected = layer(x, (state[0], state[1]))[0]
    np.testing.assert_array_equal(frozen(x.numpy()), expected.detach().numpy())


def write_data(weight: torch.Tensor) -> None:
    weight.data.mul_(2)


def write_numpy(weight: torch.Tensor) -> None:
    array = weight.detach().numpy()
    array *= 2


def write_shared_memory(weight: torch.Tensor) -> None:
    weight.detach().share_memory_().mul_(2)


@pytest.mark.parametrize("write", [write_data, write_numpy, write_shared_memory])
def test_a_layer_sees_every_write_and_a_frozen_one_only_when_frozen_again(write: Any) -> None:
    layer = make_layer("gru")
    x = torch.randn(20, 3, 3)
    frozen = layer.freeze(3)
    before = layer(x)[0].detach()
    write(layer.weight_hh_l0)
    after = layer(x)[0].detach()
    assert not torch.equal(before, after)
    np.testing.assert_array_equal(frozen(x.numpy()), before.numpy())
    np.testing.assert_array_equal(layer.freeze(3)(x.numpy()), after.numpy())


def test_what_cannot_be_frozen_or_stepped_is_refused() -> None:
    with pytest.raises(ValueError, match="takes a layer of one direction"):
        make_layer("gru", bidirectional=True).freeze()
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1; got 0"):
        make_layer("gru").freeze(0)
    frozen = make_layer("gru").freeze()
    wanted = re.escape("takes x of shape (3,) and dtype float32; got shape (4,) and dtype float32")
    with pytest.raises(ValueError, match=wanted):
        frozen.step(np.zeros(4, np.float32))
    with pytest.raises(ValueError, match="dtype float64"):
        frozen(np.zeros((2, 3)))
