"""Errors by what is told: by labels, by length and place, by kinds of characters."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

MOST_LABELS = 20
"""A table of confusions shows so many labels, the commonest, and counts the others together."""

MOST_BINS = 6
"""Lengths and places are grouped into so many ranges at most, of about as many cases each."""

_KINDS = {
    "Ll": "small letters",
    "Lu": "capital letters",
    "L": "other letters",
    "N": "digits",
    "P": "punctuation",
    "Z": "spaces",
    "M": "marks",
    "S": "signs",
}


@dataclass(frozen=True)
class Breakdown:
    """The error of each model in groups of the test cases.

    Attributes:
        title: what is shown by what.
        by: what the groups are.
        error: what the error is called.
        cases: what is counted.
        groups: names of the groups.
        counts: cases in each.
        errors: of each model in each group; None where it has no case there.
        in_order: whether the groups are ranges, one behind the other.
    """

    title: str
    by: str
    error: str
    cases: str
    groups: list[str]
    counts: list[int]
    errors: dict[str, list[float | None]]
    in_order: bool


@dataclass(frozen=True)
class Confusion:
    """How often each label was predicted for each true one.

    Attributes:
        labels: of the rows (true) and the columns (predicted).
        counts: row by row.
        others: whether the last label stands for all that are not shown.
    """

    labels: list[str]
    counts: list[list[int]]
    others: bool

    def share(self, row: int, column: int) -> float:
        """Give the share of a true label's cases that were predicted as another, or itself."""
        return self.counts[row][column] / max(sum(self.counts[row]), 1)


def count_confusions(predictions: pl.DataFrame) -> Confusion:
    """Count how often each label was predicted for each true one; the rarest counted together.

    Args:
        predictions: columns truth and predicted.
    """
    frame = predictions.select(pl.col("truth", "predicted").cast(pl.String))
    found = pl.concat([frame["truth"], frame["predicted"].rename("truth")]).drop_nulls()
    common = found.value_counts(sort=True)["truth"].head(MOST_LABELS).sort().to_list()
    others = found.n_unique() > len(common)
    labels = [*common, "other"] if others else common
    place = {name: index for index, name in enumerate(common)}
    counts = [[0] * len(labels) for _ in labels]
    for truth, predicted in frame.iter_rows():
        counts[place.get(truth, len(common))][place.get(predicted, len(common))] += 1
    return Confusion(labels, counts, others)


def not_kept(part: str, it: str = "it") -> str:
    """Say why a part of the report is missing, where trials of an earlier version lack it."""
    return (
        f"{part}: the trials did not keep {it}, they are of an earlier version of gatewise; a new "
        f"run has {it}."
    )


def break_down(
    task: str, predictions: pl.DataFrame, models: Sequence[str]
) -> tuple[list[Breakdown], list[str]]:
    """Break the errors of sequences, tags or a text down by what the trials tell of each case.

    Args:
        task: ``"classify"``, ``"regress"``, ``"tag"`` or ``"text"``.
        predictions: as ``Run.predictions`` gives them.
        models: in the order of drawing.

    Returns:
        The breakdowns, and a sentence for each that cannot be shown.
    """
    made, missing = [], []
    for column, words in _PARTS[task].items():
        if column not in predictions.columns:
            missing.append(not_kept(words["title"]))
            continue
        if column == "position" and task == "text" and _is_one_text(predictions):
            continue
        groups = _kinds(predictions["symbol"]) if column == "symbol" else _bins(predictions[column])
        if groups.n_unique() < 2:
            missing.append(f"{words['title']}: all cases are alike in it ({groups[0]}).")
            continue
        rows = predictions.with_columns(groups.alias("group"), _off(task).alias("off"))
        order = _order(rows, column)
        made.append(_breakdown(rows, order, models, words, in_order=column != "symbol"))
    return made, missing


