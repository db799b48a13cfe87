"""What lecture notes say of gated networks, seen in the layers themselves."""

from typing import Any

import pytest
import torch

import gatewise

LONG = 10_000


def hold(layer: Any, block: int, open_gate: bool) -> None:
    """Set a gate to exactly 1 or 0, whatever comes in: a bias that saturates the sigmoid."""
    rows = slice(block * layer.hidden_size, (block + 1) * layer.hidden_size)
    with torch.no_grad():
        layer.bias_ih_l0[rows] = 1e4 if open_gate else -1e4


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_lstm_carries_its_memory_to_the_bit_over_10000_steps(backend: str) -> None:
    """With Γf = 1 and Γu = 0, c⟨t⟩ is c⟨0⟩ for ever."""
    torch.manual_seed(0)
    layer = gatewise.LSTM(3, 8, backend=backend)
    x, h_0, c_0 = torch.randn(LONG, 2, 3), torch.randn(1, 2, 8), torch.randn(1, 2, 8)
    hold(layer, 0, open_gate=False)
    hold(layer, 1, open_gate=True)
    with torch.no_grad():
        _, (_, c_n) = layer(x, (h_0, c_0))
        assert torch.equal(c_n, c_0)
        hold(layer, 1, open_gate=False)  # and forgets it all when told to
        _, (_, c_n) = layer(x, (h_0, c_0))
        assert not c_n.any()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"layer_norm": True},
        {"peephole": True},
        {"proj_size": 4},
        {"coupled": True},
        {"output_activation": "identity"},
        {"recurrent_dropout": 0.5},
        {"zoneout": 0.5},
        {"learn_initial_state": True},
        {"peephole": True, "coupled": True, "layer_norm": True, "proj_size": 4, "zoneout": 0.5},
    ],
    ids=str,
)
def test_memory_line_of_every_variant_carries_its_memory_to_the_bit(
    options: dict[str, Any], training: bool
) -> None:
    """Coupled gates need Γu = 0 alone; in evaluation, zoneout's average rounds."""
    torch.manual_seed(0)
    layer: Any = gatewise.LSTM(3, 8, **options).train(training)
    hold(layer, 0, open_gate=False)
    if not layer.coupled:
        hold(layer, 1, open_gate=True)
    if layer.peephole:
        layer.weight_peephole_l0.data.zero_()
    x, c_0 = torch.randn(1000, 2, 3), torch.randn(1, 2, 8)
    with torch.no_grad():
        _, (_, c_n) = layer(x, (torch.randn(1, 2, layer.proj_size or 8), c_0))
    if layer.zoneout and not training:
        torch.testing.assert_close(c_n, c_0, rtol=1e-4, atol=0)
    else:
        assert torch.equal(c_n, c_0)


def test_trace_shows_the_memory_at_every_one_of_the_10000_steps() -> None:
    torch.manual_seed(0)
    layer = gatewise.LSTM(3, 8)
    hold(layer, 0, open_gate=False)
    hold(layer, 1, open_gate=True)
    c_0 = torch.randn(1, 2, 8)
    with torch.no_grad():
        way: Any = gatewise.trace(layer, torch.randn(LONG, 2, 3), (c_0 / 2, c_0)).layers[0].forward
    assert torch.equal(way.cell, c_0.expand(LONG, 2, 8))
    assert torch.equal(way.retention, torch.ones(LONG, 2, 8))
    assert torch.isposinf(way.half_life).all()


def test_gru_carries_its_state_to_the_bit_over_10000_steps() -> None:
    """With Γu = 0, torch's z = 1, c⟨t⟩ is c⟨0⟩ for ever."""
    torch.manual_seed(0)
    layer = gatewise.GRU(3, 8, backend="reference")
    hold(layer, 1, open_gate=True)
    h_0 = torch.randn(1, 2, 8)
    with torch.no_grad():
        y, h_n = layer(torch.randn(LONG, 2, 3), h_0)
    assert torch.equal(y, h_0.expand(LONG, 2, 8))
    assert torch.equal(h_n, h_0)


@pytest.mark.parametrize(
    "options",
    [{"reset_after": False}, {"layer_norm": True}, {"recurrent_dropout": 0.5}, {"zoneout": 0.5}],
    ids=str,
)
def test_state_of_every_gru_variant_is_carried_to_the_bit(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = gatewise.GRU(3, 8, **options)
    hold(layer, 1, open_gate=True)
    h_0 = torch.randn(1, 2, 8)
    with torch.no_grad():
        y, h_n = layer(torch.randn(1000, 2, 3), h_0)
    assert torch.equal(y, h_0.expand(1000, 2, 8))
    assert torch.equal(h_n, h_0)


def test_lstm_has_three_gates_and_gru_two() -> None:
    x = torch.randn(4, 2, 3)
    gates = {
        kind: set(gatewise.trace(getattr(gatewise, kind)(3, 8), x).layers[0].forward.gates)
        for kind in ("LSTM", "GRU", "RNN")
    }
    assert gates["LSTM"] == {"input", "forget", "output"}
    assert gates["GRU"] == {"reset", "update"}
    assert gates["RNN"] == set()


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}])
def test_parameters_stand_as_4_to_3_to_1(options: dict[str, Any]) -> None:
    """Gates and candidate of an LSTM make four blocks, a GRU's three, a plain RNN has one."""
    counts = [
        sum(p.numel() for p in getattr(gatewise, kind)(7, 16, **options).parameters())
        for kind in ("LSTM", "GRU", "RNN")
    ]
    assert counts == [4 * counts[2], 3 * counts[2], counts[2]]


def test_coupled_lstm_has_as_many_weights_as_a_gru() -> None:
    lstm, gru = gatewise.LSTM(7, 16, coupled=True), gatewise.GRU(7, 16)
    counts = [sum(p.numel() for p in layer.parameters()) for layer in (lstm, gru)]
    assert counts[0] == counts[1]


def test_plain_rnn_forgets_where_the_lstm_remembers() -> None:
    """The state an RNN was given fades; through an LSTM's open memory line it does not."""
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 3, dtype=torch.float64)
    lstm = gatewise.LSTM(3, 8, dtype=torch.float64)
    hold(lstm, 0, open_gate=False)
    hold(lstm, 1, open_gate=True)
    c_0 = torch.randn(1, 1, 8, dtype=torch.float64, requires_grad=True)
    _, (_, c_n) = lstm(x, (torch.zeros_like(c_0), c_0))
    (kept,) = torch.autograd.grad(c_n.sum(), c_0)
    torch.testing.assert_close(kept, torch.ones_like(kept))

    rnn = gatewise.RNN(3, 8, dtype=torch.float64)
    h_0 = torch.randn(1, 1, 8, dtype=torch.float64, requires_grad=True)
    _, h_n = rnn(x, h_0)
    (faded,) = torch.autograd.grad(h_n.sum(), h_0)
    assert faded.abs().max() < 1e-6
