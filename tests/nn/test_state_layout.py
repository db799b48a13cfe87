"""Whose weights these are, and what is said when they are another layer's."""

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Size, nn

import gatewise
from gatewise.nn.state_layout import describe, mismatch

FLAGS = {
    "LSTM": ("peephole", "coupled", "layer_norm", "learn_initial_state"),
    "GRU": ("layer_norm", "learn_initial_state"),
    "RNN": ("learn_initial_state",),
}
KINDS = [f"{kind}{end}" for kind in FLAGS for end in ("", "Cell")]


def entries_of(module: nn.Module) -> dict[str, Size]:
    """Give names and shapes as a state_dict has them."""
    return {name: value.shape for name, value in module.state_dict().items()}


def write_entries(kind: str, inputs: int, hidden: int, **options: Any) -> dict[str, Size]:
    """Write down the names and shapes of a layer or a ``*Cell``."""
    if kind.endswith("Cell"):
        return write_shapes(kind.removesuffix("Cell"), "", inputs, hidden, **options)
    layers, is_twofold = options.pop("num_layers", 1), options.pop("bidirectional", False)
    entries: dict[str, Size] = {}
    for layer in range(layers):
        for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: 1 + is_twofold]:
            entries |= write_shapes(kind, suffix, inputs, hidden, **options)
        inputs = (1 + is_twofold) * (options.get("proj_size") or hidden)
    return entries


def write_shapes(
    kind: str,
    suffix: str,
    inputs: int,
    hidden: int,
    *,
    bias: bool = True,
    proj_size: int = 0,
    peephole: bool = False,
    coupled: bool = False,
    layer_norm: bool = False,
    learn_initial_state: bool = False,
) -> dict[str, Size]:
    """Write down the names and shapes of one layer in one direction."""
    rows, width = ({"LSTM": 4, "GRU": 3, "RNN": 1}[kind] - coupled) * hidden, proj_size or hidden
    is_lstm = kind == "LSTM"
    shapes: dict[str, tuple[bool, list[int]]] = {
        "weight_ih": (True, [rows, inputs]),
        "weight_hh": (True, [rows, width]),
        "bias_ih": (bias, [rows]),
        "bias_hh": (bias, [rows]),
        "weight_hr": (proj_size > 0, [proj_size, hidden]),
        "weight_peephole": (peephole, [(2 if coupled else 3) * hidden]),
        "weight_ln_ih": (layer_norm, [rows]),
        "weight_ln_hh": (layer_norm, [rows]),
        "weight_ln_c": (layer_norm and is_lstm, [hidden]),
        "bias_ln_c": (layer_norm and is_lstm and bias, [hidden]),
        "initial_h": (learn_initial_state, [width]),
        "initial_c": (learn_initial_state and is_lstm, [hidden]),
    }
    return {name + suffix: Size(shape) for name, (exists, shape) in shapes.items() if exists}


@st.composite
def calls(draw: st.DrawFn) -> str:
    """Draw the call of a constructor, arguments at their defaults left out."""
    kind, inputs, hidden = draw(st.sampled_from(KINDS)), *draw(st.tuples(*[st.integers(1, 40)] * 2))
    options: dict[str, Any] = {}
    if not kind.endswith("Cell"):
        options["num_layers"] = draw(st.integers(1, 12))
    options["bias"] = draw(st.booleans())
    if not kind.endswith("Cell"):
        options["bidirectional"] = draw(st.booleans())
    if kind == "LSTM":
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    options |= {name: draw(st.booleans()) for name in FLAGS[kind.removesuffix("Cell")]}
    defaults = {"num_layers": 1, "bias": True}
    words = [f"{name}={v}" for name, v in options.items() if v != defaults.get(name, False)]
    return f"{kind}({', '.join([str(inputs), str(hidden), *words])})"


def evaluate(call: str) -> dict[str, Size]:
    """Give the entries of what ``call`` makes."""
    return eval(call, {kind: functools.partial(write_entries, kind) for kind in KINDS})


@given(call=calls())
def test_description_gives_the_call_back(call: str) -> None:
    entries = evaluate(call)
    told = (describe(entries) or "").split(" or ")
    assert call in told
    assert len(told) == 1 or {one.partition("(")[0][:3] for one in told} == {"GRU", "LST"}
    assert [evaluate(one) for one in told] == [entries] * len(told)


