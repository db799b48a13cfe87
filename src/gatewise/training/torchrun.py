"""Which of the processes that ``torchrun`` started this one is."""

import os


def process_number() -> int:
    """Give this process's number among those that ``torchrun`` started; 0 for one alone.

    Number 0 speaks and writes files; the others only train.
    """
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Give how many processes ``torchrun`` started; 1 for one alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))
