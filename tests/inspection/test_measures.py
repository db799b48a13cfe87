"""Half-lives, saturation and dead units of gates that are set by hand."""

import numpy as np
import torch

import gatewise
from gatewise.inspection.measures import measure
from gatewise.tracing import DirectionTrace

T, H = 10, 4


def told(forget: torch.Tensor, **others: torch.Tensor) -> DirectionTrace:
    """An LSTM's direction whose forget gate is as told (T, H), everything else 0.5."""
    gate = {n: others.get(n, torch.full((T, H), 0.5))[:, None] for n in ("input", "output")}
    hidden = others.get("hidden", torch.full((T, H), 0.5))[:, None]
    return DirectionTrace(
        hidden=hidden,
        cell=torch.zeros(T, 1, H),
        candidate=torch.zeros(T, 1, H),
        gates={"input": gate["input"], "forget": forget[:, None], "output": gate["output"]},
        retention=forget[:, None].cumprod(0),
        half_life=float(np.log(2)) / forget.log().mean(0).abs(),
    )


def test_units_stand_in_the_order_of_their_half_lives():
    forget = torch.tensor([0.5, 0.9, 0.1, 1.0]).expand(T, H)
    found = measure(told(forget))
    assert found.order.tolist() == [3, 1, 0, 2]
    np.testing.assert_allclose(found.half_life[:2], [1, np.log(2) / -np.log(0.9)], rtol=1e-6)
    assert np.isinf(found.half_life[3])
    assert list(found.maps) == ["input", "forget", "output", "candidate", "cell", "hidden"]


def test_saturation_is_the_share_of_steps_beyond_a_tenth():
    forget = torch.full((T, H), 0.5)
    forget[:3, 0], forget[:4, 1] = 0.05, 0.95
    found = measure(told(forget))
    assert found.near_zero["forget"].tolist() == [0.3, 0, 0, 0]
    assert found.near_one["forget"].tolist() == [0, 0.4, 0, 0]


def test_unit_is_dead_where_its_state_stays_at_zero():
    hidden = torch.full((T, H), 0.5)
    hidden[:, 2], hidden[:, 3] = 0.009, 0.009
    hidden[4, 3] = -0.02
    assert measure(told(torch.full((T, H), 0.5), hidden=hidden)).dead.tolist() == [2]


def test_projected_states_have_an_order_of_their_own():
    layer = gatewise.LSTM(2, 5, proj_size=3)
    found = measure(
        gatewise.trace(layer, torch.randn(4, 2).detach()).inspect().views[0].layers[0].forward
    )
    assert found.order_of("hidden").tolist() == [0, 1, 2]
    assert sorted(found.order_of("cell")) == list(range(5))
