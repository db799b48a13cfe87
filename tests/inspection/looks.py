"""What tests of views share: a model's state to the bit, and its layers' own final states."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gatewise.estimators.loading import network_of
from gatewise.inspection.view import View


def state_of(model: Any) -> list[Any]:
    """All of a model's network that looking at it must not change."""
    net = network_of(model)
    weights = [
        (name, weight.detach().numpy().tobytes(), weight.requires_grad, weight.grad is None)
        for name, weight in net.named_parameters()
    ]
    modules = [
        (name, module.training, len(module._forward_pre_hooks), len(module._forward_hooks))
        for name, module in net.named_modules()
    ]
    return [*weights, *modules]


def check_left_alone(
    model: Any, look: Callable[[], View], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that a look leaves a model in training mode as it was, also one that ends in an error.

    ``home`` is the module of the view, which takes gradients after all else.
    """
    network_of(model).train()
    before = state_of(model)
    look()
    assert state_of(model) == before
    monkeypatch.setattr(f"gatewise.inspection.{home}.gradient_rows", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        look()
    assert state_of(model) == before


def own_run(model: Any, run: Callable[[], Any]) -> tuple[np.ndarray, np.ndarray]:
    """Give what the model's recurrent layers give in a run of its own: y (T, W), h_n (L · D, H)."""
    seen: list[Any] = []
    with network_of(model).rnn.register_forward_hook(lambda *call: seen.append(call[2])):
        run()
    y, state = seen[-1]
    h_n = state[0] if isinstance(state, tuple) else state
    return y[:, 0].detach().numpy(), h_n[:, 0].detach().numpy()


def traced_h_n(view: View) -> np.ndarray:
    """Give the hidden states in which each direction of each layer of a view ends."""
    ends = []
    for layer in view.layers:
        ends.append(layer.forward.hidden[-1, 0])
        if layer.reverse is not None:
            ends.append(layer.reverse.hidden[0, 0])
    return torch.stack(ends).numpy()


def check_form(view: View) -> None:
    """Check that everything in a view fits together, on the CPU and without gradients."""
    steps, inputs = len(view.axis.steps), len(view.axis.inputs)
    assert view.influence.values.shape == (len(view.influence.rows), inputs)
    assert np.isfinite(view.influence.values).all()
    assert view.axis.labels is None or len(view.axis.labels) == inputs
    for curve in view.curves:
        assert len(curve.x) == len(curve.y)
        assert curve.y.dtype == np.float64
    for layer in view.layers:
        for direction in filter(None, (layer.forward, layer.reverse)):
            tensors = [direction.hidden, direction.cell, direction.candidate, direction.retention]
            for tensor in filter(lambda t: t is not None, [*tensors, *direction.gates.values()]):
                assert tensor.shape[:2] == (steps, 1)
                assert tensor.device.type == "cpu"
                assert not tensor.requires_grad


def close(got: np.ndarray, wanted: np.ndarray, tolerance: float = 2e-3) -> bool:
    """Compare, by the largest of what is wanted, with what float32's differences allow."""
    return bool(np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max())
