"""What PyTorch's own tests ask of nn.LSTM, GRU, RNN and their cells, asked of ours.

Written anew from what pytorch/pytorch's ``test/test_nn.py`` checks. Where we differ on purpose, the
test says how.
"""

import io
import itertools
from typing import Any

import pytest
import torch
from torch import nn
from torch_twins import (
    BATCH,
    CELLS,
    EXTENDED,
    FEATURES,
    LAYERS,
    STEPS,
    UNITS,
    assert_equal,
    draw,
    every_layer,
    flat,
    gradients,
    make,
    make_form,
    make_twins,
)

import gatewise

pytestmark = pytest.mark.usefixtures("seeded")
every_cell = pytest.mark.parametrize("kind", CELLS)
WRONG = 7  # a size that fits nowhere


def state_of(kind: str, *shape: int, memory: tuple[int, ...] | None = None) -> Any:
    """Draw a state; an LSTM's memory is shaped like h unless told otherwise."""
    h = draw(*shape)
    return (h, draw(*(memory or shape))) if kind.startswith("LSTM") else h


@pytest.mark.parametrize("proj_size", [0, 2])
@every_layer
def test_sizes_that_do_not_fit_are_refused_where_torch_refuses_them(
    kind: str, proj_size: int
) -> None:
    """Ours is a ValueError, torch's a RuntimeError: bad arguments have one type with us."""
    if proj_size and kind != "LSTM":
        with pytest.raises(TypeError, match="proj_size"):  # torch takes the word, then refuses it
            make(kind, FEATURES, UNITS, proj_size=proj_size)
        return
    options = {"proj_size": proj_size} if proj_size else {}
    mine, theirs = make_twins(kind, FEATURES, UNITS, 2, **options)
    right = {"x": [STEPS, BATCH, FEATURES], "h": [2, BATCH, proj_size or UNITS]}
    if kind == "LSTM":
        right["c"] = [2, BATCH, UNITS]

    def call(layer: Any, shapes: dict[str, list[int]]) -> Any:
        x, *state = (draw(*shape) for shape in shapes.values())
        return layer(x, tuple(state) if len(state) == 2 else state[0])

    assert call(mine, right)[0].shape == (STEPS, BATCH, proj_size or UNITS)
    for name, axis in itertools.product(right, range(3)):
        if (name, axis) == ("x", 0):
            continue  # any number of steps fits
        wrong = {key: list(shape) for key, shape in right.items()}
        wrong[name][axis] = WRONG
        with pytest.raises(RuntimeError):
            call(theirs, wrong)
        with pytest.raises(ValueError, match=str(WRONG) if name == "x" else f"{name}_0 must have"):
            call(mine, wrong)


@pytest.mark.parametrize("bidirectional", [False, True])
@every_layer
def test_no_state_is_a_state_of_zeros(kind: str, bidirectional: bool) -> None:
    for options in ({}, {"proj_size": 2}) if kind == "LSTM" else ({},):
        layer = make(kind, FEATURES, UNITS, 2, bidirectional=bidirectional, **options)
        rows = 4 if bidirectional else 2
        h = torch.zeros(rows, BATCH, options.get("proj_size", UNITS), dtype=torch.float64)
        state = (h, h.new_zeros(rows, BATCH, UNITS)) if kind == "LSTM" else h
        x = draw(STEPS, BATCH, FEATURES)
        assert_equal(layer(x), layer(x, state), tolerance=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@every_cell
def test_cell_goes_on_from_its_own_state_and_back_as_torchs(
    kind: str, nonlinearity: str, bias: bool
) -> None:
    options = {"nonlinearity": nonlinearity} if kind == "RNNCell" else {}
    twins = make_twins(kind, FEATURES, UNITS, bias=bias, **options)
    x, first = draw(BATCH, FEATURES), state_of(kind, BATCH, UNITS)
    results = []
    for cell in twins:
        state = first
        for _ in range(6):
            state = cell(x, state)
        results.append((state, gradients(state, (x, *flat(first), *cell.parameters()))))
    assert_equal(*results)


@every_cell
def test_cell_broadcasts_nothing(kind: str) -> None:
    mine, theirs = make_twins(kind, FEATURES, UNITS)
    good = (BATCH, UNITS)
    wrong = [((BATCH, 1), good, good)]  # of input, h and c
    for bad in ((1, UNITS), (BATCH, 1), (UNITS,), (BATCH, 1, 1, UNITS)):
        wrong.append(((BATCH, FEATURES), bad, good))
        wrong.append(((BATCH, FEATURES), good, bad))
    for x, h, c in (
        wrong if kind == "LSTMCell" else [shapes for shapes in wrong if shapes[2] == good]
    ):
        state = state_of(kind, *h, memory=c)
        with pytest.raises((RuntimeError, ValueError)):
            theirs(draw(*x), state)
        with pytest.raises(ValueError, match=r"must have shape|last dimension is 1"):
            mine(draw(*x), state)


@every_cell
def test_cell_without_units_or_features_is_refused(kind: str) -> None:
    """Torch makes such cells, though no such layers; a size of 0 is a mistake with us in both."""
    assert getattr(nn, kind)(0, UNITS).input_size == 0
    assert getattr(nn, kind)(FEATURES, 0).hidden_size == 0
    for sizes in ((0, UNITS), (FEATURES, 0)):
        with pytest.raises(ValueError, match="must be an integer of at least 1; got 0"):
            make(kind, *sizes)


@pytest.mark.parametrize("part", [0, 1])
def test_backward_goes_through_one_part_of_the_state_alone(part: int) -> None:
    for kind, x in (("LSTMCell", draw(BATCH, FEATURES)), ("LSTM", draw(STEPS, BATCH, FEATURES))):
        results = []
        for module in make_twins(kind, FEATURES, UNITS):
            state = module(x) if kind == "LSTMCell" else module(x)[1]
            results.append(gradients(state[part], (x, *module.parameters())))
        assert_equal(*results)


@pytest.mark.parametrize("kind", ["RNN", "RNNCell"])
def test_nonlinearity_is_chosen_by_name_or_place(kind: str) -> None:
    place = (1, "relu") if kind == "RNN" else (True, "relu")
    assert make(kind, FEATURES, UNITS).nonlinearity == "tanh"
    x = draw(STEPS, BATCH, FEATURES) if kind == "RNN" else draw(BATCH, FEATURES)
    mine, theirs = make_twins(kind, FEATURES, UNITS, *place)
    assert mine.nonlinearity == "relu"
    assert_equal(mine(x), theirs(x))
    with pytest.raises(ValueError, match="nonlinearity must be one of 'tanh', 'relu'; got 'sine'"):
        make(kind, FEATURES, UNITS, nonlinearity="sine")


@pytest.mark.parametrize("p", [0, 0.276, 0.731, 1])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_stands_between_the_layers_and_nowhere_else(p: float, training: bool) -> None:
    """With all weights 1 the first layer gives I everywhere, the second the sum of what is left."""
    rnn = make("RNN", FEATURES, 500, 2, bias=False, dropout=p, nonlinearity="relu").train(training)
    for weight in rnn.parameters():
        nn.init.ones_(weight)
    x = torch.ones(1, 1, FEATURES, dtype=torch.float64)
    y, h_n = rnn(x, torch.zeros(2, 1, 500, dtype=torch.float64))
    total = y[0, 0, 0].item()
    assert y.unique().numel() == h_n[1].unique().numel() == 1
    assert h_n[0].unique().tolist() == [FEATURES]
    assert h_n[1, 0, 0] == total
    if not training or p == 0:
        assert total == 500 * FEATURES
    elif p == 1:
        assert total == 0
    else:
        kept = total * (1 - p) / FEATURES
        assert abs(kept - round(kept)) < 1e-9
        assert abs(kept / 500 - (1 - p)) < 0.1


@every_layer
def test_dropout_may_change_after_construction(kind: str) -> None:
    layer, x = make(kind, FEATURES, UNITS, 2), draw(STEPS, BATCH, FEATURES)
    for training in (True, False):
        layer.train(training)
        plain = layer(x)[0]
        for p in (0, 0.5, 0, 0.7, 1, 0.2, 0):
            layer.dropout = p
            first, second = layer(x)[0], layer(x)[0]
            assert torch.equal(first, second) == (p in (0, 1) or not training)
            assert torch.equal(first, plain) == (p == 0 or not training)


@pytest.mark.parametrize("options", [{}, {"recurrent_dropout": 0.3, "zoneout": 0.2}], ids=str)
@pytest.mark.parametrize("p", [0, 0.1234])
@every_layer
def test_saved_module_is_the_module(kind: str, p: float, options: dict[str, float]) -> None:
    layer, x = make(kind, FEATURES, UNITS, 2, dropout=p, **options), draw(STEPS, BATCH, FEATURES)
    for training in (True, False):
        file = io.BytesIO()
        torch.save(layer.train(training), file)
        file.seek(0)
        loaded = torch.load(file, weights_only=False)
        loaded.flatten_parameters()
        results = []
        for one in (layer, layer, loaded):
            torch.manual_seed(1)
            results.append(one(x))
        assert_equal(results[0], results[1], tolerance=0)
        assert_equal(results[0], results[2], tolerance=0)
        draws = training and bool(p or options)
        assert torch.equal(layer(x)[0], layer(x)[0]) != draws


@pytest.mark.parametrize("bidirectional", [False, True])
@every_layer
def test_sequence_of_no_steps_gives_its_state_back(kind: str, bidirectional: bool) -> None:
    """Torch refuses T = 0, which happens at the end of a stream or for an empty document."""
    mine, theirs = make_twins(kind, FEATURES, UNITS, bidirectional=bidirectional)
    x = draw(0, BATCH, FEATURES)
    with pytest.raises(RuntimeError, match="sequence length to be larger than 0"):
        theirs(x)
    rows = 2 if bidirectional else 1
    state = state_of(kind, rows, BATCH, UNITS)
    y, state_n = mine(x, state)
    assert y.shape == (0, BATCH, rows * UNITS)
    assert_equal(state_n, state, tolerance=0)
    assert not any(gradient.any() for gradient in gradients(mine(x, state), mine.parameters()))


@every_layer
def test_batch_of_no_sequences_runs_and_goes_back(kind: str) -> None:
    for layer in make_twins(kind, FEATURES, UNITS):
        y, state = layer(draw(STEPS, 0, FEATURES))
        assert y.shape == (STEPS, 0, UNITS)
        assert all(s.shape == (1, 0, UNITS) for s in flat(state))
        y.sum().backward()
        assert not any(weight.grad.any() for weight in layer.parameters())


@every_layer
def test_layer_agrees_with_torchs_in_every_way_of_calling_it(kind: str) -> None:
    """Biases, directions, order of axes and memory: output, state and every gradient."""
    for bias, bidirectional, batch_first, contiguous in itertools.product((True, False), repeat=4):
        options = {"bias": bias, "bidirectional": bidirectional, "batch_first": batch_first}
        shape = (BATCH, STEPS, FEATURES) if batch_first else (STEPS, BATCH, FEATURES)
        rows, results = 2 * (2 if bidirectional else 1), []
        for proj_size in (0, 2) if kind == "LSTM" else (0,):
            projection = {"proj_size": proj_size} if proj_size else {}
            x, width = draw(*shape), proj_size or UNITS
            state = state_of(kind, rows, BATCH, width, memory=(rows, BATCH, UNITS))
            given = (x, *flat(state))
            for layer in make_twins(kind, FEATURES, UNITS, 2, **options, **projection):
                inputs = [t if contiguous else torch.stack([t, t * 0], -1)[..., 0] for t in given]
                assert all(t.is_contiguous() == contiguous for t in inputs)
                output = layer(inputs[0], tuple(inputs[1:]) if kind == "LSTM" else inputs[1])
                results.append((output, gradients(output, (*given, *layer.parameters()))))
        for got, expected in zip(results[::2], results[1::2], strict=True):
            assert_equal(got, expected)


@every_layer
def test_repeated_input_and_gradient_need_no_memory_of_their_own(kind: str) -> None:
    """A stride of 0, as ``expand`` and the gradient of ``sum`` have."""
    x = draw(1, 1, FEATURES)
    results = []
    for layer in make_twins(kind, FEATURES, UNITS):
        y = layer(x.expand(STEPS, BATCH, -1))[0]
        results.append((y, torch.autograd.grad(y.sum(), (x, *layer.parameters()))))
    assert_equal(*results)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [*LAYERS, "LSTM with a projection", *EXTENDED])
