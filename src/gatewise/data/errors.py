"""The one error for data that cannot be used."""


class DataError(ValueError):
    """Data that cannot be used: says where, what was found, and the way out.

    Args:
        problem: what was found and what to do about it.
        name: the file's name, or "data frame".
        row: row in the file, counted from 1 with the header (as a text editor counts lines).
        column: name of the column.
    """

    def __init__(
        self, problem: str, *, name: str = "", row: int | None = None, column: str | None = None
    ) -> None:
        place = [name] if name else []
        if row is not None:
            place.append(f"row {row:,}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {problem}" if place else problem)
        self.row = row
        self.column = column
