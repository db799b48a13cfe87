"""Taggers: what a view says is what the tagger itself says."""

from pathlib import Path

import numpy as np
import pytest
from looks import check_form, check_left_alone, close, own_run, traced_h_n

from gatewise import DataError, SequenceTagger
from gatewise.inspection.choice import Choice
from gatewise.inspection.estimators import view_of

QUICK = {"steps": 25, "random_state": 0, "device": "cpu", "progress": False, "learning_rate": 0.03}
WORDS = [["the", "cat", "sees", "the", "dog", "."], ["a", "ship", "."], ["dog", "finds", "cat"]] * 4
KIND = {"the": "DET", "a": "DET", ".": "PUNCT", "sees": "VERB", "finds": "VERB"}
TAGS = [[KIND.get(word, "NOUN") for word in item] for item in WORDS]


@pytest.fixture(scope="module")
def words() -> SequenceTagger:
    return SequenceTagger(hidden_size=4, word_size=4, character_size=3, **QUICK).fit(WORDS, TAGS)


@pytest.fixture(scope="module")
def values() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(5, 3, size=(rng.integers(3, 8), 2)) for _ in range(20)]


@pytest.fixture(scope="module")
def numbers(values: list[np.ndarray]) -> SequenceTagger:
    tags = [(x[:, 0] > 5).astype(int) for x in values]
    return SequenceTagger(hidden_size=4, cell="gru", **QUICK).fit(values, tags)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tags") / "small.conllu"
    lines = []
    for number, (item, tags) in enumerate(zip(WORDS, TAGS, strict=True)):
        lines.append(f"# sent_id = s{number}")
        lines += [
            "\t".join([str(n), word, "_", tag, "_", "_", "_", "_", "_", "_"])
            for n, (word, tag) in enumerate(zip(item, tags, strict=True), start=1)
        ]
        lines.append("")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_words_are_labels_and_probabilities_the_taggers(words: SequenceTagger) -> None:
    view = view_of(words, WORDS)
    check_form(view)
    assert view.axis.labels == WORDS[0]
    (curve,) = view.curves
    assert curve.role == "prediction"
    np.testing.assert_allclose(curve.y, words.predict_proba(WORDS[:1])[0].max(1), rtol=1e-5)
    _, h_n = own_run(words, lambda: words.predict(WORDS[:1]))
    np.testing.assert_allclose(traced_h_n(view), h_n, atol=1e-6)
    assert view.about == "data, sequence '0' of 6 steps."


def test_right_labels_are_counted(words: SequenceTagger, file: Path) -> None:
    view = view_of(words, file, Choice(sequence=1))
    right = sum(a == b for a, b in zip(words.predict(WORDS[1:2])[0], TAGS[1], strict=True))
    assert view.about.endswith(f"of 3 steps: {right} of 3 labels are predicted right.")
    assert view.about.startswith("small.conllu, sequence ")


def test_numbers_lean_as_differences_say(numbers: SequenceTagger, values: list[np.ndarray]) -> None:
    view = view_of(numbers, values, Choice(sequence=2))
    check_form(view)
    value, std = values[2], numbers.model_.encoder.scaler.std  # type: ignore[union-attr]
    best = numbers.model_.outputs([value])[0].argmax(1)

    def scores(step: int, channel: int, change: float) -> np.ndarray:
        moved = value.copy()
        moved[step, channel] += change * std[channel]
        return numbers.model_.outputs([moved])[0][np.arange(len(value)), best]

    wanted = np.empty((len(value), len(value)))
    for step in range(len(value)):
        parts = [
            (scores(step, channel, 0.01) - scores(step, channel, -0.01)) / 0.02
            for channel in range(2)
        ]
        wanted[:, step] = np.linalg.norm(parts, axis=0)
    assert close(view.influence.values, wanted)
    assert [curve.role for curve in view.curves] == ["input", "input", "prediction"]
    np.testing.assert_array_equal(view.curves[1].y, value[:, 1])


def test_steps_cut_what_is_shown(words: SequenceTagger) -> None:
    whole, view = view_of(words, WORDS), view_of(words, WORDS, Choice(steps=2))
    check_form(view)
    assert view.axis.labels == ["the", "cat"]
    assert view.influence.rows == [1, 2]
    np.testing.assert_array_equal(view.influence.values, whole.influence.values[:2, :2])


def test_long_sequences_have_two_hundred_rows(numbers: SequenceTagger) -> None:
    long = np.random.default_rng(0).normal(size=(450, 2))
    view = view_of(numbers, [long])
    check_form(view)
    assert view.influence.values.shape == (200, 450)
    assert (view.influence.rows[0], view.influence.rows[-1]) == (1, 450)
    # the row's own step is among those it leans on: rows stand where they say
    own = [view.influence.values[r, int(step) - 1] for r, step in enumerate(view.influence.rows)]
    assert np.mean(np.array(own) > np.median(view.influence.values)) > 0.95


def test_looking_leaves_the_model_as_it_was(
    words: SequenceTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_left_alone(words, lambda: view_of(words, WORDS), "tag_view", monkeypatch)


def test_data_of_the_other_kind_is_told(
    words: SequenceTagger, numbers: SequenceTagger, values: list[np.ndarray], file: Path
) -> None:
    with pytest.raises(DataError, match="the model reads words, and the data holds numbers"):
        view_of(words, values)
    with pytest.raises(DataError, match=r"small.conllu: the model reads numbers, and the data hol"):
        view_of(numbers, file)


def test_choices_that_are_not_there_are_told(words: SequenceTagger) -> None:
    with pytest.raises(DataError, match="no sequence 'x'; there are '0', '1'"):
        view_of(words, WORDS, Choice(sequence="x"))
    with pytest.raises(DataError, match=r"at \(--at\) is not for a tagger"):
        view_of(words, WORDS, Choice(at="1"))
