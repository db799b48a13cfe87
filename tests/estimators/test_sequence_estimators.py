from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gatewise import DataError, SequenceClassifier, SequenceRegressor, load

QUICK = {"hidden_size": 4, "steps": 15, "random_state": 0, "device": "cpu", "progress": False}


def classifier(**parameters: Any) -> SequenceClassifier:
    return SequenceClassifier(**{**QUICK, **parameters})


def regressor(**parameters: Any) -> SequenceRegressor:
    return SequenceRegressor(**{**QUICK, **parameters})


def noise(count: int = 30, channels: int = 2, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(2, 9), channels)) for _ in range(count)]


X = noise()
Y = np.array(["up" if x[0, 0] > 0 else "down" for x in X])
NUMBERS = np.array([10 * x[0, 0] for x in X])


# What is learnt


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_classifier_learns_what_only_memory_can_tell(cell: str) -> None:
    """The class is the sign of the first step, read forward alone."""
    model = classifier(cell=cell, steps=150, learning_rate=0.02, hidden_size=8, bidirectional=False)
    many = noise(150, seed=2)
    model.fit(many, ["up" if x[0, 0] > 0 else "down" for x in many])
    rest = noise(200, seed=1)
    truth = ["up" if x[0, 0] > 0 else "down" for x in rest]
    assert model.score(rest, truth) > 0.85
    assert model.score(rest, truth) == accuracy_score(truth, model.predict(rest))


def test_regressor_learns_a_number_in_its_unit() -> None:
    options = {"steps": 200, "learning_rate": 0.02, "hidden_size": 8, "dropout": 0.0}
    model = regressor(jitter=0.1, **options).fit(X, NUMBERS)
    rest = noise(200, seed=1)
    truth = [10 * x[0, 0] for x in rest]
    assert model.score(rest, truth) > 0.8
    assert model.score(rest, truth) == r2_score(truth, model.predict(rest))
    shifted = clone(model).set_params(steps=15).fit(X, NUMBERS + 1_000)
    plain = clone(model).set_params(steps=15).fit(X, NUMBERS)
    np.testing.assert_allclose(shifted.predict(X), plain.predict(X) + 1_000, rtol=1e-4)


@pytest.mark.parametrize(
    "labels",
    [
        np.where(Y == "up", "up", "down"),
        np.where(Y == "up", "up", "down").astype(object),
        np.where(Y == "up", 3, -1),
        np.where(Y == "up", 1.0, 2.0),
        Y == "up",
    ],
    ids=["text", "object", "integers", "floats", "bool"],
)
def test_classes_come_back_as_they_were(labels: np.ndarray, tmp_path: Path) -> None:
    model = classifier().fit(X, labels)
    assert np.array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == labels.dtype
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (len(X), 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert np.array_equal(model.predict(X), model.classes_[probabilities.argmax(1)])
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.classes_.dtype == model.classes_.dtype
    assert np.array_equal(again.predict(X), model.predict(X))


# The forms of X


def test_forms_of_the_same_sequences_give_the_same_model() -> None:
    cube = np.random.default_rng(0).normal(size=(20, 5, 1))
    y = cube[:, 0, 0] > 0
    wanted = classifier().fit(cube, y).predict_proba(cube)
    objects = np.empty(20, dtype=object)
    objects[:] = list(cube)
    forms = {
        "list": list(cube),
        "flat": list(cube[..., 0]),
        "float32": [x.astype(np.float32).astype(np.float64) for x in cube],
        "plain": cube.tolist(),
        "objects": objects,
        "table": cube[..., 0],
        "frame": pd.DataFrame(cube[..., 0]),
        "frames": [pd.DataFrame(x) for x in cube],
    }
    for name, form in forms.items():
        got = classifier().fit(form, y).predict_proba(form)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, err_msg=name)


def test_a_sequence_is_read_alike_alone_and_among_others() -> None:
    model = classifier().fit(X, Y)
    together = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba([x]) for x in X])
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_predict_takes_lengths_that_fit_never_saw() -> None:
    model = classifier().fit(X, Y)
    long = np.random.default_rng(3).normal(size=(300, 2))
    assert model.predict([long, long[:1]]).shape == (2,)


