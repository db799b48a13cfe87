"""Buffers that training steps hand on: never one that something still needs."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from sequence_cases import loss_weights, make_tensors, run_operator, with_gradients
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from gatewise.ops import buffers as module
from gatewise.ops.buffers import LEAST_BYTES, MOST_BYTES, Buffers, buffers
from gatewise.ops.native_call import native

LARGE: Any = (80, 16, 3, 65)  # (T, B, I, H), whose buffer is handed on
needs_core = pytest.mark.skipif(native is None, reason="the core was not built")


@pytest.fixture(autouse=True)
def no_idle_buffers() -> Iterator[None]:
    buffers.clear()
    yield
    buffers.clear()


def count_idle() -> int:
    return len(buffers._idle)


def draw(seed: int) -> dict[str, Tensor]:
    """Draw a GRU's tensors; their buffer is large enough to be handed on."""
    return make_tensors("gru", *LARGE, dtype=torch.float32, seed=seed)


def run(tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return run_operator("gru", tensors, backend="cpu")


def gradients_alone(seed: int) -> dict[str, Tensor]:
    """Give a step's results where nothing was handed on."""
    buffers.clear()
    tensors = draw(seed)
    results = with_gradients(run(tensors), tensors)
    buffers.clear()
    return results


def assert_equal(got: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert all(torch.equal(got[name], expected[name]) for name in expected)


@needs_core
def test_training_step_gives_its_buffer_to_the_next() -> None:
    tensors = draw(1)
    with_gradients(run(tensors), tensors)
    assert count_idle() == 1
    outputs = run(tensors)
    assert count_idle() == 0
    with_gradients(outputs, tensors)
    assert count_idle() == 1


@needs_core
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["same order", "other order"])
def test_two_forwards_before_a_backward_keep_apart(order: tuple[int, int]) -> None:
    expected = [gradients_alone(seed) for seed in (1, 2)]
    for _ in range(2):  # the second time with buffers that lie idle
        tensors = [draw(seed) for seed in (1, 2)]
        outputs = [run(one) for one in tensors]
        for k in order:
            assert_equal(with_gradients(outputs[k], tensors[k]), expected[k])
        assert count_idle() == 2


@needs_core
def test_graph_that_is_kept_keeps_its_buffer() -> None:
    expected, tensors, others = gradients_alone(1), draw(1), draw(2)
    outputs = run(tensors)
    torch.autograd.grad(outputs[0].sum(), tensors["w_hh"], retain_graph=True)
    assert count_idle() == 0
    with_gradients(run(others), others)
    assert_equal(with_gradients(outputs, tensors), expected)


@needs_core
def test_buffer_that_hooks_have_seen_is_not_handed_on() -> None:
    """They may keep it."""
    tensors, seen = draw(1), []
    with saved_tensors_hooks(lambda tensor: (seen.append(tensor), tensor)[1], lambda saved: saved):
        outputs = run(tensors)
    with_gradients(outputs, tensors)
    assert seen
    assert count_idle() == 0


@needs_core
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_step_gives_the_same_gradients(reentrant: bool) -> None:
    expected, tensors = gradients_alone(1), draw(1)

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        return run(dict(zip(tensors, values, strict=True)))

    for _ in range(2):
        tensors = draw(1)
        outputs = checkpoint(function, *tensors.values(), use_reentrant=reentrant)
        results = dict(zip(("y", "h_n"), outputs, strict=True))
        results |= backward_by_name(outputs, tensors)
        assert_equal(results, expected)


def backward_by_name(outputs: tuple[Tensor, ...], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Do as ``with_gradients`` by backward(), which a reentrant checkpoint needs."""
    pairs = zip(outputs, loss_weights(outputs), strict=True)
    sum((out * weight).sum() for out, weight in pairs).backward()  # type: ignore[union-attr]
    return {f"d{name}": tensor.grad for name, tensor in tensors.items()}


@needs_core
def test_python_threads_train_apart() -> None:
    expected = {seed: gradients_alone(seed) for seed in (1, 2)}

    def train(seed: int) -> None:
        for _ in range(10):
            tensors = draw(seed)
            assert_equal(with_gradients(run(tensors), tensors), expected[seed])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(train, seed) for seed in (1, 2)]:
            done.result()


def test_buffer_taken_is_of_the_dtype_and_at_most_twice_the_size() -> None:
    kept, single = Buffers(), torch.empty(LEAST_BYTES)
    kept.give(single)
    assert kept.take(LEAST_BYTES, torch.empty(0, dtype=torch.float64)) is not single
    assert kept.take(LEAST_BYTES + 1, torch.empty(0)) is not single
    assert kept.take(LEAST_BYTES // 2 - 1, torch.empty(0)) is not single
    assert kept.take(LEAST_BYTES // 2, torch.empty(0)) is single
    assert kept.take(LEAST_BYTES, torch.empty(0)) is not single


def test_small_buffers_and_more_than_the_most_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Buffers()
    kept.give(torch.empty(LEAST_BYTES - 1, dtype=torch.uint8))
    kept.give(torch.empty(MOST_BYTES + 1, dtype=torch.uint8))
    assert kept._idle == []
    monkeypatch.setattr(module, "MOST_BYTES", 2 * LEAST_BYTES)
    given = [torch.empty(LEAST_BYTES, dtype=torch.uint8) for _ in range(3)]
    for buffer in given:
        kept.give(buffer)
    assert [id(buffer) for buffer in kept._idle] == [id(buffer) for buffer in given[1:]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_does_not_wait_for_a_lock_that_another_thread_held() -> None:
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with buffers._lock:
            is_held.set()
            may_go.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if buffers._lock.acquire(timeout=5) else 1)
    may_go.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
