"""Classify the sequences of a public set by the defaults, and log the share that is right.

    python benchmarks/learning/sequences.py --dataset japanese_vowels --cell lstm --seed 0

Reads ``../shared/data``. ``--part validation`` looks at no test part: it trains on four fifths of
the training part, and is right or wrong on the rest. Choices are made on that. Further settings are
``NAME=VALUE``, VALUE in JSON.
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from log import ROOT, record
from sklearn.model_selection import StratifiedKFold

from gatewise.data.read_sequences import read_sequences
from gatewise.estimators import SequenceClassifier

DATA = ROOT.parent / "shared" / "data" / "classification"
ARCHIVE = {
    "japanese_vowels": "JapaneseVowels",
    "italy_power_demand": "ItalyPowerDemand",
    "basic_motions": "BasicMotions",
}
Part = tuple[list[np.ndarray], np.ndarray]


def archive(name: str) -> tuple[Part, Part]:
    """A set of the UCR and UEA archive, by its own split."""
    files = (DATA / f"{name}_{part}.ts" for part in ("TRAIN", "TEST"))
    found = [read_sequences(file) for file in files]
    return (found[0].values, found[0].labels), (found[1].values, found[1].labels)


def pen_digits() -> tuple[Part, Part]:
    """Eight points of the pen, and which of ten digits, one-hot in one word."""
    parts = []
    for ending in ("tra", "tes"):
        rows = [line.split(",") for line in (DATA / f"pendigits.{ending}").read_text().split()]
        points = np.array([row[:16] for row in rows], dtype=np.float32).reshape(-1, 8, 2)
        parts.append((list(points), np.array([row[16] for row in rows])))
    return parts[0], parts[1]


def spoken_digits() -> tuple[Part, Part]:
    """Mel cepstra of recordings; those numbered 0 to 4 are the test part."""
    found = read_sequences(DATA / "fsdd")
    is_test = np.array([int(Path(name).stem.rpartition("_")[2]) < 5 for name in found.ids])
    parts = []
    for chosen in (~is_test, is_test):
        values = [found.values[number] for number in np.flatnonzero(chosen)]
        parts.append((values, found.labels[chosen]))
    return parts[0], parts[1]


def load(dataset: str) -> tuple[Part, Part]:
    """Training and test part."""
    if dataset in ARCHIVE:
        return archive(ARCHIVE[dataset])
    return {"pendigits": pen_digits, "spoken_digits": spoken_digits}[dataset]()


def within(train: Part, seed: int) -> tuple[Part, Part]:
    """The training part cut in five, class by class: four parts, and the one ``seed`` names."""
    values, labels = train
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))
    kept, rest = folds[seed % 5]
    return ([values[n] for n in kept], labels[kept]), ([values[n] for n in rest], labels[rest])


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Train, evaluate, and give what is logged."""
    train, test = load(given.dataset)
    if given.part == "validation":
        train, test = within(train, given.seed)
    settings = {name: json.loads(value) for name, value in given.set}
    model = SequenceClassifier(
        cell=given.cell, random_state=given.seed, device="cpu", progress=False, **settings
    )
    start = time.perf_counter()
    model.fit(*train)
    seconds = time.perf_counter() - start
    known = model.model_.settings
    return {
        "metrics": {"accuracy": model.score(*test)},
        "seconds": seconds,
        "settings": {
            **{name: model.get_params()[name] for name in ("hidden_size", "dropout")},
            "jitter": round(known.jitter, 4),
            "steps": known.training.steps,
            "batch_size": known.training.batch_size,
            "parameters": model.model_.parameters,
            **settings,
        },
    }


def setting(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, _, value = text.partition("=")
    return name, value


def main(arguments: list[str]) -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets = (*ARCHIVE, "pendigits", "spoken_digits")
    parser.add_argument("--dataset", required=True, choices=datasets)
    parser.add_argument("--cell", default="lstm", choices=("lstm", "gru", "rnn"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    parser.add_argument("--set", nargs="*", default=[], type=setting, metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    line = record(
        given.dataset,
        task="classify sequences",
        cell=given.cell,
        seed=given.seed,
        part=given.part,
        command=shlex.join(["python", "benchmarks/learning/sequences.py", *arguments]),
        **run(given),
    )
    print(given.dataset, given.cell, given.seed, given.part, line["metrics"], line["seconds"])


if __name__ == "__main__":
    main(sys.argv[1:])
