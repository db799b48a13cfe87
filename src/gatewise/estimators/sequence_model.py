"""One model of whole sequences: scaler and network, fitted together."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from gatewise.data.channels import ChannelScaler
from gatewise.estimators.ragged import Ragged
from gatewise.estimators.recurrent import count_parameters
from gatewise.estimators.sequence_network import SequenceNet
from gatewise.training import Execution, Shuffled, TrainingOptions, fitting, train

Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes a network's outputs (B, outputs) and the truth (B,); gives the sum of the losses."""

_Settings = TypeVar("_Settings", bound="SequenceSettings")


@dataclass(frozen=True)
class SequenceSettings:
    """What a model of sequences is, apart from its data; plain JSON values.

    Attributes:
        outputs: numbers that the network gives for a sequence (or for a step of it).
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, dropout, cell_options: of the recurrent layers.
        jitter: noise on the inputs in training.
        training: budget and step sizes.
    """

    outputs: int
    cell: str = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    dropout: float = 0.3
    jitter: float = 0.3
    cell_options: dict[str, Any] = field(default_factory=dict)
    training: TrainingOptions = field(default_factory=TrainingOptions)

    @classmethod
    def from_json(cls: type[_Settings], values: dict[str, Any]) -> _Settings:
        """Rebuild settings from ``dataclasses.asdict``'s values."""
        known = {f.name for f in fields(cls)}
        rest = {k: v for k, v in values.items() if k in known and k != "training"}
        return cls(**rest, training=TrainingOptions(**values["training"]))

    def network(self, scaler: ChannelScaler) -> SequenceNet:
        """Build the network for what ``scaler`` gives, with random weights."""
        channels = len(scaler.mean)
        return SequenceNet(
            self.cell,
            channels=channels,
            indicators=scaler.width - channels,
            outputs=self.outputs,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            dropout=self.dropout,
            jitter=self.jitter,
            cell_options=self.cell_options,
        )


class SequenceModel:
    """A scaler and a network fitted together.

    Attributes:
        settings: what the model is.
        scaler: of the channels.
        net: the trained network.
        history: one row for each evaluation of the training.
    """

    def __init__(
        self,
        settings: SequenceSettings,
        scaler: ChannelScaler,
        net: SequenceNet,
        history: list[dict[str, Any]],
    ) -> None:
        self.settings = settings
        self.scaler = scaler
        self.net = net
        self.history = history

    @classmethod
    def fit(
        cls,
        values: Sequence[np.ndarray],
        truth: Tensor,
        held_back: Tensor,
        settings: SequenceSettings,
        loss: Loss,
        validation_loss: Loss,
        *,
        seed: int,
        execution: Execution,
    ) -> "SequenceModel":
        """Train on ``values`` (N sequences) and their ``truth`` (N,).

        Args:
            values: (T_i, F) each, NaN where missing.
            truth: (N,) what ``loss`` takes.
            held_back: numbers of the sequences that training is stopped by; where it is empty,
                training takes all for all steps.
            settings: what to train.
            loss, validation_loss: sums over a batch, in training and on what is held back.
            seed: fixes everything random.
            execution: where and how to train.
        """
        is_kept = torch.ones(len(values), dtype=torch.bool)
        is_kept[held_back] = False
        kept = is_kept.nonzero().squeeze(-1)
        scaler = ChannelScaler.fit([values[number] for number in kept.tolist()])
        data = scaled(scaler, values)
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = settings.network(scaler)

            def batch_loss(module: nn.Module, chosen: Tensor) -> tuple[Tensor, Tensor]:
                outputs, wanted = _run(module, data, kept[chosen]), truth[kept[chosen]]
                wanted = wanted.to(outputs.device)
                return loss(outputs, wanted), torch.tensor(len(chosen), device=outputs.device)

            def validate(module: nn.Module) -> float:
                parts = held_back.split(settings.training.batch_size)
                outputs = torch.cat([_run(module, data, part) for part in parts])
                return float(validation_loss(outputs, truth[held_back].to(outputs.device))) / len(
                    held_back
                )

            lengths = data.lengths[kept].tolist()
            model = cls(settings, scaler, net, [])
            with fitting(model):
                _, model.history = train(
                    net,
                    batch_loss,
                    Shuffled(len(kept), settings.training.batch_size, generator, lengths),
                    validate if len(held_back) else None,
                    settings.training,
                    execution,
                )
        return model

    def outputs(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Give the network's outputs for sequences (T_i, F): (N, outputs), float64."""
        data = scaled(self.scaler, values)
        found = np.empty((len(data), self.settings.outputs))
        self.net.eval()
        with torch.no_grad():
            for chosen in data.batches():
                found[chosen.numpy()] = _run(self.net, data, chosen).cpu().double().numpy()
        return found

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return count_parameters(self.net)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the weights as plain JSON values."""
        return {
            "settings": asdict(self.settings),
            "scaler": self.scaler.to_json(),
            "history": self.history,
        }

    @classmethod
    def from_json(cls, header: dict[str, Any], weights: dict[str, Tensor]) -> "SequenceModel":
        """Rebuild the model from :meth:`to_json`'s values and its weights."""
        settings = SequenceSettings.from_json(header["settings"])
        scaler = ChannelScaler.from_json(header["scaler"])
        net = settings.network(scaler)
        net.load_state_dict(weights)
        return cls(settings, scaler, net.eval(), header["history"])


def scaled(scaler: ChannelScaler, values: Sequence[np.ndarray]) -> Ragged:
    """Scale sequences and lay them end to end."""
    lengths = torch.tensor([len(value) for value in values])
    return Ragged(torch.from_numpy(scaler.scale(values)), lengths)


def hold_back(y: np.ndarray, share: float, seed: int) -> Tensor:
    """Choose ``share`` of N examples, evenly over the order of ``y`` (N,), else at random.

    So each class, or each range of values, is held back by its share. None where share is 0, else
    at least one, and never all.
    """
    if not share or len(y) < 2:
        return torch.zeros(0, dtype=torch.int64)
    shuffled = np.random.default_rng(seed).permutation(len(y))
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    count = min(max(round(share * len(y)), 1), len(y) - 1)
    places = ((np.arange(count) + 0.5) * len(y) / count).astype(np.int64)
    return torch.from_numpy(np.sort(order[places]))


def _run(module: nn.Module, data: Ragged, chosen: Tensor) -> Tensor:
    device = next(module.parameters()).device
    x, lengths = data.batch(chosen)
    return module(x.to(device), lengths.to(device))
