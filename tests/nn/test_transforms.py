"""Layers under torch.func, forward mode, fake tensors and on the meta device, with their masks."""

from typing import Any

import pytest
import torch
from layer_cases import FORMS, KINDS, TWOFOLD, draw, make_form, seeded
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.func import grad, jvp, linearize, vmap
from torch.nn.utils.rnn import pack_sequence
from torch.testing import assert_close

STEPS, BATCH, OUTER = 5, 3, 4

every_form = pytest.mark.parametrize("form", FORMS)
every_kind = pytest.mark.parametrize("kind", KINDS)


def draw_masks(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw lengths (4, B), 0 among them, and resets (4, T, B)."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, STEPS + 1, (OUTER, BATCH), generator=generator)
    lengths[0, 0] = 0
    return lengths, torch.rand(OUTER, STEPS, BATCH, generator=generator) < 0.3


@every_form
def test_vmap_over_lengths_and_resets_equals_a_loop(form: str) -> None:
    layer, inputs = make_form(form, **TWOFOLD), draw(OUTER, STEPS, BATCH, 3)
    lengths, resets = draw_masks()

    def run(x: Tensor, ends: Tensor, cuts: Tensor) -> Tensor:
        return seeded(layer, x, lengths=ends, resets=cuts)[0]

    got = vmap(run, randomness="same")(inputs, lengths, resets)
    rows = zip(inputs, lengths, resets, strict=True)
    assert_close(got, torch.stack([run(*row) for row in rows]))


@pytest.mark.parametrize("form", ["lstm-recurrent-dropout", "gru-zoneout"])
def test_masks_differ_where_vmap_is_told_so(form: str) -> None:
    layer = make_form(form)
    inputs = draw(1, STEPS, BATCH, 3).expand(2, -1, -1, -1)
    for randomness, is_same in (("same", True), ("different", False)):
        first, second = vmap(lambda x: layer(x)[0], randomness=randomness)(inputs)
        assert torch.allclose(first, second) == is_same
    with pytest.raises(RuntimeError, match="randomness"):
        vmap(lambda x: layer(x)[0])(inputs)


@every_kind
def test_lengths_beyond_the_input_are_refused_under_vmap(kind: str) -> None:
    layer, inputs = make_form(kind.lower()), draw(OUTER, STEPS, BATCH, 3)
    lengths, _ = draw_masks()
    lengths[2, 1] = STEPS + 1
    with pytest.raises(ValueError, match=f"between 0 and the input's {STEPS} steps; got 0 to 6"):
        vmap(lambda x, ends: layer(x, lengths=ends)[0])(inputs, lengths)


@every_form
def test_per_sample_gradients_of_sequences_of_different_lengths(form: str) -> None:
    layer = make_form(form).eval()
    weights = {name: weight.detach() for name, weight in layer.named_parameters()}
    inputs, ends = draw(OUTER, STEPS, 3), torch.tensor([0, 2, STEPS, 3])

    def loss(weights: Any, x: Tensor, end: Tensor) -> Tensor:
        y, _ = torch.func.functional_call(layer, weights, (x,), {"lengths": end})
        return y.square().sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, ends)
    y, _ = layer(inputs.transpose(0, 1), lengths=ends)
    whole = torch.autograd.grad(y.square().sum(), list(weights_of(layer)), materialize_grads=True)
    for got, want in zip(each.values(), whole, strict=True):
        assert_close(got.sum(0), want)
        assert not got[0].any()  # an empty sequence has no say


def weights_of(layer: Any) -> list[Tensor]:
    return list(layer.parameters())


@every_kind
def test_forward_mode_through_lengths_resets_and_state(kind: str) -> None:
    layer, x = make_form(kind.lower()), draw(STEPS, BATCH, 3)
    (ends, *_), (cuts, *_) = draw_masks()
    state = layer(draw(2, BATCH, 3))[1]
    hx = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()

    def run(x: Tensor, hx: Any) -> Tensor:
        return layer(x, hx, lengths=ends, resets=cuts)[0]

    directions = (torch.ones_like(x), torch.utils._pytree.tree_map(torch.ones_like, hx))
    _, got = jvp(run, (x, hx), directions)
    step = 1e-6
    moved = [
        run(x + s, torch.utils._pytree.tree_map(lambda h, s=s: h + s, hx)) for s in (step, -step)
    ]
    assert_close(got, (moved[0] - moved[1]).detach() / (2 * step), rtol=1e-6, atol=1e-8)


@every_kind
def test_linearized_layer_takes_lengths_and_resets(kind: str) -> None:
    layer, x = make_form(kind.lower()), draw(STEPS, BATCH, 3)
    (ends, *_), (cuts, *_) = draw_masks()

    def run(x: Tensor) -> Tensor:
        return layer(x, lengths=ends.clone(), resets=cuts)[0]

    y, push = linearize(run, x)
    expected, slope = jvp(run, (x,), (torch.ones_like(x),))
    assert_close((y, push(torch.ones_like(x))), (expected, slope))


def test_packed_sequences_go_through_vmap_of_the_weights() -> None:
    layer = make_form("gru").eval()
    packed = pack_sequence([draw(n, 3) for n in (5, 3, 1)])
    weights = {k: torch.stack([w, 2 * w]).detach() for k, w in layer.named_parameters()}

    def run(weights: Any) -> Tensor:
        return torch.func.functional_call(layer, weights, (packed,))[0].data

    assert_close(vmap(run)(weights)[0], layer(packed)[0].data)


@every_kind
@pytest.mark.parametrize("is_sorted", [True, False])
def test_packed_sequences_go_through_all_transforms(kind: str, is_sorted: bool) -> None:
    layer = make_form(kind.lower(), bidirectional=True)
    lengths = (4, 2, 1) if is_sorted else (2, 4, 1)
    packed = pack_sequence([draw(n, 3) for n in lengths], enforce_sorted=is_sorted)

    def run(data: Tensor) -> Tensor:
        return layer(packed._replace(data=data))[0].data

    expected = torch.autograd.functional.jacobian(run, packed.data)
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        assert_close(jacobian(run)(packed.data), expected)
    both = torch.stack([packed.data, -packed.data])
    assert_close(vmap(run)(both), torch.stack([run(data) for data in both]))


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_meta_device_gives_shapes(form: str, dtype: torch.dtype) -> None:
    layer, x = make_form(form, **TWOFOLD, dtype=dtype), draw(STEPS, BATCH, 3).to(dtype)
    (ends, *_), (cuts, *_) = draw_masks()
    real = layer(x, lengths=ends, resets=cuts)
    made = layer.to("meta")(x.to("meta"), lengths=ends.to("meta"), resets=cuts.to("meta"))
    flat = torch.utils._pytree.tree_leaves
    for fake, true in zip(flat(made), flat(real), strict=True):
        assert fake.is_meta
        assert (fake.shape, fake.dtype) == (true.shape, true.dtype)
    made = layer(x.to("meta"), lengths=ends.to("meta"))
    assert made[0].shape == real[0].shape


@every_form
def test_fake_tensors_give_shapes_and_no_numbers_are_asked_for(form: str) -> None:
    layer, x = make_form(form), draw(STEPS, BATCH, 3)
    (ends, *_), (cuts, *_) = draw_masks()
    real, _ = layer(x, lengths=ends, resets=cuts)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fakes = [mode.from_tensor(t) for t in (x, ends, cuts)]
        fake, _ = layer(fakes[0], lengths=fakes[1], resets=fakes[2])
    assert (fake.shape, fake.dtype) == (real.shape, real.dtype)
