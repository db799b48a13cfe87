"""Time the layers beside ``torch.nn``: results compared first, contenders alternated, medians.

    python benchmarks/run.py [--rounds N] [--threads N] [--out FILE]

Writes JSON; ``benchmarks/render.py`` makes BENCHMARKS.md of it. One process; every round times each
contender once, so that a drifting clock meets all of them alike.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch

import gatewise
from gatewise.comparison.record import machine, versions
from gatewise.ops.cases import FORMS

SHAPES = [(50, 32, 64, 64), (100, 1, 64, 128), (100, 32, 128, 128), (500, 16, 64, 256)]
Shape = tuple[int, int, int, int]
CELLS = ("LSTM", "GRU", "RNN")
VARIANTS = {
    "torch.nn": None,
    "auto": {},
    "cpu": {"backend": "cpu"},
    "reference": {"backend": "reference"},
}
OPTION_SHAPES = SHAPES[::2]
TORCHS_OWN = {"proj_size", "nonlinearity"}
OPTIONS = [form for form in FORMS.values() if set(form.options) - TORCHS_OWN]
RESULTS = Path(__file__).parent / "results"


def build(cell: str, shape: Shape, options: dict | None) -> torch.nn.Module:
    """Give torch's layer (options None) or ours, with the same weights for the same cell."""
    _, _, inputs, hidden = shape
    torch.manual_seed(0)
    if options is None:
        return getattr(torch.nn, cell)(inputs, hidden)
    return getattr(gatewise, cell)(inputs, hidden, **options)


def forward(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run without gradients, in evaluation."""
    layer.eval()
    with torch.inference_mode():
        return layer(x)[0]


def train(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run forward and backward, to the weights' gradients."""
    layer.train()
    layer.zero_grad()
    y = layer(x)[0]
    y.sum().backward()
    return y


MODES = {"forward": forward, "train": train}


def time_contenders(layers: dict, mode: str, x: torch.Tensor, rounds: int) -> dict[str, float]:
    """Give each contender's median seconds over ``rounds`` alternated rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in layers}
    for _ in range(rounds + 1):
        for name, layer in layers.items():
            start = time.perf_counter()
            MODES[mode](layer, x)
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values[1:]) for name, values in seconds.items()}  # the first warms up


def cases() -> Iterator[tuple[str, str, Shape, dict]]:
    """Give cell, option, shape and contenders of every case."""
    for cell, shape in itertools.product(CELLS, SHAPES):
        yield cell, "", shape, VARIANTS
    for form, shape in itertools.product(OPTIONS, OPTION_SHAPES):
        option = ", ".join(f"{name}={value!r}" for name, value in form.options.items())
        yield form.cell.upper(), option, shape, {"torch.nn": None, "auto": form.options}


def measure(rounds: int) -> list[dict]:
    """Time every case, forward and training."""
    rows = []
    for cell, option, shape, variants in cases():
        layers = {name: build(cell, shape, options) for name, options in variants.items()}
        x = torch.randn(shape[:3])
        if not option:
            expected = forward(layers["torch.nn"], x)
            for layer in layers.values():
                torch.testing.assert_close(forward(layer, x), expected, rtol=0, atol=1e-5)
        for mode in MODES:
            seconds = time_contenders(layers, mode, x, rounds)
            rows.append({"cell": cell, "option": option, "mode": mode, "shape": shape, **seconds})
            shown = {name: f"{value * 1e3:.2f} ms" for name, value in seconds.items()}
            print(cell, option, mode, shape, shown)
    return rows


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "layers.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = {
        "machine": machine(),
        "versions": versions(),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "rows": measure(arguments.rounds),
    }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
