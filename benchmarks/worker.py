"""A process that runs contenders: one JSON command a line on stdin, one answer a line on stdout.

    python benchmarks/worker.py THREADS

Between commands it waits for its next line, asleep.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, TextIO

import numpy as np

MODULES = {"onnxruntime": "onnx_runs", "openvino": "onnx_runs", "jax": "jax_runs"}
RUNS: dict[str, Callable[[], dict[str, Any]]] = {}  # what is prepared, by key
Answer = dict[str, Any]


def prepare(key: str, job: dict[str, Any], tensors: str) -> Answer:
    """Make a contender's run of a job with the arrays in the file ``tensors``."""
    module = __import__(MODULES.get(job["contender"], "torch_runs"))
    with np.load(tensors) as arrays:
        RUNS[key] = module.prepare(job, dict(arrays))
    return {}


def check(key: str, path: str) -> Answer:
    """Run once, and write the results to ``path``."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)  # the same random masks for all
    np.savez(path, **{name: np.asarray(value) for name, value in RUNS[key]().items()})
    return {}


def measure(key: str, seconds: float) -> Answer:
    """Give the median duration of the calls that fit into ``seconds``, the first left out.

    A call longer than that is timed once, at once.
    """
    durations = [_time_once(RUNS[key])]
    if durations[0] < seconds:
        end = time.perf_counter() + seconds
        durations = []
        while not durations or time.perf_counter() < end:
            durations.append(_time_once(RUNS[key]))
    return {"seconds": median(durations), "calls": len(durations)}


def _time_once(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def drop(key: str) -> Answer:
    """Forget a run."""
    RUNS.pop(key, None)
    return {}


def peak(threads: int) -> Answer:
    """Measure the peak of multiply-adds held in registers, in GFLOP/s."""
    from gatewise.ops import cpu_backend

    name = cpu_backend.target()
    return {"target": name, "gflops": cpu_backend.native.peak_gflops(name, threads)}


COMMANDS: dict[str, Callable[..., Answer]] = {
    "prepare": prepare,
    "check": check,
    "measure": measure,
    "drop": drop,
    "peak": peak,
}


def obey(commands: Iterable[str], answers: TextIO) -> None:
    """Carry out commands until there are no more; a failure is an answer with its reason.

    Each answer says how many seconds of processor time were used since the answer before it.
    """
    used = time.process_time()
    for line in commands:
        awake = time.process_time() - used
        command = json.loads(line)
        answer = _attempt(COMMANDS[command.pop("do")], command)
        print(json.dumps({**answer, "awake": awake}), file=answers, flush=True)
        used = time.process_time()


def _attempt(function: Callable[..., Answer], arguments: dict[str, Any]) -> Answer:
    try:
        return function(**arguments)
    except ModuleNotFoundError as error:
        return {"reason": f"{error.name} is not installed"}
    except NotImplementedError as error:
        return {"reason": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"reason": f"failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"}


def _bind_to_cores(count: int) -> None:
    """Stay on the first ``count`` cores, where the operating system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _keep_stdout_for_answers() -> TextIO:
    """Send what libraries print to stderr, and give the real stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    _bind_to_cores(int(sys.argv[1]))
    obey(sys.stdin, _keep_stdout_for_answers())
    os._exit(0)  # there is nothing to save, and libraries take their time to say goodbye
