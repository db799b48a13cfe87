"""From tests to words: which cell is better, how sure that is, and which one to take.

Everything that the command line and the report say about the outcome is worded here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Literal

from gatewise.comparison.statistics import LARGEST_DIFFERENCE, MIN_FOLDS, PairedTest

Kind = Literal["equal", "better", "undecided", "untested"]

SAME_TIME = 1.05
"""Training times whose ratio is below this count as equal."""


@dataclass(frozen=True)
class Cell:
    """What the verdict needs to know of a trained cell.

    Attributes:
        name: as in the tests; shown in capitals.
        error: mean test error over folds.
        parameters: number of trained parameters.
        train_seconds: measured training time; None where it was not measured.
    """

    name: str
    error: float
    parameters: int
    train_seconds: float | None = None


@dataclass(frozen=True)
class Baseline:
    """A baseline: its name in the tests, how it is shown, and whether validation chose it."""

    name: str
    label: str
    best: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome of a comparison, in words that can be printed as they are.

    Attributes:
        kind: of the headline pair: "equal" within the margin, one "better", "undecided", or
            "untested" (too few folds, or nothing to test against).
        winner: name of the better model of the headline pair when ``kind`` is "better".
        sentence: the outcome of every pair of cells, the headline pair first.
        practical: which cell to take and why, and how it stands against the best baseline.
        take: name of the cell to train on everything.
        margin: largest relative difference that counts as equal.
        alpha: level of the tests.
    """

    kind: Kind
    winner: str | None
    sentence: str
    practical: str
    take: str
    margin: float
    alpha: float


def decide(
    tests: Sequence[PairedTest],
    cells: Sequence[Cell],
    baselines: Sequence[Baseline] = (),
    margin: float = 0.01,
    alpha: float = 0.05,
) -> Verdict:
    """Judge the cells by their tests.

    The headline is LSTM against GRU where both were trained, else the two cells with the
    smallest errors; a single cell is judged against the best baseline.

    Args:
        tests: corrected for their number; every pair of cells, and each cell against the best
            baseline, in either order.
        cells: the trained cells, at least one.
        baselines: at most one of them is the best.
        margin: the largest relative difference that counts as equal, 1 % by default.
        alpha: level of the tests.

    Raises:
        ValueError: no cells, several best baselines, a missing test, or a number out of range.
    """
    if not cells:
        raise ValueError("there is no cell to judge: train at least one of lstm, gru, rnn")
    if not (0 < alpha < 1 and margin >= 0):
        raise ValueError(f"expected 0 < alpha < 1 and margin >= 0, got {alpha=}, {margin=}")
    best = [baseline for baseline in baselines if baseline.best]
    if len(best) > 1:
        raise ValueError(f"only one baseline can be the best, got {[b.name for b in best]}")
    judge = _Judge(tests, cells, best[0] if best else None, margin, alpha)
    kind, winner = judge.headline()
    take, reason = judge.pick()
    return Verdict(
        kind, winner, judge.sentence(), judge.practical(take, reason), take.name, margin, alpha
    )


def judge_pair(test: PairedTest, margin: float = 0.01, alpha: float = 0.05) -> Kind:
    """What one test says, in the order: too few folds, equal, better, else undecided."""
    if test.low is None or test.high is None or test.p_holm is None:
        return "untested"
    if -margin <= test.low and test.high <= margin:
        return "equal"
    return "better" if test.p_holm < alpha else "undecided"


def better_of(test: PairedTest) -> str:
    """The name of the model with the smaller error in a test."""
    return test.a if test.difference <= 0 else test.b


def percent(share: float) -> str:
    """A share as a number of percent: two digits, whole from 10 % on, zero below 0.001 %."""
    value = 100 * share
    if abs(value) < 1e-3:
        return "0"
    digits_before_point = 1 + floor(log10(abs(float(f"{value:.1e}"))))
    return f"{value:.{max(0, 2 - digits_before_point)}f}"


