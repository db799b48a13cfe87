"""Philox4x32-10, a random number generator that is a pure function of a key and a counter.

Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. The
same key and counter give the same numbers on every device, in any order, from any thread.
"""

import torch
from torch import Tensor

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF

Words = tuple[Tensor, Tensor, Tensor, Tensor]


def philox(counter: Words, key: tuple[Tensor, Tensor]) -> Words:
    """Give four random words.

    Args:
        counter: four words; they may be of different shapes that broadcast.
        key: two words.

    All words are int64 tensors that hold unsigned 32-bit numbers.
    """
    c_0, c_1, c_2, c_3 = counter
    k_0, k_1 = key
    for _ in range(ROUNDS):
        high_0, low_0 = _multiply(_MULTIPLIERS[0], c_0)
        high_1, low_1 = _multiply(_MULTIPLIERS[1], c_2)
        c_0, c_1, c_2, c_3 = high_1 ^ c_1 ^ k_0, low_1, high_0 ^ c_3 ^ k_1, low_0
        k_0, k_1 = (k_0 + _KEY_STEPS[0]) & _LOW, (k_1 + _KEY_STEPS[1]) & _LOW
    return c_0, c_1, c_2, c_3


def split_seed(seed: Tensor) -> tuple[Tensor, Tensor]:
    """Give the two words of an int64 seed, low and high, as a key."""
    return seed & _LOW, (seed >> 32) & _LOW


def _multiply(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """Give the high and the low word of a product; int64 wraps round, which keeps its bits."""
    product = torch.mul(b, a)
    return (product >> 32) & _LOW, product & _LOW