@given(call=calls(), data=st.data())
def test_one_wrong_size_is_no_layer(call: str, data: st.DataObject) -> None:
    entries = evaluate(call)
    name = data.draw(st.sampled_from(list(entries)))
    axis = data.draw(st.integers(0, len(entries[name]) - 1))
    wrong = Size(size + (k == axis) for k, size in enumerate(entries[name]))
    is_input_size = name in ("weight_ih", "weight_ih_l0") and axis == 1
    is_still_a_layer = is_input_size and f"{name}_reverse" not in entries
    assert (describe(entries | {name: wrong}) is not None) == is_still_a_layer


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.LSTM(3, 5, 2, bidirectional=True), "LSTM(3, 5, num_layers=2, bidirectional=True)"),
        (nn.LSTM(3, 5, proj_size=2, bias=False), "LSTM(3, 5, bias=False, proj_size=2)"),
        (nn.GRU(3, 5), "GRU(3, 5) or LSTM(3, 5, coupled=True)"),
        (nn.RNN(3, 5, 11), "RNN(3, 5, num_layers=11)"),
        (nn.LSTMCell(3, 5), "LSTMCell(3, 5)"),
        (nn.GRUCell(3, 5, bias=False), "GRUCell(3, 5, bias=False) or "),
        (nn.RNNCell(3, 5), "RNNCell(3, 5)"),
        (gatewise.LSTM(3, 5, peephole=True), "LSTM(3, 5, peephole=True)"),
        (
            gatewise.LSTM(3, 5, proj_size=2, layer_norm=True, learn_initial_state=True),
            "LSTM(3, 5, proj_size=2, layer_norm=True, learn_initial_state=True)",
        ),
        (gatewise.LSTMCell(3, 5, coupled=True, peephole=True), "peephole=True, coupled=True)"),
        (gatewise.GRU(3, 5, layer_norm=True), "GRU(3, 5, layer_norm=True)"),
        (gatewise.GRU(3, 5, learn_initial_state=True), "GRU(3, 5, learn_initial_state=True)"),
    ],
)
def test_description_of_a_real_module(module: nn.Module, expected: str) -> None:
    told = describe(entries_of(module)) or ""
    assert expected in told
    assert (" or " in told) == (" or " in expected)
    for call in told.split(" or "):
        assert entries_of(eval(f"gatewise.{call}")) == entries_of(module)


LSTM = evaluate("LSTM(3, 5)")


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"weight": Size([5, 3]), "bias": Size([5])},
        {name: shape for name, shape in LSTM.items() if name != "bias_hh_l0"},
        {name: shape for name, shape in LSTM.items() if name != "weight_hh_l0"},
        {f"lstm.{name}": shape for name, shape in LSTM.items()},
        LSTM | {"extra": Size([1])},
        LSTM | {"weight_hh_l0": Size([])},
        LSTM | evaluate("LSTMCell(3, 5)"),
        evaluate("LSTMCell(3, 5)") | {"weight_hr": Size([2, 5])},
        evaluate("LSTM(3, 5, num_layers=3)") | {"weight_ih_l1": Size([20, 10])},
        write_entries("LSTM", 3, 5, proj_size=5),
        write_entries("GRU", 3, 5, peephole=True),
        write_entries("RNN", 3, 5, layer_norm=True),
        write_entries("LSTM", 0, 0),
    ],
)
def test_what_is_no_layer_is_not_described(entries: dict[str, Size]) -> None:
    assert describe(entries) is None


@given(call=calls())
def test_a_layer_fits_itself(call: str) -> None:
    assert mismatch(call, evaluate(call), dict(reversed(evaluate(call).items()))) is None


@pytest.mark.parametrize(
    ("own", "given", "words"),
    [
        (
            "LSTM(3, 5)",
            "LSTM(3, 5, peephole=True)",
            "these weights are those of LSTM(3, 5, peephole=True), but this layer is LSTM(3, 5): "
            "make it gatewise.LSTM(3, 5, peephole=True), its other arguments",
        ),
        (
            "RNN(3, 5)",
            "GRU(3, 5)",
            "but this layer is RNN(3, 5): make it gatewise.GRU(3, 5) or "
            "gatewise.LSTM(3, 5, coupled=True), its",
        ),
        ("LSTM(3, 5)", "LSTM(3, 6)", "make it gatewise.LSTM(3, 6)"),
    ],
)
def test_message_names_the_layer_that_fits(own: str, given: str, words: str) -> None:
    message = mismatch(own, evaluate(own), evaluate(given))
    assert message is not None
    assert words in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "missing: weight_ih_l0, weight_hh_l0, bias_ih_l0 and 1 more."),
        (LSTM | {"a": Size([1])}, "do not fit LSTM(3, 5); unexpected: a."),
        (
            LSTM | {"bias_hh_l0": Size([3]), "bias_ih_l0": Size([])},
            "; of another shape: bias_ih_l0 () instead of (20,), bias_hh_l0 (3,) instead of (20,).",
        ),
        (
            LSTM | {name: Size([1]) for name in "abcde"} | {"bias_ih_l0": Size([2])},
            "unexpected: a, b, c and 2 more; of another shape: bias_ih_l0 (2,)",
        ),
    ],
)
def test_message_names_what_differs(given: dict[str, Size], words: str) -> None:
    message = mismatch("LSTM(3, 5)", LSTM, given)
    assert message is not None
    assert words in message
