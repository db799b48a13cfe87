"""ONNX Runtime and OpenVINO: one recurrent node, made of the weights that torch has."""

from collections.abc import Callable
from typing import Any

import numpy as np

Results = dict[str, np.ndarray]
ORDERS = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}  # i f g o → i o f c, r z n → z r h
ATTRIBUTES: dict[str, dict[str, int]] = {"LSTM": {}, "GRU": {"linear_before_reset": 1}}
OPSET, IR_VERSION = 14, 9


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> Callable[[], Results]:
    """Make the call to be timed; it gives y (T, B, H)."""
    if job["mode"] == "train" or job["options"] or job["batch"] != "full":
        raise NotImplementedError("only the plain layer, forward")
    start = {"onnxruntime": _start_onnxruntime, "openvino": _start_openvino}[job["contender"]]
    run = start(_make_model(job, arrays), arrays["x"], job["threads"])
    return lambda: {"y": run()[:, 0]}  # (T, D, B, H), D = 1


def _start_onnxruntime(model: bytes, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its threads may spin within a call, and must not while others have their turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(["Y"], {"X": x})[0]


def _start_openvino(model: bytes, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # not bf16, where the processor has it
    }
    compiled = core.compile_model(core.read_model(model, b""), "CPU", settings)
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(x))

    def run() -> np.ndarray:
        request.infer()
        return request.get_output_tensor(0).data

    return run


def _make_model(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Write a model of one node, with the weights as constants and static shapes."""
    from onnx import TensorProto, helper, numpy_helper

    steps, batch, features, hidden = job["shape"]
    cell = job["cell"]
    weights = {
        "W": _reorder(cell, arrays["weight_ih_l0"]),
        "R": _reorder(cell, arrays["weight_hh_l0"]),
        "B": np.concatenate([_reorder(cell, arrays[f"bias_{k}_l0"]) for k in ("ih", "hh")]),
    }
    node = helper.make_node(
        cell, ["X", "W", "R", "B"], ["Y"], hidden_size=hidden, **ATTRIBUTES[cell]
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [steps, batch, features])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [steps, 1, batch, hidden])],
        [numpy_helper.from_array(value[None], name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    return model.SerializeToString()


def _reorder(cell: str, blocks: np.ndarray) -> np.ndarray:
    """Put torch's gate blocks into ONNX's order."""
    parts = np.split(blocks, len(ORDERS[cell]))
    return np.concatenate([parts[k] for k in ORDERS[cell]])
