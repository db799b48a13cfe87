"""PyTorch's own data base of module inputs, run over our classes.

``torch.testing._internal.common_modules`` lists, for each module of ``torch.nn``, ways to make and
call it, and calls that must fail; PyTorch's ``test/test_modules.py`` runs its generic tests over
that list. Here our classes stand in the place of the six recurrent ones. The list is internal to
torch and needs the package expecttest.
"""

import copy
import io
import os
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch_twins import CELLS, LAYERS, assert_equal, flat, gradients

import gatewise

KINDS = (*LAYERS, *CELLS)
every_kind = pytest.mark.parametrize("kind", KINDS)


class Case(NamedTuple):
    """One way to make and call a module."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    inputs: tuple[Any, ...]
    reference: Any

    def make(self, library: Any, kind: str, **options: Any) -> Any:
        made = {"dtype": torch.float64} | self.options | options
        return getattr(library, kind)(*self.arguments, **made)

    def make_twins(self, kind: str) -> tuple[Any, Any]:
        mine, theirs = self.make(gatewise, kind), self.make(nn, kind)
        mine.load_state_dict(theirs.state_dict())
        return mine, theirs


@pytest.fixture(scope="module")
def database() -> dict[str, Any]:
    """The entries by class name; what importing them does to torch and the system is undone."""
    pytest.importorskip("expecttest", reason="torch's internal list of modules needs expecttest")
    environment, frozen = dict(os.environ), torch.backends.flags_frozen()
    try:
        from torch.testing._internal.common_modules import module_db

        entries = {entry.module_cls.__name__: entry for entry in module_db}
        assert all(hasattr(entries[kind], "module_inputs_func") for kind in KINDS)
    except (ImportError, AttributeError, KeyError, AssertionError) as error:
        pytest.skip(f"this torch has no list of modules as these tests know it: {error!r}")
    finally:
        os.environ.clear()
        os.environ.update(environment)
        flags = torch.backends.flags_frozen.__globals__
        flags["__allow_nonbracketed_mutation_flag"] = not frozen
    return entries


def cases_of(database: dict[str, Any], kind: str, **more: Any) -> list[Case]:
    torch.manual_seed(0)
    entry = database[kind]
    samples = entry.module_inputs_func(
        entry, device="cpu", dtype=torch.float64, requires_grad=True, training=True, **more
    )
    cases = []
    for sample in samples:
        made, called = sample.constructor_input, sample.forward_input
        assert not called.kwargs
        cases.append(Case(made.args, made.kwargs, called.args, sample.reference_fn))
    assert len(cases) >= 2
    return cases


def noncontiguous(value: Any) -> Any:
    """Give the same numbers with gaps between them in memory."""
    if isinstance(value, tuple) and not isinstance(value, nn.utils.rnn.PackedSequence):
        return tuple(noncontiguous(part) for part in value)
    return torch.stack([value, torch.zeros_like(value)], -1)[..., 0]


def with_state(tensors: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """Give input and state as a module takes them."""
    x, *state = tensors
    return (x, tuple(state) if len(state) == 2 else state[0] if state else None)


def as_function(module: nn.Module, count: int) -> Callable[..., tuple[Tensor, ...]]:
    """Give a function of ``count`` inputs and the module's parameters."""
    names = [name for name, _ in module.named_parameters()]

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, tensors[count:], strict=True))
        return flat(torch.func.functional_call(module, weights, with_state(tensors[:count])))

    return run


def test_database_is_left_as_it_was_found(database: dict[str, Any]) -> None:
    assert set(KINDS) <= set(database)
    assert not torch.backends.flags_frozen()


@every_kind
def test_module_gives_the_reference_of_the_database(kind: str, database: dict[str, Any]) -> None:
    """There, an unbatched call is compared with a batch of one, by a function that comes along."""
    for case in cases_of(database, kind):
        module = case.make(gatewise, kind)
        expected = case.reference(module, *case.inputs)
        assert_equal(module(*case.inputs), expected)


@every_kind
def test_module_gives_torchs_numbers_and_gradients(kind: str, database: dict[str, Any]) -> None:
    packs = {"with_packed_sequence": True} if kind in ("RNN", "GRU") else {}
    for case in cases_of(database, kind, **packs):
        results = []
        for module in case.make_twins(kind):
            output = module(*case.inputs)
            inputs = (*flat(case.inputs), *module.parameters())
            results.append((output, gradients(output, inputs)))
        assert_equal(*results)