def _breakdown(
    rows: pl.DataFrame,
    order: list[str],
    models: Sequence[str],
    words: Mapping[str, str],
    *,
    in_order: bool,
) -> Breakdown:
    found = rows.group_by("model", "group").agg(pl.col("off").mean(), pl.len().alias("cases"))
    errors = {(m, g): off for m, g, off, _ in found.iter_rows()}
    counts = {(m, g): cases for m, g, _, cases in found.iter_rows()}
    return Breakdown(
        **words,
        groups=order,
        counts=[counts.get((models[0], group), 0) for group in order],
        errors={model: [errors.get((model, group)) for group in order] for model in models},
        in_order=in_order,
    )


def _off(task: str) -> pl.Expr:
    """The error of one case."""
    if task == "text":
        return pl.col("nats").cast(pl.Float64)
    if task == "regress":
        return (pl.col("predicted") - pl.col("truth")).abs()
    return (pl.col("predicted") != pl.col("truth")).cast(pl.Float64)


def _order(rows: pl.DataFrame, column: str) -> list[str]:
    """Order groups by what they are ranges of, kinds of characters by how many there are."""
    if column == "symbol":
        return list(rows["group"].value_counts(sort=True)["group"])
    return list(rows.group_by("group").agg(pl.col(column).min()).sort(column)["group"])


def _is_one_text(predictions: pl.DataFrame) -> bool:
    """Whether the folds are pieces of one text: it was read on, so the place tells nothing."""
    starts = predictions.group_by("model", "fold").agg((pl.col("position") == 1).sum())
    return bool((starts["position"] <= 1).all())


def _bins(values: pl.Series) -> pl.Series:
    """Name the range that each whole number lies in: few ranges, of about as many cases each."""
    numbers = values.to_numpy()
    highs = lows = np.unique(numbers)
    if len(highs) > MOST_BINS:
        shares = np.linspace(0, 1, MOST_BINS + 1)[1:]
        highs = np.unique(np.quantile(numbers, shares, method="higher"))
        lows = np.concatenate([[numbers.min()], highs[:-1] + 1])
    pairs = zip(lows.tolist(), highs.tolist(), strict=True)
    names = np.array([f"{low}" if low == high else f"{low}–{high}" for low, high in pairs])
    return pl.Series(names[np.searchsorted(highs, numbers)], dtype=pl.String)


def _kinds(symbols: pl.Series) -> pl.Series:
    """Name the kind of each symbol."""
    distinct = symbols.unique()
    kinds = {symbol: kind_of(symbol) for symbol in distinct}
    return pl.Series([kinds[symbol] for symbol in symbols], dtype=pl.String)


def kind_of(symbol: str | None) -> str:
    """Say what kind of symbol one is, by Unicode's general category."""
    if symbol is None:
        return "ends of documents"
    if len(symbol) > 1:
        return "bytes beyond ASCII"
    if symbol in "\r\n":
        return "line ends"
    category = unicodedata.category(symbol)
    return _KINDS.get(category) or _KINDS.get(category[0], "others")


_LENGTH = {"title": "Error by length", "by": "length of the sequence, in steps"}
_PARTS: Mapping[str, Mapping[str, dict[str, str]]] = {
    "classify": {"length": {**_LENGTH, "error": "error rate", "cases": "sequences"}},
    "regress": {"length": {**_LENGTH, "error": "mean absolute error", "cases": "sequences"}},
    "tag": {
        "length": {**_LENGTH, "error": "error rate", "cases": "steps"},
        "position": {
            "title": "Error by place",
            "by": "place in the sequence, from 1",
            "error": "error rate",
            "cases": "steps",
        },
    },
    "text": {
        "symbol": {
            "title": "Error by kind of character",
            "by": "kind of the character that is told",
            "error": "nats",
            "cases": "symbols",
        },
        "position": {
            "title": "Error by place",
            "by": "place in the document, from 1",
            "error": "nats",
            "cases": "symbols",
        },
    },
}
"""What the errors of each task are broken down by: a column of the predictions, and the words."""
