"""Philox4x32-10 against Random123's known answers, and as a source of fair bits."""

import pytest
import torch
from torch import Tensor

from gatewise.ops import philox

# Random123 1.14, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
# The same file, "philox4x32 7": fewer rounds, other numbers.
KNOWN_ANSWER_OF_7_ROUNDS = "5f6fb709 0d893f64 4f121f81 4f730a48"


def words(text: str) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(int(word, 16)) for word in text.split())


def as_text(numbers: tuple[Tensor, ...]) -> str:
    return " ".join(f"{int(number):08x}" for number in numbers)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter: str, key: str, answer: str) -> None:
    assert as_text(philox.philox(words(counter), words(key))) == answer


def test_known_answers_see_a_wrong_number_of_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(philox, "ROUNDS", 7)
    counter, key, answer = KNOWN_ANSWERS[0]
    assert as_text(philox.philox(words(counter), words(key))) == KNOWN_ANSWER_OF_7_ROUNDS != answer


def test_words_of_many_counters_are_those_of_each_alone() -> None:
    key = words("a4093822 299f31d0")
    units, rows = torch.arange(3).view(1, -1), torch.arange(2).view(-1, 1)
    together = philox.philox((units, rows, torch.tensor(5), torch.tensor(9)), key)
    for unit in range(3):
        for row in range(2):
            alone = philox.philox(tuple(map(torch.tensor, (unit, row, 5, 9))), key)
            assert [int(w[row, unit]) for w in together] == [int(w) for w in alone]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63 - 1, -1, -(2**63)])
def test_seed_is_split_into_its_low_and_its_high_word(seed: int) -> None:
    low, high = philox.split_seed(torch.tensor(seed))
    assert (int(high) << 32 | int(low)) == seed % 2**64
    assert 0 <= int(low) < 2**32
    assert 0 <= int(high) < 2**32


def test_all_bits_of_all_words_are_fair() -> None:
    n = 20_000
    numbers = philox.philox(
        (torch.arange(n), *map(torch.tensor, (0, 0, 0))), philox.split_seed(torch.tensor(7))
    )
    bits = torch.stack(numbers).unsqueeze(-1) >> torch.arange(32) & 1  # (4, n, 32)
    share = bits.double().mean(1)
    assert (share - 0.5).abs().max() < 5 * 0.5 / n**0.5  # five standard deviations
