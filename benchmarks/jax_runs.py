"""JAX: x·W for all steps ahead, then ``lax.scan``, under ``jit``."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Weights = dict[str, Array]
Step = Callable[[Weights, Any, Array], tuple[Any, Array]]


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> Callable[[], dict[str, Array]]:
    """Make the call to be timed; it gives y and, in training, all gradients by name."""
    if job["options"] or job["batch"] != "full":
        raise NotImplementedError("only the plain layer")
    given = {name: jnp.asarray(array) for name, array in arrays.items()}
    x, dy = given.pop("x"), given.pop("dy")
    layer = _make_layer(job["cell"])
    run = jax.jit(lambda weights, x: {"y": layer(weights, x)})
    if job["mode"] == "train":
        run = jax.jit(lambda weights, x: _train(layer, weights, x, dy))
    return lambda: jax.block_until_ready(run(given, x))


def _make_layer(cell: str) -> Callable[[Weights, Array], Array]:
    """Give weights, x (T, B, I) → y (T, B, H), from a zero state."""
    step: Step = {"LSTM": _lstm_step, "GRU": _gru_step}[cell]

    def run(weights: Weights, x: Array) -> Array:
        projected = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]  # (T, B, G·H)
        zero = jnp.zeros((x.shape[1], weights["weight_hh_l0"].shape[1]), x.dtype)
        state = (zero, zero) if cell == "LSTM" else zero
        return lax.scan(lambda state, x_t: step(weights, state, x_t), state, projected)[1]

    return run


def _lstm_step(weights: Weights, state: tuple[Array, Array], x_t: Array) -> tuple[Any, Array]:
    h, c = state
    gates = x_t + h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]  # (B, 4H)
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru_step(weights: Weights, h: Array, x_t: Array) -> tuple[Array, Array]:
    recurrent = h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]  # (B, 3H)
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (jnp.split(a, 3, axis=-1) for a in (x_t, recurrent))
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    h = (1 - z) * jnp.tanh(x_n + r * h_n) + z * h
    return h, h


def _train(
    layer: Callable[[Weights, Array], Array], weights: Weights, x: Array, dy: Array
) -> dict[str, Array]:
    y, pull_back = jax.vjp(layer, weights, x)
    gradients, dx = pull_back(dy)
    return {"y": y, "x": dx, **gradients}
