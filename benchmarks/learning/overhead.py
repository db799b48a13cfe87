"""What the training loop costs beside the bare steps it is made of.

    python benchmarks/learning/overhead.py [--threads 1] [--repeats 15] [--steps 100]

Both train the same network on the same batches with the same optimiser: once as a bare loop of
gather, forward, backward and AdamW step, once by ``gatewise.training.train``, which also clips,
schedules, averages the weights, looks for NaN and keeps a history. Epochs of the two are taken in
turn; what is printed is the median of each, and of the ratios of the pairs.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import gatewise
from gatewise.training import Execution, Shuffled, TrainingOptions, train

T, B, I, H = 50, 32, 8, 64  # noqa: E741
CELLS = {"lstm": gatewise.LSTM, "gru": gatewise.GRU}


class Net(nn.Module):
    """A recurrent layer and a map of its last output."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.rnn = CELLS[cell](I, H)
        self.out = nn.Linear(H, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0][-1])


def epochs(cell: str, steps: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Give a bare epoch of ``steps`` batches, and one through the loop."""
    torch.manual_seed(0)
    x, y = torch.randn(T, steps * B, I), torch.randn(steps * B, 1)
    options = TrainingOptions(steps=steps, batch_size=B, evaluations=1)
    execution = Execution("cpu")

    def batch_loss(module: nn.Module, chosen: Tensor) -> tuple[Tensor, Tensor]:
        off = (module(x[:, chosen]) - y[chosen]).square()
        return off.sum(), torch.tensor(off.numel())

    def batches() -> Shuffled:
        return Shuffled(steps * B, B, torch.Generator().manual_seed(0))

    def bare() -> None:
        net, order = Net(cell), batches()
        optimizer = torch.optim.AdamW(
            net.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        for _ in range(steps):
            optimizer.zero_grad()
            total, count = batch_loss(net, order.next())
            (total / count).backward()
            optimizer.step()

    def loop() -> None:
        train(Net(cell), batch_loss, batches(), None, options, execution)

    return bare, loop


def seconds(run: Callable[[], None]) -> float:
    """Time one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100, help="batches an epoch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"T {T}, B {B}, H {H}, float32, {arguments.threads} threads, torch {torch.__version__}")
    for cell in CELLS:
        bare, loop = epochs(cell, arguments.steps)
        bare(), loop()
        pairs = [(seconds(bare), seconds(loop)) for _ in range(arguments.repeats)]
        middle = [
            statistics.median(times) / arguments.steps * 1e3 for times in zip(*pairs, strict=True)
        ]
        ratio = statistics.median(b / a for a, b in pairs)
        print(
            f"{cell}: bare {middle[0]:.3f} ms a step, loop {middle[1]:.3f} ms, ratio {ratio:.3f} "
            f"(median of {arguments.repeats} pairs)"
        )


if __name__ == "__main__":
    main()
