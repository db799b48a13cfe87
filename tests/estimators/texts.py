"""Texts and language models small enough for tests."""

from typing import Any

import numpy as np

from gatewise import LanguageModel

WORDS = ("the cat sat", "a dog ran", "it was late", "who goes there?", "naïve café", "no.")


def text(sentences: int = 120, seed: int = 0) -> str:
    """Sentences in random order, a line each."""
    chosen = np.random.default_rng(seed).integers(len(WORDS), size=sentences)
    return "".join(WORDS[number] + "\n" for number in chosen)


def small(**parameters: Any) -> LanguageModel:
    """A language model that trains in a fraction of a second."""
    quick = {
        "hidden_size": 12,
        "embedding_size": 8,
        "steps": 40,
        "batch_size": 4,
        "bptt": 20,
        "learning_rate": 0.02,
        "averaging": 0.8,
        "random_state": 0,
        "device": "cpu",
    }
    return LanguageModel(**{**quick, **parameters})
