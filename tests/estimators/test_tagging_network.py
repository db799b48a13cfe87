import pytest
import torch

from gatewise.estimators.tagging_network import NumberReader, TaggingNet, WordReader

WORDS = {"words": 5, "characters": 4, "word_size": 3, "character_size": 2, "word_drop": 0.0}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_output_matches_torch_sequence_by_sequence(cell: str) -> None:
    torch.manual_seed(0)
    reader = NumberReader(channels=2, indicators=1, jitter=0.0)
    options = {"cell_options": {"bidirectional": True}, "outputs": 4, "hidden_size": 5}
    ours = TaggingNet(reader, cell, **options).eval()
    theirs = getattr(torch.nn, cell.upper())(3, 5, bidirectional=True)
    theirs.load_state_dict(ours.rnn.state_dict())
    x, lengths = torch.randn(6, 3, 3), torch.tensor([6, 1, 4])
    x[4:, 2] = torch.nan  # behind the end of the last
    got = ours((x,), lengths)
    for row, length in enumerate(lengths.tolist()):
        wanted = ours.head(theirs(x[:length, row])[0])
        torch.testing.assert_close(got[:length, row], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_word_is_its_embedding_and_its_spelling_from_both_ends(cell: str) -> None:
    torch.manual_seed(0)
    reader = WordReader(cell, **WORDS).eval()
    theirs = getattr(torch.nn, cell.upper())(2, 2, bidirectional=True)
    theirs.load_state_dict(reader.rnn.state_dict())
    letters, lengths = torch.tensor([[1, 2], [3, 0], [0, 1]]), torch.tensor([3, 1])
    words, which = torch.tensor([[1], [4]]), torch.tensor([[1], [0]])
    got = reader(words, which, letters, lengths)
    for step in range(2):
        spelling = letters[: lengths[which[step, 0]], which[step, 0]]
        y, _ = theirs(reader.characters(spelling))
        wanted = torch.cat([reader.words(words[step, 0]), y[-1, :2], y[0, 2:]])
        torch.testing.assert_close(got[step, 0], wanted, rtol=1e-5, atol=1e-6)
    assert reader.width == got.shape[-1] == 7


def test_word_drop_takes_words_for_unknown_ones_in_training_only() -> None:
    reader = WordReader("gru", **{**WORDS, "word_drop": 0.3})
    words = torch.ones(400, 5, dtype=torch.int64)
    arguments = (words, torch.zeros_like(words), torch.ones(2, 1, dtype=torch.int64))
    lengths = torch.tensor([2])
    read = reader(*arguments, lengths)[..., :3]
    dropped = (read == reader.words.weight[0]).all(-1)
    assert ((read == reader.words.weight[1]).all(-1) | dropped).all()
    assert 0.25 < dropped.float().mean() < 0.35
    assert not (reader.eval()(*arguments, lengths)[..., :3] == reader.words.weight[0]).all(-1).any()


def test_dropout_hides_words_but_no_numbers() -> None:
    torch.manual_seed(0)
    options = {"outputs": 2, "hidden_size": 3, "dropout": 0.9}
    lengths = torch.tensor([2])
    for reader, inputs in (
        (NumberReader(channels=2, indicators=0, jitter=0.0), (torch.ones(2, 1, 2),)),
        (
            WordReader("rnn", **WORDS),
            (*[torch.zeros(2, 1, dtype=torch.int64)] * 3, torch.tensor([2])),
        ),
    ):
        net = TaggingNet(reader, "rnn", **options)
        seen: list[torch.Tensor] = []
        net.rnn.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        net(inputs, lengths)
        assert (seen[0] == 0).any() == isinstance(reader, WordReader)
