"""Small data for the tasks that are learnt by estimators of sequences and texts."""

import numpy as np

from gatewise.data.sequences import Sequences, Tagged


def sequences(count=48, classes=3, *, numbers=False, seed=0):
    """Sequences of 6 to 14 steps and 2 channels whose level tells the label."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    values = [
        (label + random.normal(0, 0.5, (random.integers(6, 15), 2))).astype(np.float32)
        for label in labels
    ]
    shown = labels.astype(float) if numbers else np.array([f"k{n}" for n in labels], dtype=object)
    return Sequences("made", values, shown, [f"s{n}" for n in range(count)], ["a", "b"])


def sentences(count=40, seed=0):
    """Sentences whose words tell their tags, but for one word that has two."""
    random = np.random.default_rng(seed)
    tags = {"the": "DET", "cat": "NOUN", "dog": "NOUN", "runs": "VERB", "sleeps": "VERB"}
    items = [
        ["the", str(random.choice(["cat", "dog"])), str(random.choice(["runs", "sleeps"])), "fast"]
        for _ in range(count)
    ]
    labels = [
        [*(tags[word] for word in item[:3]), ("ADV", "ADJ")[n % 2]] for n, item in enumerate(items)
    ]
    return Tagged("made", items, labels, [str(n) for n in range(count)], ["form"])


def steps_with_tags(count=24, seed=0):
    """Sequences of numbers with a label for every step: whether it is above zero."""
    random = np.random.default_rng(seed)
    items = [
        random.normal(0, 1, (random.integers(5, 9), 2)).astype(np.float32) for _ in range(count)
    ]
    tags = [["up" if step[0] > 0 else "down" for step in item] for item in items]
    return Tagged("made", items, tags, [str(n) for n in range(count)], ["a", "b"])


TEXT = "".join(f"{n} apples and {n + 1} pears. " for n in range(1_200))
