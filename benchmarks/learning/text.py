"""Learn a text, and log the nats per character of its test part.

    python benchmarks/learning/text.py --cell lstm --seed 0
    python benchmarks/learning/text.py --dataset names --cell gru --seed 0

Reads ``../shared/data``. Tiny Shakespeare's last tenth is its test part; of the names, 1,000 drawn
at random are. ``--part validation`` looks at no test part: it trains on the first 95 % of the
training part and evaluates the rest, and choices are made on that. Settings beside ``PRESETS`` are
``NAME=VALUE``, VALUE in JSON.
"""

import argparse
import json
import math
import shlex
import sys
import time
from typing import Any

import numpy as np
import torch
from log import ROOT, record

from gatewise import LanguageModel

DATA = ROOT.parent / "shared" / "data" / "text"

# Chosen on validation parts. No text is held back to stop by: what stands last in the training part
# is nearest to the test part, and the steps were chosen before.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny_shakespeare": {
        "hidden_size": 512,
        "epochs": 20,
        "learning_rate": 8e-3,
        "input_dropout": 0.1,
        "dropout": 0.4,
        "recurrent_dropout": 0.1,
        "validation": 0.0,
    },
    "names": {
        "hidden_size": 128,
        "epochs": 15,
        "input_dropout": 0.0,
        "dropout": 0.1,
        "recurrent_dropout": 0.1,
    },
}
Texts = str | list[str]


def tiny_shakespeare() -> tuple[Texts, Texts]:
    """The published split: the first nine tenths and the last."""
    text = (DATA / "tinyshakespeare.txt").read_text()
    end = len(text) * 9 // 10
    return text[:end], text[end:]


def names() -> tuple[Texts, Texts]:
    """All names but 1,000 drawn at random, and those; in random order."""
    lines = (DATA / "names.txt").read_text().split()
    order = np.random.RandomState(0).permutation(len(lines))
    shuffled = [lines[place] for place in order]
    return shuffled[1_000:], shuffled[:1_000]


def within(train: Texts) -> tuple[Texts, Texts]:
    """The training part's first 95 %, and the rest."""
    end = len(train) * 95 // 100
    return train[:end], train[end:]


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Train, evaluate, and give what is logged."""
    train, test = {"tiny_shakespeare": tiny_shakespeare, "names": names}[given.dataset]()
    if given.part == "validation":
        train, test = within(train)
    settings = {**PRESETS[given.dataset], **dict(map(_setting, given.settings))}
    model = LanguageModel(**settings, cell=given.cell, random_state=given.seed)
    begin = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - begin
    nats = model.nats(test)
    return {
        "metrics": {"nats": nats, "bits": nats / math.log(2)},
        "seconds": seconds,
        "settings": {**model.get_params(), **{"cell": None, "random_state": None}},
        "history": model.history_,
    }


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main(arguments: list[str]) -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", choices=PRESETS, default="tiny_shakespeare")
    parser.add_argument("--cell", choices=("lstm", "gru", "rnn"), default="lstm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--threads", type=int, help="of torch [default: one a core]")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    result = run(given)
    for row in result.pop("history"):
        print(json.dumps(row))
    print(f"{result['metrics']['nats']:.4f} nats per character, {result['seconds']:.0f} s")
    record(
        given.dataset,
        task="foretell the next character",
        cell=given.cell,
        seed=given.seed,
        part=given.part,
        command=shlex.join(["python", "benchmarks/learning/text.py", *arguments]),
        **result,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
