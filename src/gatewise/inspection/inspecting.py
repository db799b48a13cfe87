"""Look inside fitted models: the one call for Python and the command line."""

from typing import Any

from gatewise.inspection.choice import Choice
from gatewise.inspection.estimators import view_of
from gatewise.inspection.page import Inspection


def inspect(
    model: Any,
    data: Any,
    *,
    beside: Any = None,
    series: str | None = None,
    at: str | None = None,
    sequence: str | int | None = None,
    steps: int | None = None,
) -> Inspection:
    """Look inside a fitted model on one sequence of the data, or one window of a series.

    Args:
        model: a fitted estimator; :func:`gatewise.trace` looks into a layer by itself.
        data: what the model reads: a path, or what its own methods take.
        beside: another fitted model, shown beside the first on the same data.
        series: the series' name, for forecasts. Default: the first.
        at: for forecasts the time of the first step that is forecast, default the last whose
            truth is in the data; for text how many characters stand before what is read.
        sequence: its id, or its number from 0. Default: the first.
        steps: at most so many are shown, from the beginning. Default: all; of a text 400.

    Returns:
        What there is to see: ``findings()`` in sentences, ``to_html(path)``, ``plot()``.

    Raises:
        DataError: the data cannot be read, or what was chosen is not in it.
        ValueError: ``model`` is no estimator of ours.
    """
    choice = Choice(series=series, at=at, sequence=sequence, steps=steps)
    models = [model] if beside is None else [model, beside]
    return Inspection([view_of(each, data, choice) for each in models])
