from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gatewise import DataError, SequenceTagger, load

NOUNS, VERBS = ("cat", "dog", "ship", "tree"), ("sees", "likes", "finds")
X = [
    ["the", NOUNS[a], VERBS[b], "the", NOUNS[c], "."][: 6 - (a + b) % 3]
    for a in range(4)
    for b in range(3)
    for c in range(4)
]
TAG = {"the": "DET", ".": "PUNCT", **dict.fromkeys(NOUNS, "NOUN"), **dict.fromkeys(VERBS, "VERB")}
Y = [[TAG[word] for word in item] for item in X]


def quick(**parameters: Any) -> SequenceTagger:
    small = {"hidden_size": 4, "word_size": 4, "character_size": 3, "steps": 15}
    run = {"random_state": 0, "device": "cpu", "progress": False}
    return SequenceTagger(**{**small, **run, **parameters})


def numbers(count: int = 20, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Walks, and at each step whether the *first* step was positive: memory alone can tell."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(rng.integers(2, 8), 2)) for _ in range(count)]
    return values, [np.full(len(x), int(x[0, 0] > 0)) for x in values]


# What is learnt


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_tagger_learns_words(cell: str) -> None:
    model = quick(cell=cell, steps=80, learning_rate=0.03).fit(X, Y)
    assert model.score(X, Y) == 1.0
    assert model.predict(X) == Y
    assert model.classes_.tolist() == ["DET", "NOUN", "PUNCT", "VERB"]


def test_unknown_words_are_read_by_their_letters() -> None:
    """Words in -s are verbs; the training has none of these, nor their letters' order."""
    rng = np.random.default_rng(0)

    def word(ending: str) -> str:
        return "".join(rng.choice(list("abcdefgh"), 3)) + ending

    def sentences(count: int) -> tuple[list[list[str]], list[list[str]]]:
        tags = [["V" if rng.random() < 0.5 else "N" for _ in range(4)] for _ in range(count)]
        return [[word("s" if tag == "V" else "t") for tag in item] for item in tags], tags

    model = quick(steps=150, learning_rate=0.03, word_drop=0.5, character_size=8)
    model.fit(*sentences(60))
    assert model.score(*sentences(30)) > 0.9


def test_tagger_remembers_numbers() -> None:
    values, tags = numbers(150, seed=2)
    options = {"steps": 300, "learning_rate": 0.02, "hidden_size": 8, "bidirectional": False}
    model = quick(**options).fit(values, tags)
    rest, truth = numbers(100, seed=1)
    assert model.score(rest, truth) > 0.85
    got = model.predict(rest)
    assert [tag.shape for tag in got] == [(len(x),) for x in rest]
    assert got[0].dtype == tags[0].dtype
    assert model.n_features_in_ == 2


def test_arrays_of_two_and_three_dimensions_are_sequences() -> None:
    cube = np.random.default_rng(0).normal(size=(12, 5, 1))
    y = (cube[..., 0] > 0).astype(int)
    wanted = quick().fit(list(cube), list(y)).predict_proba(cube)
    for form in (cube, cube[..., 0]):
        got = quick().fit(form, y).predict_proba(form)
        assert all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_missing_numbers_are_filled_and_counted() -> None:
    values, tags = numbers()
    holed = [x.copy() for x in values]
    holed[4][-1, 1] = np.nan
    model = quick().fit(holed, tags)
    assert model.notes_ == [
        "1 missing value filled from the past, with an indicator for each channel that has them"
    ]
    assert all(np.isfinite(p).all() for p in model.predict_proba([np.full((3, 2), np.nan)]))


def test_probabilities_stand_for_each_step() -> None:
    model = quick().fit(X, Y)
    for item, tags, probabilities in zip(X, model.predict(X), model.predict_proba(X), strict=True):
        assert probabilities.shape == (len(item), 4)
        np.testing.assert_allclose(probabilities.sum(1), 1)
        assert model.classes_[probabilities.argmax(1)].tolist() == tags


def test_a_sequence_is_read_alike_alone_and_among_others() -> None:
    model = quick().fit(X, Y)
    together = model.predict_proba(X)
    for item, wanted in zip(X[:6], together, strict=False):
        np.testing.assert_allclose(model.predict_proba([item])[0], wanted, rtol=1e-5)


def test_steps_without_a_label_count_in_nothing() -> None:
    holed = [[tag if n else None for n, tag in enumerate(tags)] for tags in Y]
    model = quick(steps=80, learning_rate=0.03).fit(X, holed)
    assert model.notes_ == [f"{len(X)} of {sum(map(len, X))} steps without a label left out"]
    nonsense = [["VERB", *tags[1:]] for tags in Y]  # at the steps that were not known
    first_known = quick(steps=80, learning_rate=0.03).fit(X, nonsense)
    assert model.predict(X) != first_known.predict(X)
    wrong = [[None] * (len(tags) - 1) + ["no such tag"] for tags in Y]
    assert model.score(X, wrong) == 0.0
    mixed = [[*tags[:-1], "no such tag"] for tags in model.predict(X)]
    share = 1 - len(X) / sum(map(len, X))
    np.testing.assert_allclose(model.score(X, mixed), share)


# Parameters


@pytest.mark.parametrize(
    "changed",
    [
        {"cell": "gru"},
        {"hidden_size": 5},
        {"num_layers": 2},
        {"bidirectional": False},
        {"dropout": 0.0},
        {"cell_options": {"peephole": True}},
        {"word_size": 5},
        {"character_size": 4},
        {"word_drop": 0.5},
        {"label_smoothing": 0.0},
        {"steps": 16},
        {"batch_size": 4},
        {"learning_rate": 1e-3},
        {"weight_decay": 0.5},
        {"validation": 0.2},
        {"random_state": 1},
    ],
    ids=str,
)
def test_each_parameter_changes_the_model(changed: dict[str, Any]) -> None:
    plain, other = quick().fit(X, Y), quick(**changed).fit(X, Y)
    assert not np.array_equal(plain.predict_proba(X)[0], other.predict_proba(X)[0])


def test_jitter_changes_a_model_of_numbers_only() -> None:
    values, tags = numbers()
    plain, other = quick().fit(values, tags), quick(jitter=0.5).fit(values, tags)
    assert not np.array_equal(plain.predict_proba(values)[0], other.predict_proba(values)[0])


def test_same_random_state_gives_the_same_bits() -> None:
    one, two = quick().fit(X, Y), quick().fit(X, Y)
    for a, b in zip(one.predict_proba(X), two.predict_proba(X), strict=True):
        assert np.array_equal(a, b)


def test_validation_stops_the_training() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.choice(["A", "B"], len(item)).tolist() for item in X]
    model = quick(validation=0.3, patience=1, steps=200, learning_rate=0.03).fit(X, noise)
    assert model.history_[-1]["step"] < 200
    assert all(row["validation_error"] > 0 for row in model.history_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"word_size": 0}, "word_size must be a whole number"),
        ({"character_size": 1.5}, "character_size must be a whole number"),
        ({"word_drop": 1.0}, "word_drop must be at least 0 and below 1"),
        ({"cell": "elman"}, "cell must be one of lstm, gru, rnn"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (Y[:-1], "48 sequences in X, and labels for 47 in y"),
        ([["N"] * len(item) for item in X], "at least 2 classes in y, got 1 class"),
        ([[0.5 + n for n, _ in enumerate(item)] for item in X], "Unknown label type"),
    ],
)
def test_bad_labels_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y)


