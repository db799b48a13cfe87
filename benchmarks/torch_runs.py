"""Contenders that run in torch: torch.nn in several ways, our layers, and the step loop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import gatewise
from gatewise.ops.dispatch import BackendError

Results = dict[str, Tensor]
BACKENDS = {"ours": "cpu", "reference": "reference"}  # the reference is an eager step loop
NOT_WEIGHTS = ("x", "dy", "lengths", "resets")
BATCHES, HORIZON, LEARNING_RATE = 60, 24, 1e-3  # of the forecaster's epoch


def prepare(job: dict[str, Any], arrays: dict[str, np.ndarray]) -> Callable[[], Results]:
    """Make the call to be timed; it gives y and, in training, all gradients by name."""
    torch.set_num_threads(job["threads"])
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    layer = _build(job, tensors)
    if job["mode"] == "epoch":
        return _Epoch(layer, job["shape"])
    if job["mode"] == "step":
        return _make_step(job, layer, tensors["x"])
    call = _make_call(job, layer, tensors)
    if job["mode"] == "forward":
        layer.eval()
        return lambda: _infer(call, tensors["x"])
    wanted = {"x": tensors["x"].requires_grad_(), **dict(layer.named_parameters())}
    return lambda: _train(call, wanted, tensors["dy"])


def _build(job: dict[str, Any], tensors: dict[str, Tensor]) -> torch.nn.Module:
    features, hidden = job["shape"][2:]
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in job["options"].items()}
    if job["contender"] in BACKENDS:
        kind, options["backend"] = getattr(gatewise, job["cell"]), BACKENDS[job["contender"]]
    else:
        kind = getattr(torch.nn, job["cell"])
    layer = kind(features, hidden, **options)
    layer.load_state_dict({k: v for k, v in tensors.items() if k not in NOT_WEIGHTS})
    return layer


def _make_call(
    job: dict[str, Any], layer: torch.nn.Module, tensors: dict[str, Tensor]
) -> Callable[[Tensor], Tensor]:
    """Give x (T, B, I) → y (T, B, ·), the contender's way."""
    lengths, resets = tensors.get("lengths"), tensors.get("resets")
    if job["contender"] in BACKENDS:
        _check_able(layer, tensors["x"], lengths=lengths, resets=resets)
        return lambda x: layer(x, lengths=lengths, resets=resets)[0]
    if job["contender"] == "torch, packed":
        return lambda x: _run_packed(layer, x, lengths)
    if job["contender"] == "torch, padded":
        return lambda x: _run_padded(layer, x, lengths)
    compiled = torch.compile(layer) if job["contender"] == "torch.compile" else layer
    return lambda x: compiled(x)[0]


def _check_able(layer: torch.nn.Module, x: Tensor, **given: Tensor | None) -> None:
    try:
        gatewise.explain_backend(layer, x, **given)
    except BackendError as error:
        raise NotImplementedError(str(error).partition(". ")[0]) from error


def _run_packed(layer: torch.nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], total_length=len(x))[0]


def _run_padded(layer: torch.nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    """Run over the padding, gather each sequence's own last output, and clear what is beyond."""
    y = layer(x)[0]
    y[lengths - 1, torch.arange(len(lengths))]
    return y * (torch.arange(len(x))[:, None, None] < lengths[:, None])


def _infer(call: Callable[[Tensor], Tensor], x: Tensor) -> Results:
    with torch.inference_mode():
        return {"y": call(x)}


def _train(call: Callable[[Tensor], Tensor], wanted: Results, dy: Tensor) -> Results:
    y = call(wanted["x"])
    grads = torch.autograd.grad(y, list(wanted.values()), dy, allow_unused=True)
    return {"y": y.detach(), **{k: g for k, g in zip(wanted, grads, strict=True) if g is not None}}


def _make_step(job: dict[str, Any], layer: torch.nn.Module, x: Tensor) -> Callable[[], Results]:
    """Give one step, which goes on from the state that the last one left; y is (1, B, H)."""
    if job["contender"] in BACKENDS:
        frozen, array = layer.freeze(x.shape[1]), x[0].numpy()
        return lambda: {"y": torch.from_numpy(frozen.step(array))[None]}
    cell = getattr(torch.nn, job["cell"] + "Cell")(*job["shape"][2:])
    cell.load_state_dict({k.removesuffix("_l0"): w for k, w in layer.state_dict().items()})
    state = None

    def run() -> Results:
        nonlocal state
        with torch.inference_mode():
            state = cell(x[0], state)
        return {"y": (state[0] if isinstance(state, tuple) else state)[None]}

    return run


class _Epoch:
    """One training epoch of layer and linear head on the last output, from the same start."""

    def __init__(self, layer: torch.nn.Module, shape: list[int]) -> None:
        steps, batch, features, hidden = shape
        torch.manual_seed(0)
        self.model = torch.nn.ModuleList([layer, torch.nn.Linear(hidden, HORIZON)])
        self.start = {name: w.clone() for name, w in self.model.state_dict().items()}
        self.inputs = torch.randn(BATCHES, steps, batch, features)
        self.targets = torch.randn(BATCHES, batch, HORIZON)

    def __call__(self) -> Results:
        """Train, and give the loss of each batch."""
        self.model.load_state_dict(self.start)
        layer, head = self.model
        optimizer = torch.optim.Adam(self.model.parameters(), LEARNING_RATE)
        losses = []
        for x, target in zip(self.inputs, self.targets, strict=True):
            loss = torch.nn.functional.mse_loss(head(layer(x)[0][-1]), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return {"y": torch.stack(losses)}
