"""One model of the steps of sequences: encoder and network, fitted together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.estimators.pieces import Carried, Pieces
from gatewise.estimators.ragged import Ragged, is_inside
from gatewise.estimators.recurrent import count_parameters
from gatewise.estimators.sequence_model import SequenceSettings
from gatewise.estimators.tagging_input import (
    Encoder,
    NumberEncoder,
    Steps,
    WordEncoder,
    encoder_from_json,
)
from gatewise.estimators.tagging_network import NumberReader, TaggingNet, WordReader
from gatewise.training import Execution, Shuffled, fitting, train

_NO_LABEL = -1


@dataclass(frozen=True)
class TaggingSettings(SequenceSettings):
    """What a tagging model is, apart from its data; plain JSON values.

    Attributes:
        label_smoothing: share of the truth spread evenly over the labels, in training.
        word_size, character_size: widths of the embeddings.
        word_drop: probability that a word is taken for an unknown one, in training.
        bptt: steps that the gradient goes back through; None goes through whole sequences.
    """

    label_smoothing: float = 0.0
    word_size: int = 100
    character_size: int = 32
    word_drop: float = 0.05
    bptt: int | None = None

    def tagging_network(self, encoder: Encoder) -> TaggingNet:
        """Build the network for what ``encoder`` gives, with random weights."""
        return TaggingNet(
            self._reader(encoder),
            self.cell,
            outputs=self.outputs,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            dropout=self.dropout,
            cell_options=self.cell_options,
        )

    def _reader(self, encoder: Encoder) -> NumberReader | WordReader:
        if isinstance(encoder, WordEncoder):
            return WordReader(
                self.cell,
                words=1 + len(encoder.words),
                characters=1 + len(encoder.characters),
                word_size=self.word_size,
                character_size=self.character_size,
                word_drop=self.word_drop,
            )
        channels = len(encoder.scaler.mean)
        indicators = encoder.scaler.width - channels
        return NumberReader(channels=channels, indicators=indicators, jitter=self.jitter)


class TaggingModel:
    """An encoder and a network fitted together.

    Attributes:
        settings: what the model is.
        encoder: of the steps.
        net: the trained network.
        history: one row for each evaluation of the training.
    """

    def __init__(
        self,
        settings: TaggingSettings,
        encoder: Encoder,
        net: TaggingNet,
        history: list[dict[str, Any]],
    ) -> None:
        self.settings = settings
        self.encoder = encoder
        self.net = net
        self.history = history

    @classmethod
    def fit(
        cls,
        items: Sequence[Any],
        codes: np.ndarray,
        held_back: Tensor,
        settings: TaggingSettings,
        *,
        seed: int,
        execution: Execution,
    ) -> "TaggingModel":
        """Train on sequences and the labels of their steps.

        Args:
            items: N sequences: arrays (T_i, F), or lists of words.
            codes: (S,) the labels' numbers, one sequence behind the other; −1 where not known.
            held_back: numbers of the sequences that training is stopped by; where it is empty,
                training takes all for all steps.
            settings: what to train.
            seed: fixes everything random.
            execution: where and how to train.
        """
        is_kept = torch.ones(len(items), dtype=torch.bool)
        is_kept[held_back] = False
        kept = is_kept.nonzero().squeeze(-1)
        kind = WordEncoder if isinstance(items[0], list) else NumberEncoder
        encoder: Encoder = kind.fit([items[number] for number in kept.tolist()])
        steps = encoder.encode(items)
        labels = Ragged(torch.from_numpy(codes), steps.lengths)
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = settings.tagging_network(encoder)

            def loss_of(
                module: nn.Module,
                chosen: Tensor,
                smooth: float,
                piece: tuple[int, int | None] = (0, None),
                state: Carried | None = None,
            ) -> tuple[Tensor, Tensor]:
                outputs = _run(module, steps, chosen, piece, state).flatten(0, 1)  # (T · B, K)
                wanted, lengths = labels.batch(chosen, *piece)
                wanted = wanted.masked_fill(~is_inside(lengths, len(wanted)), _NO_LABEL)
                wanted = wanted.flatten().to(outputs.device)
                total = F.cross_entropy(
                    outputs,
                    wanted,
                    ignore_index=_NO_LABEL,
                    reduction="sum",
                    label_smoothing=smooth,
                )
                return total, (wanted != _NO_LABEL).sum()

            def validate(module: nn.Module) -> float:
                parts = held_back.split(settings.training.batch_size)
                sums = [loss_of(module, part, 0.0) for part in parts]
                count = sum(int(count) for _, count in sums)
                return float(sum(total for total, _ in sums)) / max(count, 1)

            lengths, smooth, bptt = steps.lengths[kept], settings.label_smoothing, settings.bptt
            shuffled = Shuffled(
                len(kept), settings.training.batch_size, generator, lengths.tolist()
            )
            carried = None if bptt is None else Carried()
            pieces = None
            if bptt is not None and carried is not None:
                pieces = Pieces(shuffled, lengths, bptt, carried)

            def batch_loss(module: nn.Module, some: Tensor) -> tuple[Tensor, Tensor]:
                piece = (0, None) if pieces is None else (pieces.start, bptt)
                return loss_of(module, kept[some], smooth, piece, carried)

            model = cls(settings, encoder, net, [])
            with fitting(model):
                _, model.history = train(
                    net,
                    batch_loss,
                    pieces or shuffled,
                    validate if len(held_back) else None,
                    settings.training,
                    execution,
                    carried=carried,
                )
        return model

    def outputs(self, items: Sequence[Any]) -> list[np.ndarray]:
        """Give the network's outputs for each sequence: N arrays (T_i, outputs), float64."""
        steps = self.encoder.encode(items)
        found: list[np.ndarray] = [np.empty(0)] * len(items)
        self.net.eval()
        with torch.no_grad():
            for chosen in steps.batches():
                outputs = _run(self.net, steps, chosen).cpu().double().numpy()  # (T, B, K)
                for column, number in enumerate(chosen.tolist()):
                    found[number] = outputs[: int(steps.lengths[number]), column]
        return found

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return count_parameters(self.net)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the weights as plain JSON values."""
        return {
            "settings": asdict(self.settings),
            "encoder": self.encoder.to_json(),
            "history": self.history,
        }

    @classmethod
    def from_json(cls, header: dict[str, Any], weights: dict[str, Tensor]) -> "TaggingModel":
        """Rebuild the model from :meth:`to_json`'s values and its weights."""
        settings = TaggingSettings.from_json(header["settings"])
        encoder = encoder_from_json(header["encoder"])
        net = settings.tagging_network(encoder)
        net.load_state_dict(weights)
        return cls(settings, encoder, net.eval(), header["history"])


def _run(
    module: nn.Module,
    steps: Steps,
    chosen: Tensor,
    piece: tuple[int, int | None] = (0, None),
    carried: Carried | None = None,
) -> Tensor:
    device = next(module.parameters()).device
    inputs, lengths = steps.batch(chosen, *piece)
    return module(tuple(tensor.to(device) for tensor in inputs), lengths.to(device), carried)
