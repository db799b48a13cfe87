"""The layers against torch.nn with the same weights: outputs, states and every gradient."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_cases import KINDS, assert_same, make_pair, make_state, run_layer
from torch.nn.utils.rnn import pack_sequence

from gatewise.ops.native_call import native

BACKENDS = ("reference", "torch") if native is None else ("reference", "torch", "cpu")
every_kind = pytest.mark.parametrize("kind", KINDS)
every_backend = pytest.mark.parametrize("backend", BACKENDS)


def compare(
    kind: str, backend: str, sizes: tuple[int, int, int, int], *, with_state: bool, **options: Any
) -> None:
    """Compare one run; ``sizes`` are T, B (0: unbatched), I, H."""
    steps, batch, features, hidden = sizes
    mine, theirs = make_pair(kind, features, hidden, backend=backend, **options)
    torch.manual_seed(1)
    batched = (batch, steps) if options.get("batch_first") else (steps, batch)
    shape = (*batched, features) if batch else (steps, features)
    x = torch.randn(shape, dtype=next(mine.parameters()).dtype).requires_grad_()
    hx = make_state(mine, *((batch,) if batch else ())) if with_state else None
    assert_same(run_layer(mine, x, hx), run_layer(theirs, x, hx), steps)


@pytest.mark.parametrize("hidden", [1, 7, 17, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@every_backend
@every_kind
def test_layer_matches_torch_at_odd_sizes(
    kind: str, backend: str, dtype: torch.dtype, hidden: int
) -> None:
    for steps, batch in itertools.product((1, 2, 13), (1, 3)):
        compare(kind, backend, (steps, batch, 3, hidden), with_state=True, dtype=dtype)


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2},
        {"bidirectional": True},
        {"num_layers": 2, "bidirectional": True, "bias": False},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
    ],
    ids=lambda options: " ".join(options),
)
@every_backend
@every_kind
def test_layer_matches_torch_in_every_arrangement(
    kind: str, backend: str, options: dict[str, Any]
) -> None:
    for with_state in (False, True):
        compare(kind, backend, (5, 3, 4, 7), with_state=with_state, **options)
        compare(kind, backend, (5, 0, 4, 7), with_state=with_state, **options)


@every_backend
def test_relu_and_projection_match_torch(backend: str) -> None:
    for directions in (False, True):
        options: dict[str, Any] = {"num_layers": 2, "bidirectional": directions}
        compare("RNN", backend, (5, 3, 4, 7), with_state=True, nonlinearity="relu", **options)
        compare("LSTM", backend, (5, 3, 4, 7), with_state=True, proj_size=2, **options)
        compare("LSTM", backend, (5, 0, 4, 7), with_state=True, proj_size=2, bias=False, **options)


@given(
    kind=st.sampled_from(KINDS),
    backend=st.sampled_from(("auto", *BACKENDS)),
    sizes=st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(1, 4), st.integers(1, 6)),
    with_state=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "num_layers": st.integers(1, 3),
            "bias": st.booleans(),
            "batch_first": st.booleans(),
            "bidirectional": st.booleans(),
        }
    ),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_layer_matches_torch_whatever_the_options(
    kind: str,
    backend: str,
    sizes: tuple[int, int, int, int],
    with_state: bool,
    options: dict[str, Any],
) -> None:
    compare(kind, backend, sizes, with_state=with_state, **options)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("with_state", [True, False])
@every_backend
@every_kind
def test_packed_sequences_match_torch(
    kind: str, backend: str, with_state: bool, enforce_sorted: bool
) -> None:
    options: dict[str, Any] = {"num_layers": 2, "bidirectional": True}
    mine, theirs = make_pair(kind, 3, 5, backend=backend, **options)
    lengths = [6, 4, 4, 1] if enforce_sorted else [4, 1, 6, 4]
    sequences = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in lengths]
    packed = pack_sequence(sequences, enforce_sorted=enforce_sorted)
    hx = make_state(mine, 4) if with_state else None
    assert_same(run_layer(mine, packed, hx), run_layer(theirs, packed, hx), 6)

    output, _ = mine(packed, hx)
    expected, _ = theirs(packed, hx)
    assert type(output) is type(expected)
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    for name in ("sorted_indices", "unsorted_indices"):
        got, want = getattr(output, name), getattr(expected, name)
        assert (got is None and want is None) or torch.equal(got, want)


@every_backend
@every_kind
def test_packed_equals_padded_with_lengths(kind: str, backend: str) -> None:
    mine, _ = make_pair(kind, 3, 5, backend=backend, bidirectional=True)
    lengths = [4, 1, 6]
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in lengths]
    packed, state = mine(pack_sequence(sequences, enforce_sorted=False))
    padded = torch.nn.utils.rnn.pad_sequence(sequences, padding_value=float("nan"))
    y, state_too = mine(padded, lengths=lengths)
    unpacked, _ = torch.nn.utils.rnn.pad_packed_sequence(packed)
    torch.testing.assert_close(unpacked, y, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(state, state_too, rtol=1e-13, atol=1e-13)


@every_kind
@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_between_layers_draws_as_torch_does(kind: str, batch_first: bool) -> None:
    options: dict[str, Any] = {"num_layers": 3, "dropout": 0.4, "batch_first": batch_first}
    mine, theirs = make_pair(kind, 3, 5, **options)
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    outputs = []
    for layer in (mine, theirs):
        torch.manual_seed(3)
        outputs.append(layer(x)[0])
    torch.testing.assert_close(*outputs, rtol=1e-13, atol=1e-13)
    assert not torch.allclose(mine.eval()(x)[0], outputs[0])
    torch.testing.assert_close(mine(x)[0], theirs.eval()(x)[0], rtol=1e-13, atol=1e-13)


@every_kind
def test_infinite_input_behaves_as_in_torch(kind: str) -> None:
    for backend in BACKENDS:
        mine, theirs = make_pair(kind, 1, 5, backend=backend)
        for value in (1e30, -1e30, float("inf"), -float("inf"), float("nan")):
            x = torch.full((3, 2, 1), value, dtype=torch.float64)
            got, expected = mine(x)[0], theirs(x)[0]
            torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13, equal_nan=True)


@every_kind
def test_state_dict_goes_both_ways(kind: str) -> None:
    mine, theirs = make_pair(kind, 3, 5, num_layers=2, bidirectional=True)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.reset_parameters()
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(mine(x)[0], theirs(x)[0], rtol=1e-13, atol=1e-13)


@every_kind
def test_all_weights_match_torch(kind: str) -> None:
    mine, theirs = make_pair(kind, 3, 5, num_layers=2, bidirectional=True, bias=False)
    for ours, others in zip(mine.all_weights, theirs.all_weights, strict=True):
        for got, expected in zip(ours, others, strict=True):
            assert torch.equal(got, expected)
