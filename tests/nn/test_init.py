"""How weights start."""

import math
from typing import Any

import pytest
import torch
from layer_cases import FORMS, KINDS

import gatewise

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((kind, options) for kind in KINDS for options in ({}, {"bias": False})),
        *((kind, {"num_layers": 2, "bidirectional": True}) for kind in KINDS),
        ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
        ("LSTM", {"proj_size": 2, "bias": False}),
        ("RNN", {"nonlinearity": "relu"}),
        *((f"{kind}Cell", options) for kind in KINDS for options in ({}, {"bias": False})),
    ],
)
def test_torch_init_draws_as_torch_does(kind: str, options: dict[str, Any]) -> None:
    layers = []
    for package in (gatewise, torch.nn):
        torch.manual_seed(11)
        layers.append(getattr(package, kind)(3, 5, **options))
    mine, theirs = (layer.state_dict() for layer in layers)
    assert list(mine) == list(theirs)
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["", "Cell"])
def test_torch_init_draws_torchs_weights_first_whatever_the_options(form: str, suffix: str) -> None:
    """Two layers, both ways: what torch lacks is drawn after all that it has."""
    cell, options = FORMS[form]
    extras = ("peephole", "layer_norm", "learn_initial_state", "zoneout", "recurrent_dropout")
    plain = {name: value for name, value in options.items() if name not in extras}
    arrangement: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    if suffix:
        arrangement = {}
        options, plain = (
            {n: v for n, v in one.items() if n not in ("proj_size", "recurrent_dropout")}
            for one in (options, plain)
        )
    states = []
    for chosen in (options, plain):
        torch.manual_seed(11)
        make = getattr(gatewise, cell.upper() + suffix)
        states.append(make(3, 5, **arrangement, **chosen).state_dict())
    for name, expected in states[1].items():
        assert torch.equal(states[0][name], expected), name
    if not plain.get("coupled") and "output_activation" not in plain:
        kept = {n: v for n, v in plain.items() if n != "reset_after"}
        torch.manual_seed(11)
        theirs = getattr(torch.nn, cell.upper() + suffix)(3, 5, **arrangement, **kept)
        for name, expected in theirs.state_dict().items():
            assert torch.equal(states[0][name], expected), name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scheme", ["torch", "standard"])
def test_gains_start_at_1_and_shifts_and_initial_states_at_0(form: str, scheme: str) -> None:
    """Peepholes start at 0 too, but for torch's scheme, which draws them as it draws all else."""
    cell, options = FORMS[form]
    torch.manual_seed(0)
    layer = getattr(gatewise, cell.upper())(3, 50, 2, bidirectional=True, init=scheme, **options)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_ln"):
            assert torch.equal(weight, torch.ones_like(weight)), name
        elif name.startswith(("bias_ln", "initial")):
            assert not weight.any(), name
        elif name.startswith("weight_peephole"):
            bound = 1 / math.sqrt(50) if scheme == "torch" else 0.0
            assert 0.8 * bound <= weight.abs().max() <= bound, name


@pytest.mark.parametrize("form", FORMS)
def test_reset_parameters_draws_every_weight_anew(form: str) -> None:
    cell, options = FORMS[form]
    torch.manual_seed(11)
    layer = getattr(gatewise, cell.upper())(3, 5, 2, bidirectional=True, **options)
    expected = {name: p.detach().clone() for name, p in layer.named_parameters()}
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(float("nan"))
    torch.manual_seed(11)
    layer.reset_parameters()
    for name, parameter in layer.named_parameters():
        assert torch.equal(parameter, expected[name]), name


@pytest.mark.parametrize("kind", ["LSTM", "LSTMCell"])
def test_coupled_standard_init_opens_the_forget_gate_through_the_input_gate(kind: str) -> None:
    layer = getattr(gatewise, kind)(3, 5, coupled=True, init="standard")
    biases = {name: p for name, p in layer.named_parameters() if name.startswith("bias")}
    for name, bias in biases.items():
        expected = torch.zeros(15)
        if name.startswith("bias_ih"):
            expected[:5] = -1
        assert torch.equal(bias, expected), name


