import pytest
import torch

from gatewise.estimators.sequence_network import SequenceNet, jittered


def net(cell: str = "lstm", **options) -> SequenceNet:
    torch.manual_seed(0)
    settings = {"channels": 3, "indicators": 1, "outputs": 2, "hidden_size": 4, **options}
    return SequenceNet(cell, **settings)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_output_matches_torch_sequence_by_sequence(cell: str, layers: int) -> None:
    ours = net(cell, num_layers=layers, cell_options={"bidirectional": True}).eval()
    theirs = getattr(torch.nn, cell.upper())(4, 4, layers, bidirectional=True)
    theirs.load_state_dict(ours.rnn.state_dict())
    lengths = torch.tensor([5, 1, 3])
    x = torch.randn(5, 3, 4)
    got = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        y, _ = theirs(x[:length, row])
        last = torch.cat([y[-1, :4], y[0, 4:]])
        joined = torch.cat([y.mean(0), y.amax(0), last])
        torch.testing.assert_close(got[row], ours.head(joined), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_nothing_behind_a_sequence_is_looked_at(cell: str) -> None:
    ours = net(cell, cell_options={"bidirectional": True}).eval()
    lengths = torch.tensor([4, 2])
    x = torch.randn(4, 2, 4)
    dirty = x.clone()
    dirty[2:, 1] = torch.nan
    assert torch.equal(ours(x, lengths), ours(dirty, lengths))
    torch.testing.assert_close(ours(x, lengths)[1:], ours(x[:2, 1:], lengths[1:]))


def test_projection_and_one_direction_fit() -> None:
    ours = net(cell_options={"proj_size": 2, "bidirectional": False})
    assert ours.head.in_features == 6
    assert ours(torch.randn(3, 2, 4), torch.tensor([3, 1])).shape == (2, 2)


def test_jitter_moves_the_channels_in_training_only() -> None:
    ours = net(jitter=0.5)
    x, lengths = torch.randn(3, 2, 4), torch.tensor([3, 2])
    assert not torch.equal(ours(x, lengths), ours(x, lengths))
    ours.eval()
    assert torch.equal(ours(x, lengths), ours(x, lengths))
    off = jittered(torch.zeros(2_000, 4), 0.5, 1)
    assert torch.equal(off[:, 3], torch.zeros(2_000))
    torch.testing.assert_close(off[:, :3].std(0), torch.full((3,), 0.5), rtol=0.1, atol=0)


def test_dropout_acts_on_the_joined_outputs() -> None:
    x, lengths = torch.randn(3, 2, 4), torch.tensor([3, 2])
    dropped = net(dropout=0.5)
    assert not torch.equal(dropped(x, lengths), dropped(x, lengths))
    kept = net(dropout=0.0)
    assert torch.equal(kept(x, lengths), kept(x, lengths))
