"""Which backend a layer would run on, and why."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatewise.nn.base import RecurrentLayer, check_layer
from gatewise.nn.checks import Lengths
from gatewise.ops import Call, choose


@dataclass(frozen=True)
class Explanation:
    """The backend that runs a layer on an input; ``str()`` says it in a few lines.

    Attributes:
        layer: the layer's class, such as ``"LSTM"``.
        backend: the name of the backend that runs.
        reasons: for every other backend, by name, why it was passed over.
        derivatives: what can be differentiated with it, and how often.
    """

    layer: str
    backend: str
    reasons: dict[str, str]
    derivatives: str

    def __str__(self) -> str:
        passed_over = (f"  not {name}: {reason}" for name, reason in self.reasons.items())
        return "\n".join(
            [
                f"{self.layer} runs on backend {self.backend!r}",
                *passed_over,
                f"  derivatives: {self.derivatives}",
            ]
        )


def explain_backend(
    layer: RecurrentLayer,
    input: Tensor | PackedSequence,
    hx: Any = None,
    *,
    lengths: Lengths | None = None,
    resets: Tensor | None = None,
) -> Explanation:
    """Say which backend ``layer(input, ...)`` runs on, without running it.

    The choice depends on the options and on the batch, so that it is the same for every layer and
    direction. The arguments are those of the layer's ``forward``.

    Raises:
        ValueError: if ``layer`` is not one of ours, and as the layer's ``forward``.
        BackendError: if the backend that the layer asks for cannot do this.
    """
    check_layer("explain_backend", layer)
    batch = layer.prepare(input, hx, lengths, resets)
    # Any seed will do, and none is drawn: asking does not change what training draws.
    seed = torch.zeros((), dtype=torch.int64) if layer.draws_masks else None
    arguments = layer.arguments(0, 0, batch.x, batch, seed)
    choice = choose(Call.from_arguments(layer.cell, *arguments))
    backend = choice.backend
    return Explanation(type(layer).__name__, backend.name, choice.reasons, backend.derivatives)
