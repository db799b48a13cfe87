"""A task that only memory can solve: add two marked numbers, up to 200 steps back.

The adding problem of Hochreiter & Schmidhuber (1997). Each step brings a number from U[0, 1] and a
mark; two steps are marked, one in each half. Always answering 1, the mean of the sum, gives a
squared error of 1/6.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gatewise

STEPS, HIDDEN, BATCH = 200, 64, 50
LEARNED, NOT_LEARNED = 0.01, 0.1  # squared error; a guess has 0.167
MOST_STEPS = 800


class Adder(nn.Module):
    """A recurrent layer whose last output gives the sum."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layer(x)  # (T, B, H)
        return self.head(y[-1]).squeeze(-1)  # (B,)


def draw_sums(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw inputs (T, count, 2) and their sums (count,)."""
    numbers = torch.rand(STEPS, count, generator=generator)
    first, second = torch.randint(STEPS // 2, (2, count), generator=generator)
    marks = torch.zeros(STEPS, count)
    marks[first, torch.arange(count)] = 1
    marks[second + STEPS // 2, torch.arange(count)] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(0)


def train_adder(kind: str, most_steps: int, seed: int = 1, **init: Any) -> tuple[int, float]:
    """Train until the error on held-out data is below the bar; give steps taken and error."""
    torch.manual_seed(seed)
    model = Adder(getattr(gatewise, kind)(2, HIDDEN, **init))
    generator = torch.Generator().manual_seed(seed)
    held_out = draw_sums(500, torch.Generator().manual_seed(seed + 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    error = float("nan")
    for step in range(1, most_steps + 1):
        x, target = draw_sums(BATCH, generator)
        loss = nn.functional.mse_loss(model(x), target)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 25 == 0 or step == most_steps:
            with torch.no_grad():
                error = nn.functional.mse_loss(model(held_out[0]), held_out[1]).item()
            if error < LEARNED:
                return step, error
    return most_steps, error


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[int, float]]:
    """Train LSTM and GRU, each once: steps taken and error, by kind."""
    return {
        kind: train_adder(kind, MOST_STEPS, init="chrono", max_period=STEPS)
        for kind in ("LSTM", "GRU")
    }


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_gates_learn_to_add(kind: str, trained: dict[str, tuple[int, float]]) -> None:
    steps, error = trained[kind]
    assert error < LEARNED, f"error {error:.3f} after {steps} steps"


def test_rnn_without_gates_does_not_learn_in_as_many_steps(
    trained: dict[str, tuple[int, float]],
) -> None:
    most_steps = max(steps for steps, _ in trained.values())
    steps, error = train_adder("RNN", most_steps, init="standard")
    assert steps == most_steps
    assert error > NOT_LEARNED


def test_guessing_the_mean_has_the_known_error() -> None:
    """The task is what it is said to be: the mean of the sum is 1 and its variance 1/6."""
    _, sums = draw_sums(20_000, torch.Generator().manual_seed(0))
    assert abs(sums.mean().item() - 1) < 0.01
    assert abs((sums - 1).square().mean().item() - 1 / 6) < 0.005
