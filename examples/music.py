"""Which notes sound next? An LSTM or a GRU reads music, step by step, and says.

    python examples/music.py JSB_Chorales.mat --cell lstm --seed 0

The files are those of Boulanger-Lewandowski et al. (2012) as Bai et al. (2018) ship them: pieces of
88 keys, 1 where a key sounds. The figure is theirs too: the negative logarithm of the probability
of each next chord, summed over the keys, mean over all steps, in nats.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from scipy.io import loadmat
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import gatewise

KEYS = 88
LAYERS = {"lstm": gatewise.LSTM, "gru": gatewise.GRU}
# Chosen on the validation parts. Dropout of what goes in, out, and of the recurrent weights.
JSB = {"hidden": {"lstm": 220, "gru": 250}, "drop": (0.2, 0.5, 0.3), "epochs": 150, "chunk": 1000}
NOTTINGHAM = {
    "hidden": {"lstm": 256, "gru": 300},
    "drop": (0.05, 0.2, 0.2),
    "epochs": 60,
    "chunk": 150,
}


class Model(nn.Module):
    """A recurrent layer between two dropouts, and a logit for every key."""

    def __init__(self, cell: str, hidden: int, drop: tuple[float, float, float]) -> None:
        super().__init__()
        self.drop_in, self.drop_out, self.drop_weights = drop
        self.layer = LAYERS[cell](KEYS, hidden, init="standard")
        self.head = nn.Linear(hidden, KEYS)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Give the logits of the chord after each step of x, (T, B, 88)."""
        x = F.dropout(x, self.drop_in, self.training)
        # One draw for all steps: a recurrent weight that is dropped is dropped throughout.
        w_hh = F.dropout(self.layer.weight_hh_l0, self.drop_weights, self.training)
        y, _ = torch.func.functional_call(
            self.layer, {"weight_hh_l0": w_hh}, (x,), {"lengths": lengths}
        )
        return self.head(F.dropout(y, self.drop_out, self.training))


def read(path: Path) -> dict[str, list[Tensor]]:
    """Read the pieces of each part, (T, 88)."""
    file = loadmat(path)
    return {
        part: [torch.tensor(piece, dtype=torch.float32) for piece in file[f"{part}data"][0]]
        for part in ("train", "valid", "test")
    }


def loss_sum(model: nn.Module, pieces: list[Tensor]) -> tuple[Tensor, int]:
    """Give the nats of all chords but the first of each piece, and how many those are."""
    lengths = torch.tensor([len(piece) - 1 for piece in pieces])
    padded = pad_sequence(pieces)  # (T, B, 88)
    logits = model(padded[:-1], lengths)
    loss = F.binary_cross_entropy_with_logits(logits, padded[1:], reduction="none").sum(-1)
    inside = torch.arange(len(loss))[:, None] < lengths
    return loss[inside].sum(), int(lengths.sum())


@torch.no_grad()
def evaluate(model: nn.Module, pieces: list[Tensor]) -> float:
    """Give the nats per step, each piece read from its start to its end."""
    model.eval()
    total, count = 0.0, 0
    for piece in sorted(pieces, key=len):
        loss, steps = loss_sum(model, [piece])
        total, count = total + loss.item(), count + steps
    return total / count


def cut(pieces: list[Tensor], chunk: int) -> list[Tensor]:
    """Cut pieces into parts of at most ``chunk`` steps; each begins with the last chord before."""
    return [
        piece[start : start + chunk + 1]
        for piece in pieces
        for start in range(0, len(piece) - 1, chunk)
    ]


def train(data: dict[str, list[Tensor]], cell: str, seed: int, settings: dict) -> nn.Module:
    """Give the model whose running mean of weights was best on the validation part."""
    torch.manual_seed(seed)
    model = Model(cell, settings["hidden"][cell], settings["drop"])
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.get("decay", 0.99)))
    pieces = cut(data["train"], settings["chunk"])
    B = settings.get("batch", 8)
    steps = settings["epochs"] * -(-len(pieces) // B)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.get("lr", 5e-3))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, start = float("inf"), time.perf_counter()
    for epoch in range(1, settings["epochs"] + 1):
        model.train()
        total, count = 0.0, 0
        for batch in torch.randperm(len(pieces)).split(B):
            loss, known = loss_sum(model, [pieces[i] for i in batch])
            optimizer.zero_grad()
            (loss / known).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(model)
            total, count = total + loss.item(), count + known
        valid = evaluate(averaged, data["valid"])
        if valid < best:
            best, weights = valid, {k: v.clone() for k, v in averaged.module.state_dict().items()}
        if epoch % settings.get("every", 5) == 0:
            print(
                f"epoch {epoch:3}  train {total / count:.3f}  valid {valid:.3f} best {best:.3f} {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    model.load_state_dict(weights)
    return model