def test_first_and_second_derivatives_are_those_of_finite_differences(
    kind: str, bias: bool
) -> None:
    if kind in EXTENDED:
        layer = make_form(kind, bias=bias).eval()
    else:
        name, *projection = kind.split(" with ")
        layer = make(name, 2, 3, bias=bias, **({"proj_size": 2} if projection else {}))
    features, names = layer.input_size, [name for name, _ in layer.named_parameters()]

    def run(x: torch.Tensor, *weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = dict(zip(names, weights, strict=True))
        return flat(torch.func.functional_call(layer, given, (x,)))

    inputs = (draw(3, 2, features), *(w.detach().requires_grad_() for w in layer.parameters()))
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@every_layer
def test_graph_that_is_kept_can_be_walked_twice(kind: str) -> None:
    for backend in ("auto", "reference"):
        layer = make(kind, FEATURES, UNITS, 2, backend=backend)
        y = layer(draw(STEPS, BATCH, FEATURES))[0].sum()
        y.backward(retain_graph=True)
        once = [weight.grad.clone() for weight in layer.parameters()]
        y.backward()
        assert_equal([weight.grad for weight in layer.parameters()], [2 * g for g in once])
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            y.backward()


@pytest.mark.parametrize("batch_first", [False, True])
@every_layer
def test_single_sequence_is_a_batch_of_one(kind: str, batch_first: bool) -> None:
    mine, theirs = make_twins(kind, FEATURES, UNITS, 2, bidirectional=True, batch_first=batch_first)
    x, state = draw(STEPS, FEATURES), state_of(kind, 4, UNITS)
    axis = 0 if batch_first else 1
    batched = tuple(s.unsqueeze(1) for s in flat(state))
    y, state_n = mine(x.unsqueeze(axis), batched if kind == "LSTM" else batched[0])
    expected = (y.squeeze(axis), tuple(s.squeeze(1) for s in flat(state_n)))
    assert_equal(mine(x, state), expected, tolerance=0)
    assert_equal(mine(x, state), theirs(x, state))
    for wrong in (batched if kind == "LSTM" else batched[0], state_of(kind, 2, UNITS)):
        with pytest.raises(ValueError, match=r"h_0 must have shape \(4, 6\)"):
            mine(x, wrong)
    with pytest.raises(ValueError, match=r"h_0 must have shape \(4, 1, 6\)"):
        mine(x.unsqueeze(axis), state)


@every_layer
def test_tensors_on_several_devices_are_refused(kind: str) -> None:
    """The meta device stands for any other; what is where is said for each tensor by name."""
    layer, x = make(kind, FEATURES, UNITS), draw(STEPS, BATCH, FEATURES)
    state = state_of(kind, 1, BATCH, UNITS)
    moved = tuple(s.to("meta") for s in flat(state))
    with pytest.raises(ValueError, match="input is on meta, but the weights are on cpu"):
        layer(x.to("meta"))
    with pytest.raises(ValueError, match="input is on cpu, but the weights are on meta"):
        make(kind, FEATURES, UNITS, device="meta")(x)
    with pytest.raises(ValueError, match="h_0 is on meta"):
        layer(x, moved if kind == "LSTM" else moved[0])
    if kind == "LSTM":
        with pytest.raises(ValueError, match="c_0 is on meta"):
            layer(x, (flat(state)[0], moved[1]))


@every_layer
def test_one_layer_warns_that_dropout_has_no_place(kind: str) -> None:
    with pytest.warns(UserWarning, match="between layers"):
        getattr(gatewise, kind)(FEATURES, UNITS, dropout=0.5)
