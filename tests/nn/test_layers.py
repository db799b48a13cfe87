"""The layers' own behaviour: signatures, options, masks, copies, empty batches."""

import copy
import inspect
import io
import pickle
from typing import Any

import pytest
import torch
from layer_cases import KINDS, assert_same, draw, make_state, run_layer
from torch.nn.modules.rnn import RNNBase

import gatewise

every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, *arguments: int, **options: Any) -> Any:
    torch.manual_seed(0)
    return getattr(gatewise, kind)(*(arguments or (3, 5)), dtype=torch.float64, **options)


@every_kind
def test_constructor_takes_torchs_arguments_in_torchs_order(kind: str) -> None:
    torchs = [
        (name, None if name in ("device", "dtype") else parameter.default)
        for name, parameter in inspect.signature(RNNBase).parameters.items()
        if name != "mode" and (kind == "LSTM" or name != "proj_size")
    ]
    if kind == "RNN":  # torch takes it out of *args at this place
        torchs.insert(3, ("nonlinearity", "tanh"))
    parameters = inspect.signature(getattr(gatewise, kind)).parameters.values()
    mine = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert mine == torchs
    own = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    first = {
        "LSTM": ["output_activation", "peephole", "coupled", "layer_norm"],
        "GRU": ["reset_after", "layer_norm"],
        "RNN": [],
    }[kind]
    for_all = ["recurrent_dropout", "zoneout", "learn_initial_state"]
    assert own == [*first, *for_all, "init", "max_period", "backend"]


def test_rnn_takes_nonlinearity_fourth_as_torch_does() -> None:
    assert gatewise.RNN(3, 5, 1, "relu", False).nonlinearity == "relu"
    assert torch.nn.RNN(3, 5, 1, "relu", False).nonlinearity == "relu"


@every_kind
def test_repr_shows_what_is_not_default(kind: str) -> None:
    assert repr(make(kind)) == f"{kind}(3, 5)"
    shown = repr(make(kind, num_layers=2, bidirectional=True, init="standard", backend="torch"))
    for words in ("num_layers=2", "bidirectional=True", "init='standard'", "backend='torch'"):
        assert words in shown
    option = {"output_activation": "identity", "reset_after": False, "nonlinearity": "relu"}
    name = {"LSTM": "output_activation", "GRU": "reset_after", "RNN": "nonlinearity"}[kind]
    assert f"{name}={option[name]!r}" in repr(make(kind, **{name: option[name]}))


@every_kind
def test_copies_give_the_same_numbers(kind: str) -> None:
    layer, x = make(kind, num_layers=2, bidirectional=True), draw(4, 2, 3)
    expected = layer(x)[0]
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    loaded = make(kind, num_layers=2, bidirectional=True, init="standard")
    loaded.load_state_dict(torch.load(file))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        assert torch.equal(twin(x)[0], expected)


@every_kind
def test_layer_moves_to_another_dtype(kind: str) -> None:
    layer, x = make(kind, num_layers=2), draw(4, 2, 3)
    expected = layer(x)[0]
    got = layer.to(torch.float32)(x.float())[0]
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)


@every_kind
def test_flatten_parameters_does_nothing(kind: str) -> None:
    layer = make(kind)
    before = {name: p.data_ptr() for name, p in layer.named_parameters()}
    assert layer.flatten_parameters() is None
    assert {name: p.data_ptr() for name, p in layer.named_parameters()} == before


@every_kind
def test_replaced_parameters_are_used(kind: str) -> None:
    layer, x = make(kind), draw(4, 2, 3)
    new = {name: p.detach() * 2 for name, p in layer.named_parameters()}
    functional = torch.func.functional_call(layer, new, (x,))[0]
    for name, value in new.items():
        setattr(layer, name, torch.nn.Parameter(value))
    assert torch.equal(layer(x)[0], functional)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("LSTM", {"output_activation": "identity"}),
        ("LSTM", {"proj_size": 2}),
        ("LSTM", {"peephole": True}),
        ("LSTM", {"coupled": True}),
        ("LSTM", {"zoneout": (0.5, 0.0)}),
        ("LSTM", {"zoneout": (0.0, 0.5)}),
        ("GRU", {"reset_after": False}),
        *((kind, {"layer_norm": True}) for kind in ("LSTM", "GRU")),
        *((kind, {"zoneout": 0.5}) for kind in KINDS),
        ("RNN", {"nonlinearity": "relu"}),
        *((kind, {"bias": False}) for kind in KINDS),
        *((kind, {"num_layers": 2}) for kind in KINDS),
        *((kind, {"bidirectional": True}) for kind in KINDS),
        *((kind, {"init": "standard"}) for kind in KINDS),
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [True, False])
def test_each_option_changes_the_output(kind: str, option: dict[str, Any], training: bool) -> None:
    x = draw(4, 2, 3)
    plain, changed = (make(kind, **one).train(training)(x)[0] for one in ({}, option))
    assert plain.shape != changed.shape or (plain - changed).abs().max() > 1e-3


