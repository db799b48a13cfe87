"""A model's own network, run on one example, and all that its recurrent layers did."""

import copy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gatewise.nn.base import RecurrentLayer
from gatewise.tracing import DirectionTrace, LayerTrace, trace

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Capture:
    """What a run has left.

    Attributes:
        outputs: what the network gave; gradients go back to ``read``, and beyond it to those of
            the network's inputs that wanted them.
        read: (T, 1, I), what the recurrent layers read.
        layers: what went on inside, (T, 1, ·) each, on the CPU and without gradients.
    """

    outputs: Any
    read: Tensor
    layers: list[LayerTrace]


def set_aside(network: _Module) -> _Module:
    """Copy a network into evaluation mode, its weights without gradients.

    What is run is the copy, so that the model stays as it was, whatever happens.
    """
    return copy.deepcopy(network).eval().requires_grad_(False)


def device_of(network: nn.Module) -> torch.device:
    """Say where a network's weights are."""
    return next(network.parameters()).device


def capture(network: nn.Module, *inputs: Any) -> Capture:
    """Run a network that was :func:`set_aside` on one example.

    Args:
        network: has its recurrent layers as ``rnn``.
        inputs: of its ``forward``, for a batch of one, where the network is.
    """
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        read, *rest = args
        if not read.requires_grad:
            read = read.detach().requires_grad_()
        seen.append(((read, *rest), kwargs))
        return seen[-1]

    layer: Any = network.rnn
    with layer.register_forward_pre_hook(keep, with_kwargs=True):
        outputs = network(*inputs)
    (args, kwargs) = seen[0]
    return Capture(outputs, args[0], trace_on_cpu(layer, *args, **kwargs))


@torch.no_grad()
def trace_on_cpu(layer: RecurrentLayer, *args: Any, **kwargs: Any) -> list[LayerTrace]:
    """Trace a layer, wherever it is, with the arguments of its ``forward``."""
    if device_of(layer).type != "cpu":
        layer = copy.deepcopy(layer).cpu()
    on_cpu = {name: _on_cpu(value) for name, value in kwargs.items()}
    return trace(layer, *map(_on_cpu, args), **on_cpu).layers


def _on_cpu(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_on_cpu(part) for part in value)
    return value.detach().cpu() if isinstance(value, Tensor) else value


def first_steps(layers: list[LayerTrace], steps: int, sequence: int = 0) -> list[LayerTrace]:
    """Give so many steps of one sequence, (steps, 1, ·) each, on the CPU and without gradients.

    Half-lives stay those of all that was traced.
    """

    def piece(tensor: Tensor | None) -> Any:
        return None if tensor is None else _on_cpu(tensor[:steps, sequence : sequence + 1])

    def cut(direction: DirectionTrace) -> DirectionTrace:
        return DirectionTrace(
            hidden=piece(direction.hidden),
            cell=piece(direction.cell),
            candidate=piece(direction.candidate),
            gates={name: piece(gate) for name, gate in direction.gates.items()},
            retention=piece(direction.retention),
            half_life=_on_cpu(direction.half_life),
        )

    return [
        LayerTrace(cut(layer.forward), None if layer.reverse is None else cut(layer.reverse))
        for layer in layers
    ]


def named(layer: RecurrentLayer) -> str:
    """Name a layer in a few words, such as ``"LSTM, 64 units, 2 layers, both directions"``."""
    parts = [layer.cell.upper(), f"{layer.hidden_size:,} unit{'s' * (layer.hidden_size != 1)}"]
    if layer.num_layers > 1:
        parts.append(f"{layer.num_layers} layers")
    if layer.bidirectional:
        parts.append("both directions")
    return ", ".join(parts)