def test_predict_wants_what_fit_read() -> None:
    with pytest.raises(NotFittedError):
        quick().predict(X)
    values, tags = numbers()
    with pytest.raises(DataError, match="the model reads numbers, and X holds words"):
        quick().fit(values, tags).predict(X)
    with pytest.raises(DataError, match=r"sequence 0 holds .*, which is no word"):
        quick().fit(X, Y).predict(values)


# Inside scikit-learn, and in a file


def test_grid_search_pipeline_and_clone_take_lists() -> None:
    def small(sentences: list[list[str]]) -> list[list[str]]:
        return [[word.lower() for word in item] for item in sentences]

    pipeline = make_pipeline(FunctionTransformer(small), quick())
    search = GridSearchCV(pipeline, {"sequencetagger__cell": ["lstm", "gru"]}, cv=2).fit(X, Y)
    loud = [[word.upper() for word in item] for item in X]
    assert search.predict(loud) == search.predict(X)
    model = quick().fit(X, Y)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("kind", ["words", "numbers"])
def test_file_gives_the_same_model(kind: str, tmp_path: Path) -> None:
    items, tags = (X, Y) if kind == "words" else numbers()
    model = quick(cell="gru", cell_options={"reset_after": False}).fit(items, tags)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert type(again) is SequenceTagger
    for one, other in zip(again.predict_proba(items), model.predict_proba(items), strict=True):
        assert np.array_equal(one, other)
    assert type(again.predict(items)[0]) is type(model.predict(items)[0])
    assert again.get_params() == model.get_params()
    assert (again.history_, again.notes_) == (model.history_, model.notes_)
    assert again.model_.parameters == model.model_.parameters


def test_atis_with_a_tag_that_training_lacks_is_scored(shared_data: Path) -> None:
    from gatewise.data.tagged import read_tagged

    folder = shared_data / "tagging" / "ud_english_atis"
    train, dev = (read_tagged(folder / f"en_atis-ud-{part}.conllu") for part in ("train", "dev"))
    model = quick(steps=100, hidden_size=16, word_size=16, learning_rate=0.03, dropout=0.1)
    model.fit(train.items[:800], train.tags[:800])
    assert "SYM" not in model.classes_
    assert "SYM" in {tag for tags in dev.tags for tag in tags}
    assert 0.8 < model.score(dev.items, dev.tags) < 1
