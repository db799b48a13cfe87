import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from texts import WORDS, small, text

from gatewise import DataError, LanguageModel, load
from gatewise.comparison.text_baselines import NGram
from gatewise.data.corpus import read_documents


@pytest.fixture(scope="module")
def fitted() -> LanguageModel:
    """A model of characters of one text; not to be changed."""
    return small(steps=150, hidden_size=32, bptt=30).fit(text())


@pytest.fixture(scope="module")
def of_lines() -> LanguageModel:
    """A model of bytes of documents; not to be changed."""
    return small(steps=300, hidden_size=32, unit="byte", lines=True).fit(text())


def joined(model: LanguageModel, *arguments: Any, **options: Any) -> str:
    return "".join(model.generate(*arguments, **options))


# What is learnt


def test_model_beats_a_trigram_on_unseen_text(fitted: LanguageModel) -> None:
    unseen = text(60, seed=1)
    trigram = NGram(3, fitted.alphabet_).fit(read_documents(text()))
    assert fitted.nats(unseen) < 0.8 * trigram.nats(read_documents(unseen))


def test_documents_are_generated_to_their_end(of_lines: LanguageModel) -> None:
    made = [joined(of_lines, temperature=0.3, random_state=seed) for seed in range(20)]
    assert {*made} <= {*WORDS}
    assert len({*made}) > 2
    assert of_lines.has_ends_
    assert joined(of_lines, "who", temperature=0) == " goes there?"


def test_same_seed_same_model_and_another_seed_another() -> None:
    first, again = small().fit(text()), small().fit(text())
    assert first.nats(text(9)) == again.nats(text(9))
    assert first.history_[-1]["train_loss"] == again.history_[-1]["train_loss"]
    assert small(random_state=1).fit(text()).nats(text(9)) != first.nats(text(9))


@pytest.mark.parametrize(
    "option",
    [
        {"cell": "gru"},
        {"cell": "rnn"},
        {"hidden_size": 13},
        {"num_layers": 2},
        {"embedding_size": None},
        {"tie_weights": True, "embedding_size": None},
        {"input_dropout": 0.5},
        {"dropout": 0.0},
        {"recurrent_dropout": 0.5},
        {"cell_options": {"layer_norm": True}},
        {"unit": "byte"},
        {"alphabet": "".join(sorted({*text()})) + "€"},
        {"lines": True},
        {"steps": 39},
        {"batch_size": 5},
        {"bptt": 19},
        {"learning_rate": 0.01},
        {"weight_decay": 0.5},
        {"averaging": 0.5},
        {"averaging": None},
        {"validation": 0.3},
        {"validation": 0.0},
    ],
)
def test_every_option_changes_what_is_learnt(option: dict[str, Any]) -> None:
    changed, plain = small(**option).fit(text()), small().fit(text())
    assert math.isfinite(changed.nats(text(9)))
    assert changed.nats(text(9)) != plain.nats(text(9))


def test_epochs_and_patience_say_how_long_training_takes() -> None:
    once = small(steps=None, epochs=2, validation=0.0).fit(text())
    assert once.history_[-1]["epoch"] == pytest.approx(2)
    assert once.history_[-1]["validation_error"] is None
    short = small(steps=None, hidden_size=2, validation=0.0, bptt=100).fit(text(20))
    assert short.history_[-1]["epoch"] == pytest.approx(200)
    wild = {"steps": 400, "learning_rate": 2.0, "weight_decay": 0.0}
    assert small(patience=1, **wild).fit(text()).history_[-1]["step"] < 400


def test_validation_part_is_not_learnt_from() -> None:
    """Another end of the text, of the same length and characters, leaves the training as it was."""
    length = len(text())
    ends = [text()[: length - 100] + text(99, seed)[:100] for seed in (5, 6)]
    a, b = (small(validation=100 / length, patience=99).fit(end) for end in ends)
    losses = [[row["train_loss"] for row in model.history_] for model in (a, b)]
    assert losses[0] == losses[1]
    assert a.history_[-1]["validation_error"] != b.history_[-1]["validation_error"]


