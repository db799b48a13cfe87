"""Two truths that are not ours: torch.nn, and ONNX Runtime's recurrent nodes."""

from typing import Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from onnx import TensorProto, helper
from torch import Tensor

TORCH_FORMS = ("lstm", "lstm-projection", "gru", "rnn", "rnn-relu")
# The options of each form, as an ONNX node's attributes: the cell's activations first.
ONNX_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"]}),
    "lstm-identity": (
        "LSTM",
        {
            "activations": ["Sigmoid", "Tanh", "Affine"],
            "activation_alpha": [1.0],
            "activation_beta": [0.0],
        },
    ),
    "lstm-peephole": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"]}),
    "lstm-coupled": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"], "input_forget": 1}),
    "lstm-coupled-peephole": (
        "LSTM",
        {"activations": ["Sigmoid", "Tanh", "Tanh"], "input_forget": 1},
    ),
    "gru": ("GRU", {"activations": ["Sigmoid", "Tanh"], "linear_before_reset": 1}),
    "gru-reset-before": ("GRU", {"activations": ["Sigmoid", "Tanh"], "linear_before_reset": 0}),
    "rnn": ("RNN", {"activations": ["Tanh"]}),
    "rnn-relu": ("RNN", {"activations": ["Relu"]}),
}
ONNX_BLOCKS = {
    "LSTM": (0, 3, 1, 2),
    "GRU": (1, 0, 2),
    "RNN": (0,),
}  # i f g o -> i o f c, r z n -> z r h


def blocks_to_onnx(op_type: str, blocks: Tensor) -> np.ndarray:
    """Put torch's gate blocks into ONNX's order."""
    order = ONNX_BLOCKS[op_type]
    parts = blocks.detach().chunk(len(order))
    return torch.cat([parts[k] for k in order]).numpy()


def run_onnx(
    form: str,
    x: Tensor,
    directions: list[dict[str, Tensor]],
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    unused: float = 0.0,
) -> tuple[Tensor, ...]:
    """Run one layer in ONNX Runtime (float32 is all it has).

    Args:
        form: cell and form.
        x: (T, B, I).
        directions: one (forward, or reverse if ``reverse``) or two dicts of state and weights.
        lengths: (B,), each at least 1.
        reverse: what a single direction is.
        unused: fills the forget gate's blocks that ONNX wants, and ignores, for coupled gates.

    Returns:
        y (T, B, D·H) and the final states (D, B, H).
    """
    op_type, attributes = ONNX_FORMS[form]
    repeated: Any = {
        name: value * len(directions) if isinstance(value, list) else value
        for name, value in attributes.items()
    }
    way = "bidirectional" if len(directions) == 2 else "reverse" if reverse else "forward"
    if "input_forget" in attributes:
        directions = [_with_forget_blocks(one, unused) for one in directions]
    inputs = _onnx_inputs(op_type, x, directions, lengths)
    hidden = directions[0]["w_hh"].shape[1]
    outputs = ["Y", "Y_h"] + (["Y_c"] if op_type == "LSTM" else [])
    order = _INPUT_ORDER if op_type == "LSTM" else _INPUT_ORDER[:-2]
    names = [name if name in inputs else "" for name in order]
    node = helper.make_node(op_type, names, outputs, hidden_size=hidden, direction=way, **repeated)
    graph = helper.make_graph(
        [node],
        "layer",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in inputs.items()
        ],
        [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, [None] * (4 if name == "Y" else 3)
            )
            for name in outputs
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    y, *state = (torch.from_numpy(out) for out in session.run(None, inputs))  # y (T, D, B, H)
    return y.transpose(1, 2).flatten(2), *state


_INPUT_ORDER = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def _with_forget_blocks(one: dict[str, Tensor], fill: float) -> dict[str, Tensor]:
    """Insert the second block: i g o -> i f g o, peepholes i o -> i f o."""

    def insert(name: str, blocks: Tensor) -> Tensor:
        first, *rest = blocks.detach().chunk(2 if name == "w_peephole" else 3)
        return torch.cat([first, torch.full_like(first, fill), *rest])

    gated = ("w_ih", "w_hh", "b_ih", "b_hh", "w_peephole")
    return {name: insert(name, value) if name in gated else value for name, value in one.items()}


def _onnx_inputs(
    op_type: str, x: Tensor, directions: list[dict[str, Tensor]], lengths: Tensor | None
) -> dict[str, np.ndarray]:
    def stack(name: str) -> np.ndarray:
        return np.stack([blocks_to_onnx(op_type, one[name]) for one in directions])

    inputs = {"X": x.detach().numpy(), "W": stack("w_ih"), "R": stack("w_hh")}
    if "b_ih" in directions[0]:
        inputs["B"] = np.concatenate([stack("b_ih"), stack("b_hh")], axis=1)
    if "w_peephole" in directions[0]:  # i f o -> i o f
        peepholes = [one["w_peephole"].detach().chunk(3) for one in directions]
        inputs["P"] = np.stack([torch.cat((i, o, f)).numpy() for i, f, o in peepholes])
    if lengths is not None:
        inputs["sequence_lens"] = lengths.to(torch.int32).numpy()
    for short, name in (("h_0", "initial_h"), ("c_0", "initial_c")):
        if short in directions[0]:
            inputs[name] = np.stack([one[short].detach().numpy() for one in directions])
    return inputs


def run_torch(
    form: str, tensors: dict[str, Tensor], *, reverse: bool = False
) -> tuple[Tensor, ...]:
    """Run one layer in one direction through ``torch.nn``, its weights bound to ``tensors``."""
    cell = form.partition("-")[0]
    hidden = tensors["w_hh"].shape[0] // {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    proj = tensors["w_hr"].shape[0] if "w_hr" in tensors else 0
    kind = getattr(torch.nn, cell.upper())
    options: dict[str, Any] = {"nonlinearity": "relu"} if form == "rnn-relu" else {}
    if proj:
        options["proj_size"] = proj
    x = tensors["x"]
    module = kind(x.shape[-1], hidden, bias="b_ih" in tensors, dtype=x.dtype, **options)
    long_names = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
    long_names["w_hr"] = "weight_hr"
    weights = {f"{long_names[k]}_l0": v for k, v in tensors.items() if k in long_names}
    state = tuple(tensors[name].unsqueeze(0) for name in ("h_0", "c_0") if name in tensors)
    hx = state if cell == "lstm" else state[0]
    given = x.flip(0) if reverse else x
    y, final = torch.func.functional_call(module, weights, (given, hx))
    finals = final if cell == "lstm" else (final,)
    return (y.flip(0) if reverse else y), *(s.squeeze(0) for s in finals)
