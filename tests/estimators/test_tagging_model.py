"""What the training of a tagger counts, and what that of whole sequences does."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from gatewise.estimators import sequence_model, tagging_model
from gatewise.estimators.sequence_model import SequenceModel, SequenceSettings
from gatewise.estimators.tagging_model import TaggingModel, TaggingSettings
from gatewise.training import Execution

RNG = np.random.default_rng(0)
ITEMS = [RNG.normal(size=(length, 2)) for length in (5, 1, 3, 4)]
CODES = np.array([0, 1, -1, 2, 0, 1, 2, -1, -1, 0, 0, 1, 2])  # −1 where not known
LENGTHS = [len(item) for item in ITEMS]
SIZES: dict[str, Any] = {"outputs": 3, "hidden_size": 4, "dropout": 0.0, "jitter": 0.0}


class Caught(Exception):
    """What ``train`` was handed."""


def caught(monkeypatch: pytest.MonkeyPatch, module: Any, fit: Any) -> tuple[Any, ...]:
    """The network, the loss, the batches and the validation that ``fit`` hands to the loop."""

    def train(*arguments: Any, **_: Any) -> None:
        raise Caught(*arguments)

    monkeypatch.setattr(module, "train", train)
    with pytest.raises(Caught) as found:
        fit()
    return found.value.args


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3], [2], [3, 1], [0, 2]])
def test_loss_of_a_tagger_counts_the_known_labels_of_its_sequences(
    chosen: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(held_back: list[int], smoothing: float) -> tuple[Any, ...]:
        settings = TaggingSettings(**SIZES, label_smoothing=smoothing)
        held = torch.tensor(held_back, dtype=torch.int64)
        run = {"seed": 0, "execution": Execution(device="cpu")}
        monkeypatch.undo()
        return caught(
            monkeypatch,
            tagging_model,
            lambda: TaggingModel.fit(ITEMS, CODES, held, settings, **run),
        )

    net, loss, *_ = fit([], 0.0)
    total, count = loss(net.eval(), torch.tensor(chosen))
    starts = np.cumsum([0, *LENGTHS])
    wanted, known = 0.0, 0
    for number in chosen:
        x, _ = _scaled(ITEMS, number)
        outputs = net((x[:, None],), torch.tensor([len(x)])).detach().double().numpy()[:, 0]
        codes = CODES[starts[number] : starts[number + 1]]
        rows = np.flatnonzero(codes >= 0)
        wanted -= log_softmax(outputs, axis=1)[rows, codes[rows]].sum()
        known += len(rows)
    assert int(count) == known
    np.testing.assert_allclose(float(total.detach()), wanted, rtol=1e-5)
    smoothed, _ = fit([], 0.5)[1](net, torch.tensor(chosen))
    assert float(smoothed.detach()) != float(total.detach())


def test_what_is_held_back_is_validated_and_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TaggingSettings(**SIZES, label_smoothing=0.5)
    run = {"seed": 0, "execution": Execution(device="cpu")}
    net, loss, batches, validate, *_ = caught(
        monkeypatch,
        tagging_model,
        lambda: TaggingModel.fit(ITEMS, CODES, torch.tensor([1, 3]), settings, **run),
    )
    assert batches.examples == 2
    net.eval()
    before = float(loss(net, torch.tensor([0, 1]))[0])
    with torch.no_grad():
        assert validate(net) > 0
    changed = CODES.copy()
    changed[[5, 9]] = 0  # labels of what is held back
    net, loss, _, other, *_ = caught(
        monkeypatch,
        tagging_model,
        lambda: TaggingModel.fit(ITEMS, changed, torch.tensor([1, 3]), settings, **run),
    )
    assert float(loss(net.eval(), torch.tensor([0, 1]))[0]) == before
    with torch.no_grad():
        assert other(net) != validate(net)


def test_scaler_and_loss_of_sequences_see_the_training_part_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sums(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return (outputs[:, 0] * 0 + truth).sum()

    run = {"seed": 0, "execution": Execution(device="cpu")}
    held, truth = torch.tensor([0, 2]), torch.tensor([1.0, 10.0, 100.0, 1_000.0])
    settings = SequenceSettings(**SIZES)
    net, loss, batches, validate, *_ = caught(
        monkeypatch,
        sequence_model,
        lambda: SequenceModel.fit(ITEMS, truth, held, settings, sums, sums, **run),
    )
    assert batches.examples == 2
    total, count = loss(net, torch.tensor([0, 1]))
    assert (float(total.detach()), int(count)) == (1_010.0, 2)
    with torch.no_grad():
        assert validate(net) == 101 / 2


def _scaled(items: list[np.ndarray], number: int) -> tuple[torch.Tensor, None]:
    flat = np.concatenate(items)
    x = (items[number] - flat.mean(0)) / flat.std(0)
    return torch.tensor(x, dtype=torch.float32), None
