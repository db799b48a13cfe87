"""Loading weights: what fits loads, what does not is refused in one message and changes nothing."""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layer_cases import FORMS, STEP_FORMS, TWOFOLD, draw, draw_weights, make_form
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import gatewise

every_form = pytest.mark.parametrize("form", FORMS)


class Model(nn.Module):
    """A layer inside a bigger model."""

    def __init__(self, rnn: nn.Module, width: int = 5) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 3)
        self.rnn = rnn
        self.rnn_head = nn.Linear(width, 1)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_unchanged(module: nn.Module, before: dict[str, Tensor]) -> None:
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)


def refuse(module: nn.Module, state: dict[str, Any], **options: Any) -> str:
    """Load what does not fit; see that nothing changes, and give the message."""
    before = snapshot(module)
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state, **options)
    assert_unchanged(module, before)
    return str(caught.value)


@every_form
def test_form_takes_its_own_weights_and_no_others(form: str) -> None:
    layer = make_form(form, **TWOFOLD)
    for name in FORMS:
        other = make_form(name, **TWOFOLD, init="standard")
        shapes = [{n: p.shape for n, p in one.named_parameters()} for one in (layer, other)]
        if shapes[0] == shapes[1]:
            layer.load_state_dict(other.state_dict())
            assert_unchanged(layer, snapshot(other))
        else:
            message = refuse(layer, other.state_dict())
            assert "these weights are those of" in message
            assert f"but this layer is {layer}" in message
            call = re.search(r"make it (?:.* or )?gatewise\.(\w+\(.*?\))", message)
            assert call is not None
            eval(f"gatewise.{call[1]}").load_state_dict(other.state_dict())
            assert message.count("\n") == 1
            assert "size mismatch" not in message
            assert "Missing key" not in message


@pytest.mark.parametrize("form", STEP_FORMS)
def test_cell_takes_the_weights_of_its_layer_without_the_suffix(form: str) -> None:
    layer = make_form(form)
    options = {k: v for k, v in FORMS[form].options.items() if k != "recurrent_dropout"}
    cell = getattr(gatewise, f"{type(layer).__name__}Cell")(3, 5, dtype=torch.float64, **options)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    message = refuse(cell, layer.state_dict())
    assert "these weights are those of" in message
    assert f"but this layer is {type(layer).__name__}Cell(3, 5" in message


def test_layer_in_a_bigger_model_is_named_by_its_path() -> None:
    model = nn.ModuleDict({"encoder": Model(gatewise.LSTM(3, 5))})
    other = nn.ModuleDict({"encoder": Model(gatewise.LSTM(3, 5, coupled=True, peephole=True))})
    before = snapshot(model["encoder"].rnn)
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(other.state_dict())
    message = str(caught.value)
    assert "encoder.rnn: these weights are those of LSTM(3, 5, peephole=True, coupled" in message
    assert "size mismatch" not in message
    assert_unchanged(model["encoder"].rnn, before)
    other.load_state_dict(other.state_dict())
    model["encoder"].rnn = gatewise.LSTM(3, 5, coupled=True, peephole=True)
    model.load_state_dict(other.state_dict())
    assert_unchanged(model, snapshot(other))


@pytest.mark.parametrize("prefix", ["module.", "lstm.", "_orig_mod."])
def test_weights_with_a_wrong_prefix_are_refused(prefix: str) -> None:
    layer = gatewise.LSTM(3, 5)
    message = refuse(layer, {prefix + name: w for name, w in layer.state_dict().items()})
    assert "weight_ih_l0" in message
    assert f"{prefix}weight_ih_l0" in message


