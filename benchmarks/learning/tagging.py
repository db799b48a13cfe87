"""Tag the words of ATIS by the defaults, and log the share that is right.

    python benchmarks/learning/tagging.py --cell lstm --seed 0

Reads ``../shared/data``. ``--part validation`` evaluates on the dev part, on which choices are
made; both train on the training part alone. Further settings are ``NAME=VALUE``, VALUE in JSON.
"""

import argparse
import json
import shlex
import sys
import time

import torch
from log import ROOT, record

from gatewise.data.tagged import read_tagged
from gatewise.estimators import SequenceTagger

DATA = ROOT.parent / "shared" / "data" / "tagging" / "ud_english_atis"
FILES = {"train": "train", "test": "test", "validation": "dev"}


def setting(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, _, value = text.partition("=")
    return name, value


def main(arguments: list[str]) -> None:
    """Train, evaluate and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="lstm", choices=("lstm", "gru", "rnn"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    parser.add_argument("--set", nargs="*", default=[], type=setting, metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train, rest = (
        read_tagged(DATA / f"en_atis-ud-{FILES[part]}.conllu") for part in ("train", given.part)
    )
    settings = {name: json.loads(value) for name, value in given.set}
    model = SequenceTagger(
        cell=given.cell, random_state=given.seed, device="cpu", progress=False, **settings
    )
    start = time.perf_counter()
    model.fit(train.items, train.tags)
    seconds = time.perf_counter() - start
    shown = ("hidden_size", "word_size", "character_size", "word_drop", "dropout")
    known = model.model_.settings.training
    line = record(
        "atis",
        task="tag words",
        cell=given.cell,
        seed=given.seed,
        part=given.part,
        metrics={"accuracy": model.score(rest.items, rest.tags)},
        seconds=seconds,
        settings={
            **{name: model.get_params()[name] for name in (*shown, "label_smoothing")},
            "steps": known.steps,
            "batch_size": known.batch_size,
            "parameters": model.model_.parameters,
            **settings,
        },
        command=shlex.join(["python", "benchmarks/learning/tagging.py", *arguments]),
    )
    print("atis", given.cell, given.seed, given.part, line["metrics"], line["seconds"], given.set)


if __name__ == "__main__":
    main(sys.argv[1:])
