"""skorch around our layers, with lengths, in scikit-learn's searches and pipelines, on real data.

JapaneseVowels (Kudo, Toyama & Shimbo 1999): which of nine speakers says two vowels, 7 to 29 steps
of 12 coefficients. Padding is NaN, so that whatever looks at it is seen.
"""

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise
from gatewise.data import read_sequences

skorch = pytest.importorskip("skorch", reason="make test-ecosystem installs it")

from skorch import NeuralNetClassifier  # noqa: E402
from skorch.callbacks import GradientNormClipping  # noqa: E402
from skorch.helper import SliceDict  # noqa: E402

pytestmark = pytest.mark.ecosystem

FEATURES, SPEAKERS = 12, 9
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)

Part = tuple[list[np.ndarray], np.ndarray]


class Speaker(nn.Module):
    """Scores (B, SPEAKERS) from the state at each sequence's own end."""

    def __init__(self, cell: str = "LSTM", hidden_size: int = 16, layer_norm: bool = False) -> None:
        super().__init__()
        layer = getattr(gatewise, cell)
        self.layer = layer(FEATURES, hidden_size, batch_first=True, layer_norm=layer_norm)
        self.head = nn.Linear(hidden_size, SPEAKERS)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        _, state = self.layer(x, lengths=lengths)
        return self.head(state[0][-1] if isinstance(state, tuple) else state[-1])


class PackingSpeaker(nn.Module):
    """The same around torch's layer, which is told of lengths by packing."""

    def __init__(self, cell: str = "LSTM", hidden_size: int = 16) -> None:
        super().__init__()
        self.layer = getattr(nn, cell)(FEATURES, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, SPEAKERS)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, state = self.layer(packed)
        return self.head(state[0][-1] if isinstance(state, tuple) else state[-1])


class SeededNet(NeuralNetClassifier):
    """A net whose every fit draws the same weights and batches, in any process."""

    def initialize(self) -> "SeededNet":
        torch.manual_seed(0)
        return super().initialize()


def pad(
    sequences: list[np.ndarray], fill: float = np.nan, dtype: type[np.floating] = np.float32
) -> SliceDict:
    """Give the arguments of ``Speaker.forward``: x (N, T, F) and lengths (N,)."""
    lengths = np.array([len(values) for values in sequences])
    x = np.full((len(sequences), lengths.max(), FEATURES), fill, dtype=dtype)
    for row, values in zip(x, sequences, strict=True):
        row[: len(values)] = values
    return SliceDict(x=x, lengths=lengths)


class ScaleAndPad(TransformerMixin, BaseEstimator):
    """Standardise each feature over all steps of the sequences it is fitted on, then pad."""

    def fit(self, X: list[np.ndarray], _: Any = None) -> "ScaleAndPad":
        self.scaler_ = StandardScaler().fit(np.concatenate(X))
        return self

    def transform(self, X: list[np.ndarray]) -> SliceDict:
        return pad([self.scaler_.transform(values) for values in X])


def make_net(module: type[nn.Module] = Speaker, **options: Any) -> SeededNet:
    """Make a net that learns the speakers in a second."""
    return SeededNet(
        module,
        **{
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "lr": 0.01,
            "max_epochs": 20,
            "batch_size": 32,
            "iterator_train__shuffle": True,
            "train_split": None,
            "callbacks": [("clip", GradientNormClipping(1.0))],
            "verbose": 0,
            **options,
        },
    )


def read_part(folder: Path, part: str) -> Part:
    found = read_sequences(folder / f"JapaneseVowels_{part}.ts")
    return found.values, found.classes().astype(np.int64) - 1


@pytest.fixture(scope="module")
def vowels(shared_data: Path) -> tuple[Part, Part]:
    """The training and the test part: sequences and speakers."""
    folder = shared_data / "classification"
    if not (folder / "JapaneseVowels_TRAIN.ts").is_file():
        pytest.skip(f"JapaneseVowels is not in {folder}")
    return read_part(folder, "TRAIN"), read_part(folder, "TEST")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Layers are made in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_grid_over_cell_width_and_layer_norm_finds_a_good_net(vowels: tuple[Part, Part]) -> None:
    (train, speakers), (test, expected) = vowels
    grid = {
        "module__cell": ["LSTM", "GRU"],
        "module__hidden_size": [8, 32],
        "module__layer_norm": [False, True],
    }
    search = GridSearchCV(make_net(), grid, cv=FOLDS, scoring="accuracy", error_score="raise")
    search.fit(pad(train), speakers)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 8
    assert scores.min() > 5 / SPEAKERS  # a guess is right in 1 / SPEAKERS
    assert search.best_params_["module__hidden_size"] == 32
    assert search.best_score_ > 0.93
    assert search.score(pad(test), expected) > 0.92
    layer = search.best_estimator_.module_.layer
    assert type(layer).__name__ == search.best_params_["module__cell"]
    assert layer.layer_norm is search.best_params_["module__layer_norm"]


def test_pipeline_takes_ragged_sequences_through_a_search(vowels: tuple[Part, Part]) -> None:
    (train, speakers), (test, expected) = vowels
    net = make_net(module__hidden_size=32)
    model = Pipeline([("pad", ScaleAndPad()), ("net", net)])
    grid = {"net__module__cell": ["LSTM", "GRU"], "net__module__layer_norm": [True]}
    search = GridSearchCV(model, grid, cv=FOLDS, error_score="raise").fit(train, speakers)
    assert search.cv_results_["mean_test_score"].min() > 0.85
    assert search.score(test, expected) > 0.94


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_net_learns_as_with_torchs_layer_and_packing(cell: str, vowels: tuple[Part, Part]) -> None:
    """In float64, and slowly: at a high rate a training lets errors of rounding grow a lot."""
    (train, speakers), (test, _) = vowels
    losses, found = [], []
    for module in (Speaker, PackingSpeaker):
        net = make_net(module, module__cell=cell, lr=0.003)
        net.fit(pad(train, 0, np.float64), speakers)
        losses.append(net.history[:, "train_loss"])
        found.append(net.predict_proba(pad(test, 0, np.float64)))
    assert losses[0][-1] < 0.5 * losses[0][0]
    np.testing.assert_allclose(*losses, rtol=1e-8)
    np.testing.assert_allclose(*found, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"module__cell": "GRU", "module__layer_norm": True}])
def test_padding_changes_nothing(options: dict[str, Any], vowels: tuple[Part, Part]) -> None:
    """To the bit, in training and in prediction, whatever stands there and however much."""
    (train, speakers), (test, _) = vowels
    nets = {}
    for fill in (np.nan, 0, 1e30):
        nets[fill] = make_net(max_epochs=3, **options).fit(pad(train, fill), speakers)
    net = nets[np.nan]
    assert np.isfinite(net.history[:, "train_loss"]).all()
    found = net.predict_proba(pad(test))
    for fill, other in nets.items():
        assert other.history[:, "train_loss"] == net.history[:, "train_loss"]
        np.testing.assert_array_equal(net.predict_proba(pad(test, fill)), found)
    alone = np.concatenate([net.predict_proba(pad([values])) for values in test[:40]])
    np.testing.assert_allclose(alone, found[:40], atol=1e-6)


def test_lengths_matter(vowels: tuple[Part, Part]) -> None:
    (train, speakers), (test, expected) = vowels
    net = make_net().fit(pad(train), speakers)
    padded = pad(test, fill=0)
    right = net.score(padded, expected)
    whole = SliceDict(x=padded["x"], lengths=np.full(len(test), padded["x"].shape[1]))
    first = SliceDict(x=padded["x"], lengths=np.full(len(test), 2))
    assert right > 0.85
    assert net.score(whole, expected) < right - 0.2
    assert net.score(first, expected) < right - 0.2
    with pytest.raises(ValueError, match="lengths"):
        net.predict(SliceDict(x=padded["x"], lengths=padded["lengths"] + 20))


def test_copies_of_a_fitted_net_answer_the_same(vowels: tuple[Part, Part], tmp_path: Path) -> None:
    (train, speakers), (test, _) = vowels
    net = make_net(max_epochs=3, module__layer_norm=True).fit(pad(train), speakers)
    found = net.predict_proba(pad(test))
    for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        np.testing.assert_array_equal(twin.predict_proba(pad(test)), found)
    net.save_params(tmp_path / "weights.safetensors", use_safetensors=True)
    fresh = clone(net).initialize()
    assert abs(fresh.predict_proba(pad(test)) - found).max() > 0.1
    fresh.load_params(tmp_path / "weights.safetensors", use_safetensors=True)
    np.testing.assert_array_equal(fresh.predict_proba(pad(test)), found)


@pytest.mark.slow
def test_search_in_two_processes_gives_the_same_scores(vowels: tuple[Part, Part]) -> None:
    (train, speakers), _ = vowels
    grid, found = {"module__cell": ["LSTM", "GRU"]}, []
    for jobs in (1, 2):
        net = make_net(max_epochs=4)
        search = GridSearchCV(net, grid, cv=FOLDS, n_jobs=jobs, refit=False, error_score="raise")
        with parallel_config("loky", inner_max_num_threads=1):  # bits depend on threads
            search.fit(pad(train), speakers)
        found.append(search.cv_results_["mean_test_score"].tolist())
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