@every_kind
def test_module_is_made_where_and_as_it_is_told(kind: str, database: dict[str, Any]) -> None:
    for case in cases_of(database, kind):
        for options in (
            {"dtype": torch.float32},
            {"dtype": torch.bfloat16},
            {"device": "meta"},
            {"device": torch.device("cpu"), "dtype": torch.float64},
        ):
            module = case.make(gatewise, kind, **options)
            for weight in module.parameters():
                assert weight.dtype == options.get("dtype", torch.float64)
                assert weight.device == torch.device(options.get("device", "cpu"))
        with torch.device("meta"):
            module = case.make(gatewise, kind)
        assert all(weight.is_meta for weight in module.parameters())
        moved = tuple(part.to("meta") for part in flat(case.inputs))
        output, real = module(*with_state(moved)), case.make(nn, kind)(*case.inputs)
        assert all(part.is_meta for part in flat(output))
        assert [part.shape for part in flat(output)] == [part.shape for part in flat(real)]


@every_kind
def test_copies_of_the_module_are_the_module(kind: str, database: dict[str, Any]) -> None:
    for case in cases_of(database, kind):
        module = case.make(gatewise, kind)
        expected = module(*case.inputs)
        file, weights = io.BytesIO(), io.BytesIO()
        torch.save(module, file)
        torch.save(module.state_dict(), weights)
        file.seek(0)
        weights.seek(0)
        fresh = case.make(gatewise, kind)
        fresh.load_state_dict(torch.load(weights, weights_only=True))
        for twin in (
            fresh,
            copy.deepcopy(module),
            pickle.loads(pickle.dumps(module)),
            torch.load(file, weights_only=False),
        ):
            assert_equal(twin(*case.inputs), expected, tolerance=0)
        assert repr(eval(f"gatewise.{module!r}")) == repr(module)


@every_kind
def test_memory_order_of_the_input_does_not_matter(kind: str, database: dict[str, Any]) -> None:
    for case in cases_of(database, kind):
        module, results = case.make(gatewise, kind), []
        for inputs in (case.inputs, tuple(noncontiguous(one) for one in case.inputs)):
            output = module(*inputs)
            wanted = (*flat(case.inputs), *module.parameters())
            results.append((output, gradients(output, wanted)))
        assert_equal(*results)


@every_kind
def test_module_and_inputs_have_two_derivatives(kind: str, database: dict[str, Any]) -> None:
    for case in cases_of(database, kind)[-4:]:
        module = case.make(gatewise, kind)
        weights = (w.detach().clone().requires_grad_() for w in module.parameters())
        inputs, run = (*flat(case.inputs), *weights), as_function(module, len(flat(case.inputs)))
        assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


@every_kind
def test_training_and_evaluation_differ_where_dropout_says_so(
    kind: str, database: dict[str, Any]
) -> None:
    options = [{}] if kind in CELLS else [{}, {"dropout": 0.5}, {"recurrent_dropout": 0.5}]
    for case in cases_of(database, kind)[-2:]:
        for option in options:
            module = case.make(gatewise, kind, **option)
            outputs = [flat(module.train(mode)(*case.inputs))[0] for mode in (True, False)]
            assert torch.equal(*outputs) != bool(option)


@every_kind
def test_module_moves_and_changes_in_place(kind: str, database: dict[str, Any]) -> None:
    for case in cases_of(database, kind)[:4]:
        mine, theirs = case.make_twins(kind)
        for module in (mine, theirs):
            module.float().to(torch.float64)
            with torch.no_grad():
                module._apply(lambda weight: weight.mul_(1.5))
        assert_equal(mine(*case.inputs), theirs(*case.inputs))
        empty = mine.to("meta").to_empty(device="cpu")
        empty.load_state_dict(theirs.state_dict())
        assert_equal(empty(*case.inputs), theirs(*case.inputs))


@every_kind
def test_what_torch_refuses_is_refused(kind: str, database: dict[str, Any]) -> None:
    """Torch raises a TypeError, ValueError or RuntimeError; ours is a ValueError each time."""
    entry = database[kind]
    samples = entry.module_error_inputs_func(
        entry, device="cpu", dtype=torch.float32, requires_grad=False, training=False
    )
    refused = set()
    for sample in samples:
        made = sample.module_error_input.constructor_input
        called = sample.module_error_input.forward_input

        def attempt(library: Any, made: Any = made, called: Any = called) -> None:
            module = getattr(library, kind)(*made.args, **made.kwargs)
            if called is not None:
                module(*called.args, **called.kwargs)

        with pytest.raises(sample.error_type):
            attempt(nn)
        with pytest.raises(ValueError, match=r"must|takes|has input_size|the weights are"):
            attempt(gatewise)
        refused.add(sample.error_on)
    assert refused
