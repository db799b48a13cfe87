"""Language models: a view's nats are those that ``nats`` gives, character by character."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from looks import check_form, check_left_alone, close, own_run

from gatewise import DataError, LanguageModel
from gatewise.inspection.choice import Choice
from gatewise.inspection.estimators import view_of
from gatewise.inspection.text_view import BOUNDARY

TEXT = "the cat sat\na dog ran\nwho goes there? naïve café\n" * 20


def small(**parameters: Any) -> LanguageModel:
    quick = {"hidden_size": 8, "embedding_size": 5, "steps": 30, "batch_size": 4, "bptt": 20}
    run = {"learning_rate": 0.02, "random_state": 0, "device": "cpu", "progress": False}
    return LanguageModel(**{**quick, **run, **parameters})


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return small().fit(TEXT)


@pytest.fixture(scope="module")
def of_lines() -> LanguageModel:
    return small(lines=True, num_layers=2, cell="gru").fit(TEXT)


def nats_of(model: LanguageModel, text: str) -> np.ndarray:
    """What each character of a text costs, from what its beginnings cost."""
    sums = [0.0, *(model.nats(text[:end]) * end for end in range(1, len(text) + 1))]
    return np.diff(sums)


def test_nats_are_the_models_own(model: LanguageModel) -> None:
    view = view_of(model, TEXT, Choice(at="4", steps=12))
    check_form(view)
    piece = TEXT[4:16]
    (curve,) = view.curves
    assert (curve.name, curve.role) == ("nats of the next character", "prediction")
    np.testing.assert_allclose(curve.y, nats_of(model, piece), atol=1e-5)
    assert view.axis.labels == [BOUNDARY, *piece[:-1]]
    assert list(view.axis.inputs) == list(range(4, 16))
    assert f"they cost {model.nats(piece):.3f} nats each" in view.about
    assert "text: 12 characters behind the first 4 characters" in view.about
    y, _ = own_run(model, lambda: model.nats(piece))  # with a step or more that does not count
    hidden = view.layers[0].forward.hidden[:, 0].numpy()
    np.testing.assert_allclose(hidden, y[:12], atol=1e-6)


def test_four_hundred_steps_are_shown_where_nothing_is_said(model: LanguageModel) -> None:
    view = view_of(model, TEXT)
    check_form(view)
    assert len(view.axis.inputs) == 400
    assert view.influence.values.shape == (200, 400)
    after = np.arange(400) > np.array(view.influence.rows)[:, None]
    assert (view.influence.values[after] == 0).all()  # nothing leans on what comes later


def test_characters_lean_as_differences_say(model: LanguageModel) -> None:
    """Each character stands once in the piece: moving its embedding is moving what is read."""
    piece = "the cafo"
    view = view_of(model, piece)
    weight = model.model_.embedding.weight
    symbols = model.alphabet_.encode(piece).tolist()
    wanted = np.empty((len(piece), len(piece)))
    for step, symbol in enumerate([model.alphabet_.boundary, *symbols[:-1]]):
        parts = []
        for unit in range(weight.shape[1]):
            ends = []
            for change in (0.01, -0.02):
                with torch.no_grad():
                    weight[symbol, unit] += change
                ends.append(nats_of(model, piece))
            with torch.no_grad():
                weight[symbol, unit] += 0.01
            parts.append((ends[0] - ends[1]) / 0.02)
        wanted[:, step] = np.linalg.norm(parts, axis=0)
    assert close(view.influence.values, wanted, 5e-3)
    assert view.influence.title == "next character after"


def test_documents_end_and_are_chosen_by_number(of_lines: LanguageModel) -> None:
    view = view_of(of_lines, TEXT, Choice(sequence="1"))
    check_form(view)
    line = "a dog ran"
    assert view.axis.labels == [BOUNDARY, *line]  # the last tells the end
    assert view.curves[0].y.mean() == pytest.approx(of_lines.nats([line]), rel=1e-5)
    assert view.about.startswith("text, document 1: 10 characters")
    assert len(view.layers) == 2
    cut = view_of(of_lines, TEXT, Choice(sequence=1, steps=9))
    assert cut.axis.labels == [BOUNDARY, *line[:-1]]


def test_bytes_are_steps_of_their_own() -> None:
    model = small(unit="byte", steps=5).fit(TEXT)
    text = "née " + TEXT
    view = view_of(model, text, Choice(at="2", steps=6))
    check_form(view)
    assert view.axis.title == "byte"
    assert list(view.axis.inputs) == list(range(3, 9))
    assert view.axis.labels == [BOUNDARY, *"e the"]
    assert view_of(model, text, Choice(steps=4)).axis.labels == [BOUNDARY, "n", "\\xC3", "\\xA9"]
    assert view.curves[0].y.mean() == pytest.approx(model.nats(text[2:8]), rel=1e-4)


def test_files_are_read(model: LanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "play.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert view_of(model, path).about.startswith("play.txt: 400 characters")


def test_looking_leaves_the_model_as_it_was(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = torch.no_grad()(lambda: view_of(model, TEXT, Choice(steps=5)))
    check_left_alone(model, look, "text_view", monkeypatch)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(at="-1"), r"at \(--at\) is a number of characters, from 0 to 979, got '-1'"),
        (Choice(at="2024-01-01"), "is a number of characters"),
        (Choice(at="980"), "from 0 to 979, got '980'"),
        (Choice(series="x"), r"series \(--series\) is not for a language model.*at \(where to beg"),
        (Choice(sequence=1), "no sequence 1; they are numbered from 0 to 0"),
    ],
)
def test_choices_that_are_not_there_are_told(
    model: LanguageModel, choice: Choice, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        view_of(model, TEXT, choice)


def test_unknown_characters_are_told(model: LanguageModel) -> None:
    with pytest.raises(DataError, match="Ω"):
        view_of(model, "the Ω")
