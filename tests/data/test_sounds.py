from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from gatewise.data import DataError, read_sequences
from gatewise.data.audio import log_mel, mfcc
from gatewise.data.sounds import read_wav

RATE = 8000
WAVE = np.sin(np.arange(2000) * 0.3) * 0.5


def write(path: Path, wave: np.ndarray = WAVE, rate: int = RATE) -> None:
    path.parent.mkdir(exist_ok=True)
    wavfile.write(path, rate, (wave * 32767).astype(np.int16))


def write_24(path: Path, wave: np.ndarray) -> None:
    """Three bytes a sample, which SciPy reads and does not write."""
    body = b"".join(int(v * 2**23).to_bytes(3, "little", signed=True) for v in wave)
    head = b"WAVEfmt " + (16).to_bytes(4, "little") + (1).to_bytes(2, "little")
    head += (1).to_bytes(2, "little") + RATE.to_bytes(4, "little")
    head += (RATE * 3).to_bytes(4, "little") + (3).to_bytes(2, "little")
    head += (24).to_bytes(2, "little") + b"data" + len(body).to_bytes(4, "little")
    path.write_bytes(b"RIFF" + (len(head) + len(body)).to_bytes(4, "little") + head + body)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int24", "int32", "float32", "float64"])
def test_wav_full_scale_is_one_in_every_format(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.wav"
    if kind == "int24":
        write_24(path, WAVE)
    elif kind == "uint8":
        wavfile.write(path, RATE, np.round(WAVE * 127 + 128).astype(np.uint8))
    else:
        scale = 1 if kind.startswith("float") else np.iinfo(kind).max
        wavfile.write(path, RATE, (WAVE * scale).astype(kind))
    rate, samples, channels = read_wav(path)
    assert (rate, channels) == (RATE, 1)
    np.testing.assert_allclose(samples, WAVE, atol=0.01 if kind == "uint8" else 1e-4)


def test_wav_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    wavfile.write(path, RATE, np.stack([WAVE, WAVE * 0], axis=1).astype(np.float32))
    _, samples, channels = read_wav(path)
    assert channels == 2
    np.testing.assert_allclose(samples, WAVE / 2, atol=1e-7)
    assert read_sequences(path).notes[1] == "1 file of several channels: their mean taken"


def test_sounds_take_labels_from_names(tmp_path: Path) -> None:
    for name in ("yes_a", "no_b", "yes_c"):
        write(tmp_path / f"{name}.wav")
    found = read_sequences(tmp_path)
    assert found.labels is not None
    assert (found.ids, found.labels.tolist()) == (["no_b", "yes_a", "yes_c"], ["no", "yes", "yes"])
    rate, samples, _ = read_wav(tmp_path / "no_b.wav")
    np.testing.assert_array_equal(found.values[0], mfcc(samples, rate))
    loud = read_sequences(tmp_path, audio="logmel")
    np.testing.assert_array_equal(loud.values[0], log_mel(samples, rate))
    assert (len(found.features), len(loud.features)) == (13, 40)


def test_sounds_take_labels_from_folders(tmp_path: Path) -> None:
    for name in ("yes/a", "no/a", "no/b_2"):
        write(tmp_path / f"{name}.wav")
    found = read_sequences(tmp_path)
    assert found.labels is not None
    assert found.ids == ["no/a", "no/b_2", "yes/a"]
    assert found.labels.tolist() == ["no", "no", "yes"]


def test_sounds_take_labels_from_a_table(tmp_path: Path) -> None:
    for name in ("x_1", "x_2"):
        write(tmp_path / f"{name}.wav")
    (tmp_path / "labels.csv").write_text("file,mood\nx_1.wav,2.5\nx_2.wav,1\nx_3.wav,0\n")
    found = read_sequences(tmp_path)
    assert found.labels is not None
    assert found.labels.tolist() == [2.5, 1]
    assert found.notes[1:] == [
        "labels from labels.csv, column 'mood'",
        "1 row of labels.csv without a file",
    ]


def test_sounds_without_labels_have_none(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    assert read_sequences(tmp_path).labels is None
    assert read_sequences(tmp_path / "a.wav").labels is None


def test_sounds_say_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "a_1.wav")
    write(tmp_path / "a_2.wav", rate=16_000)
    with pytest.raises(DataError, match=r"a_2.wav: 16,000 samples per second, a_1.wav has 8,000"):
        read_sequences(tmp_path)
    (tmp_path / "a_2.wav").write_bytes(b"RIFF and no more")
    with pytest.raises(DataError, match=r"a_2.wav: not a whole WAV file that can be read"):
        read_sequences(tmp_path)
    write(tmp_path / "a_2.wav", WAVE[:0])
    with pytest.raises(DataError, match=r"a_2.wav: no samples"):
        read_sequences(tmp_path)
    (tmp_path / "a_2.wav").unlink()
    write(tmp_path / "b.wav")
    with pytest.raises(DataError, match="no label in the name 'b'"):
        read_sequences(tmp_path)
    write(tmp_path / "below" / "c.wav")
    with pytest.raises(DataError, match="files in folders, and others such as 'a_1' beside them"):
        read_sequences(tmp_path)
    with pytest.raises(ValueError, match="audio must be one of mfcc, logmel, got 'x'"):
        read_sequences(tmp_path, audio="x")
    with pytest.raises(DataError, match="a folder of WAV files has no use for time"):
        read_sequences(tmp_path, time="t")


@pytest.mark.parametrize("cut", [20, 30, 43, 44, 60, 1000])
def test_wav_cut_short_is_an_error(tmp_path: Path, cut: int) -> None:
    write(tmp_path / "a.wav")
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[:cut])
    with pytest.raises(DataError):
        read_sequences(tmp_path / "a.wav")


def test_sounds_read_the_spoken_digits(shared_data: Path) -> None:
    found = read_sequences(shared_data / "classification" / "fsdd")
    assert found.labels is not None
    assert (len(found), found.values[0].shape[1]) == (400, 13)
    assert sorted({*found.labels}) == [str(digit) for digit in range(10)]
    assert np.isfinite(np.concatenate(found.values)).all()