@every_kind
@pytest.mark.parametrize("backend", ["reference", "torch"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_lengths_equal_each_sequence_alone(kind: str, backend: str, batch_first: bool) -> None:
    options = {"num_layers": 2, "bidirectional": True, "backend": backend}
    layer = make(kind, batch_first=batch_first, **options)
    lengths = [3, 6, 1]
    x, hx = draw(6, 3, 3), make_state(layer, 3)
    for row, length in enumerate(lengths):
        x[length:, row] = float("nan")
    given = x.transpose(0, 1) if batch_first else x
    y, state = layer(given, hx, lengths=lengths)
    y = y.transpose(0, 1) if batch_first else y
    states, hxs = (state, hx) if kind == "LSTM" else ((state,), (hx,))
    for row, length in enumerate(lengths):
        own = tuple(s[:, row] for s in hxs)
        y_own, state_own = layer(x[:length, row], own if kind == "LSTM" else own[0])
        torch.testing.assert_close(y[:length, row], y_own, rtol=1e-13, atol=1e-13)
        assert not y[length:, row].any()
        for got, expected in zip(
            states, state_own if kind == "LSTM" else (state_own,), strict=True
        ):
            torch.testing.assert_close(got[:, row], expected, rtol=1e-13, atol=1e-13)


@every_kind
def test_zero_length_gives_back_the_state(kind: str) -> None:
    for backend in ("reference", "torch"):
        layer = make(kind, num_layers=2, bidirectional=True, backend=backend)
        hx = make_state(layer, 2)
        y, state = layer(draw(4, 2, 3), hx, lengths=torch.tensor([0, 4]))
        pairs = zip(state, hx, strict=True) if kind == "LSTM" else [(state, hx)]
        assert not y[:, 0].any()
        assert all(torch.equal(got[:, 0], given[:, 0]) for got, given in pairs)


@every_kind
def test_resets_equal_documents_alone(kind: str) -> None:
    layer = make(kind, batch_first=True, bidirectional=True)
    x, resets = draw(2, 7, 3), torch.zeros(2, 7, dtype=torch.bool)
    resets[0, 3] = resets[1, 5] = True
    y, _ = layer(x, resets=resets)
    for row, cut in enumerate((3, 5)):
        pieces = torch.cat([layer(x[row, :cut])[0], layer(x[row, cut:])[0]])
        torch.testing.assert_close(y[row], pieces, rtol=1e-13, atol=1e-13)


@every_kind
def test_unbatched_masks_equal_a_batch_of_one(kind: str) -> None:
    layer, x = make(kind, bidirectional=True), draw(6, 3)
    resets = torch.tensor([0, 0, 1, 0, 0, 0], dtype=torch.bool)
    y, state = layer(x, lengths=4, resets=resets)
    y_batch, state_batch = layer(x.unsqueeze(1), lengths=[4], resets=resets.unsqueeze(1))
    assert torch.equal(y, y_batch.squeeze(1))
    pairs = zip(state, state_batch, strict=True) if kind == "LSTM" else [(state, state_batch)]
    assert all(torch.equal(got, expected.squeeze(1)) for got, expected in pairs)


@every_kind
@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0), (0, 0)])
def test_empty_batches_and_sequences_work(kind: str, steps: int, batch: int) -> None:
    layer = make(kind, num_layers=2, bidirectional=True, dropout=0.5)
    x, hx = draw(steps, batch, 3).requires_grad_(), make_state(layer, batch)
    results = run_layer(layer, x, hx)
    assert results["y"].shape == (steps, batch, 10)
    assert results["h_n"].shape == (4, batch, 5)
    assert not results["dweight_hh_l1_reverse"].any()
    lengths = [] if batch == 0 else [0] * batch
    assert layer(x, hx, lengths=lengths)[0].shape == (steps, batch, 10)


@every_kind
def test_chunks_and_single_steps_equal_whole(kind: str) -> None:
    layer, x = make(kind, num_layers=2), draw(6, 2, 3)
    hx = make_state(layer, 2)
    whole, final = layer(x, hx)
    for cuts in ([2, 4], [1] * 6):
        state, parts = hx, []
        for chunk in x.split(cuts):
            part, state = layer(chunk, state)
            parts.append(part)
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(state, final, rtol=1e-13, atol=1e-13)


@every_kind
def test_non_contiguous_input_changes_nothing(kind: str) -> None:
    layer = make(kind, num_layers=2, bidirectional=True, batch_first=True)
    x = draw(3, 4, 2).permute(1, 2, 0)  # (B, T, I)
    assert not x.is_contiguous()
    results = [run_layer(layer, some.requires_grad_(), None) for some in (x, x.contiguous())]
    assert_same(results[0], results[1], 2)
