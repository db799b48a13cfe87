"""What is timed: shapes and cases, who takes part in each, and the numbers that all of them get."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch

import gatewise
from gatewise.ops.cases import FORMS

Shape = tuple[int, int, int, int]  # T, B, I, H
CELLS = ("LSTM", "GRU")
MODES = ("forward", "train")
CONTENDERS = ("torch", "ours", "torch.compile", "onnxruntime", "openvino", "jax")
INFERENCE_ONLY = ("onnxruntime", "openvino")

SHAPES: tuple[Shape, ...] = (
    (100, 1, 64, 128),
    (100, 1, 64, 512),
    (50, 32, 64, 64),
    (100, 32, 128, 128),
    (200, 64, 128, 256),
    (100, 64, 512, 512),
    (500, 16, 64, 256),
    (35, 20, 650, 650),
    (1000, 8, 32, 32),
)
GRID: tuple[Shape, ...] = (
    (1, 1, 16, 16),
    (1, 256, 64, 64),
    (1, 16, 512, 512),
    (1, 1, 1024, 1024),
    (10, 1, 128, 128),
    (10, 64, 32, 16),
    (10, 256, 256, 256),
    (10, 16, 1024, 1024),
    (100, 1, 16, 16),
    (100, 4, 64, 64),
    (100, 16, 32, 16),
    (100, 64, 16, 32),
    (100, 256, 64, 64),
    (50, 256, 256, 256),
    (100, 4, 512, 512),
    (100, 8, 1024, 1024),
    (1000, 1, 64, 64),
    (1000, 4, 256, 256),
    (1000, 64, 64, 64),
    (4000, 1, 32, 32),
    (4000, 8, 64, 64),
    (4000, 32, 16, 16),
)
CASE_SHAPE: Shape = (100, 32, 128, 128)
OPTION_SHAPES: tuple[Shape, ...] = (CASE_SHAPE, (100, 1, 64, 128))
RAGGED_SHAPES = tuple(shape for shape in SHAPES if shape[1] >= 16)
STEP_SHAPES: tuple[Shape, ...] = tuple((1, 1, size, size) for size in (64, 128, 256, 512))
EPOCH_SHAPE: Shape = (168, 32, 8, 64)
RESET_RATE = 0.01


class Entry(NamedTuple):
    """Who takes part in a contest, and in which process (that of its contender, if unnamed).

    A plain entry runs the layer without the contest's options, flags and lengths: another function
    at the same shape, so that its results are compared with nobody's.
    """

    contender: str
    label: str
    process: str = ""
    is_plain: bool = False


@dataclass(frozen=True)
class Contest:
    """One case in one mode: what is computed, and by whom.

    Attributes:
        part: the table it belongs to.
        cell: "LSTM" or "GRU".
        mode: "forward", "train", "step" or "epoch".
        shape: T, B, I, H.
        threads: of each contender.
        entries: the first that is not plain is the truth of the others.
        case: its name in the table.
        options: arguments of the layer.
        batch: "full", "ragged" or "resets".
        tolerance: how far results may differ, in units of what they usually may.
    """

    part: str
    cell: str
    mode: str
    shape: Shape
    threads: int
    entries: tuple[Entry, ...]
    case: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    batch: str = "full"
    tolerance: float = 1

    def job(self, entry: Entry) -> dict[str, Any]:
        """Give what a worker must know to run an entry, all but the tensors."""
        return {
            "contender": entry.contender,
            "cell": self.cell,
            "mode": self.mode,
            "shape": self.shape,
            "threads": self.threads,
            "options": {} if entry.is_plain else self.options,
            "batch": "full" if entry.is_plain else self.batch,
        }


def label_entries(*contenders: str, process: str = "") -> tuple[Entry, ...]:
    """Give entries named after their contenders."""
    return tuple(Entry(name, name, process) for name in contenders)


PAIR = label_entries("torch", "ours")


def plain_contests(
    part: str, given: dict[str, Any], shapes: tuple[Shape, ...], entries: tuple[Entry, ...]
) -> Iterator[Contest]:
    """Give plain layers: ``given`` has cells, modes and threads."""
    for cell, mode, shape in product(given["cells"], given["modes"], shapes):
        able = tuple(e for e in entries if mode == "forward" or e.contender not in INFERENCE_ONLY)
        yield Contest(part, cell, mode, tuple(shape), given["threads"], able)


def _structures(given: dict[str, Any]) -> Iterator[Contest]:
    """Stacks, both directions, projection: what torch has too."""
    structures = {
        "2 layers": {"num_layers": 2},
        "bidirectional": {"bidirectional": True},
        "projection to H / 2": {"proj_size": CASE_SHAPE[3] // 2},
    }
    for cell, mode, (case, options) in product(given["cells"], given["modes"], structures.items()):
        if cell == "LSTM" or "proj_size" not in options:
            yield Contest(
                "structures", cell, mode, CASE_SHAPE, given["threads"], PAIR, case, options
            )


def _ragged(given: dict[str, Any]) -> Iterator[Contest]:
    """Lengths uniform in 1…T: ours, a PackedSequence, and padding with a mask behind."""
    names = ("torch, packed", "ours", "torch, padded")
    for cell, mode, shape in product(given["cells"], given["modes"], RAGGED_SHAPES):
        yield Contest(
            "ragged", cell, mode, shape, given["threads"], label_entries(*names), batch="ragged"
        )


def _resets(given: dict[str, Any]) -> Iterator[Contest]:
    """One step in a hundred starts anew: a step loop, ours, and torch on the uncut sequence."""
    entries = (
        Entry("reference", "step loop"),
        Entry("ours", "ours"),
        Entry("torch", "torch, uncut", is_plain=True),
    )
    for cell, mode in product(given["cells"], given["modes"]):
        yield Contest("resets", cell, mode, CASE_SHAPE, given["threads"], entries, batch="resets")


def _options(given: dict[str, Any]) -> Iterator[Contest]:
    """Each option that torch lacks, alone: a step loop, ours, and ours without it."""
    entries = (
        Entry("reference", "step loop"),
        Entry("ours", "ours"),
        Entry("ours", "ours, plain", is_plain=True),
    )
    single = [form for form in FORMS.values() if len(form.options) == 1]
    for form, mode, shape in product(single, given["modes"], OPTION_SHAPES):
        if form.cell.upper() in given["cells"] and "proj_size" not in form.options:
            case = ", ".join(f"{name}={value!r}" for name, value in form.options.items())
            cell, threads = form.cell.upper(), given["threads"]
            # Layer norm amplifies rounding, step by step: the step loop in float32 is itself
            # further from that in float64 than others may be from it.
            tolerance = 10 if "layer_norm" in form.options else 1
            yield Contest(
                *("options", cell, mode, shape, threads, entries, case, form.options),
                tolerance=tolerance,
            )


def _steps(given: dict[str, Any]) -> Iterator[Contest]:
    """One step of one sequence: torch's cell, our frozen layer, and a model of one step."""
    entries = (Entry("torch", "torch's cell"), Entry("ours", "ours"), *label_entries("onnxruntime"))
    for cell, shape in product(given["cells"], STEP_SHAPES):
        yield Contest("step", cell, "step", shape, given["threads"], entries)


def _one_process(given: dict[str, Any]) -> Iterator[Contest]:
    """torch and ours side by side within one process."""
    entries = label_entries("torch", "ours", process="both")
    return plain_contests("one-process", given, given["shapes"], entries)


def _avx2(given: dict[str, Any]) -> Iterator[Contest]:
    """Ours without AVX-512; torch with it, where there is any, and without."""
    entries = (
        Entry("torch", "torch"),
        Entry("ours", "ours", process="avx2"),
        Entry("torch", "torch without AVX-512", process="torch-avx2"),
    )
    return plain_contests("avx2", given, given["shapes"], entries)


def _epoch(given: dict[str, Any]) -> Iterator[Contest]:
    """One epoch of a small forecaster: layer, linear head, Adam."""
    for cell in given["cells"]:
        yield Contest("epoch", cell, "epoch", EPOCH_SHAPE, given["threads"], PAIR)


CASES: dict[str, Callable[[dict[str, Any]], Iterator[Contest]]] = {
    "structures": _structures,
    "ragged": _ragged,
    "resets": _resets,
    "options": _options,
    "step": _steps,
    "one-process": _one_process,
    "avx2": _avx2,
    "epoch": _epoch,
}


def draw_tensors(job: dict[str, Any]) -> dict[str, np.ndarray]:
    """Draw a job's weights, x (T, B, I), dy (T, B, width), and lengths (B,) or resets (T, B).

    The same job gives the same numbers, in every process and at every restart.
    """
    steps, batch, features, hidden = job["shape"]
    torch.manual_seed(0)
    layer = getattr(gatewise, job["cell"])(features, hidden, **job["options"])
    arrays = {name: weight.numpy() for name, weight in layer.state_dict().items()}
    rng = np.random.default_rng(0)
    width = (job["options"].get("proj_size") or hidden) * (1 + layer.bidirectional)
    arrays["x"] = rng.standard_normal((steps, batch, features), np.float32)
    arrays["dy"] = rng.standard_normal((steps, batch, width), np.float32)
    if job["batch"] == "ragged":
        arrays["lengths"] = rng.integers(1, steps + 1, batch)
        arrays["dy"][np.arange(steps)[:, None] >= arrays["lengths"]] = 0
    if job["batch"] == "resets":
        arrays["resets"] = rng.random((steps, batch)) < RESET_RATE
    return arrays


def count_operations(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> int:
    """Count the operations of the products with the weights: 2·T·B·G·H·(I+H) for a plain layer.

    Only steps within the lengths count; training counts three times.
    """
    steps, batch, *_ = job["shape"]
    rows = int(arrays["lengths"].sum()) if "lengths" in arrays else steps * batch
    weights = sum(
        a.size
        for name, a in arrays.items()
        if name.startswith(("weight_ih", "weight_hh", "weight_hr"))
    )
    return 2 * rows * weights * (1 if job["mode"] in ("forward", "step") else 3)
