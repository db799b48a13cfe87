"""``SequenceClassifier`` and ``SequenceRegressor``: whole sequences, on scikit-learn's contract."""

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from gatewise.data.scaling import Moments
from gatewise.estimators.model_file import write_model
from gatewise.estimators.parameters import execution, saved_parameters
from gatewise.estimators.sequence_input import as_sequences
from gatewise.estimators.sequence_model import Loss, SequenceModel, hold_back
from gatewise.estimators.sequence_parameters import (
    check_sequence_parameters,
    missing_notes,
    sequence_settings,
)
from gatewise.training import TrainingError, discard
from gatewise.training.progress import progress_bar

_EPOCHS = 30  # at least, where steps is None


class _SequenceEstimator(BaseEstimator):
    """What classifier and regressor share; their docstrings name the parameters."""

    task: str
    reading_: dict[str, Any] | None = None

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.3,
        cell_options: dict[str, Any] | None = None,
        jitter: float | None = None,
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
        self.jitter = jitter
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file."""
        check_is_fitted(self, "model_")
        write_model(path, self.task, self._header(), self.model_.net.state_dict())
        discard(self.checkpoint, self.history_)

    def _header(self) -> dict[str, Any]:
        names = getattr(self, "feature_names_in_", None)
        return {
            "params": saved_parameters(self),
            "n_features_in": self.n_features_in_,
            "is_table": self._is_table,
            "feature_names_in": None if names is None else list(names),
            "notes": self.notes_,
            "reading": self.reading_,
            **self.model_.to_json(),
        }

    def _restore(self, header: dict[str, Any]) -> None:
        self.n_features_in_ = int(header["n_features_in"])
        self._is_table = bool(header["is_table"])
        if header["feature_names_in"] is not None:
            self.feature_names_in_ = np.array(header["feature_names_in"], dtype=object)
        self.notes_ = header["notes"]
        self.reading_ = header["reading"]

    def _keep(self, model: SequenceModel) -> None:
        self.model_ = model
        self.history_ = model.history

    def _values_to_fit(self, X: Any, y: Any) -> list[np.ndarray]:
        check_sequence_parameters(self)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        values = as_sequences(self, X, fitting=True)
        self.notes_ = missing_notes(values)
        return values

    def _train(
        self,
        values: Sequence[np.ndarray],
        y: np.ndarray,
        truth: Tensor,
        outputs: int,
        loss: Loss,
        validation_loss: Loss,
    ) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        held_back = hold_back(y, self.validation, seed)
        examples = len(values) - len(held_back)
        with progress_bar(self.cell.upper(), self.progress) as on_step:
            try:
                model = SequenceModel.fit(
                    values,
                    truth,
                    held_back,
                    sequence_settings(self, outputs, examples, _EPOCHS),
                    loss,
                    validation_loss,
                    seed=seed,
                    execution=execution(self, on_step, (values, y)),
                )
            except TrainingError as error:
                if error.fitted is not None:
                    self._keep(error.fitted)
                raise
        self._keep(model)

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "model_")
        return self.model_.outputs(as_sequences(self, X, fitting=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class SequenceClassifier(ClassifierMixin, _SequenceEstimator):
    """Tell the class of whole sequences of any length, with an LSTM or a GRU.

    ``fit`` takes sequences as a list of arrays (T_i, F), steps by channels, (T_i,) for one channel,
    or as one array (N, T, F); a table (N, T) is N sequences of one channel. Channels are
    standardised. A missing value, NaN, takes the last one before it in its sequence, or the
    channel's mean; a channel with gaps in training is read with an indicator of them.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        dropout: on what they give, and between them.
        cell_options: further arguments of the layer, such as ``{"reset_after": False}``.
        jitter: standard deviation of the noise on the standardised inputs, in training; None takes
            5 / √N for N sequences, from 0.1 to 0.3.
        label_smoothing: share of the truth spread evenly over the classes, in training.
        steps: of the optimiser; None takes 1,000, and at least 30 epochs.
        batch_size: sequences a step; None takes a twelfth of them, as a power of two in 8 … 128.
        learning_rate, weight_decay: of the training (AdamW, warm-up and cosine).
        patience: validation checks (25 in ``steps``) without progress that stop the training.
        validation: share of the sequences, of each class alike, that training is stopped by and
            whose best weights are kept; 0 trains on everything, for all ``steps``.
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
        classes_: (K,) the classes, sorted.
        n_features_in_: channels of a sequence, or columns of a table.
        model_: the trained scaler and network.
        history_: one row for each evaluation of the training.
        notes_: what was found in the data and done to it, one line each.
        reading_: how ``gatewise fit`` read its data; None where ``fit`` was called from Python.
    """

    task = "classify"

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.3,
        cell_options: dict[str, Any] | None = None,
        jitter: float | None = None,
        label_smoothing: float = 0.1,
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
        super().__init__(
            cell=cell,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            cell_options=cell_options,
            jitter=jitter,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            patience=patience,
            validation=validation,
            random_state=random_state,
            device=device,
            precision=precision,
            compile=compile,
            checkpoint=checkpoint,
            tensorboard=tensorboard,
            progress=progress,
        )
        self.label_smoothing = label_smoothing

    def fit(self, X: Any, y: Any) -> "SequenceClassifier":
        """Train on sequences ``X`` and their classes ``y`` (N,), text or numbers.

        Raises:
            ValueError: if X or y cannot be used; says which sequence and why.
        """
        values = self._values_to_fit(X, y)
        y = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=True)
        check_classification_targets(y)
        check_consistent_length(values, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 classes in y, got 1 class")
        loss = partial(F.cross_entropy, reduction="sum")
        smoothed = partial(loss, label_smoothing=self.label_smoothing)
        truth = torch.from_numpy(codes.astype(np.int64))
        self._train(values, codes, truth, len(self.classes_), smoothed, loss)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Give the most probable class of each sequence, (N,)."""
        best = self._outputs(X).argmax(1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the probability of each class, (N, K), in the order of ``classes_``."""
        return softmax(self._outputs(X), axis=1)

    def _header(self) -> dict[str, Any]:
        kind = "object" if self.classes_.dtype == object else self.classes_.dtype.str
        return {**super()._header(), "classes": self.classes_.tolist(), "classes_dtype": kind}

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "SequenceClassifier":
        estimator = cls(**header["params"])
        estimator._restore(header)
        estimator.classes_ = np.array(header["classes"], dtype=header["classes_dtype"])
        estimator._keep(SequenceModel.from_json(header, weights))
        return estimator


class SequenceRegressor(RegressorMixin, _SequenceEstimator):
    """Tell a number for whole sequences of any length, with an LSTM or a GRU.

    Trained by the squared error of the standardised number, so that its forecast is a mean.
    Sequences are as for :class:`SequenceClassifier`, and so are the parameters, of which it has no
    ``label_smoothing``; ``validation`` holds back evenly over the range of the numbers.

    Attributes:
        n_features_in_: channels of a sequence, or columns of a table.
        model_: the trained scaler and network.
        history_: one row for each evaluation of the training.
        notes_: what was found in the data and done to it, one line each.
        reading_: how ``gatewise fit`` read its data; None where ``fit`` was called from Python.
    """

    task = "regress"

    def fit(self, X: Any, y: Any) -> "SequenceRegressor":
        """Train on sequences ``X`` and their numbers ``y`` (N,).

        Raises:
            ValueError: if X or y cannot be used; says which sequence and why.
        """
        values = self._values_to_fit(X, y)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        y = column_or_1d(y, warn=True)
        check_consistent_length(values, y)
        self._mean, self._unit = float(y.mean()), Moments.of([y]).unit
        truth = torch.from_numpy((y - self._mean) / self._unit).float()
        self._train(values, y, truth, 1, _squared_error, _squared_error)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Give the number of each sequence, (N,) float64."""
        return self._outputs(X)[:, 0] * self._unit + self._mean

    def _header(self) -> dict[str, Any]:
        return {**super()._header(), "target": {"mean": self._mean, "unit": self._unit}}

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "SequenceRegressor":
        estimator = cls(**header["params"])
        estimator._restore(header)
        estimator._mean, estimator._unit = header["target"]["mean"], header["target"]["unit"]
        estimator._keep(SequenceModel.from_json(header, weights))
        return estimator


def _squared_error(outputs: Tensor, truth: Tensor) -> Tensor:
    return F.mse_loss(outputs[:, 0], truth, reduction="sum")
