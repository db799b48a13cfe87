import pytest
import torch

from gatewise.training import Execution, Shuffled, TrainingError, TrainingOptions, train

torch.manual_seed(0)
X = torch.randn(64, 3)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])


def loss(module, chosen):
    off = (module(X[chosen]) - Y[chosen]).square()
    return off.sum(), torch.tensor(len(off))


def everything(module):
    with torch.no_grad():
        return float(loss(module, torch.arange(64))[0]) / 64


def order(batch_size, seed=0):
    return Shuffled(64, batch_size, torch.Generator().manual_seed(seed))


def run(options, validate=everything, seed=0, **rest):
    torch.manual_seed(seed)
    module = torch.nn.Linear(3, 1)
    batches = order(options.batch_size, seed)
    return train(module, loss, batches, validate, options, Execution("cpu", **rest))


QUICK = TrainingOptions(
    steps=200, batch_size=16, learning_rate=0.1, weight_decay=0.0, averaging=0.5
)


def test_training_reaches_the_solution():
    module, history = run(QUICK)
    assert everything(module) < 1e-4
    assert history[-1]["validation_error"] < history[0]["validation_error"]
    assert [row["step"] for row in history] == list(range(8, 201, 8))


def test_same_seed_gives_the_same_bits_and_another_does_not():
    first, again, other = (run(QUICK, seed=s)[0] for s in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_best_weights_are_kept_and_patience_stops():
    seen = []

    def worse_after_two(module):
        seen.append(module.weight.detach().clone())
        return [2.0, 1.0, *[3.0] * 30][len(seen) - 1]

    options = TrainingOptions(steps=200, batch_size=16, learning_rate=0.1, patience=5)
    module, history = run(options, worse_after_two)
    assert torch.equal(module.weight, seen[1])
    assert len(history) == 7


def test_without_validation_the_last_weights_are_kept():
    steps = []
    module, history = run(QUICK, validate=None, on_step=lambda step, *_: steps.append(step))
    assert steps == list(range(1, 201))
    assert history[-1]["validation_error"] is None
    assert everything(module) < 1e-3


def test_gradient_is_clipped():
    def steep(module, chosen):
        total, count = loss(module, chosen)
        return 1e6 * total, count

    torch.manual_seed(0)
    module = torch.nn.Linear(3, 1)
    norms = []
    torch.optim.AdamW.step, original = (
        lambda self, *a, **k: (
            norms.append(
                torch.cat([p.grad.flatten() for g in self.param_groups for p in g["params"]]).norm()
            ),
            original(self, *a, **k),
        )[1],
        torch.optim.AdamW.step,
    )
    try:
        train(
            module,
            steep,
            order(64),
            None,
            TrainingOptions(steps=3, clip=0.5),
            Execution("cpu"),
        )
    finally:
        torch.optim.AdamW.step = original
    assert max(norms) <= 0.5 + 1e-4


def test_every_example_is_seen_once_an_epoch():
    seen = []

    def watched(module, chosen):
        seen.extend(chosen.tolist())
        return loss(module, chosen)

    torch.manual_seed(0)
    train(
        torch.nn.Linear(3, 1),
        watched,
        order(15),
        None,
        TrainingOptions(steps=10, batch_size=15),
        Execution("cpu"),
    )
    assert sorted(seen[:64]) == list(range(64))
    assert sorted(seen[64:128]) == list(range(64))
    assert seen[:64] != seen[64:128]


def test_nan_loss_stops_with_step_and_hint():
    with pytest.raises(
        TrainingError, match=r"loss became nan at step 1 of 200 .*learning rate below 0.1"
    ):
        train(
            torch.nn.Linear(3, 1),
            lambda module, chosen: (module(X[chosen]).sum() * float("nan"), torch.tensor(1)),
            order(16),
            everything,
            QUICK,
            Execution("cpu"),
        )


def test_weights_are_the_moving_average_of_the_steps():
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 1)
    steps = []

    def note(*_):
        steps.append(module.weight.detach().clone())

    options = TrainingOptions(steps=6, averaging=0.75)
    train(module, loss, order(64), None, options, Execution("cpu", on_step=note))
    average = steps[0]
    for weights in steps[1:]:
        average = 0.75 * average + 0.25 * weights
    torch.testing.assert_close(module.weight.detach(), average)
    assert not torch.allclose(average, steps[-1])
