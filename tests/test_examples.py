"""The examples run, and learn."""

import math
import sys
from pathlib import Path

import pytest
import torch
from scipy.io import loadmat, savemat

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import memory
import music

each_cell = pytest.mark.parametrize("cell", ["lstm", "gru"])


@pytest.fixture
def few_pieces(shared_data: Path, tmp_path: Path) -> Path:
    """Write a few of the chorales to a file of their own."""
    file = loadmat(shared_data / "music" / "JSB_Chorales.mat")
    names = [f"{part}data" for part in ("train", "valid", "test")]
    savemat(tmp_path / "few.mat", {name: file[name][:, :12] for name in names})
    return tmp_path / "few.mat"


@each_cell
def test_music_learns_and_repeats(
    cell: str,
    few_pieces: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(music, "DECAY", 0.5)  # so that a few steps show in the mean
    arguments = [str(few_pieces), "--cell", cell, "--epochs", "6"]
    one, two = music.main(arguments), music.main(arguments)
    assert one["metrics"] == two["metrics"]
    assert one["settings"]["epochs"] == 6
    assert one["metrics"]["nats"] < 0.75 * 88 * math.log(2)  # all keys at one half give 1.0
    assert f"test {one['metrics']['nats']:.3f}" in capsys.readouterr().out


def test_music_is_measured_as_published(few_pieces: Path) -> None:
    """As Bai et al.: each piece alone, summed over keys and steps, by the number of steps."""
    torch.manual_seed(0)
    pieces = music.read(few_pieces)["test"]
    settings = {"hidden": 16, "layer_norm": True, "dropout": (0.2, 0.5, 0.6)}
    model = music.Model("gru", settings).eval()
    total, count = 0.0, 0
    for piece in pieces:
        with torch.no_grad():
            output = model(piece[:-1, None], torch.tensor([len(piece) - 1]))[:, 0].sigmoid()
        y = piece[1:]
        total -= (y * output.log() + (1 - y) * (1 - output).log()).sum().item()
        count += len(y)
    assert music.evaluate(model, pieces) == pytest.approx(total / count, rel=1e-5)
    loss, steps = music.nats(model, pieces)  # and so are batches of unequal pieces
    assert steps == count
    assert loss.item() == pytest.approx(total, rel=1e-5)


def test_music_cut_foretells_every_chord_once() -> None:
    piece = torch.arange(24.0).unsqueeze(1)
    parts = music.cut([piece], 10)
    assert torch.equal(torch.cat([part[1:] for part in parts]), piece[1:])
    assert [len(part) for part in parts] == [11, 11, 4]


def test_music_says_where_the_data_is(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing\.mat is not there: get it from github"):
        music.main([str(tmp_path / "nothing.mat")])


@each_cell
@pytest.mark.parametrize("task", ["adding", "copying"])
def test_memory_runs(task: str, cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = memory.main([task, "--cell", cell, "--length", "8", "--steps", "3"])
    assert result["metrics"]["steps"] == 3
    assert f"{cell} after 3 steps, on 2,000 fresh sequences" in capsys.readouterr().out


def test_memory_learns_a_short_sum() -> None:
    result = memory.main(["adding", "--cell", "gru", "--length", "20", "--steps", "300"])
    assert result["metrics"]["mse"] < 0.02  # a guess has 1/6


def test_memory_draws_what_it_says() -> None:
    torch.manual_seed(0)
    x, sums = memory.draw_sums(7, 20)
    assert torch.equal(x[:10, :, 1].sum(0), torch.ones(7))
    assert torch.equal(x[10:, :, 1].sum(0), torch.ones(7))
    assert torch.allclose(x.prod(-1).sum(0), sums[0, :, 0])
    x, symbols = memory.draw_copies(7, 20)
    words = x.argmax(-1)
    assert words.shape == (40, 7)
    assert torch.equal(words[:10], symbols)
    assert (words[10:30] == 8).all()
    assert (words[30] == 9).all()
    assert (words[31:] == 8).all()


def test_recurrent_ppo_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """What it learns is looked at in tests/ecosystem."""
    pytest.importorskip("sb3_contrib", reason="make test-ecosystem installs it")
    import recurrent_ppo

    result = recurrent_ppo.main(["--steps", "512", "--hidden", "8"])
    assert result["settings"]["steps"] == 512
    assert "memory whole: return" in capsys.readouterr().out
