"""Numbers of things in notes and messages."""


def counted(number: int, what: str) -> str:
    """``counted(1, "row")`` is "1 row", ``counted(2000, "row")`` is "2,000 rows"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
