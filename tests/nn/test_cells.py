"""The *Cell twins: torch's numbers, and one step at a time equals the layer."""

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from layer_cases import FORMS, KINDS, STEP_FORMS, as_tuple, draw, draw_weights, make_form
from layer_cases import make_state as make_layer_state

import gatewise

every_kind = pytest.mark.parametrize("kind", KINDS)
every_form = pytest.mark.parametrize("form", STEP_FORMS)
LEARNING = [name for name in STEP_FORMS if "learn_initial_state" in FORMS[name].options]
DROPPED = [name for name in STEP_FORMS if "recurrent_dropout" in FORMS[name].options]


def make_cell(form: str, **options: Any) -> Any:
    """Make the ``*Cell`` of a form, float64, 3 features and 5 units, and draw all its weights."""
    cell, own = FORMS[form]
    own = {name: value for name, value in own.items() if name != "recurrent_dropout"}
    torch.manual_seed(0)
    make = getattr(gatewise, f"{cell.upper()}Cell")
    return draw_weights(make(3, 5, dtype=torch.float64, **own, **options))


def make_twins(form: str) -> tuple[Any, Any]:
    """Make a form's layer and its ``*Cell`` with the same weights."""
    layer, cell = make_form(form), make_cell(form, init="standard")
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    return layer, cell


def make_state(kind: str, *batch: int) -> Any:
    h = draw(*batch, 5).requires_grad_()
    return (h, draw(*batch, 5).requires_grad_()) if kind == "LSTM" else h


@every_kind
def test_cell_takes_torchs_arguments_in_torchs_order(kind: str) -> None:
    torchs = inspect.signature(getattr(torch.nn, f"{kind}Cell")).parameters
    parameters = inspect.signature(getattr(gatewise, f"{kind}Cell")).parameters.values()
    mine = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert mine == [(p.name, p.default) for p in torchs.values()]


