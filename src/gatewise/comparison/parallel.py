"""Where trials run: in this process, in processes of this machine, on a Dask or a Ray cluster.

A worker that dies costs its trial's time: the trial is run again, elsewhere.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from joblib.externals.loky.process_executor import ProcessPoolExecutor

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.task import Task
from gatewise.comparison.trials import Finished, run_trial
from gatewise.training import TrainingError

CLUSTERS = ("dask", "ray")

_ATTEMPTS = 3  # of a trial whose worker dies
_DASK_ADDRESS = "DASK_SCHEDULER_ADDRESS"
_RAY_ADDRESS = "RAY_ADDRESS"


class WorkerError(TrainingError):
    """A trial's worker died again and again, or the cluster cannot be had."""


def run_trials(
    trials: Sequence[Trial], plan: Plan, task: Task, jobs: int, cluster: str | None = None
) -> Iterator[Finished]:
    """Run trials ``jobs`` at a time and give each as it is finished, in any order.

    Args:
        trials: what to run.
        plan, task: how, and on what.
        jobs: trials side by side; a cluster that is there already has its own number of workers.
        cluster: ``"dask"`` or ``"ray"``: the one that the environment names
            (``DASK_SCHEDULER_ADDRESS``, ``RAY_ADDRESS``), else one of ``jobs`` workers that is
            started on this machine; None for processes of this machine.

    Raises:
        WorkerError: names the trial whose worker died three times, or the package that is missing.
    """
    if not trials:
        return iter(())
    if cluster is not None:
        return {"dask": _on_dask, "ray": _on_ray}[cluster](trials, plan, task, jobs)
    if jobs == 1:
        return (run_trial(trial, plan, task) for trial in trials)
    return _in_processes(trials, plan, task, jobs)


def _in_processes(trials: Sequence[Trial], plan: Plan, task: Task, jobs: int) -> Iterator[Finished]:
    """One pool of one process for each job: a process that dies takes no other with it."""
    idle: queue.SimpleQueue[ProcessPoolExecutor | None] = queue.SimpleQueue()
    pools: list[ProcessPoolExecutor] = []
    for _ in range(jobs):
        idle.put(None)

    def start() -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(), plan, task))
        pools.append(pool)
        return pool

    def call(trial: Trial) -> Finished:
        pool = idle.get()
        try:
            for _ in range(_ATTEMPTS):
                pool = pool or start()
                try:
                    return pool.submit(_run_here, trial).result()
                except BrokenProcessPool:
                    pool = None
        finally:
            idle.put(pool)
        raise WorkerError(_died(trial))

    threads = ThreadPoolExecutor(jobs)
    try:
        for future in as_completed([threads.submit(call, trial) for trial in trials]):
            yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=False, kill_workers=True)


_here: tuple[Plan, Task] | None = None  # of this worker process: sent once, not with every trial


def _begin(parent: int, plan: Plan, task: Task) -> None:
    """Make a worker process ready; it ends soon after ``parent`` does, and is not left behind."""
    global _here
    _here = plan, task

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run_here(trial: Trial) -> Finished:
    if _here is None:
        raise WorkerError("the worker process was not made ready")
    return run_trial(trial, *_here)


def _on_dask(trials: Sequence[Trial], plan: Plan, task: Task, jobs: int) -> Iterator[Finished]:
    distributed = _imported("distributed", "dask")
    address = os.environ.get(_DASK_ADDRESS)
    own = {} if address else {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(address, **own) as client:
        shared = client.scatter(task, broadcast=True)
        futures = {
            client.submit(run_trial, trial, plan, shared, pure=False, retries=_ATTEMPTS - 1): trial
            for trial in trials
        }
        for future in distributed.as_completed(futures):
            yield _result(future.result, futures[future], distributed.KilledWorker)


def _on_ray(trials: Sequence[Trial], plan: Plan, task: Task, jobs: int) -> Iterator[Finished]:
    ray = _imported("ray", "ray")
    address = os.environ.get(_RAY_ADDRESS)
    own = {} if address else {"num_cpus": jobs, "include_dashboard": False}
    ray.init(address=address, log_to_driver=False, ignore_reinit_error=True, **own)
    try:
        shared = ray.put(task)
        remote = ray.remote(max_retries=_ATTEMPTS - 1, num_cpus=1)(run_trial)
        left = {remote.remote(trial, plan, shared): trial for trial in trials}
        while left:
            (done, *_), _ = ray.wait(list(left), num_returns=1)
            trial = left.pop(done)
            yield _result(partial(ray.get, done), trial, ray.exceptions.WorkerCrashedError)
    finally:
        ray.shutdown()


def _result(get: Callable[[], Finished], trial: Trial, died: type[Exception]) -> Finished:
    try:
        return get()
    except died:
        raise WorkerError(_died(trial)) from None


def _died(trial: Trial) -> str:
    return (
        f"the worker of trial {trial.name} was ended {_ATTEMPTS} times from outside, as the system "
        "does when memory is short: try fewer --jobs. What is finished is kept, and the same call "
        "goes on from it"
    )


def _imported(module: str, extra: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise WorkerError(
            f"--cluster {extra} needs a package that is not installed: "
            f"pip install 'gatewise[{extra}]'"
        ) from None
