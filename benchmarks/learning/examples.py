"""Run an example on one thread, and write its figure on test or fresh data into the log.

    python benchmarks/learning/examples.py music JSB_Chorales.mat --cell lstm --seed 0
    python benchmarks/learning/examples.py memory adding --cell gru --seed 0

What follows the example's name is the example's own command line.
"""

import shlex
import sys

import torch
from log import ROOT, record

sys.path.append(str(ROOT / "examples"))

import memory
import music

EXAMPLES = {"music": music, "memory": memory}


def main(arguments: list[str]) -> None:
    """Run and record."""
    if not arguments or arguments[0] not in EXAMPLES:
        sys.exit("say which example: music or memory, then its own arguments")
    name, *rest = arguments
    example = EXAMPLES[name]
    given = example.parse(rest)
    torch.set_num_threads(1)
    result = example.main(rest)
    if name == "music":
        dataset, task = given.data.stem.lower(), "foretell the next chord"
    else:
        task = f"{given.task}, {result['settings']['length']} steps"
        dataset = f"{given.task}_{result['settings']['length']}"
    command = shlex.join(["python", "benchmarks/learning/examples.py", *arguments])
    common = {"cell": given.cell, "seed": given.seed, "part": "test", "command": command}
    record(dataset, task=task, **common, **result)


if __name__ == "__main__":
    main(sys.argv[1:])
