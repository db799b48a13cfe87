"""``fit --task classify | regress | tag`` and ``predict`` with what they wrote."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command import Done, Gatewise

from gatewise import SequenceClassifier, SequenceRegressor, SequenceTagger, load

SMALL = ("--hidden", 4, "--steps", 15, "--device", "cpu", "--out", "m")
TABLE = ("walks.csv", "--series", "walk", "--time", "t")


@pytest.fixture(autouse=True)
def walks(folder: Path) -> pl.DataFrame:
    """Walks of different lengths: up or down, how steep, and at each step on which side of 0."""
    rng = np.random.default_rng(0)
    rows = []
    for walk in range(24):
        slope = rng.normal()
        for t in range(int(rng.integers(3, 8))):
            x = slope * t + rng.normal(0, 0.1)
            row = {"walk": f"w{walk}", "t": t, "x": x, "noise": rng.normal(), "slope": slope}
            rows.append({**row, "way": "up" if slope > 0 else "down", "side": int(x > 0)})
    frame = pl.DataFrame(rows)
    frame.write_csv(folder / "walks.csv")
    lines = "the\tDET\ncat\tNOUN\nsleeps\tVERB\n\nthe\tDET\ndog\tNOUN\n\n" * 6
    words = [line.split("\t") for line in lines.splitlines()]
    conllu = ["\t".join(["1", w[0], "_", w[1], *["_"] * 6]) if len(w) == 2 else "" for w in words]
    (folder / "pets.conllu").write_text("\n".join(conllu) + "\n")
    (folder / "pets.csv").write_text(
        "sentence,word,tag\n"
        + "".join(f"{n},{w},{t}\n" for n in range(8) for w, t in (("the", "DET"), ("cat", "NOUN")))
    )
    return frame


def printed(done: Done) -> pl.DataFrame:
    assert done.code == 0, done.err
    return pl.read_csv(io.StringIO(done.out))


def test_classify_equals_python(gatewise: Gatewise, walks: pl.DataFrame) -> None:
    columns = ("--label", "way", "--past", "x,noise")
    done = gatewise("fit", *TABLE, *columns, "--task", "classify", *SMALL, "--cell", "gru")
    assert (done.code, done.out) == (0, "")
    assert "24 sequences of 3 to 7 steps, 2 features" in done.err
    assert done.err.endswith(": m\n")
    got = printed(gatewise("predict", "m", "walks.csv", "--quiet"))
    values, labels = [], []
    for _, rows in walks.group_by("walk", maintain_order=True):
        values.append(rows.select("x", "noise").to_numpy().astype(np.float32))
        labels.append(rows["way"][0])
    options = {"hidden_size": 4, "steps": 15, "cell": "gru", "random_state": 0, "device": "cpu"}
    python = SequenceClassifier(**options).fit(values, labels)
    assert got.columns == ["id", "label", "p_down", "p_up"]
    assert got["id"].to_list() == walks["walk"].unique(maintain_order=True).to_list()
    assert got["label"].to_list() == python.predict(values).tolist()
    np.testing.assert_allclose(got.select("p_down", "p_up"), python.predict_proba(values))


def test_predict_needs_no_labels_and_finds_the_columns(
    gatewise: Gatewise, folder: Path, walks: pl.DataFrame
) -> None:
    gatewise("fit", *TABLE, "--label", "way", "--past", "x,noise", "--task", "classify", *SMALL)
    wanted = printed(gatewise("predict", "m", "walks.csv", "--quiet"))
    bare = walks.select("noise", "t", "walk", "x", other=pl.lit(3)).sample(fraction=1, seed=0)
    bare.write_csv(folder / "bare.csv")
    got = printed(
        gatewise("predict", "m", "bare.csv", "--quiet", "--out", "got.csv")
        and gatewise("predict", "m", "bare.csv", "--quiet")
    )
    assert got.sort("id").equals(wanted.sort("id"))
    assert pl.read_csv("got.csv").equals(got)


def test_regress_gives_numbers(gatewise: Gatewise) -> None:
    options = ("--label", "slope", "--past", "x", "--task", "regress", *SMALL)
    assert gatewise("fit", *TABLE, *options).code == 0
    got = printed(gatewise("predict", "m", "walks.csv", "--quiet"))
    assert got.columns == ["id", "value"]
    assert isinstance(load("m"), SequenceRegressor)
    assert load("m").n_features_in_ == 1


def test_tag_gives_a_row_a_step(gatewise: Gatewise, walks: pl.DataFrame) -> None:
    options = ("--label", "side", "--past", "x,noise", "--task", "tag", *SMALL)
    assert gatewise("fit", *TABLE, *options).code == 0
    got = printed(gatewise("predict", "m", "walks.csv", "--quiet"))
    assert got.columns == ["id", "step", "label", "probability"]
    assert got["id"].to_list() == walks["walk"].to_list()
    assert got["step"].to_list() == (walks["t"] + 1).to_list()
    assert set(got["label"]) <= {0, 1}
    assert got["probability"].is_between(0.5, 1).all()


@pytest.mark.parametrize("data", ["pets.conllu", "pets.csv"])
def test_tag_reads_words(data: str, gatewise: Gatewise) -> None:
    options = ("--words", "word", "--series", "sentence", "--label", "tag")
    told = options if data == "pets.csv" else ()
    assert gatewise("fit", data, *told, "--task", "tag", *SMALL, "--steps", 60).code == 0
    got = printed(gatewise("predict", "m", data, "--quiet"))
    assert got.columns == ["id", "step", "word", "label", "probability"]
    assert got["word"][:2].to_list() == ["the", "cat"]
    assert isinstance(load("m"), SequenceTagger)
    assert load("m").predict([["the"]]) in ([["DET"]], [["NOUN"]])


def test_labels_of_a_folder_and_sound_are_read(gatewise: Gatewise, shared_data: Path) -> None:
    sounds = shared_data / "classification" / "fsdd"
    fit = ("fit", sounds, "--task", "classify", *SMALL, "--quiet")
    assert gatewise(*fit, "--audio", "logmel").code == 0
    assert load("m").n_features_in_ == 40
    assert load("m").classes_.tolist() == [str(digit) for digit in range(10)]
    assert gatewise(*fit).code == 0
    assert load("m").n_features_in_ == 13
    names = [path.stem for path in sorted(sounds.glob("*.wav"))]
    table = pl.DataFrame({"file": names, "who": [name.split("_")[1] for name in names]})
    table.write_csv("who.csv")
    assert gatewise(*fit, "--labels", "who.csv").code == 0
    assert load("m").classes_.tolist() == ["george", "jackson", "lucas", "nicolas"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "classify", "--horizon", 3), "--task classify has no use for --horizon"),
        (("--task", "tag", "--audio", "mfcc"), "--task tag has no use for --audio"),
        (("--task", "regress", "--words", "x"), "--task regress has no use for --words"),
        (("--label", "way", "--horizon", 3), "--task forecast has no use for --label"),
        (
            ("--task", "classify"),
            "walks.csv: no labels found; name their column with label (--label)",
        ),
        (("--task", "tag"), "walks.csv: no column of labels found"),
        (("--task", "classify", "--label", "slope"), "not classes; take task 'regress'"),
        (("--task", "regress", "--label", "way"), "is no number; take task 'classify'"),
        (("--task", "classify", "--label", "side"), "not one label a sequence"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(
    arguments: tuple[object, ...], message: str, gatewise: Gatewise
) -> None:
    done = gatewise("fit", *TABLE, *arguments, "--out", "new")
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert not Path("new").exists()


def test_options_of_another_task_are_refused_in_predict(gatewise: Gatewise) -> None:
    gatewise("fit", *TABLE, "--label", "way", "--past", "x", "--task", "classify", *SMALL)
    done = gatewise("predict", "m", "walks.csv", "--future", "walks.csv")
    assert done.code == 2
    assert "--future is for forecasts" in done.err


def test_winner_of_a_comparison_is_fitted_and_predicts(gatewise: Gatewise) -> None:
    told = ("--label", "way", "--past", "x,noise", "--task", "classify")
    tiny = ("--hidden", 4, "--steps", 5, "--folds", 2, "--seeds", 1, "--jobs", 1)
    done = gatewise("compare", *TABLE, *told, *tiny, "--out", "run", "--quiet")
    assert done.code == 0, done.err
    assert done.out.startswith("model ")
    assert "commonest class" in done.out
    done = gatewise("fit", "--from", "run", "--out", "m", "--quiet")
    assert done.code == 0, done.err
    got = printed(gatewise("predict", "m", "walks.csv", "--quiet"))
    assert got.columns == ["id", "label", "p_down", "p_up"]
