"""Language models on the command line: fit --task text, generate, predict."""

import io
import math
import os
from pathlib import Path

import polars as pl
import pytest
from command import Gatewise

from gatewise import load

FIT = ("--task", "text", "--hidden", 8, "--steps", 4, "--device", "cpu")
TEXT = "the cat sat\na dog ran\n" * 20


@pytest.fixture
def texts(folder: Path) -> Path:
    """The folder, with texts in it."""
    (folder / "a.txt").write_text(TEXT)
    (folder / "other.txt").write_text("the dog\nsat\n")
    (folder / "latin.txt").write_bytes("naïve".encode("latin-1"))
    return folder


@pytest.fixture
def text_model(gatewise: Gatewise, texts: Path) -> str:  # noqa: ARG001
    """The name of a model file of ``a.txt``."""
    done = gatewise("fit", "a.txt", *FIT, "--out", "t.safetensors")
    assert (done.code, done.out) == (0, "")
    return "t.safetensors"


def test_fit_writes_a_model_and_says_what_it_is(gatewise: Gatewise, texts: Path) -> None:
    done = gatewise("fit", "a.txt", *FIT, "--cell", "gru", "--seed", 3, "--out", "t")
    model = load(texts / "t")
    assert (model.cell, model.hidden_size, model.steps, model.random_state) == ("gru", 8, 4, 3)
    best = min(row["validation_error"] for row in model.history_)
    parameters = sum(p.numel() for p in model.model_.parameters())
    assert done.err.splitlines() == [
        "a.txt: 440 characters, 13 different characters",
        f"validation: {best:.4f} nats per character",
        f"GRU, {parameters:,} parameters: t",
    ]
    assert gatewise("fit", "a.txt", *FIT, "--out", "t", "--quiet").err == ""


def test_fit_takes_bytes_and_lines(gatewise: Gatewise, texts: Path) -> None:
    done = gatewise("fit", "a.txt", *FIT, "--unit", "byte", "--lines", "--out", "t")
    assert "a.txt: 400 characters in 40 documents, 256 different bytes" in done.err
    model = load(texts / "t")
    assert (model.unit, model.lines, model.has_ends_) == ("byte", True, True)


def test_generate_prints_the_prompt_and_what_python_makes(
    gatewise: Gatewise, text_model: str
) -> None:
    options = ("--length", 20, "--temperature", 0.8, "--top-k", 5, "--seed", 2)
    done = gatewise("generate", text_model, "--prompt", "the ", *options)
    expected = load(text_model).generate(
        "the ", length=20, temperature=0.8, top_k=5, random_state=2
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == "the " + "".join(expected) + "\n"
    assert gatewise("generate", text_model, "--length", 3).out[3:] == "\n"


def test_generate_prints_each_character_when_it_is_made(
    gatewise: Gatewise, text_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatewise.cli import generate

    flushed: list[str] = []

    class Watched(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    monkeypatch.setattr(generate.sys, "stdout", Watched())
    gatewise("generate", text_model, "--prompt", "the ", "--length", 6)
    assert [len(printed) for printed in flushed[:7]] == [4, 5, 6, 7, 8, 9, 10]


def test_predict_prints_nats_and_bits(gatewise: Gatewise, text_model: str) -> None:
    done = gatewise("predict", text_model, "other.txt")
    read = pl.read_csv(io.StringIO(done.out))
    assert read.columns == ["text", "nats_per_character", "bits_per_character"]
    name, nats, bits = read.row(0)
    assert name == "other.txt"
    assert nats == pytest.approx(load(text_model).nats("other.txt"))
    assert bits == pytest.approx(nats / math.log(2))
    gatewise("predict", text_model, "other.txt", "--out", "cost.parquet")
    assert pl.read_parquet("cost.parquet").row(0) == pytest.approx((name, nats, bits))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit nowhere.txt --task text --out new", "gatewise: nowhere.txt: no such file"),
        ("fit latin.txt --task text --out new", "gatewise: latin.txt, row 1: byte 0xEF"),
        (
            "fit a.txt --task text --horizon 4 --out new",
            "--task text has no use for --horizon: leave it out",
        ),
        (
            "fit load.csv --target load --horizon 4 --lines --out new",
            "--task forecast has no use for --lines: leave it out",
        ),
        (
            "fit --from run --task text --out new",
            "--from RUN takes it from the run: leave out --task",
        ),
        (
            "fit a.txt --task text --seed 1 --steps 1 --out t.safetensors/new",
            "gatewise: --out t.safetensors/new: no such folder: t.safetensors",
        ),
        (
            "generate t.safetensors --prompt 9",
            "gatewise: prompt, row 1: character 1, '9' (U+0039), is not one of the 13 that",
        ),
        ("generate nowhere", "gatewise: nowhere: no such model file"),
        ("generate t.safetensors --temperature -1", "'--temperature'"),
        (
            "generate m.safetensors",
            "gatewise: m.safetensors: a Forecaster, which makes no text; 'gatewise fit FILE.txt",
        ),
        (
            "predict t.safetensors other.txt",
            "gatewise: other.txt, row 2: character 4, '?' (U+003F), is not one of the 13 that",
        ),
        (
            "predict t.safetensors other.txt --future ahead.csv",
            "--future is for forecasts; a language model has no use for it",
        ),
    ],
)
def test_what_cannot_be_done_gives_one_clear_message(
    command: str, message: str, gatewise: Gatewise, text_model: str, request: pytest.FixtureRequest
) -> None:
    if "m.safetensors" in command:
        request.getfixturevalue("model")
    Path(text_model).parent.joinpath("other.txt").write_text("the\ndog?\n")
    before = sorted(os.listdir())
    done = gatewise(*command.split())
    *_, last = done.err.splitlines()
    assert message in last
    assert (done.code, done.out) == (2, "")
    assert sorted(os.listdir()) == before


def test_help_of_generate_has_an_example(gatewise: Gatewise) -> None:
    done = gatewise("generate", "--help")
    assert "Example: gatewise generate plays.safetensors" in done.out
    for word in ("--prompt", "--length", "--temperature", "--top-k", "--seed"):
        assert word in done.out
