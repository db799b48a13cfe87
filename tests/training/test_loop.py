import signal

import pytest
import torch

import gatewise
from gatewise.training import (
    Execution,
    Shuffled,
    TrainingError,
    TrainingOptions,
    learner,
    train,
)

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


def failing_at(step):
    steps = []

    def with_nan(module, chosen):
        steps.append(1)
        total, count = loss(module, chosen)
        return total * (float("nan") if len(steps) == step else 1.0), count

    return with_nan


def test_nan_keeps_the_best_weights():
    torch.manual_seed(0)
    seen = []

    def validate(module):
        seen.append(module.weight.detach().clone())
        return everything(module)

    with pytest.raises(TrainingError, match=r"step 20 of 200 \(epoch 5, batch 4, ") as told:
        train(
            *(torch.nn.Linear(3, 1), failing_at(20), order(16), validate),
            *(QUICK, Execution("cpu")),
        )
    assert torch.equal(told.value.module.weight, seen[1])
    assert [row["step"] for row in told.value.history] == [8, 16]


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_nan_on_a_device_that_runs_ahead_is_found_at_the_next_evaluation(what, monkeypatch):
    """There each step would have to wait for the device to look at its loss."""
    monkeypatch.setattr(learner, "_require_finite", lambda *_: None)
    module = torch.nn.Linear(3, 1)
    if what == "gradient":
        module.weight.register_hook(lambda g: g * (float("nan") if len(steps) == 18 else 1.0))
    steps = []
    with pytest.raises(TrainingError, match=r"became nan at step 24 of 200 ") as told:
        train(
            *(module, failing_at(20 if what == "loss" else 0), order(16), everything),
            *(QUICK, Execution("cpu", on_step=lambda *_: steps.append(1))),
        )
    assert everything(told.value.module) < 10


def test_gradient_that_is_not_finite_stops_before_the_weights_are_touched():
    module = torch.nn.Linear(3, 1)
    start = module.weight.detach().clone()
    module.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingError, match=r"the gradient's norm became (inf|nan) at step 1 of"):
        train(module, loss, order(16), everything, QUICK, Execution("cpu"))
    assert torch.equal(module.weight, start)


def test_ctrl_c_is_a_keyboard_interrupt_unless_the_caller_can_use_less():
    def press(step, *_):
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(QUICK, on_step=press)
    with pytest.warns(UserWarning, match="stopped by Ctrl-C at step 3 of 200"):
        module, history = run(QUICK, on_step=press, interruptible=True)
    assert [row["step"] for row in history] == [3]
    assert history[0]["interrupted"] is True
    assert everything(module) == pytest.approx(history[0]["validation_error"])


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


# Where and how


class Recurrent(torch.nn.Module):
    """A layer and a map, of which mixed precision changes the latter's bits."""

    def __init__(self):
        super().__init__()
        self.rnn = gatewise.GRU(3, 4)
        self.out = torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.rnn(x[None])[0][-1])


def run_recurrent(**execution):
    torch.manual_seed(0)
    made = []

    def watched(module, chosen):
        out = module(X[chosen])
        made.append(out.dtype)
        off = (out - Y[chosen]).square()
        return off.sum(), torch.tensor(len(off))

    options = TrainingOptions(steps=20, batch_size=16, learning_rate=0.05)
    module, history = train(
        Recurrent(), watched, order(16), None, options, Execution("cpu", **execution)
    )
    assert set(made) == {torch.float32}
    return module, history


def test_mixed_precision_trains_single_precision_weights():
    plain, plain_history = run_recurrent()
    mixed, history = run_recurrent(precision="bf16-mixed")
    assert not torch.equal(mixed.out.weight, plain.out.weight)
    assert {p.dtype for p in mixed.parameters()} == {torch.float32}
    for row, expected in zip(history, plain_history, strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=0.02)
    for name, weights in mixed.named_parameters():
        torch.testing.assert_close(weights, plain.get_parameter(name), rtol=0, atol=0.1)


def test_mixed_precision_reaches_methods_of_the_module():
    """Fabric's wrapper alone would let them pass in single precision."""

    class Net(torch.nn.Linear):
        def loss(self, chosen):
            out = self(X[chosen])
            kinds.append(out.dtype)
            return out.square().sum()

    kinds = []
    train(
        Net(3, 1),
        lambda module, chosen: (module.loss(chosen), torch.tensor(len(chosen))),
        order(16),
        None,
        TrainingOptions(steps=2, batch_size=16),
        Execution("cpu", precision="bf16-mixed"),
    )
    assert kinds == [torch.bfloat16] * 2


@pytest.mark.parametrize("precision", ["16-mixed", "64-true", "half"])
def test_precision_that_is_not_to_be_had_is_refused(precision):
    with pytest.raises(TrainingError, match=rf"^precision '{precision}' (is none|needs)"):
        run_recurrent(precision=precision)


def noted(function, calls):
    def instead(*arguments, **rest):
        calls.append(arguments)
        return function(*arguments, **rest)

    return instead


@pytest.mark.slow
def test_compiled_training_learns_the_same(monkeypatch):
    plain, _ = run_recurrent()
    frames = []
    monkeypatch.setattr(torch, "compile", noted(torch.compile, frames))
    module, _ = run_recurrent(compile=True)
    assert len(frames) == 1
    assert type(module) is Recurrent
    for name, weights in module.named_parameters():
        torch.testing.assert_close(weights, plain.get_parameter(name), rtol=1e-3, atol=1e-4)


def test_progress_tells_epochs_and_errors():
    said = []
    run(QUICK, on_step=lambda *told: said.append(told))
    assert said[0][:2] == (1, 200)
    assert said[0][2].startswith("epoch 1 of 50, loss ")
    assert said[-1][2].startswith("epoch 50 of 50, ")
    assert "validation error" in said[-1][2]