def test_no_weights_at_all_are_refused() -> None:
    assert "weight_hh_l0" in refuse(gatewise.GRU(3, 5), {})
    message = refuse(Model(gatewise.GRU(3, 5)), {})
    assert "rnn.weight_hh_l0" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("bias_hh_l0"), "missing: bias_hh_l0."),
        (lambda state: state.update(extra=torch.zeros(1)), "unexpected: extra."),
        (
            lambda state: state.update(weight_hh_l0=torch.zeros(20, 4)),
            r"of another shape: weight_hh_l0 \(20, 4\) instead of \(20, 5\)",
        ),
    ],
)
def test_single_differences_are_named(change: Callable[[Any], Any], words: str) -> None:
    layer = gatewise.LSTM(3, 5)
    state = snapshot(make_form("lstm"))
    change(state)
    assert re.search(words, refuse(layer, state))


def test_loading_without_strict_takes_what_there_is() -> None:
    layer, plain = gatewise.LSTM(3, 5, peephole=True), gatewise.LSTM(3, 5)
    peepholes = layer.weight_peephole_l0.clone()
    result = layer.load_state_dict(plain.state_dict(), strict=False)
    assert result.missing_keys == ["weight_peephole_l0"]
    assert result.unexpected_keys == []
    assert torch.equal(layer.weight_hh_l0, plain.weight_hh_l0)
    assert torch.equal(layer.weight_peephole_l0, peepholes)
    result = plain.load_state_dict(layer.state_dict(), strict=False)
    assert result.unexpected_keys == ["weight_peephole_l0"]
    with pytest.raises(RuntimeError, match=r"these weights are those of LSTM\(3, 6\)"):
        plain.load_state_dict(gatewise.LSTM(3, 6).state_dict(), strict=False)


def test_weights_may_replace_parameters_instead_of_being_copied() -> None:
    layer, other = make_form("lstm-everything"), make_form("lstm-everything", init="standard")
    state = other.state_dict()
    layer.load_state_dict(state, assign=True)
    assert layer.weight_hh_l0.data_ptr() == state["weight_hh_l0"].data_ptr()
    message = refuse(layer, make_form("lstm").state_dict(), assign=True)
    assert "these weights are those of LSTM(3, 5)" in message


def test_hook_that_renames_old_keys_comes_before_the_check() -> None:
    layer = gatewise.LSTM(3, 5)
    old = OrderedDict((f"old_{name}", w + 1) for name, w in layer.state_dict().items())

    def rename(_module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for name in [key for key in state if key.startswith(f"{prefix}old_")]:
            state[name.replace("old_", "")] = state.pop(name)

    layer.register_load_state_dict_pre_hook(rename)
    expected = layer.weight_hh_l0 + 1
    layer.load_state_dict(old)
    assert torch.equal(layer.weight_hh_l0, expected)


def test_layer_with_buffers_loads_its_own_weights() -> None:
    """Pruning, by torch's own tool, keeps its mask as a buffer beside the weight."""
    layers = [make_form("lstm", init=init) for init in ("torch", "standard")]
    for layer in layers:
        prune.l1_unstructured(layer, "weight_hh_l0", 0.5)
    layers[0].load_state_dict(layers[1].state_dict())
    assert_unchanged(layers[0], snapshot(layers[1]))


def test_parametrised_layer_loads_its_own_weights_and_uses_them() -> None:
    x, layers = draw(4, 2, 3), []
    for init in ("torch", "standard"):
        layers.append(make_form("gru-layer-norm", init=init))
        parametrizations.weight_norm(layers[-1], "weight_hh_l0")
    before = layers[0](x)[0]
    layers[0].load_state_dict(layers[1].state_dict())
    assert torch.equal(layers[0](x)[0], layers[1](x)[0])
    assert not torch.equal(layers[0](x)[0], before)


def test_subclass_with_more_parameters_loads_its_own_weights() -> None:
    class Scaled(gatewise.LSTM):
        def __init__(self) -> None:
            super().__init__(3, 5)
            self.scale = nn.Parameter(torch.ones(1))
            self.register_buffer("count", torch.zeros(()))
            self.head = nn.Linear(5, 1)

    layer, other = Scaled(), draw_weights(Scaled())
    layer.load_state_dict(other.state_dict())
    assert_unchanged(layer, snapshot(other))