def test_a_table_model_reads_lists_of_one_channel_too() -> None:
    table = np.random.default_rng(0).normal(size=(20, 5))
    model = classifier().fit(table, table[:, 0] > 0)
    assert model.n_features_in_ == 5
    np.testing.assert_allclose(model.predict_proba(list(table)), model.predict_proba(table))
    with pytest.raises(ValueError, match="X has 4 features, but SequenceClassifier is expecting 5"):
        model.predict(table[:, :4])


def test_n_features_in_are_the_channels() -> None:
    assert classifier().fit(X, Y).n_features_in_ == 2
    refitted = classifier().fit(pd.DataFrame({"a": [0.0, 1, 2], "b": [1.0, 2, 0]}), [0, 1, 0])
    assert refitted.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(refitted.fit(X, Y), "feature_names_in_")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "there are no sequences"),
        ([np.zeros((3, 2)), np.zeros((0, 2))], "sequence 1 has no steps"),
        ([np.zeros((3, 2)), np.zeros((3, 1))], "sequence 1 has 1 channel, and .* is expecting 2"),
        ([np.zeros((3, 2)), np.full((3, 2), np.inf)], "sequence 1 holds an infinite value"),
        ([np.zeros((3, 2)), [["a", "b"]]], "sequence 1 is no array of numbers: values of type"),
        ([np.zeros((3, 2)), np.zeros((3, 2), dtype=complex)], "sequence 1 is no array of numbers"),
        ([np.zeros((3, 2)), np.zeros((3, 2, 1))], "sequence 1 has 3 dimensions"),
        ([np.zeros((3, 0)), np.zeros((3, 0))], "the sequences have no channels"),
        ([np.zeros((3, 2)), "word"], "sequence 1 is no array of numbers"),
        ([1.0, 2.0], "sequence 0 has 0 dimensions"),
        (np.zeros((2, 3, 4, 5)), "dim 4"),
    ],
)
def test_bad_sequences_are_named(bad: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(bad, ["a", "b"])


def test_predict_refuses_other_channels() -> None:
    model = classifier().fit(X, Y)
    with pytest.raises(DataError, match=r"sequence 1 has 3 channels, and .* is expecting 2"):
        model.predict([np.zeros((2, 2)), np.zeros((2, 3))])
    with pytest.raises(DataError, match=r"sequence 0 has 1 channel, and .* is expecting 2"):
        model.predict(np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (Y[:-1], "inconsistent numbers of samples"),
        (["same"] * len(X), "at least 2 classes in y, got 1 class"),
        (NUMBERS, "Unknown label type"),
    ],
)
def test_bad_classes_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)


def test_predict_wants_fit() -> None:
    for call in (classifier().predict, classifier().predict_proba, regressor().predict):
        with pytest.raises(NotFittedError):
            call(X)
    with pytest.raises(NotFittedError):
        classifier().save("nowhere")


# Missing values


def test_missing_values_are_read_beside_an_indicator() -> None:
    holed = [x.copy() for x in X]
    rng = np.random.default_rng(5)
    for x, y in zip(holed, Y, strict=True):
        x[:] = rng.normal(size=x.shape)  # nothing but the gap tells the class
        if y == "up":
            x[0, 1] = np.nan
    model = classifier(steps=150, learning_rate=0.02).fit(holed, Y)
    assert model.score(holed, Y) == 1.0
    ups = int((Y == "up").sum())
    assert model.notes_ == [
        f"{ups} missing values filled from the past, with an indicator for each channel that has "
        "them"
    ]


def test_missing_values_do_not_reach_other_sequences() -> None:
    model = classifier().fit(X, Y)
    wanted = model.predict_proba(X)
    holed = [x.copy() for x in X]
    holed[3][:] = np.nan
    got = model.predict_proba(holed)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(np.delete(got, 3, 0), np.delete(wanted, 3, 0), rtol=1e-6)


# Parameters


