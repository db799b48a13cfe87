"""Columns of text as numbers, where they are some."""

import polars as pl

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_INTEGER = r"^[+-]?\d{1,18}$"
_LEADING_ZERO = r"^[+-]?0\d"


def numbers(column: pl.Series) -> tuple[pl.Series, int | None]:
    """The column as floats with nulls, and the index of the first value that is no number.

    Columns of float32 and float64 stay what they are, without a copy where no value is NaN.
    """
    if column.dtype == pl.String:
        clean = _without_missing(column)
        values = clean.cast(pl.Float64, strict=False)
        bad = (values.is_null() & clean.is_not_null()).arg_true()
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        values = column if column.dtype.is_float() else column.cast(pl.Float64)
        values = values.fill_nan(None) if values.is_nan().any() else values
        bad = pl.Series([], dtype=pl.UInt32)
    else:
        values = pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
        bad = column.is_not_null().arg_true()
    return values, int(bad[0]) if len(bad) else None


def typed(text: pl.Series, decimal: str = ".") -> pl.Series:
    """A column of text as numbers or booleans where every value is one, else as it is.

    Whole numbers with leading zeros stay text: they may be names ("007"), and `numbers` reads them
    where numbers are wanted. With the decimal mark `,` a comma is a decimal point where most values
    are numbers then.
    """
    if decimal == "," and has_decimal_commas(text):
        text = text.str.replace(",", ".", literal=True)
    clean = _without_missing(text)
    values = clean.cast(pl.Float64, strict=False)
    if values.null_count() == clean.null_count():
        if clean.str.contains(_LEADING_ZERO).any():
            fractions = clean.str.contains(".", literal=True).any()
            return values if fractions else clean
        whole = clean.str.contains(_INTEGER).all() and clean.null_count() < len(clean)
        return clean.cast(pl.Int64) if whole else values.fill_nan(None)
    if clean.str.to_lowercase().is_in(["true", "false"]).all():
        return (clean.str.to_lowercase() == "true").rename(text.name)
    return clean


def _without_missing(text: pl.Series) -> pl.Series:
    """The text without blanks around it, null where it says missing; itself where nothing does."""
    if text.str.contains(r"^\s|\s$").any():
        text = text.str.strip_chars()
    missing = text.is_in(MISSING).fill_null(False)
    return text.set(missing, None) if missing.any() else text


def has_decimal_commas(text: pl.Series) -> bool:
    """Whether the column holds commas, and mostly numbers once they are points."""
    if not text.str.contains(",", literal=True).any():
        return False
    clean = _without_missing(text)
    points = clean.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return points.null_count() - clean.null_count() < (len(text) - clean.null_count()) / 2


def is_fraction(text: pl.Series) -> bool:
    """Whether a column of text holds numbers only, some with a decimal point."""
    return typed(text).dtype == pl.Float64 and bool(text.str.contains(".", literal=True).any())