def test_validation_part_of_documents_begins_with_a_document() -> None:
    ends = [[*WORDS, "no.", "it was late"], [*WORDS, "a dog ran", "it"]]
    ends = [[*WORDS] * 5 + end for end in ends]
    a, b = (small(validation=2 / 38, patience=99).fit(end) for end in ends)
    losses = [[row["train_loss"] for row in model.history_] for model in (a, b)]
    assert losses[0] == losses[1]


# Scores


def test_score_is_minus_the_nats_of_each_character_by_the_plain_layer(
    fitted: LanguageModel,
) -> None:
    part, net = text(9), fitted.model_
    codes = [fitted.vocabulary_.index(letter) for letter in part]
    with torch.no_grad():
        y, _ = net.rnn(net.embedding(torch.tensor([len(fitted.vocabulary_), *codes[:-1]]))[:, None])
        told = torch.log_softmax(y[:, 0] @ net.scores.t() + net.bias, -1)
    expected = -float(told[torch.arange(len(part)), codes].double().mean())
    assert fitted.nats(part) == pytest.approx(expected, rel=1e-5)
    assert fitted.score(part) == -fitted.nats(part)


def test_documents_do_not_leak_into_each_other(of_lines: LanguageModel) -> None:
    documents = [*WORDS, "the cat", ""]
    alone = [of_lines.nats([document]) * (len(document) + 1) for document in documents[:-1]]
    alone.append(math.nan)
    together = of_lines.nats(documents[:-1]) * sum(len(d) + 1 for d in documents[:-1])
    assert together == pytest.approx(sum(alone[:-1]), rel=1e-5)
    backwards = of_lines.nats(documents[-2::-1]) * sum(len(d) + 1 for d in documents[:-1])
    assert backwards == pytest.approx(together, rel=1e-5)


def test_ends_count_where_they_were_learnt(fitted: LanguageModel, of_lines: LanguageModel) -> None:
    """A model of one text tells no ends, whatever it scores."""
    first, second = "the cat sat\n", "no.\n"
    parts = [fitted.nats(part) * len(part) for part in (first, second)]
    total = fitted.nats([first, second]) * (len(first) + len(second))
    assert total == pytest.approx(sum(parts), rel=1e-5)
    assert of_lines.nats("no.\n") == of_lines.nats(["no."])


def test_bytes_are_scored_per_character() -> None:
    model = small(unit="byte").fit(text())
    assert model.nats("é") > 1.5 * model.nats("e")
    assert math.isfinite(model.nats("€😀"))  # never seen


def test_text_file_equals_the_text(fitted: LanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text(9), encoding="utf-8")
    assert fitted.nats(path) == fitted.nats(str(path)) == fitted.nats(text(9))
    assert small().fit(path).nats(text(9)) == small().fit(path.read_text()).nats(text(9))
    assert small().fit(path).notes_ == [
        f"a.txt: {len(text(9))} characters, {len({*text(9)})} different characters"
    ]


# Text that is made


def test_generated_text_streams_and_is_reproducible(fitted: LanguageModel) -> None:
    made = list(fitted.generate("the ", length=30, random_state=4))
    assert [len(piece) for piece in made] == [1] * 30
    assert "".join(made) == joined(fitted, "the ", length=30, random_state=4)
    assert "".join(made) != joined(fitted, "the ", length=30, random_state=5)
    assert "".join(made) != joined(fitted, "a dog ", length=30, random_state=4)
    assert joined(fitted, "the ", length=10, random_state=4) == "".join(made[:10])


def test_temperature_0_is_greedy(fitted: LanguageModel) -> None:
    greedy = joined(fitted, "it ", length=40, temperature=0)
    assert greedy == joined(fitted, "it ", length=40, temperature=0, random_state=9)
    assert greedy == joined(fitted, "it ", length=40, temperature=1e-6)
    assert greedy == joined(fitted, "it ", length=40, top_k=1)
    assert greedy.startswith("was late\n")


def test_bytes_make_proper_text_however_wild(of_lines: LanguageModel) -> None:
    untrained = small(unit="byte", steps=1).fit(text())
    made = list(untrained.generate(length=300, temperature=9.0, random_state=0))
    assert [len(piece) for piece in made] == [1] * 300
    assert max(map(ord, made)) > 0x7FF
    assert "".join(made).encode().decode() == "".join(made)
    assert joined(of_lines, "naïve caf", temperature=0) == "é"


