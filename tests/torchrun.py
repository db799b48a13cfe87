"""Two processes of a command, as torchrun starts them."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass


@dataclass
class Done:
    """What the processes printed together, and torchrun's exit code."""

    code: int
    out: str
    err: str


def torchrun(*command: object, timeout: float = 120) -> Done:
    """Run ``torchrun --nproc-per-node 2 COMMAND …`` to its end; it leaves no process behind."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    process = subprocess.Popen(
        [*launcher, "--nproc-per-node", "2", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)  # torchrun ends its processes
        process.communicate()
        raise
    return Done(process.returncode, out, err)
