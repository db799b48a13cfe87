"""How long does the memory hold? Two classic tasks that only memory can solve.

    python examples/memory.py adding --cell gru --length 600
    python examples/memory.py copying --cell lstm --length 50

*Adding* (Hochreiter & Schmidhuber 1997): each step brings a number and a mark; two steps are
marked, one in each half, and at the end the sum of their numbers is asked. Always saying 1 has a
squared error of 1/6. *Copying* (Arjovsky et al. 2016): ten symbols of eight kinds come, then
nothing for ``--length`` steps, then a sign to give them back in order. A guess is right one time in
eight.

Both need gates that stay open from the first day: ``init="chrono"`` spreads the units' memory over
1 to ``max_period`` steps (Tallec & Ollivier 2018). Try ``--init standard`` to see what it does.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gatewise

LAYERS = {"lstm": gatewise.LSTM, "gru": gatewise.GRU}
SYMBOLS, KINDS = 10, 8  # of the copy task
BATCH = 50


def draw_sums(count: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw inputs (length, count, 2) of the adding problem, and their sums (1, count, 1)."""
    numbers, columns = torch.rand(length, count), torch.arange(count)
    first, second = torch.randint(length // 2, (2, count))
    marks = torch.zeros(length, count)
    marks[first, columns] = 1
    marks[second + length // 2, columns] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(0)[None, :, None]


def draw_copies(count: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw inputs (length + 20, count, 10) of the copy task, and the symbols (10, count)."""
    symbols = torch.randint(KINDS, (SYMBOLS, count))
    words = torch.full((length + 2 * SYMBOLS, count), KINDS)  # a pause
    words[:SYMBOLS] = symbols
    words[-SYMBOLS] = KINDS + 1  # the sign
    return F.one_hot(words, KINDS + 2).float(), symbols


class Task(NamedTuple):
    """What is drawn, what is learnt, and what is told of it."""

    draw: Callable[[int, int], tuple[Tensor, Tensor]]
    sizes: tuple[int, int, int]  # of a step's input and output, and how many last steps answer
    loss: Callable[[Tensor, Tensor], Tensor]
    metric: str
    score: Callable[[Tensor, Tensor], Tensor]
    goal: float  # the loss at which training stops
    defaults: dict[str, float]


TASKS = {
    "adding": Task(
        draw_sums, (2, 1, 1), F.mse_loss, "mse", F.mse_loss, 5e-4,
        {"length": 600, "hidden": 64, "steps": 2000, "rate": 1e-2},
    ),
    "copying": Task(
        draw_copies, (KINDS + 2, KINDS, SYMBOLS),
        lambda answer, truth: F.cross_entropy(answer.flatten(0, 1), truth.flatten()),
        "accuracy", lambda answer, truth: (answer.argmax(-1) == truth).float().mean(), 1e-3,
        {"length": 50, "hidden": 128, "steps": 100_000, "rate": 2e-3},
    ),
}  # fmt: skip


class Model(nn.Module):
    """A recurrent layer whose last outputs give the answers."""

    def __init__(self, layer: nn.Module, hidden: int, outputs: int, answers: int) -> None:
        super().__init__()
        self.layer, self.answers = layer, answers
        self.head = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layer(x)  # (T, B, H)
        return self.head(y[-self.answers :])


def run(name: str, cell: str, seed: int, init: str, minutes: float, given: dict) -> dict:
    """Train on fresh sequences in every step; give steps, seconds, and the figure at the end."""
    torch.manual_seed(seed)
    task, length, hidden = TASKS[name], given["length"], given["hidden"]
    inputs, outputs, answers = task.sizes
    options = {"max_period": length} if init == "chrono" else {}
    layer = LAYERS[cell](inputs, hidden, init=init, **options)
    model = Model(layer, hidden, outputs, answers)
    optimizer = torch.optim.Adam(model.parameters(), lr=given["rate"])
    held_out, start = task.draw(500, length), time.perf_counter()
    for step in range(1, given["steps"] + 1):
        x, truth = task.draw(BATCH, length)
        loss = task.loss(model(x), truth)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds = time.perf_counter() - start
        is_last = step == given["steps"] or seconds > 60 * minutes
        if step % 50 == 0 or is_last:
            error, figure = evaluate(model, task, held_out)
            print(f"step {step:5}  loss {error:.5f}  {task.metric} {figure:.5f}  {seconds:.0f} s")
            if is_last or error < task.goal:
                break
    _, figure = evaluate(model, task, task.draw(2000, length))
    print(f"{cell} after {step} steps, on 2,000 fresh sequences: {task.metric} {figure:.5f}")
    settings = given | {"init": init, "minutes": minutes, "goal": task.goal, "batch": BATCH}
    return {
        "metrics": {task.metric: figure, "steps": step},
        "seconds": seconds,
        "settings": settings,
    }


@torch.no_grad()
def evaluate(model: Model, task: Task, sequences: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Give loss and figure."""
    x, truth = sequences
    answer = model(x)
    return task.loss(answer, truth).item(), task.score(answer, truth).item()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="How long the memory of an LSTM or a GRU holds.")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--cell", choices=LAYERS, default="lstm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", choices=["chrono", "standard", "torch"], default="chrono")
    parser.add_argument("--length", type=int, help="steps that the memory must hold")
    parser.add_argument("--hidden", type=int, help="units")
    parser.add_argument("--steps", type=int, help="training steps at most")
    parser.add_argument("--rate", type=float, help="learning rate")
    parser.add_argument("--minutes", type=float, default=10, help="time at most")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> dict:
    """Do what the command line asks."""
    given = parse(arguments)
    settings = {
        name: default if getattr(given, name) is None else getattr(given, name)
        for name, default in TASKS[given.task].defaults.items()
    }
    return run(given.task, given.cell, given.seed, given.init, given.minutes, settings)


if __name__ == "__main__":
    main()
