"""The core among processes and threads: each scenario runs in a Python of its own.

Run as a script with a scenario's name, this file is that scenario, so that worker processes which
import the main module find their functions here.
"""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from joblib import Parallel, delayed
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import gatewise
from gatewise.ops.native_call import native

pytestmark = pytest.mark.skipif(native is None, reason="the core was not built")

PATIENCE = 60.0  # seconds, after which a scenario hangs
CHILD_PATIENCE = 10.0
SCENARIOS: dict[str, Callable[[], None]] = {}


def scenario(function: Callable[[], None]) -> Callable[[], None]:
    """Add a function to the scenarios."""
    SCENARIOS[function.__name__] = function
    return function


def start(name: str) -> "subprocess.CompletedProcess[str]":
    """Run a scenario to its end, with the waiting policy that OpenMP has by itself."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), name],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )


def make_layer(cell: str = "GRU", hidden: int = 16) -> Any:
    """Make a layer of 8 features on the core, the same one each time, in any thread."""
    layer = getattr(gatewise, cell)(8, hidden, backend="cpu")
    generator = torch.Generator().manual_seed(0)  # torch's own is shared by all threads
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-0.3, 0.3, generator=generator)
    return layer


def make_input(index: int = 0, steps: int = 20, batch: int = 8) -> Tensor:
    """Draw the index-th input, (T, B, 8)."""
    return torch.randn(steps, batch, 8, generator=torch.Generator().manual_seed(index))


def train_step(index: int = 0, cell: str = "GRU", hidden: int = 16) -> list[Tensor]:
    """Give the output of a step of training and the gradients of all weights."""
    layer = make_layer(cell, hidden)
    y = layer(make_input(index))[0]
    y.square().sum().backward()
    return [y.detach(), *(weight.grad for weight in layer.parameters())]


def are_same(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two lists of tensors are the same to the bit."""
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


# ---- processes ----


class Encoded(Dataset):
    """Sequences that a layer has read: the items are made where they are asked for."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> list[Tensor]:
        return train_step(index)


def collate(items: list[Any]) -> tuple[list[Any], Tensor]:
    """Join items, and run the core on them once more."""
    with torch.no_grad():
        return items, make_layer()(torch.cat([item[0][..., :8] for item in items], 1))[0]


def take_two_threads(worker: int) -> None:  # noqa: ARG001 - the loader passes it
    """Undo what the loader did to the number of threads."""
    torch.set_num_threads(2)


def load(method: str) -> None:
    """Compare what the workers of a DataLoader made with what this process makes."""
    torch.set_num_threads(2)
    expected = [Encoded()[k] for k in range(4)]
    loader = DataLoader(
        Encoded(),
        batch_size=2,
        num_workers=2 if method == "fork" else 1,
        collate_fn=collate,
        multiprocessing_context=method,
        worker_init_fn=take_two_threads,
        timeout=PATIENCE / 2,
    )
    for first, (items, joined) in zip((0, 2), loader, strict=True):
        assert all(are_same(items[k], expected[first + k]) for k in range(2))
        assert torch.equal(joined, collate(expected[first : first + 2])[1])


@scenario
def data_loader_forks() -> None:
    load("fork")


@scenario
def data_loader_spawns() -> None:
    load("spawn")


def run_in_fork(function: Callable[[], bool]) -> None:
    """Fail unless the function gives True in a forked child, in time."""
    child = multiprocessing.get_context("fork").Process(
        target=lambda: sys.exit(0 if function() else 1)
    )
    child.start()
    child.join(CHILD_PATIENCE)
    if child.exitcode is None:
        child.kill()
    assert child.exitcode == 0, f"the child ended with {child.exitcode}; None: it never did"


@scenario
def fork_after_training() -> None:
    """Child, grandchild and parent go on after a fork, each as before, rows or units shared out."""
    torch.set_num_threads(2)
    expected = {hidden: train_step(hidden=hidden) for hidden in (16, 64)}

    def is_as_before() -> bool:
        return all(are_same(train_step(hidden=h), e) for h, e in expected.items())

    def has_child_too() -> bool:
        run_in_fork(is_as_before)
        return is_as_before()

    run_in_fork(has_child_too)
    assert is_as_before()


@scenario
def fork_before_the_core_ran() -> None:
    """The parent's threads, of which the child has none, were torch's own."""
    torch.set_num_threads(2)
    torch.ones(3_000_000).mul(2)
    assert len(os.listdir("/proc/self/task")) > 1

    def runs() -> bool:
        return bool(train_step()[0].isfinite().all())

    run_in_fork(runs)


@scenario
def fork_while_another_thread_is_in_the_core() -> None:
    torch.set_num_threads(2)
    layer, x, is_done = make_layer(), make_input(steps=2000), threading.Event()

    def work() -> None:
        with torch.no_grad():
            while not is_done.is_set():
                layer(x)

    expected = train_step()
    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(3):
        run_in_fork(lambda: are_same(train_step(), expected))
    is_done.set()
    worker.join()


@scenario
def joblib_workers() -> None:
    """Compare what joblib's threads and processes made with what this process makes."""
    torch.set_num_threads(2)
    jobs = [(k, cell) for cell in ("LSTM", "GRU") for k in range(2)]
    expected = [train_step(*job) for job in jobs]
    for backend in ("threading", "loky"):
        results = Parallel(n_jobs=2, backend=backend, timeout=PATIENCE / 2)(
            delayed(train_step)(*job) for job in jobs
        )
        assert all(are_same(r, e) for r, e in zip(results, expected, strict=True))


