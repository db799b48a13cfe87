"""What explain_backend says."""

from typing import Any

import pytest
import torch
from layer_cases import KINDS
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

import gatewise
from gatewise.ops import backend_names
from gatewise.ops.native_call import native

FASTEST = "torch" if native is None else "cpu"
WITHOUT_TORCH = "reference" if native is None else "cpu"


@pytest.mark.parametrize("kind", KINDS)
def test_explanation_names_the_backend_that_runs(kind: str) -> None:
    layer, x = getattr(gatewise, kind)(3, 5, num_layers=2), torch.randn(8, 16, 3)
    explanation = gatewise.explain_backend(layer, x)
    assert explanation.backend == FASTEST
    assert explanation.reasons["reference"] == "slower than the backend chosen"
    assert explanation.reasons.keys() == set(backend_names()) - {FASTEST}
    resets = torch.zeros(8, 16, dtype=torch.bool)
    explanation = gatewise.explain_backend(layer, x, resets=resets)
    assert explanation.backend == WITHOUT_TORCH
    assert "reset the state" in explanation.reasons["torch"]


def test_explanation_says_why_the_core_is_passed_over() -> None:
    explanation = gatewise.explain_backend(gatewise.GRU(3, 512), torch.randn(1, 1, 3))
    assert explanation.backend == "torch"
    words = "not built" if native is None else "packing so many weights costs more"
    assert words in explanation.reasons["cpu"]


def test_explanation_reads_as_lines() -> None:
    layer = gatewise.LSTM(3, 5, layer_norm=True).half()
    x = torch.randn(4, 3).half()
    first, *others, last = str(gatewise.explain_backend(layer, x)).split("\n")
    assert first == "LSTM runs on backend 'reference'"
    assert "not torch: torch has no layer norm in its cells" in others[1]
    words = "not built" if native is None else "float32 and float64 only"
    assert "not cpu: " in others[0]
    assert words in others[0]
    assert last == "  derivatives: of any order, in reverse and forward mode, and under torch.func"


@pytest.mark.parametrize("backend", [FASTEST, "torch"])
def test_explanation_says_who_gives_which_derivatives(backend: str) -> None:
    layer, x = gatewise.GRU(3, 5, backend=backend), torch.randn(4, 2, 3)
    assert "higher ones by the reference" in gatewise.explain_backend(layer, x).derivatives


def test_explanation_under_a_transform_is_of_what_runs_there() -> None:
    layer, explanations = gatewise.GRU(3, 5), []

    def function(x: Tensor) -> Tensor:
        explanations.append(gatewise.explain_backend(layer, x))
        return layer(x)[0]

    torch.func.vmap(function)(torch.randn(2, 4, 2, 3))
    assert explanations[0].backend == "reference"
    assert "torch.func" in explanations[0].reasons["torch"]


def test_explanation_of_a_forced_backend_says_so() -> None:
    layer = gatewise.GRU(3, 5, backend="reference")
    packed = pack_sequence([torch.randn(3, 3), torch.randn(2, 3)])
    explanation = gatewise.explain_backend(layer, packed)
    assert explanation.backend == "reference"
    assert explanation.reasons["torch"] == "backend='reference' was asked for"


def test_other_layers_are_refused_by_name() -> None:
    layer: Any = torch.nn.LSTM(3, 5)
    for run in (gatewise.trace, gatewise.explain_backend):
        with pytest.raises(ValueError, match=r"takes a gatewise LSTM, GRU or RNN; got torch\.nn"):
            run(layer, torch.randn(4, 2, 3))


def test_forced_backend_that_cannot_is_refused_by_layer_and_explanation() -> None:
    layer = gatewise.GRU(3, 5, reset_after=False, backend="torch")
    x = torch.randn(4, 2, 3)
    for run in (layer, lambda x: gatewise.explain_backend(layer, x)):
        with pytest.raises(gatewise.BackendError, match="reset_after=True"):
            run(x)
