"""A truth that is not ours: Keras' recurrent layers, in float64 on the CPU."""

import os
from typing import Any
from unittest.mock import patch

os.environ.setdefault("KERAS_BACKEND", "torch")  # read when keras is imported

import keras
import torch
from torch import Tensor

# The layer of each form and its options.
KERAS_FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "lstm": (keras.layers.LSTM, {}),
    "gru": (keras.layers.GRU, {"reset_after": True}),
    "gru-reset-before": (keras.layers.GRU, {"reset_after": False}),
    "rnn": (keras.layers.SimpleRNN, {}),
}
KERAS_FORMS |= {f"{form}-recurrent-dropout": layer for form, layer in KERAS_FORMS.items()}
# Keras' torch backend multiplies float64 matrices in float32, because this function says so.
RESULT_TYPE = "keras.src.backend.common.dtypes.result_type"
KERAS_BLOCKS = {4: (0, 1, 2, 3), 3: (1, 0, 2), 1: (0,)}  # i f g o -> i f c o, r z n -> z r h


def blocks_to_keras(blocks: Tensor, hidden: int) -> Tensor:
    """Put torch's gate blocks into Keras' order; Keras' kernels are transposed."""
    parts = blocks.split(hidden)
    return torch.cat([parts[k] for k in KERAS_BLOCKS[len(parts)]]).t()


def weights_to_keras(form: str, tensors: dict[str, Tensor]) -> list[Tensor]:
    """Give kernel (I, G·H), recurrent kernel (H, G·H) and bias, if there is one.

    The GRU that resets after the product keeps both biases, (2, G·H); the others have one, (G·H,).
    """
    names = ("w_ih", "w_hh", "b_ih", "b_hh") if "b_ih" in tensors else ("w_ih", "w_hh")
    hidden = tensors["w_hh"].shape[1]
    kernel, recurrent, *biases = (blocks_to_keras(tensors[name], hidden) for name in names)
    if not biases:
        return [kernel, recurrent]
    both = torch.stack(biases)
    keeps_both = KERAS_FORMS[form][1].get("reset_after", False)
    return [kernel, recurrent, both if keeps_both else both.sum(0)]


def run_keras(
    form: str,
    tensors: dict[str, Tensor],
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    mask: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Run one layer in one direction through Keras; gradients reach ``tensors``.

    Args:
        form: cell and form.
        tensors: ``x`` (T, B, I), T at least 1, the state and the weights, float64.
        lengths: (B,), as Keras' mask; Keras, too, skips the padding in reverse.
        reverse: from the last step to the first.
        mask: (B, H), scaled: what Keras' recurrent dropout multiplies h by, in training.

    Returns:
        (y, h_n) or (y, h_n, c_n), time-major.
    """
    x = tensors["x"].transpose(0, 1)  # (B, T, I)
    with keras.device("cpu"), patch(RESULT_TYPE, lambda *_: "float64"):
        layer = _build(form, tensors, reverse, mask)
        (y, *state), _ = layer.stateless_call(
            weights_to_keras(form, tensors),
            layer.non_trainable_variables,
            x,
            initial_state=[tensors[name] for name in ("h_0", "c_0") if name in tensors],
            mask=None if lengths is None else torch.arange(x.shape[1]) < lengths[:, None],
            training=mask is not None,
        )
    y = y.transpose(0, 1)
    return y.flip(0) if reverse else y, *state  # Keras' reverse gives y in the order of its walk


def _build(form: str, tensors: dict[str, Tensor], reverse: bool, mask: Tensor | None) -> Any:
    """Give the layer, its weights still to be handed over, its recurrent dropout fixed to mask."""
    kind, options = KERAS_FORMS[form]
    layer = kind(
        tensors["w_hh"].shape[1],
        use_bias="b_ih" in tensors,
        recurrent_dropout=0.0 if mask is None else 0.3,
        return_sequences=True,
        return_state=True,
        go_backwards=reverse,
        zero_output_for_mask=True,
        dtype="float64",
        **options,
    )
    layer.build((None, *tensors["x"].transpose(0, 1).shape[1:]))
    if mask is not None:  # gated cells draw a mask for each gate, the simple RNN a single one
        masks = mask if kind is keras.layers.SimpleRNN else [mask] * layer.cell.dropout_mask_count
        layer.cell.get_recurrent_dropout_mask = lambda _: masks
    return layer