@pytest.mark.parametrize("kind", ["LSTM", "LSTMCell"])
def test_coupled_chrono_init_spreads_the_memory(kind: str) -> None:
    torch.manual_seed(0)
    longest, hidden = 200, 400
    options: dict[str, Any] = {"coupled": True, "init": "chrono", "max_period": longest}
    layer = getattr(gatewise, kind)(3, hidden, **options)
    biases = [p for name, p in layer.named_parameters() if name.startswith("bias")]
    b_ih, b_hh = biases
    spans = (-b_ih[:hidden]).exp()
    kept = 1 - torch.sigmoid(b_ih[:hidden])  # f, with nothing coming in
    torch.testing.assert_close(1 / (1 - kept), spans + 1, rtol=1e-3, atol=0)
    assert 1 <= spans.min() < 5
    assert longest - 5 < spans.max() <= longest - 1
    assert not b_ih[hidden:].any()
    assert not b_hh.any()


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_standard_init_has_orthogonal_recurrent_blocks(kind: str, dtype: torch.dtype) -> None:
    layer = getattr(gatewise, kind)(3, 5, 2, init="standard", dtype=dtype)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            for block in weight.detach().double().split(5):
                error = (block @ block.T - torch.eye(5, dtype=torch.float64)).abs().max()
                assert error <= 16 * torch.finfo(dtype).eps
        if name.startswith("weight_ih"):
            for block in weight.detach().split(5):
                bound = math.sqrt(6 / sum(block.shape))
                assert 0.5 * bound < block.abs().max() <= bound * (1 + torch.finfo(dtype).eps)


@every_kind
def test_standard_init_has_zero_biases_but_for_the_forget_gate(kind: str) -> None:
    layer = getattr(gatewise, kind)(3, 5, 2, init="standard", bidirectional=True)
    for name, bias in layer.named_parameters():
        if name.startswith("bias"):
            expected = torch.zeros_like(bias)
            if kind == "LSTM" and name.startswith("bias_ih"):
                expected[5:10] = 1
            assert torch.equal(bias, expected), name


def test_standard_init_covers_the_projection() -> None:
    torch.manual_seed(0)
    layer: Any = gatewise.LSTM(3, 5, proj_size=2, init="standard")
    assert layer.weight_hr_l0.abs().max() <= math.sqrt(6 / 7)
    for block in layer.weight_hh_l0.detach().split(5):  # (5, 2), orthonormal columns
        torch.testing.assert_close(block.T @ block, torch.eye(2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LSTMCell", "GRUCell"])
def test_chrono_init_spreads_the_memory(kind: str) -> None:
    torch.manual_seed(0)
    longest, hidden = 200, 400
    layer = getattr(gatewise, kind)(3, hidden, init="chrono", max_period=longest)
    state = layer.state_dict()
    b_ih = next(value for name, value in state.items() if name.startswith("bias_ih"))
    b_hh = next(value for name, value in state.items() if name.startswith("bias_hh"))
    blocks = b_ih.split(hidden)
    spans = blocks[1].exp()  # the forget gate's, z's in a GRU
    assert 1 <= spans.min() < 5
    assert longest - 5 < spans.max() <= longest - 1
    assert abs(spans.mean() - longest / 2) < 10
    if kind.startswith("LSTM"):
        assert torch.equal(blocks[0], -blocks[1])
        assert not blocks[2].any()
        assert not blocks[3].any()
    else:
        assert not blocks[0].any()
        assert not blocks[2].any()
    assert not b_hh.any()


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("LSTM", {"init": "he"}, "init must be one of 'torch', 'standard', 'chrono'; got 'he'"),
        ("LSTM", {"init": "chrono"}, "needs max_period.*got None"),
        ("GRU", {"init": "chrono", "max_period": 1.5}, "at least 2; got 1.5"),
        ("GRU", {"init": "chrono", "max_period": 9, "bias": False}, "take bias=True"),
        ("RNN", {"init": "chrono", "max_period": 9}, "an RNN has none"),
        ("RNNCell", {"init": "chrono", "max_period": 9}, "an RNN has none"),
        ("LSTM", {"max_period": 9}, "belongs to init='chrono', but init='torch'"),
        ("GRUCell", {"init": "standard", "max_period": 9}, "belongs to init='chrono'"),
    ],
)
def test_impossible_init_is_refused(kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, kind)(3, 5, **options)
