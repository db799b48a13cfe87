"""Classifier and regressor: what a view says is what the estimator itself says."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from looks import check_form, check_left_alone, close, own_run, traced_h_n

from gatewise import DataError, SequenceClassifier, SequenceRegressor, load
from gatewise.data.read_sequences import read_sequences
from gatewise.inspection.choice import Choice
from gatewise.inspection.estimators import view_of

QUICK = {"steps": 25, "random_state": 0, "device": "cpu", "progress": False, "learning_rate": 0.05}


def walks(count: int = 24, gaps: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    values = [rng.normal(3, 2, size=(rng.integers(4, 9), 2)) for _ in range(count)]
    if gaps:
        values[0][1, 1] = np.nan
    return values


X = walks(gaps=True)
Y = np.array(["up" if x[0, 0] > 3 else "down" for x in X])
NUMBERS = np.array([100 * x[0, 0] for x in X])


@pytest.fixture(scope="module")
def classifier() -> SequenceClassifier:
    return SequenceClassifier(hidden_size=5, **QUICK).fit(X, Y)


@pytest.fixture(scope="module")
def regressor() -> SequenceRegressor:
    return SequenceRegressor(hidden_size=5, cell="gru", bidirectional=False, **QUICK).fit(
        X, NUMBERS
    )


def differences(model: Any, value: np.ndarray, output: Any) -> np.ndarray:
    """Norms of central differences of outputs (R,) by each step's channels, standardised: (R, T).

    A channel's indicator is no channel: the view's norms count it where there are gaps.
    """
    found = []
    for step in range(len(value)):
        parts = []
        for channel in range(value.shape[1]):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[step, channel] += sign * 0.01 * model.model_.scaler.std[channel]
                ends.append(output(moved))
            parts.append((ends[0] - ends[1]) / 0.02)
        found.append(np.linalg.norm(parts, axis=0))
    return np.array(found).T


def test_classifier_is_seen_as_it_predicts(classifier: SequenceClassifier) -> None:
    view = view_of(classifier, X, Choice(sequence=3))
    check_form(view)
    probability = classifier.predict_proba(X[3:4])[0]
    assert (view.name, view.cell) == ("LSTM, 5 units, both directions", "lstm")
    assert view.about == (
        f"data, sequence '3' of {len(X[3])} steps: predicted is {classifier.predict(X[3:4])[0]}, "
        f"with probability {probability.max():.3f}."
    )
    assert list(view.axis.inputs) == list(range(1, len(X[3]) + 1))
    assert [curve.name for curve in view.curves] == ["channel 1", "channel 2"]
    np.testing.assert_array_equal(np.stack([curve.y for curve in view.curves], 1), X[3])
    _, h_n = own_run(classifier, lambda: classifier.predict(X[3:4]))
    np.testing.assert_allclose(traced_h_n(view), h_n, atol=1e-6)


def test_missing_values_stay_missing(classifier: SequenceClassifier) -> None:
    view = view_of(classifier, X)
    check_form(view)
    np.testing.assert_array_equal(view.curves[1].y, X[0][:, 1])
    assert np.isnan(view.curves[1].y[1])


def test_classifier_leans_as_differences_say() -> None:
    values = walks()
    model = SequenceClassifier(hidden_size=5, **QUICK).fit(values, Y)
    view = view_of(model, values)
    wanted = differences(model, values[0], lambda x: model.model_.outputs([x])[0])
    assert view.influence.rows == ["down", "up"]
    assert close(view.influence.values, wanted)


def test_regressor_leans_as_differences_say() -> None:
    values = walks()
    model = SequenceRegressor(hidden_size=5, **QUICK).fit(values, NUMBERS)
    view = view_of(model, values)
    assert close(view.influence.values, differences(model, values[0], lambda x: model.predict([x])))
    assert view.influence.rows == ["prediction"]


def test_regressor_is_seen_as_it_predicts(regressor: SequenceRegressor) -> None:
    view = view_of(regressor, X, Choice(sequence="2"))
    check_form(view)
    assert f"predicted is {regressor.predict(X[2:3])[0]:.5g}." in view.about
    assert view.layers[0].reverse is None


def test_looking_leaves_the_model_as_it_was(
    classifier: SequenceClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_left_alone(classifier, lambda: view_of(classifier, X), "sequence_view", monkeypatch)


def test_steps_cut_what_is_shown_and_not_what_is_read(classifier: SequenceClassifier) -> None:
    whole = view_of(classifier, X, Choice(sequence=1))
    view = view_of(classifier, X, Choice(sequence=1, steps=3))
    check_form(view)
    assert list(view.axis.inputs) == [1, 2, 3]
    assert view.about == whole.about
    np.testing.assert_array_equal(view.influence.values, whole.influence.values[:, :3])
    for now, then in zip(view.layers, whole.layers, strict=True):
        assert now.forward.hidden.equal(then.forward.hidden[:3])
        assert now.forward.half_life is then.forward.half_life or (
            now.forward.half_life.equal(then.forward.half_life)
        )
        assert now.reverse.gates["forget"].equal(then.reverse.gates["forget"][:3])


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_layers": 2},
        {"cell_options": {"peephole": True, "proj_size": 3}},
        {"cell_options": {"coupled": True, "layer_norm": True, "learn_initial_state": True}},
        {"cell": "gru", "cell_options": {"reset_after": False, "zoneout": 0.2}},
        {"cell": "rnn", "bidirectional": False, "num_layers": 2},
    ],
    ids=str,
)
def test_every_kind_of_layer_is_seen(parameters: dict[str, Any]) -> None:
    options = {**QUICK, "steps": 3, "hidden_size": 4, **parameters}
    model = SequenceClassifier(**options).fit(X, Y)
    view = view_of(model, X)
    check_form(view)
    _, h_n = own_run(model, lambda: model.predict(X[:1]))
    np.testing.assert_allclose(traced_h_n(view), h_n, atol=1e-6)
    assert len(view.layers) == parameters.get("num_layers", 1)
    gates = {"lstm": {"input", "forget", "output"}, "gru": {"reset", "update"}, "rnn": set()}
    assert set(view.layers[0].forward.gates) == gates[view.cell]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sequences") / "walks.csv"
    parts = [
        pl.DataFrame({"id": f"walk {n}", "a": x[:, 0], "b": x[:, 1], "label": str(y)})
        for n, (x, y) in enumerate(zip(X, Y, strict=True))
    ]
    pl.concat(parts).with_columns(pl.col("a", "b").fill_nan(None)).write_csv(path)
    return path


def test_files_have_ids_names_and_labels(classifier: SequenceClassifier, file: Path) -> None:
    view = view_of(classifier, file, Choice(sequence="walk 4"))
    assert view.about.startswith("walks.csv, sequence 'walk 4'")
    assert view.about.endswith(f"Its label is {Y[4]}.")
    assert [curve.name for curve in view.curves] == ["a", "b"]
    np.testing.assert_allclose(view.curves[0].y, X[4][:, 0], rtol=1e-6)
    assert view_of(classifier, file, Choice(sequence="4")).about == view.about


def test_files_are_read_as_the_model_was_told(classifier: SequenceClassifier, file: Path) -> None:
    told = copy.copy(classifier)
    told.reading_ = {"past": ["b", "a"], "series": "id", "label": None}
    assert [curve.name for curve in view_of(told, file).curves] == ["b", "a"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(sequence="walk 99"), r"no sequence 'walk 99'; there are 'walk 9', .*from 0 to 23"),
        (Choice(sequence=24), "no sequence 24; they are numbered from 0 to 23"),
        (Choice(sequence=-1), "no sequence -1"),
        (Choice(series="x"), r"series \(--series\) is not for a classifier.*sequence \(which"),
        (Choice(at="3"), r"at \(--at\) is not for a classifier"),
        (Choice(steps=0), r"steps \(--steps\) must be at least 1, got 0"),
    ],
)
def test_choices_that_are_not_there_are_told(
    classifier: SequenceClassifier, file: Path, choice: Choice, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        view_of(classifier, file, choice)


def test_data_that_the_model_cannot_read_is_told(classifier: SequenceClassifier) -> None:
    with pytest.raises(DataError, match="has 3 channels"):
        view_of(classifier, [np.zeros((4, 3))])


def test_a_table_is_sequences_of_one_channel() -> None:
    table = np.random.default_rng(0).normal(size=(20, 6))
    y = (table[:, 0] > 0).astype(int)
    model = SequenceClassifier(hidden_size=4, **{**QUICK, "steps": 3}).fit(table, y)
    view = view_of(model, table, Choice(sequence=1))
    check_form(view)
    np.testing.assert_array_equal(view.curves[0].y, table[1])
    assert view.influence.rows == ["0", "1"]


def test_a_real_file_is_read_as_in_fit(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "classification" / "JapaneseVowels_TRAIN.ts"
    found = read_sequences(data)
    model = SequenceClassifier(hidden_size=4, **{**QUICK, "steps": 3})
    model.fit(found.values, found.classes()).save(tmp_path / "model.safetensors")
    view = view_of(load(tmp_path / "model.safetensors"), data, Choice(sequence=7))
    check_form(view)
    probability = model.predict_proba(found.values[7:8])[0].max()
    assert f"with probability {probability:.3f}. Its label is 1." in view.about
    assert len(view.curves) == 12
    assert len(view.influence.rows) == 9