def test_generating_does_not_touch_torchs_random_numbers(fitted: LanguageModel) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    joined(fitted, length=5)
    small().fit(text(9))
    assert torch.equal(torch.rand(1), expected)


# scikit-learn's contract and the file


def test_fit_gives_itself_and_leaves_parameters_alone() -> None:
    model = small(cell_options={"peephole": True})
    before = copy.deepcopy(model.get_params())
    assert model.fit(text(9)) is model
    assert model.get_params() == before
    first = model.nats(text(9))
    assert model.fit(text(9)).nats(text(9)) == first


def test_clone_and_get_params() -> None:
    model = small(cell="gru", epochs=3)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(bptt=7).bptt == 7


def test_grid_search_over_documents() -> None:
    documents = text().splitlines()
    search = GridSearchCV(small(steps=60), {"learning_rate": [1e-6, 0.02]}, cv=2)
    assert search.fit(documents).best_params_ == {"learning_rate": 0.02}


def test_unfitted_model_is_refused() -> None:
    for use in (lambda m: m.nats("a"), lambda m: m.generate(), lambda m: m.save("a")):
        with pytest.raises(NotFittedError):
            use(small())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"unit": "byte", "lines": True, "cell": "gru"},
        {"tie_weights": True, "embedding_size": None},
        {"cell_options": {"proj_size": 5}, "random_state": np.random.RandomState(0)},
    ],
)
def test_saved_model_is_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    model = small(**options).fit(text())
    model.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert isinstance(again, LanguageModel)
    assert again.nats(text(9)) == model.nats(text(9))
    assert joined(again, random_state=1) == joined(model, random_state=1)
    assert (again.history_, again.notes_) == (model.history_, model.notes_)
    assert again.vocabulary_ == model.vocabulary_
    assert pickle.loads(pickle.dumps(model)).nats(text(9)) == model.nats(text(9))


# What is refused


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"unit": "word"}, "unit must be one of character, byte, got 'word'"),
        ({"unit": "byte", "alphabet": "ab"}, "alphabet is for unit='character'"),
        ({"cell": "xlstm"}, "cell must be one of lstm, gru, rnn, got 'xlstm'"),
        ({"bptt": 0}, "bptt must be a whole number, at least 1, got 0"),
        ({"embedding_size": 0}, "embedding_size must be a whole number, at least 1, got 0"),
        ({"input_dropout": 1.0}, "input_dropout must be at least 0 and below 1, got 1.0"),
        ({"recurrent_dropout": -1}, "recurrent_dropout must be at least 0 and below 1, got -1"),
        ({"averaging": 1.0}, "averaging must be at least 0 and below 1, got 1.0"),
        ({"epochs": 0}, "epochs must be a positive number, got 0"),
        ({"cell_options": {"bidirectional": True}}, "leave out bidirectional: a text is read"),
        ({"cell_options": {"recurrent_dropout": 0.1}}, "leave out recurrent_dropout: a parameter"),
        ({"tie_weights": True}, "as wide as the layer's output, 12; got embedding_size=8"),
    ],
)
def test_wrong_parameter_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**option).fit(text())


def test_too_little_text_is_refused() -> None:
    with pytest.raises(DataError, match="text: too little text: two characters at least"):
        small().fit("a")
    small(steps=2).fit("ab")
    with pytest.raises(DataError, match=r"'\\n' \(U\+000A\), is not one of the 8 that"):
        small(alphabet="thecatso ").fit("the cat sat\n")


def test_unknown_character_is_refused(fitted: LanguageModel) -> None:
    with pytest.raises(DataError, match=r"^text, row 2: character 3, 'z' .* unit='byte'"):
        fitted.nats("no.\nnoz")
    with pytest.raises(DataError, match=r"^prompt, row 1: character 1, 'Z'"):
        fitted.generate("Z")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"length": 0}, "length must be a whole number, at least 1, got 0"),
        ({"top_k": 0}, "top_k must be a whole number, at least 1, got 0"),
        ({"temperature": -1}, "temperature must be a number from 0 on, got -1"),
        ({"temperature": math.nan}, "temperature must be a number from 0 on, got nan"),
        ({"prompt": b"a"}, "prompt must be a text, got bytes"),
    ],
)
def test_wrong_argument_of_generate_is_refused_at_once(
    fitted: LanguageModel, option: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fitted.generate(**option)
