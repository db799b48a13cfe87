"""Hidden sizes that make the cells equal in parameters, units or training time."""

from collections.abc import Callable, Sequence
from functools import partial

from gatewise.comparison.task import Task
from gatewise.comparison.timing import step_seconds

MATCHES = ("parameters", "units", "time")


def match_hidden_sizes(
    cells: Sequence[str], match: str, hidden_size: int, task: Task, threads: int
) -> dict[str, int]:
    """Give each cell its hidden size; the first cell has ``hidden_size``.

    Args:
        cells: names; the first is the one that the others are matched to.
        match: ``"parameters"`` of the whole network, ``"units"``, or the measured ``"time"`` of a
            training step.
        hidden_size: of the first cell.
        task: for which the networks are built.
        threads: that a training step may use when it is timed.
    """
    if match == "units":
        return dict.fromkeys(cells, hidden_size)

    def cost(cell: str, hidden: int) -> float:
        if match == "time":
            return step_seconds(task.timed(cell, hidden), threads)
        return task.parameters(cell, hidden)

    wanted = cost(cells[0], hidden_size)
    rest = {cell: _nearest(partial(cost, cell), wanted) for cell in cells[1:]}
    return {cells[0]: hidden_size, **rest}


def _nearest(cost: Callable[[int], float], wanted: float) -> int:
    """Find the hidden size whose growing cost is nearest to ``wanted``, by bisection."""
    high = 1
    while cost(high) < wanted and high < 1 << 14:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < wanted else (low, middle)
    return min((h for h in (low, high) if h), key=lambda h: abs(cost(h) - wanted))
