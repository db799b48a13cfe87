from typing import Any

import pytest
import torch
from torch import Tensor

from gatewise.estimators.language_network import LanguageNet


def network(**parameters: Any) -> LanguageNet:
    torch.manual_seed(0)
    sizes = {"symbols": 6, "outputs": 5, "embedding_size": 3, "hidden_size": 4}
    return LanguageNet(**{"cell": "lstm", **sizes, **parameters})


def logits(net: LanguageNet) -> Tensor:
    torch.manual_seed(1)
    return net(torch.randint(6, (7, 2)))[0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_network_reads_forward_and_gives_a_score_for_each_output(cell: str) -> None:
    net, inputs = network(cell=cell).eval(), torch.randint(6, (7, 2))
    scores, _ = net(inputs)
    assert scores.shape == (7, 2, 5)
    changed = inputs.clone()
    changed[4] = (changed[4] + 1) % 6
    again, _ = net(changed)
    assert torch.equal(again[:4], scores[:4])
    assert not torch.equal(again[4:], scores[4:])


def test_resets_begin_anew() -> None:
    net, inputs = network().eval(), torch.randint(6, (7, 2))
    resets = torch.zeros(7, 2, dtype=torch.bool)
    resets[3] = True
    torch.testing.assert_close(net(inputs, None, resets)[0][3:], net(inputs[3:])[0])


def test_boundary_starts_as_zeros() -> None:
    weight = network().embedding.weight
    assert (weight[-1] == 0).all()
    assert (weight[:-1] != 0).all()


def test_tied_weights_are_one() -> None:
    net = network(tie_weights=True, embedding_size=4)
    assert torch.equal(net.scores, net.embedding.weight[:5])
    assert (
        sum(p.numel() for p in net.parameters())
        == sum(p.numel() for p in network(embedding_size=4).parameters()) - 5 * 4
    )
    projected = network(tie_weights=True, cell_options={"proj_size": 3})
    assert logits(projected).shape == (7, 2, 5)
    with pytest.raises(ValueError, match="as wide as the layer's output, 4; got embedding_size=3"):
        network(tie_weights=True)


@pytest.mark.parametrize(
    "option",
    [
        {"dropout": 0.5},
        {"input_dropout": 0.5},
        {"cell_options": {"recurrent_dropout": 0.5}},
    ],
)
def test_dropout_acts_in_training_alone(option: dict[str, Any]) -> None:
    net = network(**option)
    assert not torch.equal(logits(net.train()), logits(network().train()))
    assert torch.equal(logits(net.eval()), logits(network().eval()))


def test_layer_that_looks_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="a language model reads forward"):
        network(cell_options={"bidirectional": True})
