"""Wrong arguments: each gives one ValueError that says what to change."""

from typing import Any

import pytest
import torch
from layer_cases import KINDS
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import gatewise

X = torch.zeros(4, 2, 3)
PACKED = pack_sequence([torch.zeros(4, 3), torch.zeros(2, 3)])
STATE = torch.zeros(1, 2, 5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([[1.0]], "LSTM takes a tensor as input; got list"),
        (torch.zeros(3), r"2 dimensions \(unbatched\) or 3; got 1"),
        (torch.zeros(1, 2, 3, 3), r"got 4, shape \(1, 2, 3, 3\)"),
        (torch.zeros(4, 2, 7), "input_size=3, but the input's last dimension is 7"),
        (X.double(), r"input is torch.float64, but the weights are torch.float32.*input.to\("),
        (X.to("meta"), "input is on meta, but the weights are on cpu"),
    ],
)
def test_wrong_input_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gatewise.LSTM(3, 5)(given)


@pytest.mark.parametrize(
    ("kind", "hx", "words"),
    [
        ("LSTM", STATE, r"LSTM takes hx as a pair of tensors, \(h_0, c_0\); got a Tensor"),
        ("LSTM", (STATE,), "got a tuple of 1"),
        ("LSTM", (STATE, None), "got a tuple of 2"),
        ("GRU", (STATE, STATE), "GRU takes hx as one tensor, h_0; got a tuple of 2"),
        ("GRU", STATE[:, :1], r"h_0 must have shape \(1, 2, 5\).*got \(1, 1, 5\)"),
        ("LSTM", (STATE, STATE[..., :4]), r"c_0 must have shape \(1, 2, 5\).*got \(1, 2, 4\)"),
        ("RNN", STATE[0], r"h_0 must have shape \(1, 2, 5\)"),
        ("RNN", STATE.double(), "h_0 is torch.float64"),
    ],
)
def test_wrong_state_is_refused(kind: str, hx: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, kind)(3, 5)(X, hx)