@pytest.mark.parametrize(
    "changed",
    [
        {"cell": "gru"},
        {"cell": "rnn"},
        {"hidden_size": 5},
        {"num_layers": 2},
        {"bidirectional": False},
        {"dropout": 0.0},
        {"cell_options": {"peephole": True}},
        {"jitter": 0.0},
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
    plain = classifier().fit(X, Y).predict_proba(X)
    other = classifier(**changed).fit(X, Y).predict_proba(X)
    assert not np.array_equal(plain, other)


def test_same_random_state_gives_the_same_bits() -> None:
    for make, y in ((classifier, Y), (regressor, NUMBERS)):
        one, two = make().fit(X, y), make().fit(X, y)
        for name, weight in one.model_.net.state_dict().items():
            assert np.array_equal(weight, two.model_.net.state_dict()[name])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": "elman"}, "cell must be one of lstm, gru, rnn"),
        ({"steps": 0}, "steps must be a whole number"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1"),
        ({"jitter": -1.0}, "jitter must be at least 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"cell_options": {"bidirectional": True}}, "leave 'bidirectional' to the estimator"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("count", "batch", "steps", "jitter"),
    [
        (2, 8, 1_000, 0.3),
        (270, 16, 1_000, 0.3),
        (625, 64, 1_000, 0.2),
        (7_494, 128, 1_770, 0.1),
        (100_000, 128, 23_460, 0.1),
    ],
)
def test_batch_steps_and_jitter_follow_the_rule(
    count: int, batch: int, steps: int, jitter: float
) -> None:
    from gatewise.estimators.sequence_parameters import sequence_settings

    found = sequence_settings(SequenceClassifier(), 2, count, 30)
    assert (found.training.batch_size, found.training.steps) == (batch, steps)
    assert found.jitter == pytest.approx(jitter)
    given = sequence_settings(SequenceClassifier(jitter=0.0, steps=7), 2, count, 30)
    assert (given.jitter, given.training.steps) == (0.0, 7)


def test_validation_holds_back_each_class_alike() -> None:
    from gatewise.estimators.sequence_model import hold_back

    y = np.repeat([0, 1, 2], [60, 30, 10])
    held = hold_back(y, 0.2, seed=0).numpy()
    assert np.bincount(y[held]).tolist() == [12, 6, 2]
    assert len(set(held)) == 20
    assert not np.array_equal(held, hold_back(y, 0.2, seed=1))
    assert len(hold_back(y, 0.0, seed=0)) == 0
    model = classifier(validation=0.2).fit(X, Y)
    assert all(row["validation_error"] is not None for row in model.history_)


def test_validation_stops_the_training() -> None:
    rng = np.random.default_rng(0)
    model = classifier(validation=0.3, patience=1, steps=200, learning_rate=0.03)
    model.fit(X, rng.permutation(Y))
    assert model.history_[-1]["step"] < 200


# Inside scikit-learn


def test_grid_search_and_cross_validation_take_lists() -> None:
    search = GridSearchCV(classifier(), {"cell": ["lstm", "gru"], "hidden_size": [2]}, cv=3)
    search.fit(X, Y)
    assert search.best_params_["cell"] in ("lstm", "gru")
    assert search.predict(X).shape == (len(X),)
    assert cross_val_score(regressor(), X, NUMBERS, cv=2).shape == (2,)


def test_pipeline_passes_lists_on() -> None:
    def absolute(sequences: list[np.ndarray]) -> list[np.ndarray]:
        return [np.abs(x) for x in sequences]

    pipeline = make_pipeline(FunctionTransformer(absolute), classifier())
    pipeline.fit(X, Y)
    direct = classifier().fit(absolute(X), Y)
    assert np.array_equal(pipeline.predict_proba(X), direct.predict_proba(absolute(X)))
    names = {"sequenceclassifier__cell": ["rnn"]}
    assert GridSearchCV(pipeline, names, cv=2).fit(X, Y).best_score_ >= 0


def test_clone_keeps_parameters_alone() -> None:
    model = classifier(cell_options={"peephole": True}).fit(X, Y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")


# One file


@pytest.mark.parametrize("make", [classifier, regressor])
def test_file_gives_the_same_model(make: Any, tmp_path: Path) -> None:
    model = make(cell="gru", cell_options={"reset_after": False}, checkpoint=tmp_path / "kept")
    model.fit(X, Y if make is classifier else NUMBERS)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert np.array_equal(again.predict(X), model.predict(X))
    for name in ("n_features_in_", "history_", "notes_"):
        assert getattr(again, name) == getattr(model, name)
    assert again.get_params() == {**model.get_params(), "checkpoint": None}
    assert again.model_.parameters == model.model_.parameters


def test_file_keeps_the_names_of_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)), columns=["a", "b", "c"])
    model = classifier().fit(frame, [0, 1, 2] * 3)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(again.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame.rename(columns={"a": "z"}))
