from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from gatewise.data.alphabet import Alphabet
from gatewise.estimators.language_network import LanguageNet
from gatewise.estimators.language_sampling import Reader, chooser, pieces
from gatewise.nn import frozen

SCORES = np.log([0.1, 0.4, 0.2, 0.3])


def network(cell: str, **options: Any) -> LanguageNet:
    torch.manual_seed(0)
    sizes = {"symbols": 4, "outputs": 4, "embedding_size": 3, "hidden_size": 5, "num_layers": 2}
    net = LanguageNet(cell, **sizes, cell_options=options).eval()
    torch.nn.init.normal_(net.bias)
    return net


def draws(temperature: float, top_k: int | None = None, count: int = 4000) -> np.ndarray:
    """How often each symbol is drawn, a share."""
    choose = chooser(temperature, top_k, np.random.RandomState(0))
    drawn = Counter(choose(SCORES) for _ in range(count))
    return np.array([drawn[symbol] / count for symbol in range(len(SCORES))])


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 2, 3, 9])
def test_symbols_come_as_often_as_their_probability(temperature: float, top_k: int | None) -> None:
    expected = np.exp(SCORES / temperature)
    if top_k is not None:
        expected[np.argsort(SCORES)[: max(4 - top_k, 0)]] = 0
    expected /= expected.sum()
    np.testing.assert_allclose(draws(temperature, top_k), expected, atol=0.03)


def test_top_k_takes_no_more_where_scores_are_equal() -> None:
    choose = chooser(1.0, 2, np.random.RandomState(0))
    assert len({choose(np.zeros(9)) for _ in range(200)}) == 2


def test_low_temperature_comes_to_the_likeliest() -> None:
    assert draws(0)[1] == 1
    assert draws(1e-3)[1] == 1
    assert draws(1e-300)[1] == 1


def test_a_symbol_that_must_not_come_does_not() -> None:
    for temperature in (0, 1.0, 1e6):
        choose = chooser(temperature, None, np.random.RandomState(0))
        scores = np.array([-np.inf, 0.0, -np.inf, 0.1, -np.inf])
        assert {choose(scores) for _ in range(100)} <= {1, 3}


def no_core(_: Any) -> None:
    """What freezing does where the core was not built."""
    raise RuntimeError("freeze() needs the C++ core")


@pytest.mark.parametrize("has_core", [True, False])
@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("lstm", {}),
        ("gru", {}),
        ("rnn", {}),
        ("lstm", {"layer_norm": True, "peephole": True, "proj_size": 2, "zoneout": 0.1}),
        ("gru", {"reset_after": False, "learn_initial_state": True}),
    ],
)
def test_reader_equals_the_network_over_the_whole(
    cell: str, options: dict[str, Any], has_core: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_core:
        monkeypatch.setattr(frozen, "freeze", no_core)
    net, symbols = network(cell, **options), [3, 0, 1, 2, 2, 0]
    with torch.no_grad():
        expected = net(torch.tensor(symbols)[:, None])[0][:, 0].double().numpy()
    reader = Reader(net)
    got = [reader.read(symbols[:3]), *(reader.read([symbol]) for symbol in symbols[3:])]
    np.testing.assert_allclose(got, expected[2:], rtol=1e-5, atol=1e-6)


def test_pieces_equal_slow_sampling_through_the_plain_layer() -> None:
    net, alphabet = network("gru"), Alphabet("character", "abc")
    net.bias.data[3] = -3  # a longer text
    prompt, made, random = [0, 2], "", np.random.RandomState(3)
    read = [3, *prompt]
    while len(made) < 40:  # the whole text anew for each symbol
        with torch.no_grad():
            y, _ = net.rnn(net.embedding(torch.tensor(read))[:, None])
        weights = ((y[-1, 0] @ net.scores.t() + net.bias) / 0.7).double().softmax(-1).cumsum(-1)
        symbol = int((weights < random.uniform()).sum())
        if symbol == 3:
            break
        made, read = made + "abc"[symbol], [*read, symbol]
    choose = chooser(0.7, None, np.random.RandomState(3))
    assert "".join(pieces(Reader(net), alphabet, prompt, 40, choose)) == made
    assert len(made) > 3


def test_pieces_come_one_at_a_time_and_end_with_the_document() -> None:
    net, alphabet = network("lstm"), Alphabet("character", "abc")
    asked: list[int] = []

    def choose(scores: np.ndarray) -> int:
        asked.append(len(scores))
        return 3 if len(asked) == 4 else 1

    made = pieces(Reader(net), alphabet, [], 9, choose)
    assert asked == []
    assert next(made) == "b"
    assert len(asked) == 1
    assert list(made) == ["b", "b"]