def test_state_of_an_unbatched_input_has_no_batch() -> None:
    with pytest.raises(ValueError, match=r"h_0 must have shape \(1, 5\)"):
        gatewise.GRU(3, 5)(X[:, 0], STATE)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([4.0, 2.0], "lengths must be integers; got torch.float32"),
        (torch.tensor([True, False]), "lengths must be integers; got torch.bool"),
        ([4], r"lengths must have shape \(2,\).*got shape \(1,\)"),
        (["a", "b"], "lengths must be a tensor or a list"),
        ([4, -1], "between 0 and the input's 4 steps; got -1 to 4"),
        ([5, 1], "between 0 and the input's 4 steps; got 1 to 5"),
    ],
)
def test_wrong_lengths_are_refused(lengths: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gatewise.LSTM(3, 5)(X, lengths=lengths)


def test_lengths_of_an_unbatched_input_are_a_single_number() -> None:
    with pytest.raises(ValueError, match=r"a single number.*got shape \(1,\)"):
        gatewise.LSTM(3, 5)(X[:, 0], lengths=[4])


@pytest.mark.parametrize(
    ("resets", "words"),
    [
        (torch.zeros(4, 2), "resets must be bool.*got torch.float32"),
        (torch.zeros(2, 4, dtype=torch.bool), r"resets must have shape \(4, 2\).*got \(2, 4\)"),
    ],
)
def test_wrong_resets_are_refused(resets: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gatewise.GRU(3, 5)(X, resets=resets)


def test_resets_are_batch_first_where_the_input_is() -> None:
    layer = gatewise.GRU(3, 5, batch_first=True)
    with pytest.raises(ValueError, match=r"resets must have shape \(4, 2\)"):
        layer(X, resets=torch.zeros(2, 4, dtype=torch.bool))


@pytest.mark.parametrize("masks", [{"lengths": [4, 2]}, {"resets": torch.zeros(4, 2).bool()}])
def test_packed_sequence_takes_no_masks(masks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a PackedSequence has its own lengths"):
        gatewise.LSTM(3, 5)(PACKED, **masks)


@pytest.mark.parametrize(
    ("batch_sizes", "words"),
    [
        ([], r"each at least 1.*got \[\], 0 rows"),
        ([4, 2, 0], r"got \[4, 2, 0\], 6 rows"),
        ([2, 2], r"add up to its 6 rows of data; got \[2, 2\], 4 rows"),
        ([2, 2, 2, 2], r"got \[2, 2, 2, 2\], 8 rows"),
        ([1, 2, 3], r"batch_sizes must not rise.*got \[1, 2, 3\], 6 rows"),
        ([1] * 9, r"got \[1, 1, 1, 1, 1, 1, 1, 1, …\], 9 rows.*pack_padded_sequence"),
    ],
)
def test_packed_sequence_whose_sizes_do_not_fit_is_refused(
    batch_sizes: list[int], words: str
) -> None:
    """Rows that no batch size counts would be dropped without a word."""
    with pytest.raises(ValueError, match=words):
        gatewise.LSTM(3, 5)(PackedSequence(torch.zeros(6, 3), torch.tensor(batch_sizes)))


def test_packed_sequence_of_more_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data of 2 dimensions; got 3, shape \(4, 2, 3\)"):
        gatewise.LSTM(3, 5)(pack_sequence([X]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": 0}, "input_size must be an integer of at least 1; got 0"),
        ({"hidden_size": 2.5}, "hidden_size must be an integer of at least 1; got 2.5"),
        ({"num_layers": 0}, "num_layers must be an integer of at least 1; got 0"),
        ({"proj_size": 5}, "proj_size must be smaller than hidden_size=5; got 5"),
        ({"proj_size": -1}, "proj_size must be an integer of at least 0; got -1"),
        ({"bias": 1}, "bias must be True or False; got 1"),
        ({"dropout": 1.5}, "dropout must be a probability, a number from 0 to 1; got 1.5"),
        ({"output_activation": "relu"}, "must be one of 'tanh', 'identity'; got 'relu'"),
        (
            {"backend": "fast"},
            "no backend 'fast'; choose one of 'auto', 'cpu', 'torch', 'reference'",
        ),
    ],
)
def test_wrong_constructor_arguments_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gatewise.LSTM(**({"input_size": 3, "hidden_size": 5} | options))


NO_PROBABILITY = (-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None)


@pytest.mark.parametrize("name", ["recurrent_dropout", "zoneout"])
@pytest.mark.parametrize("value", NO_PROBABILITY, ids=str)
@pytest.mark.parametrize("kind", [*KINDS, *(f"{kind}Cell" for kind in KINDS)])
def test_what_is_no_probability_is_refused(kind: str, value: Any, name: str) -> None:
    if kind.endswith("Cell") and name == "recurrent_dropout":
        with pytest.raises(TypeError, match=name):
            getattr(gatewise, kind)(3, 5, recurrent_dropout=0.1)
        return
    with pytest.raises(ValueError, match=f"^{name} must be a probability") as caught:
        getattr(gatewise, kind)(3, 5, **{name: value})
    assert f"a number from 0 to 1; got {value!r}." in str(caught.value)


@pytest.mark.parametrize("value", NO_PROBABILITY, ids=str)
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("kind", ["LSTM", "LSTMCell"])
def test_pair_of_what_is_no_probability_is_refused(kind: str, part: int, value: Any) -> None:
    pair = (0.1, value) if part else (value, 0.1)
    with pytest.raises(ValueError, match=r"^zoneout must be a probability.*from 0 to 1; got"):
        getattr(gatewise, kind)(3, 5, zoneout=pair)


@pytest.mark.parametrize(
    ("kind", "zoneout", "words"),
    [
        ("LSTM", (0.1, 0.2, 0.3), r"LSTM takes zoneout as a number, or \(p_h, p_c\); got \(0.1,"),
        ("LSTM", (0.1,), r"LSTM takes zoneout as a number, or \(p_h, p_c\); got \(0.1,\)"),
        ("LSTMCell", (), r"LSTMCell takes zoneout as a number, or \(p_h, p_c\); got \(\)"),
        ("GRU", (0.1, 0.2), r"GRU takes zoneout as a number: its state is h alone; got \(0.1,"),
        ("GRU", (0.1,), "GRU takes zoneout as a number"),
        ("GRUCell", [0.1, 0.2], "GRUCell takes zoneout as a number"),
        ("RNN", (0.1, 0.2), "RNN takes zoneout as a number"),
        ("RNNCell", (0.1, 0.2), "RNNCell takes zoneout as a number"),
        ("RNN", {"h": 0.1}, r"zoneout must be a probability.*got \{'h': 0.1\}"),
        ("LSTM", torch.tensor([0.1, 0.2]), "zoneout must be a probability"),
    ],
)
def test_zoneout_of_another_number_of_parts_is_refused(kind: str, zoneout: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, kind)(3, 5, zoneout=zoneout)


FLAGS = [
    *((kind, name) for kind in ("LSTM", "LSTMCell") for name in ("peephole", "coupled")),
    *((kind, "layer_norm") for kind in ("LSTM", "LSTMCell", "GRU", "GRUCell")),
    *((f"{kind}{end}", "learn_initial_state") for kind in KINDS for end in ("", "Cell")),
]


@pytest.mark.parametrize(("kind", "name"), FLAGS)
@pytest.mark.parametrize("value", ["yes", 1, None])
def test_flag_that_is_no_bool_is_refused(kind: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be True or False; got {value!r}"):
        getattr(gatewise, kind)(3, 5, **{name: value})


@pytest.mark.parametrize("name", ["recurrent_dropout", "zoneout"])
def test_probability_that_is_changed_later_is_checked_too(name: str) -> None:
    layer = gatewise.GRU(3, 5)
    setattr(layer, name, 1.5)
    with pytest.raises(ValueError, match=f"{name} must be a probability"):
        layer(X)
    setattr(layer, name, 0.5)
    assert not torch.equal(layer(X + 1)[0], layer(X + 1)[0])


def test_options_that_were_right_before_do_not_let_wrong_ones_through() -> None:
    """Checked options are kept by value, and True == 1, while a list has no hash."""
    layer = gatewise.LSTM(3, 5, zoneout=(1, 1), recurrent_dropout=1)
    layer(X)
    for name, wrong in (("zoneout", (True, True)), ("recurrent_dropout", True)):
        right = getattr(layer, name)
        setattr(layer, name, wrong)
        with pytest.raises(ValueError, match=f"{name} must be a probability.*got True"):
            layer(X)
        setattr(layer, name, right)
    layer.output_activation = ["tanh"]
    with pytest.raises(ValueError, match=r"output_activation must be one of .*got \['tanh'\]"):
        layer(X)


def test_dropout_without_a_second_layer_warns() -> None:
    with pytest.warns(UserWarning, match="acts between layers") as caught:
        gatewise.GRU(3, 5, dropout=0.1)
    assert caught[0].filename == __file__