# ---- threads ----


def train(steps: int) -> list[Tensor]:
    """Train a layer with plain gradient descent; give its weights."""
    layer, x = make_layer(), make_input()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        layer(x)[0].square().mean().backward()
        optimiser.step()
    return [weight.detach() for weight in layer.parameters()]


@scenario
def threads_predict_while_one_trains() -> None:
    torch.set_num_threads(2)
    layer = make_layer("LSTM")
    alone = train(10)
    with torch.no_grad():
        expected = layer(make_input())[0]

    def predict() -> bool:
        with torch.no_grad():
            return all(torch.equal(layer(make_input())[0], expected) for _ in range(15))

    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(predict) for _ in range(3)]
        assert are_same(train(10), alone)
        assert all(answer.result() for answer in answers)


def own_threads() -> int:
    """Count the threads of this process."""
    return len(os.listdir("/proc/self/task"))


def other_threads_share(layer: Any, x: Tensor) -> float:
    """Give the share of the processor time of a call that threads other than this one took."""
    all_before, mine_before = time.process_time(), time.thread_time()
    with torch.no_grad():
        layer(x)
    all_took, mine_took = time.process_time() - all_before, time.thread_time() - mine_before
    return 1 - mine_took / all_took


@scenario
def number_of_threads_is_torchs() -> None:
    torch.set_num_threads(1)
    layer, x = make_layer(hidden=64), make_input(steps=400, batch=48)
    at_first = own_threads()
    assert other_threads_share(layer, x) < 0.1
    assert own_threads() == at_first
    torch.set_num_threads(3)
    # This one spins while it waits for others, who may get the processor late.
    assert max(other_threads_share(layer, x) for _ in range(5)) > 0.4
    assert own_threads() == at_first + 2
    torch.set_num_threads(1)
    time.sleep(0.1)
    assert other_threads_share(layer, x) < 0.1


@scenario
def ended_threads_leave_none_behind() -> None:
    """Each Python thread that calls the core has helpers, which end with it."""
    torch.set_num_threads(2)
    train_step()
    before = own_threads()
    for _ in range(10):
        caller = threading.Thread(target=train_step)
        caller.start()
        caller.join()
    time.sleep(0.1)
    assert own_threads() <= before + 1


@scenario
def interpreter_runs_on_meanwhile() -> None:
    """Another Python thread never stands still for as long as a call of the core takes."""
    layer, x = make_layer("LSTM", 256), make_input(steps=2000)
    longest_pause, is_done = [0.0], threading.Event()

    def work() -> None:
        last = time.perf_counter()
        while not is_done.is_set():
            now = time.perf_counter()
            longest_pause[0] = max(longest_pause[0], now - last)
            last = now

    took: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        took[name] = time.perf_counter() - start
        return result

    for name in ("forward", "backward"):
        setattr(native, name, partial(timed, name, getattr(native, name)))
    worker = threading.Thread(target=work)
    worker.start()
    layer(x)[0].sum().backward()
    is_done.set()
    worker.join()
    assert longest_pause[0] < min(took["forward"], took["backward"]) / 2, (longest_pause, took)


@scenario
def idle_threads_sleep() -> None:
    torch.set_num_threads(2)
    for hidden in (16, 64):  # rows shared out, then units
        train_step(hidden=hidden)
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.05


# ---- the end ----


@scenario
def end_while_a_daemon_thread_is_in_the_core() -> None:
    torch.set_num_threads(2)
    layer, x, has_begun = make_layer(hidden=64), make_input(steps=100_000), threading.Event()
    train_step()

    def work() -> None:
        has_begun.set()
        with torch.no_grad():
            layer(x)

    threading.Thread(target=work, daemon=True).start()
    has_begun.wait()
    time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="the scenarios fork, and look into /proc")
@pytest.mark.parametrize("name", SCENARIOS)
def test_core_works_in(name: str) -> None:
    run = start(name)
    assert (run.returncode, run.stderr) == (0, "")


if __name__ == "__main__":
    SCENARIOS[sys.argv[1]]()