@dataclass(frozen=True)
class _Judge:
    """The facts of one run, and the sentences about them."""

    tests: Sequence[PairedTest]
    cells: Sequence[Cell]
    baseline: Baseline | None
    margin: float
    alpha: float

    def headline(self) -> tuple[Kind, str | None]:
        """What the headline pair comes to, and its winner."""
        test = self._headline_test()
        if test is None:
            return "untested", None
        kind = self._kind(test)
        return kind, better_of(test) if kind == "better" else None

    def sentence(self) -> str:
        """The outcome of every pair of cells, the headline pair first."""
        headline = self._headline_test()
        if headline is None:
            return f"Only the {_shown(self.cells[0])} was trained: there is nothing to compare."
        names = {cell.name for cell in self.cells}
        pairs = [test for test in self.tests if {test.a, test.b} <= names]
        others = [test for test in pairs if test != headline]
        sentences = [self._outcome(test) for test in (headline, *others)]
        if self._kind(headline) == "untested":
            sentences.append(
                f"This may be chance: a test takes at least {MIN_FOLDS} folds, and this run had "
                f"{headline.folds}. Run again with --folds {MIN_FOLDS + 1}."
            )
        return " ".join(sentences)

    def pick(self) -> tuple[Cell, str]:
        """The cell to take and, where it is not simply the winner, the reason."""
        pair = self._headline_pair()
        take, reason = pair[0], ""
        if len(pair) == 2:
            kind, winner = self.headline()
            take, reason = cheaper(*pair)
            if kind == "better":
                take, reason = next(cell for cell in pair if cell.name == winner), ""
        for cell in self.cells:
            if cell not in pair and self._beats(cell.name, take.name):
                take, reason = cell, f"it is better than the {_shown(take)}"
        return take, reason

    def practical(self, take: Cell, reason: str) -> str:
        """Which cell to take and why, and how it stands against the best baseline."""
        advice = f"the {_shown(take)}: {reason}." if reason else f"the {_shown(take)}."
        if self.baseline is None:
            return f"Take {advice}"
        best = f"the best baseline, {self.baseline.label}"
        test = self._find(take.name, self.baseline.name)
        kind = self._kind(test)
        if kind == "untested":
            return f"Take {advice} Whether it beats {best}, cannot be tested with so few folds."
        if kind == "better" and better_of(test) == take.name:
            return f"Take {advice} It beats {best}, by {self._size(test)}."
        failure = f"{self._not_beating(take)} {best}"
        if kind == "better":
            return (
                f"{_capitalised(failure)}, which is better than the {_shown(take)} "
                f"by {self._size(test)}. If it is to be a cell, take {advice}"
            )
        if kind == "equal":
            outcome = f"it and the {_shown(take)} are equal within {self._margin()} %"
        else:
            outcome = _could_have_shown(test)
        return f"Take {advice} But {failure}: {outcome}."

    def _outcome(self, test: PairedTest) -> str:
        """One sentence on one pair."""
        a, b = self._label(test.a), self._label(test.b)
        better, worse = (a, b) if better_of(test) == test.a else (b, a)
        match self._kind(test):
            case "equal":
                return f"{a} and {b} are equal within {self._margin()} %."
            case "better":
                return f"{better} is better than {worse} by {self._size(test)}."
            case "undecided":
                return f"{a} or {b} is not decided: {_could_have_shown(test)}."
            case _:
                size = percent(abs(test.difference))
                return f"The error of {better} is {size} % smaller than that of {worse}."

    def _not_beating(self, take: Cell) -> str:
        """Subject and verb for a chosen cell that is not shown to beat the best baseline."""
        assert self.baseline is not None
        winners = [cell for cell in self.cells if self._beats(cell.name, self.baseline.name)]
        all_lose = all(self._beats(self.baseline.name, cell.name) for cell in self.cells)
        if winners or len(self.cells) == 1:
            verb = "does not beat" if all_lose else "is not shown to beat"
            return f"the {_shown(take)} {verb}"
        subject = "neither cell" if len(self.cells) == 2 else "no cell"
        return f"{subject} {'beats' if all_lose else 'is shown to beat'}"

    def _headline_pair(self) -> Sequence[Cell]:
        by_name = {cell.name: cell for cell in self.cells}
        if {"lstm", "gru"} <= by_name.keys():
            return by_name["lstm"], by_name["gru"]
        return sorted(self.cells, key=lambda cell: cell.error)[:2]

    def _headline_test(self) -> PairedTest | None:
        pair = self._headline_pair()
        if len(pair) == 2:
            return self._find(pair[0].name, pair[1].name)
        return self._find(pair[0].name, self.baseline.name) if self.baseline else None

    def _find(self, first: str, second: str) -> PairedTest:
        for test in self.tests:
            if {test.a, test.b} == {first, second}:
                return test
        made = ", ".join(f"{test.a} against {test.b}" for test in self.tests) or "none"
        raise ValueError(f"no test of {first} against {second}; the tests made are: {made}")

    def _beats(self, first: str, second: str) -> bool:
        test = self._find(first, second)
        return self._kind(test) == "better" and better_of(test) == first

    def _kind(self, test: PairedTest) -> Kind:
        return judge_pair(test, self.margin, self.alpha)

    def _size(self, test: PairedTest) -> str:
        """The difference with its interval, both counted in favour of the better model."""
        assert test.low is not None
        assert test.high is not None
        ends = (test.low, test.high) if test.difference > 0 else (-test.high, -test.low)
        confidence = f"{100 * (1 - self.alpha):.6g}"
        interval = f"{percent(ends[0])} to {percent(ends[1])} %"
        return f"{percent(abs(test.difference))} % ({confidence} % interval {interval})"

    def _margin(self) -> str:
        return f"{100 * self.margin:.6g}"

    def _label(self, name: str) -> str:
        if self.baseline and name == self.baseline.name:
            return self.baseline.label
        return name.upper()


def cheaper(first: Cell, second: Cell) -> tuple[Cell, str]:
    """The cell to prefer where neither is shown to be better, and why.

    The one that trains faster; within 5 % the smaller one; at the same size the one with the
    smaller mean error. Training times decide only where both were measured.
    """
    seconds, other_seconds = first.train_seconds, second.train_seconds
    suffix = ""
    if seconds and other_seconds:
        ratio = other_seconds / seconds
        if max(ratio, 1 / ratio) > SAME_TIME:
            fast = first if ratio > 1 else second
            return fast, f"it trains {_times(max(ratio, 1 / ratio))} times faster"
        suffix = " and trains as fast"
    small, large = sorted((first, second), key=lambda cell: cell.parameters)
    if small.parameters < large.parameters:
        counts = f"{small.parameters:,} parameters against {large.parameters:,}"
        return small, f"it is smaller ({counts}){suffix}"
    return min(first, second, key=lambda cell: cell.error), "its mean error is smaller"


def _could_have_shown(test: PairedTest) -> str:
    assert test.detectable is not None
    if test.detectable >= LARGEST_DIFFERENCE:
        return "the folds are too unlike for this run to show a difference of any size"
    return f"this run could have shown a difference of {percent(test.detectable)} % or more"


def _times(ratio: float) -> str:
    """A speed ratio, with as many digits as tell it from 1."""
    if ratio < 1.1:
        return f"{ratio:.2f}"
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def _shown(cell: Cell) -> str:
    return cell.name.upper()


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