@every_kind
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(3,), ()])
@pytest.mark.parametrize("with_state", [True, False])
def test_cell_matches_torch(
    kind: str, bias: bool, batch: tuple[int, ...], with_state: bool
) -> None:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, f"{kind}Cell")(3, 5, bias, dtype=torch.float64)
    mine = getattr(gatewise, f"{kind}Cell")(3, 5, bias, dtype=torch.float64, init="standard")
    mine.load_state_dict(theirs.state_dict())
    x = draw(*batch, 3).requires_grad_()
    hx = make_state(kind, *batch) if with_state else None
    given = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
    results = []
    for cell in (mine, theirs):
        out = cell(x, hx)
        outs = out if isinstance(out, tuple) else (out,)
        loss = sum((o * (k + 1)).pow(2).sum() for k, o in enumerate(outs))
        inputs = (x, *given, *cell.parameters())
        results.append((*outs, *torch.autograd.grad(loss, inputs)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)


def take_steps(cell: Any, x: torch.Tensor, state: Any = None, **options: Any) -> tuple[Any, Any]:
    """Take a step for each of x; give the hidden states (T, ...) and the last state."""
    outputs = []
    for x_t in x:
        state = cell(x_t, state, **options)
        outputs.append(as_tuple(state)[0])
    return torch.stack(outputs), state


def assert_steps_equal(got: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """Compare steps with a layer's result, whose final state has a row for the layer."""
    torch.testing.assert_close(got[0], expected[0], rtol=1e-12, atol=1e-12)
    for mine, want in zip(as_tuple(got[1]), as_tuple(expected[1]), strict=True):
        torch.testing.assert_close(mine, want[0], rtol=1e-12, atol=1e-12)


@every_form
@pytest.mark.parametrize("batch", [(2,), ()])
def test_single_steps_equal_the_layer(form: str, batch: tuple[int, ...]) -> None:
    layer, cell = (module.eval() for module in make_twins(form))
    x, hx = draw(7, *batch, 3), make_layer_state(layer, *batch)
    given = tuple(s[0] for s in as_tuple(hx))
    assert_steps_equal(take_steps(cell, x), layer(x))
    state = given if isinstance(hx, tuple) else given[0]
    assert_steps_equal(take_steps(cell, x, state), layer(x, hx))


@pytest.mark.parametrize("form", DROPPED)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_mask_is_the_layers_recurrent_dropout(form: str, batch: tuple[int, ...]) -> None:
    """The layer's own mask, found in the gradient of its W_hh: zero columns were hidden."""
    layer, cell = make_twins(form)
    layer.zoneout = cell.zoneout = 0.0
    p, x, masks = layer.recurrent_dropout, draw(7, *batch, 3), []
    hx = make_layer_state(layer, *batch)
    torch.manual_seed(1)
    expected = layer(x, hx)
    for row in range(*batch or (1,)):
        y = expected[0][:, row] if batch else expected[0]
        (gradient,) = torch.autograd.grad(y.square().sum(), layer.weight_hh_l0, retain_graph=True)
        masks.append((gradient != 0).any(0).double() / (1 - p))
    mask = torch.stack(masks) if batch else masks[0]
    assert len(mask.unique()) == 2
    given = tuple(s[0] for s in as_tuple(hx))
    state = given if isinstance(hx, tuple) else given[0]
    for training in (True, False):
        assert_steps_equal(take_steps(cell.train(training), x, state, mask=mask), expected)


@every_form
def test_mask_of_ones_changes_nothing_and_of_zeros_hides_h(form: str) -> None:
    cell, x = make_cell(form).eval(), draw(2, 3)
    state = make_state(type(cell).__name__.removesuffix("Cell"), 2)
    expected = cell(x, state)
    ones = torch.ones(2, 5, dtype=torch.float64)
    torch.testing.assert_close(cell(x, state, mask=ones), expected, rtol=0, atol=0)
    hidden = cell(x, state, mask=0 * ones)
    assert not torch.equal(as_tuple(hidden)[0], as_tuple(expected)[0])
    cell.weight_hh.data = draw(*cell.weight_hh.shape)
    torch.testing.assert_close(cell(x, state, mask=0 * ones), hidden, rtol=0, atol=0)


@every_kind
def test_zoneout_of_a_step_draws_in_training_alone(kind: str) -> None:
    cell, x, state = make_cell(f"{kind.lower()}-zoneout"), draw(40, 3), make_state(kind, 40)
    torch.manual_seed(1)
    first, second = cell(x, state), cell(x, state)
    torch.manual_seed(1)
    torch.testing.assert_close(cell(x, state), first, rtol=0, atol=0)
    shares = {"LSTM": (0.2, 0.4)}.get(kind, (0.3,))
    for got, other, old, p in zip(*map(as_tuple, (first, second, state)), shares, strict=True):
        kept = got == old
        assert not torch.equal(kept, other == old)
        assert abs(kept.double().mean() - p) < 5 * (p * (1 - p) / kept.numel()) ** 0.5
    before = torch.get_rng_state()
    cell.eval()(x, state)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("form", LEARNING)
def test_learned_state_of_a_step_stands_where_none_is_given(form: str) -> None:
    cell = make_cell(form).eval()
    learned = tuple(p for name, p in cell.named_parameters() if name.startswith("initial"))
    for batch in ((2,), (0,), ()):
        x, hx = draw(*batch, 3), tuple(p.detach().expand(*batch, 5) for p in learned)
        expected = cell(x, hx if len(hx) == 2 else hx[0])
        torch.testing.assert_close(cell(x), expected, rtol=1e-13, atol=1e-13)
    x, state = draw(2, 3), make_state(type(cell).__name__.removesuffix("Cell"), 2)
    given = torch.autograd.grad(as_tuple(cell(x, state))[0].sum(), learned, allow_unused=True)
    assert given == (None,) * len(learned)
    used = torch.autograd.grad(as_tuple(cell(x))[0].sum(), learned)
    assert all(gradient.any() for gradient in used)


@every_form
def test_step_has_the_layers_parameters_without_the_suffix(form: str) -> None:
    layer, cell = make_twins(form)
    names = [name.removesuffix("_l0") for name, _ in layer.named_parameters()]
    assert [name for name, _ in cell.named_parameters()] == names
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        x = draw(2, 3)
        results = []
        for one in (cell, twin):
            torch.manual_seed(1)
            results.append(one(x))
        torch.testing.assert_close(*results, rtol=0, atol=0)
    assert repr(eval(f"gatewise.{cell!r}")) == repr(cell)


@every_form
def test_step_has_second_derivatives(form: str) -> None:
    cell = make_cell(form).eval()
    x, mask = draw(2, 3).requires_grad_(), torch.tensor([[0, 1, 2, 0, 1.0]] * 2).double()
    state = make_state(type(cell).__name__.removesuffix("Cell"), 2)

    def run(x: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return as_tuple(cell(x, state if len(state) == 2 else state[0], mask=mask))

    assert torch.autograd.gradgradcheck(run, (x, *as_tuple(state)), fast_mode=True)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.ones(5), r"mask must have shape \(2, 5\), as the hidden state; got \(5,\)"),
        (torch.ones(2, 3), r"mask must have shape \(2, 5\), as the hidden state; got \(2, 3\)"),
        (torch.ones(2, 5).double(), r"mask is torch.float64.*torch.float32.*mask.to\("),
        (torch.ones(2, 5).bool(), "mask must be the numbers.*got torch.bool"),
        (torch.ones(2, 5, device="meta"), "mask is on meta"),
        (0.5, "takes a tensor as mask; got a float"),
        ([[1.0] * 5] * 2, "takes a tensor as mask; got a list of 2"),
    ],
    ids=str,
)
@every_kind
def test_wrong_mask_is_refused(kind: str, mask: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, f"{kind}Cell")(3, 5)(torch.zeros(2, 3), mask=mask)


@every_kind
def test_cell_copies_and_shows_itself(kind: str) -> None:
    cell, x = getattr(gatewise, f"{kind}Cell")(3, 5), torch.randn(2, 3)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        torch.testing.assert_close(twin(x), cell(x), rtol=0, atol=0)
    assert repr(cell) == f"{kind}Cell(3, 5)"
    assert "bias=False" in repr(getattr(gatewise, f"{kind}Cell")(3, 5, False))


@pytest.mark.parametrize(
    ("kind", "given", "hx", "words"),
    [
        ("LSTM", torch.zeros(1, 1, 3), None, "LSTMCell takes input with 1 dimensions"),
        ("GRU", torch.zeros(2, 4), None, "input_size=3.*last dimension is 4"),
        ("RNN", torch.zeros(2, 3).double(), None, "input is torch.float64.*torch.float32"),
        ("LSTM", torch.zeros(2, 3), torch.zeros(2, 5), r"a pair of tensors, \(h_0, c_0\)"),
        ("GRU", torch.zeros(2, 3), (torch.zeros(2, 5),), "one tensor, h_0; got a tuple of 1"),
        ("GRU", torch.zeros(2, 3), torch.zeros(3, 5), r"h_0 must have shape \(2, 5\)"),
    ],
)
def test_wrong_step_is_refused(kind: str, given: Any, hx: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, f"{kind}Cell")(3, 5)(given, hx)


@pytest.mark.parametrize(
    ("kind", "option"),
    [("LSTM", "output_activation"), ("GRU", "reset_after"), ("RNN", "nonlinearity")],
)
def test_unknown_cell_option_is_refused(kind: str, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        getattr(gatewise, f"{kind}Cell")(3, 5, **{option: "wrong"})
