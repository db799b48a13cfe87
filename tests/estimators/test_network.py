from typing import Any

import numpy as np
import pytest
import torch

from gatewise.estimators.network import ForecastNet, seasonal_forecast, window_spread

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two layers": {"num_layers": 2, "dropout": 0.5},
    "bidirectional": {"cell_options": {"bidirectional": True}},
    "segments": {"segment": 4},
    "no columns": {"past_width": 0, "known_width": 0},
    "no linear map": {"linear": False},
    "no level": {"level": False},
}


def net_of(cell: str = "gru", **options: Any) -> ForecastNet:
    sizes = {"lookback": 10, "horizon": 4, "past_width": 2, "known_width": 3, "hidden_size": 5}
    torch.manual_seed(0)
    return ForecastNet(cell, **{**sizes, **options}).eval()


def inputs(past: int = 2, known: int = 3, batch: int = 6, segments: int = 10) -> list[torch.Tensor]:
    torch.manual_seed(1)
    shapes = ((10,), (10, past), (10, known), (segments, 0), (4, known))
    return [torch.randn(batch, *shape) for shape in shapes]


def stirred(net: ForecastNet) -> ForecastNet:
    """Away from the initial weights, under which the correction is zero."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("name", OPTIONS)
def test_forecast_has_one_value_a_step_and_every_weight_a_gradient(cell: str, name: str) -> None:
    net = stirred(net_of(cell, **OPTIONS[name])).train()
    data = inputs(0, 0) if name == "no columns" else inputs(segments=-(-10 // net.segment))
    forecast, quantiles = net(*data)
    assert forecast.shape == (6, 4)
    assert quantiles.shape == (6, 4, 0)
    forecast.square().sum().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("option", [{"proj_size": 3}, {"output_activation": "identity"}])
def test_cell_options_reach_the_layer(option: dict[str, Any]) -> None:
    plain, other = stirred(net_of("lstm")), stirred(net_of("lstm", cell_options=option))
    assert getattr(other.rnn, next(iter(option))) == next(iter(option.values()))
    assert not torch.allclose(plain(*inputs())[0], other(*inputs())[0])


@pytest.mark.parametrize("period", [1, 3, 7])
def test_training_starts_from_the_naive_forecast(period: int) -> None:
    net = net_of()
    net.start_from(period)
    z, *rest = inputs()
    expected = seasonal_forecast(z, period, 4)
    torch.testing.assert_close(net(z, *rest)[0], expected, rtol=0, atol=4e-7)


def test_without_the_linear_map_training_starts_from_the_last_value() -> None:
    net = net_of(linear=False)
    net.start_from(7)
    z, *rest = inputs()
    assert torch.equal(net(z, *rest)[0], z[:, -1:].expand(6, 4))


def test_spread_of_a_window_is_its_deviation_and_never_zero() -> None:
    window = inputs()[0].double()
    expected = np.sqrt(window.numpy().var(1) + 0.01)
    np.testing.assert_allclose(window_spread(window)[:, 0], expected)
    assert window_spread(torch.ones(1, 1)).tolist() == [[pytest.approx(0.1)]]


def test_quantiles_lie_wider_where_the_window_spreads_more() -> None:
    net, (z, *rest) = stirred(net_of(quantiles=2)), inputs()
    net.rnn.weight_ih_l0.data.zero_()  # so that the encoder sees nothing
    with torch.no_grad():
        width = [float(net(k * z, *rest)[1].diff(dim=-1).mean()) for k in (1.0, 10.0)]
    assert width[1] > 5 * width[0] > 0


def test_seasonal_forecast_repeats_the_last_period() -> None:
    window = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert seasonal_forecast(window, 3, 5).tolist() == [[2.0, 3.0, 4.0, 2.0, 3.0]]


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_forecast_depends_on_every_input(number: int) -> None:
    net, data = stirred(net_of()), inputs()
    before = net(*data)[0]
    data[number] = data[number] + 0.5 * torch.randn_like(data[number])
    assert not torch.allclose(before, net(*data)[0])


def test_forecast_is_relative_to_the_level() -> None:
    """A shift reaches the network only through tanh(z); far out, where that is flat, exactly."""
    net, (z, *rest) = stirred(net_of()).double(), [x.double() for x in inputs()]
    torch.testing.assert_close(net(z + 1030, *rest)[0], net(z + 1000, *rest)[0] + 30)


def test_without_the_level_a_forecast_moves_along_with_it() -> None:
    net, (z, *rest) = stirred(net_of(level=False)).double(), [x.double() for x in inputs()]
    torch.testing.assert_close(net(z + 3, *rest)[0], net(z, *rest)[0] + 3)


def test_rows_of_a_batch_do_not_mix() -> None:
    net, data = stirred(net_of()), inputs()
    alone = torch.cat([net(*(x[row : row + 1] for x in data))[0] for row in range(6)])
    torch.testing.assert_close(net(*data)[0], alone, rtol=1e-5, atol=1e-5)


def test_calendar_of_each_segment_and_of_the_horizon_is_read() -> None:
    net = net_of(segment=4, known_width=5 - 3, calendar_width=3)
    torch.nn.init.normal_(net.correction.weight)
    data = [torch.randn(2, *s) for s in ((10,), (10, 2), (10, 2), (3, 3), (4, 5))]
    expected = net(*data)[0]
    for number, steps in ((3, 3), (4, 4)):
        for step in range(steps):
            changed = [x.clone() for x in data]
            changed[number][:, step] += 1.0
            assert not torch.equal(net(*changed)[0], expected)


def test_quantiles_never_cross_and_move_no_forecast() -> None:
    net = stirred(net_of(quantiles=3))
    forecast, quantiles = net(*inputs())
    assert quantiles.shape == (6, 4, 3)
    assert (quantiles.diff(dim=-1) >= 0).all()
    assert (quantiles.diff(dim=-1) > 0).any()
    quantiles.square().sum().backward()
    assert net.linear.grad is None
    assert net.rnn.weight_hh_l0.grad.any()
    assert forecast.shape == (6, 4)
