"""``LanguageModel``: what comes next in a text, on scikit-learn's contract."""

import math
import os
from collections.abc import Iterator
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gatewise.data.alphabet import UNITS, Alphabet
from gatewise.data.corpus import Corpus, Documents, read_documents
from gatewise.data.errors import DataError
from gatewise.estimators.language_batches import Streams, Symbols, nats, nats_each, piece_loss
from gatewise.estimators.language_network import LanguageNet
from gatewise.estimators.language_sampling import Reader, chooser, pieces
from gatewise.estimators.model_file import write_model
from gatewise.estimators.parameters import (
    check_parameters,
    execution,
    require_count,
    saved_parameters,
    training_options,
)
from gatewise.estimators.pieces import Carried
from gatewise.training import TrainingError, TrainingOptions, discard, train
from gatewise.training.progress import progress_bar

_EPOCHS, _STEPS, _MOST_EPOCHS = 12, 1_000, 200  # where the number of epochs is not given
_COUNTS = ("bptt", "embedding_size")
_SHARES = ("input_dropout", "recurrent_dropout")


class LanguageModel(BaseEstimator):
    """Learn which character or byte comes next in a text, with an LSTM or a GRU.

    ``fit`` takes a text, the path of a UTF-8 ``.txt`` file, or a list of texts. One text has no
    end; texts of a list are documents: the state begins anew at each, and where they end is learnt
    too, so that ``generate`` ends a document by itself.

    Training goes through the text in ``batch_size`` streams side by side, a piece of ``bptt`` steps
    at a time; the state is carried from piece to piece, gradients are not (truncated
    backpropagation through time).

    Args:
        unit: ``"character"`` or ``"byte"`` (of UTF-8). A model of characters knows those of its
            training text alone and refuses others; a model of bytes knows every text.
        alphabet: characters that may occur, as one string; None takes those of the text.
        lines: each line of a text or file is a document; empty lines are left out.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers: of the recurrent layers.
        embedding_size: width of a symbol on its way in; None is 64, or with ``tie_weights`` the
            width of the layers' output.
        tie_weights: read and score symbols by the same weights.
        input_dropout, dropout, recurrent_dropout: shares dropped of the symbols' embeddings, of
            each layer's output, and of what goes from step to step (one mask a piece).
        cell_options: further arguments of the layer, such as ``{"layer_norm": True}``.
        epochs: how often training goes through the text; None is 12, or for a short text as often
            as makes 1,000 steps, at most 200.
        steps: pieces that are trained on; None takes as many as ``epochs`` need.
        batch_size, bptt: streams, and steps of a piece, at most.
        learning_rate, weight_decay: of the training (AdamW).
        averaging: decay of the moving average over the steps' weights, which is what is kept; None
            is 1 − 25 / steps: it reaches back over a 25th of the training.
        patience: validation checks (25 in training) without progress that stop the training.
        validation: share of the text, or of the documents, the last, that training is stopped by;
            0 trains on everything.
        random_state: fixes initial weights, dropout and order: same machine, threads and versions,
            same bits.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        precision: ``"bf16-mixed"``, or on a GPU ``"16-mixed"``; None is float32.
        compile: train through ``torch.compile``.
        checkpoint: file that a killed ``fit`` goes on from, given the same parameters and text;
            ``save`` deletes it. None keeps none.
        tensorboard: folder for TensorBoard's files (``pip install 'gatewise[tensorboard]'``).
        progress: show a progress bar on stderr; None shows it on a terminal.

    Attributes:
        model_: the trained network.
        history_: one row for each validation check of the training, errors in nats a symbol.
        vocabulary_: the symbols in order: characters, or single bytes.
        has_ends_: whether the model tells where a document ends.
        notes_: what was read, one line each.
    """

    def __init__(
        self,
        *,
        unit: str = "character",
        alphabet: str | None = None,
        lines: bool = False,
        cell: str = "lstm",
        hidden_size: int = 512,
        num_layers: int = 1,
        embedding_size: int | None = None,
        tie_weights: bool = False,
        input_dropout: float = 0.1,
        dropout: float = 0.3,
        recurrent_dropout: float = 0.1,
        cell_options: dict[str, Any] | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        batch_size: int = 32,
        bptt: int = 64,
        learning_rate: float = 8e-3,
        weight_decay: float = 1e-2,
        averaging: float | None = None,
        patience: int = 10,
        validation: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        precision: str | None = None,
        compile: bool = False,  # noqa: A002 (torch's name for it)
        checkpoint: str | os.PathLike[str] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> None:
        self.unit = unit
        self.alphabet = alphabet
        self.lines = lines
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.embedding_size = embedding_size
        self.tie_weights = tie_weights
        self.input_dropout = input_dropout
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.cell_options = cell_options
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.bptt = bptt
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.averaging = averaging
        self.patience = patience
        self.validation = validation
        self.random_state = random_state
        self.device = device
        self.precision = precision
        self.compile = compile
        self.checkpoint = checkpoint
        self.tensorboard = tensorboard
        self.progress = progress

    def fit(self, text: Any, y: None = None) -> "LanguageModel":  # noqa: ARG002
        """Train on a text, a path or a list of texts; ``y`` is ignored.

        Raises:
            DataError: no text, too little of it, or a character that ``alphabet`` lacks.
            ValueError: a parameter out of its range.
            TrainingError: training cannot begin or go on.
        """
        self._check()
        documents = read_documents(text, lines=self.lines)
        alphabet = Alphabet.of(documents.texts, self.unit, self.alphabet)
        corpus = Corpus.of(documents, alphabet, have_ends=documents.have_ends)
        symbols, train_end = Symbols(corpus), self._train_end(documents, corpus)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        carried = Carried()
        generator = torch.Generator().manual_seed(seed)
        streams = Streams(train_end, int(self.batch_size), int(self.bptt), generator, carried)
        validate = None
        if train_end < corpus.last:
            held_back = Symbols.in_pieces(train_end, corpus.last)
            validate = partial(_nats_each, symbols=symbols, streams=held_back)
        with torch.random.fork_rng(), progress_bar(self.cell.upper(), self.progress) as on_step:
            torch.manual_seed(seed)
            net, ends = self._network(alphabet, documents.have_ends), documents.have_ends
            notes = [_described(documents, alphabet)]
            try:
                _, history = train(
                    net,
                    piece_loss(symbols, streams),
                    streams,
                    validate,
                    self._options(streams),
                    execution(self, on_step, corpus.symbols),
                    carried=carried,
                )
            except TrainingError as error:
                if error.module is not None:  # the best weights so far
                    error.fitted = self
                    self._keep(net, alphabet, ends, error.history, notes)
                raise
        self._keep(net, alphabet, ends, history, notes)
        return self

    def nats(self, text: Any) -> float:
        """Give the nats per character of a text, a path or a list of texts; less is better.

        Each document is read from its begin, with the state carried through to its end. A model of
        bytes counts characters all the same. A model that tells ends counts those of a list's
        documents, or of lines, as characters.

        Raises:
            DataError: no text, or a character that the model does not know.
        """
        _, each, characters = self._read(text)
        return float(each.sum()) / characters

    def nats_each(self, text: Any) -> np.ndarray:
        """Give the nats of each symbol that is told, in the text's order: (n,) float64.

        Ends of documents are among them where the model tells ends. :meth:`nats` is their sum for
        each character.

        Raises:
            DataError: no text, or a character that the model does not know.
        """
        corpus, each, _ = self._read(text)
        return each if corpus.have_ends else each[corpus.symbols[1:] != corpus.boundary]

    def _read(self, text: Any) -> tuple[Corpus, np.ndarray, int]:
        """Give a text's symbols, the nats of each, and how many characters they are."""
        check_is_fitted(self, "model_")
        documents = read_documents(text, lines=self.lines)
        counts_ends = documents.have_ends and self.has_ends_
        corpus = Corpus.of(documents, self.alphabet_, have_ends=counts_ends)
        symbols = Symbols(corpus)
        each = nats_each(self.model_.eval(), symbols, symbols.in_documents()).numpy()
        return corpus, each, documents.count(with_ends=counts_ends)

    def score(self, text: Any, y: None = None) -> float:  # noqa: ARG002
        """Give minus the nats per character, so that more is better, as scikit-learn asks."""
        return -self.nats(text)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> Iterator[str]:
        """Go on from a prompt: an iterator over single characters, each made when it is asked for.

        ``"".join(model.generate(…))`` is the whole text, without the prompt. It is always proper
        Unicode: of bytes, only those are drawn that UTF-8 lets follow.

        Args:
            prompt: what the text begins with.
            length: characters at most; a model of documents may end sooner.
            temperature: below 1 likelier, above 1 wilder; 0 always takes the likeliest symbol.
            top_k: draw among so many of the likeliest symbols only.
            random_state: fixes the draws.

        Raises:
            DataError: a character of the prompt that the model does not know.
            ValueError: an argument out of its range.
        """
        check_is_fitted(self, "model_")
        require_count("length", length)
        if top_k is not None:
            require_count("top_k", top_k)
        if not (isinstance(temperature, Real) and 0 <= temperature < math.inf):
            raise ValueError(f"temperature must be a number from 0 on, got {temperature!r}")
        if not isinstance(prompt, str):
            raise ValueError(f"prompt must be a text, got {type(prompt).__name__}")
        begin = self.alphabet_.encode(prompt, "prompt").tolist()
        choose = chooser(float(temperature), top_k, check_random_state(random_state))
        return pieces(Reader(self.model_), self.alphabet_, begin, int(length), choose)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file."""
        check_is_fitted(self, "model_")
        header = {
            "params": saved_parameters(self),
            "characters": self.alphabet_.characters,
            "has_ends": self.has_ends_,
            "history": self.history_,
            "notes": self.notes_,
        }
        write_model(path, "text", header, self.model_.state_dict())
        discard(self.checkpoint, self.history_)

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "LanguageModel":
        model = cls(**header["params"])
        alphabet = Alphabet(model.unit, header["characters"])
        net = model._network(alphabet, header["has_ends"])
        net.load_state_dict(weights)
        model._keep(net.eval(), alphabet, header["has_ends"], header["history"], header["notes"])
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def _keep(
        self,
        net: Any,
        alphabet: Alphabet,
        has_ends: bool,
        history: list[dict[str, Any]],
        notes: list[str],
    ) -> None:
        self.model_ = net
        self.alphabet_ = alphabet
        self.vocabulary_ = alphabet.symbols()
        self.has_ends_ = has_ends
        self.history_ = history
        self.notes_ = list(notes)

    def _check(self) -> None:
        averaging = () if self.averaging is None else ("averaging",)
        check_parameters(self, counts=_COUNTS, shares=(*_SHARES, *averaging))
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, got {self.unit!r}")
        if self.alphabet is not None and self.unit == "byte":
            raise ValueError("alphabet is for unit='character': there are 256 bytes")
        epochs = 1 if self.epochs is None else self.epochs
        if not (isinstance(epochs, Real) and 0 < epochs < math.inf):
            raise ValueError(f"epochs must be a positive number, got {epochs!r}")
        for name in ("bidirectional", "recurrent_dropout"):
            if name in (self.cell_options or {}):
                way_out = "a text is read forward" if name == "bidirectional" else "a parameter"
                raise ValueError(f"cell_options must leave out {name}: {way_out}")

    def _network(self, alphabet: Alphabet, has_ends: bool) -> LanguageNet:
        options = dict(self.cell_options or {})
        width = int(options.get("proj_size", 0) or self.hidden_size)
        return LanguageNet(
            self.cell,
            symbols=alphabet.size + 1,
            outputs=alphabet.size + int(has_ends),
            embedding_size=int(self.embedding_size or (width if self.tie_weights else 64)),
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            input_dropout=self.input_dropout,
            dropout=self.dropout,
            tie_weights=bool(self.tie_weights),
            cell_options={"recurrent_dropout": self.recurrent_dropout, **options},
        )

    def _options(self, streams: Streams) -> TrainingOptions:
        steps = self.steps
        if steps is None:
            epochs = self.epochs or max(_EPOCHS, min(_STEPS / streams.pieces, _MOST_EPOCHS))
            steps = max(1, round(epochs * streams.pieces))
        averaging = max(0.0, 1 - 25 / steps) if self.averaging is None else self.averaging
        return training_options(self, steps=int(steps), averaging=averaging)

    def _train_end(self, documents: Documents, corpus: Corpus) -> int:
        """Say how many symbols are trained on; the validation part is what follows."""
        if corpus.last < 2:
            raise DataError("too little text: two characters at least", name=documents.name)
        if self.validation == 0:
            return corpus.last
        if len(documents.texts) == 1:
            return corpus.last - max(1, int(corpus.last * self.validation))
        kept = len(documents.texts) - max(1, int(len(documents.texts) * self.validation))
        return int(corpus.starts[kept])


def _nats_each(net: LanguageNet, *, symbols: Symbols, streams: torch.Tensor) -> float:
    return nats(net, symbols, streams) / int((streams >= 0).sum())


def _described(documents: Documents, alphabet: Alphabet) -> str:
    many = len(documents.texts)
    several = f" in {many:,} documents" if documents.have_ends else ""
    return (
        f"{documents.name}: {sum(map(len, documents.texts)):,} characters{several}, "
        f"{alphabet.size} different {alphabet.unit}s"
    )
