"""``SequenceTagger``: a label for every step of a sequence, on scikit-learn's contract."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from gatewise.data.errors import DataError
from gatewise.estimators.defaults import default_steps
from gatewise.estimators.model_file import write_model
from gatewise.estimators.parameters import execution, require_count, saved_parameters
from gatewise.estimators.sequence_input import as_sequences
from gatewise.estimators.sequence_model import hold_back
from gatewise.estimators.sequence_parameters import (
    check_sequence_parameters,
    missing_notes,
    sequence_settings,
)
from gatewise.estimators.tagging_input import as_words, flat_labels, holds_words
from gatewise.estimators.tagging_model import TaggingModel, TaggingSettings
from gatewise.training import TrainingError, discard
from gatewise.training.progress import progress_bar

_EPOCHS = 8  # at least, where steps is None
_MOST = 32  # sequences a step, where batch_size is None


class SequenceTagger(BaseEstimator):
    """Label every step of sequences, words or numbers, with an LSTM or a GRU.

    ``fit`` takes sequences of words, as lists of lists of text, or of numbers, in the forms that
    :class:`SequenceClassifier` takes; and a label for every step, as lists or arrays. A label that
    is None or NaN is not known: it counts neither in training nor in the score.

    A word is read as a vector of its own, beside what a small layer of the same cell reads from its
    characters in both directions; a word that training has not seen is read by its characters.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        dropout: on what they give, on the words they read, and between several.
        cell_options: further arguments of the layer, such as ``{"reset_after": False}``.
        word_size, character_size: widths of the words' and the characters' vectors.
        word_drop: probability that a word is taken for an unknown one, in training.
        jitter: standard deviation of the noise on standardised numbers, in training; None takes
            5 / √N for N sequences, from 0.1 to 0.3.
        label_smoothing: share of the truth spread evenly over the labels, in training.
        bptt: steps of a piece, for long sequences: they are read piece by piece with the state
            carried, and the gradient goes back through one piece alone (truncated
            backpropagation); wants ``bidirectional=False``. None reads them whole.
        steps: of the optimiser; None takes 1,000, and at least 8 epochs.
        batch_size: sequences a step; None takes a twelfth of them, as a power of two in 8 … 32.
        learning_rate, weight_decay: of the training (AdamW, warm-up and cosine).
        patience: validation checks (25 in ``steps``) without progress that stop the training.
        validation: share of the sequences that training is stopped by and whose best weights are
            kept; 0 trains on everything, for all ``steps``.
        random_state: fixes initial weights, noise, dropout and order: same machine, threads and
            versions, same bits.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        precision: ``"bf16-mixed"``, or on a GPU ``"16-mixed"``; None is float32.
        compile: train through ``torch.compile``.
        checkpoint: file that a killed ``fit`` goes on from, given the same parameters and data;
            ``save`` deletes it. None keeps none.
        tensorboard: folder for TensorBoard's files (``pip install 'gatewise[tensorboard]'``).
        progress: show a progress bar on stderr; None shows it on a terminal.

    Attributes:
        classes_: (K,) the labels, sorted.
        n_features_in_: channels of a sequence, or columns of a table; not there for words.
        model_: the trained encoder and network.
        history_: one row for each evaluation of the training.
        notes_: what was found in the data and done to it, one line each.
        reading_: how ``gatewise fit`` read its data; None where ``fit`` was called from Python.
    """

    reading_: dict[str, Any] | None = None

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.4,
        cell_options: dict[str, Any] | None = None,
        word_size: int = 100,
        character_size: int = 32,
        word_drop: float = 0.05,
        jitter: float | None = None,
        label_smoothing: float = 0.1,
        bptt: int | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        patience: int = 15,
        validation: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        precision: str | None = None,
        compile: bool = False,  # noqa: A002 (torch's name for it)
        checkpoint: str | os.PathLike[str] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.cell_options = cell_options
        self.word_size = word_size
        self.character_size = character_size
        self.word_drop = word_drop
        self.jitter = jitter
        self.label_smoothing = label_smoothing
        self.bptt = bptt
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation = validation
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.compile = compile
        self.checkpoint = checkpoint
        self.tensorboard = tensorboard
        self.progress = progress

    def fit(self, X: Any, y: Any) -> "SequenceTagger":
        """Train on sequences ``X`` and a label for each of their steps, ``y``.

        Raises:
            ValueError: if X or y cannot be used; says which sequence and why.
        """
        self._check_parameters()
        if y is None:
            raise ValueError(
                "This SequenceTagger estimator requires y to be passed, but the target y is None."
            )
        items = self._items_to_fit(X)
        flat, known = flat_labels(y, [len(item) for item in items])
        check_classification_targets(flat[known])
        self.classes_, codes = np.unique(flat[known], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("SequenceTagger needs at least 2 classes in y, got 1 class")
        every = np.full(len(flat), -1, dtype=np.int64)
        every[known] = codes
        unknown = len(flat) - int(known.sum())
        if unknown:
            self.notes_.append(f"{unknown:,} of {len(flat):,} steps without a label left out")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        held_back = hold_back(np.zeros(len(items)), self.validation, seed)
        with progress_bar(self.cell.upper(), self.progress) as on_step:
            try:
                model = TaggingModel.fit(
                    items,
                    every,
                    held_back,
                    self._settings(items, len(items) - len(held_back)),
                    seed=seed,
                    execution=execution(self, on_step, (items, every)),
                )
            except TrainingError as error:
                if error.fitted is not None:
                    self._keep(error.fitted)
                raise
        self._keep(model)
        return self

    def predict(self, X: Any) -> list[Any]:
        """Give each step's most probable label: N lists for words, arrays (T_i,) for numbers."""
        tags = [self.classes_[outputs.argmax(1)] for outputs in self._outputs(X)]
        return [tag.tolist() for tag in tags] if self._reads_words else tags

    def predict_proba(self, X: Any) -> list[np.ndarray]:
        """Give the probability of each label at each step: N arrays (T_i, K)."""
        return [softmax(outputs, axis=1) for outputs in self._outputs(X)]

    def score(self, X: Any, y: Any) -> float:
        """Give the share of the steps with a known label in ``y`` whose label is predicted."""
        predicted = self.predict(X)
        truth, known = flat_labels(y, [len(tags) for tags in predicted])
        got = np.concatenate([np.asarray(tags) for tags in predicted])
        same = [one == other for one, other in zip(got.tolist(), truth.tolist(), strict=True)]
        return float(np.mean(np.array(same)[known]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file."""
        check_is_fitted(self, "model_")
        names = getattr(self, "feature_names_in_", None)
        header = {
            "params": saved_parameters(self),
            "classes": self.classes_.tolist(),
            "classes_dtype": self.classes_.dtype.str,
            "n_features_in": getattr(self, "n_features_in_", None),
            "is_table": self._is_table,
            "feature_names_in": None if names is None else list(names),
            "notes": self.notes_,
            "reading": self.reading_,
            **self.model_.to_json(),
        }
        write_model(path, "tag", header, self.model_.net.state_dict())
        discard(self.checkpoint, self.history_)

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "SequenceTagger":
        tagger = cls(**header["params"])
        tagger.classes_ = np.array(header["classes"], dtype=header["classes_dtype"])
        tagger._is_table = bool(header["is_table"])
        tagger._reads_words = header["n_features_in"] is None
        if header["n_features_in"] is not None:
            tagger.n_features_in_ = int(header["n_features_in"])
        if header["feature_names_in"] is not None:
            tagger.feature_names_in_ = np.array(header["feature_names_in"], dtype=object)
        tagger.notes_ = header["notes"]
        tagger.reading_ = header["reading"]
        tagger._keep(TaggingModel.from_json(header, weights))
        return tagger

    def _items_to_fit(self, X: Any) -> list[Any]:
        self._reads_words = holds_words(X)
        if not self._reads_words:
            values = as_sequences(self, X, fitting=True)
            self.notes_ = missing_notes(values)
            return values
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
        self._is_table = False
        self.notes_ = []
        return as_words(X)

    def _outputs(self, X: Any) -> list[np.ndarray]:
        check_is_fitted(self, "model_")
        if self._reads_words:
            return self.model_.outputs(as_words(X))
        if holds_words(X):
            raise DataError("the model reads numbers, and X holds words")
        return self.model_.outputs(as_sequences(self, X, fitting=False))

    def _keep(self, model: TaggingModel) -> None:
        self.model_ = model
        self.history_ = model.history

    def _settings(self, items: Sequence[Any], examples: int) -> TaggingSettings:
        shared = sequence_settings(self, len(self.classes_), examples, _EPOCHS, _MOST)
        if self.bptt is not None and self.steps is None:  # a step reads a piece, not a sequence
            pieces = sum(-(-len(item) // self.bptt) for item in items)
            steps = default_steps(pieces, shared.training.batch_size, _EPOCHS)
            shared = replace(shared, training=replace(shared.training, steps=steps))
        return TaggingSettings.from_json(
            {
                **asdict(shared),
                "label_smoothing": float(self.label_smoothing),
                "word_size": int(self.word_size),
                "character_size": int(self.character_size),
                "word_drop": float(self.word_drop),
                "bptt": None if self.bptt is None else int(self.bptt),
            }
        )

    def _check_parameters(self) -> None:
        check_sequence_parameters(self)
        for name in ("word_size", "character_size"):
            require_count(name, getattr(self, name))
        if self.bptt is not None:
            require_count("bptt", self.bptt)
            if self.bidirectional:
                raise ValueError("bptt reads forward, in pieces: give bidirectional=False")
        if not 0 <= self.word_drop < 1:
            raise ValueError(f"word_drop must be at least 0 and below 1, got {self.word_drop}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False  # a table has one label a row, a tagger wants more
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags
