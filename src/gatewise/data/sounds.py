"""A folder of WAV files, each one sequence of spectral features."""

import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from gatewise.data.audio import log_mel, mfcc
from gatewise.data.counting import counted
from gatewise.data.errors import DataError
from gatewise.data.labels import find_label_table, read_labels
from gatewise.data.reading import Reading
from gatewise.data.sequences import Sequences

FEATURES = {"mfcc": mfcc, "logmel": log_mel}


def sound_files(folder: Path) -> list[Path]:
    """The WAV files of a folder and of the folders in it, in order of their paths."""
    paths = (*folder.glob("*"), *folder.glob("*/*"))
    return sorted(path for path in paths if path.suffix.lower() == ".wav")


def read_sounds(
    path: Path,
    *,
    audio: str | None = None,
    label: str | None = None,
    series: str | None = None,
    labels: str | Path | None = None,
    reading: Reading | None = None,
) -> Sequences:
    """Read WAV files as sequences of features.

    A sound's label is, in this order: what the label table says; the name of its folder, where all
    lie in folders below the one that is given; what stands before the first ``_`` of its name.

    Args:
        path: a folder, or one file.
        audio: ``"mfcc"`` (the default) or ``"logmel"``.
        label, series: the columns of labels and of files' names in the label table.
        labels: the label table; None takes ``labels.csv`` in the folder or beside it, if there.
        reading: how the label table is read.

    Raises:
        DataError: files of several sample rates, damaged, empty, or without a label where others
            have one.
    """
    kind = audio or "mfcc"
    if kind not in FEATURES:
        raise ValueError(f"audio must be one of {', '.join(FEATURES)}, got {audio!r}")
    files = [path] if path.is_file() else sound_files(path)
    if not files:
        raise DataError("no WAV files in the folder", name=str(path))
    folder = path.parent if path.is_file() else path
    ids = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    rate, mixed, values = 0, 0, []
    for file in files:
        own, samples, channels = read_wav(file)
        if rate and own != rate:
            raise DataError(
                f"{own:,} samples per second, {files[0].name} has {rate:,}; bring all files to one "
                "sample rate",
                name=file.name,
            )
        rate = own
        mixed += channels > 1
        values.append(FEATURES[kind](samples, rate))
    width = values[0].shape[1]
    found = Sequences(path.name, values, None, ids, [f"{kind} {n}" for n in range(1, width + 1)])
    found.notes.append(f"{found.describe()} ({kind} of sound at {rate:,} samples per second)")
    if mixed:
        found.notes.append(f"{counted(mixed, 'file')} of several channels: their mean taken")
    beside = labels if labels is not None or path.is_file() else find_label_table(folder)
    if beside is not None:
        stems = [Path(name).stem for name in ids]
        found.labels, notes = read_labels(
            beside, stems, label=label, series=series, reading=reading
        )
    else:
        found.labels, notes = labels_by_name(path, ids)
    found.notes += notes
    return found


def read_wav(path: Path) -> tuple[int, np.ndarray, int]:
    """Give a WAV file's samples per second, its samples (N,) at full scale 1, and its channels.

    PCM of 8, 16, 24, 32 bits and floating point are read; several channels are averaged.

    Raises:
        DataError: no WAV file, damaged, compressed, or without samples.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # unknown chunks are no loss
            warnings.filterwarnings("error", "Reached EOF prematurely")
            rate, data = wavfile.read(path)
    except Exception as error:  # SciPy raises many kinds, ValueError to struct.error
        raise DataError(f"not a whole WAV file that can be read: {error}", name=path.name) from None
    if not len(data):
        raise DataError("no samples", name=path.name)
    channels = 1 if data.ndim == 1 else data.shape[1]
    if data.dtype == np.uint8:
        samples = (data.astype(np.float64) - 128) / 128
    elif data.dtype.kind == "i":  # 24 bits come in the upper three bytes of 32
        samples = data / -float(np.iinfo(data.dtype).min)
    else:
        samples = data.astype(np.float64)
    if not np.isfinite(samples).all():
        raise DataError("samples that are no finite numbers", name=path.name)
    return int(rate), samples if data.ndim == 1 else samples.mean(axis=1), channels


def labels_by_name(path: Path, ids: list[str]) -> tuple[np.ndarray | None, list[str]]:
    """Labels (N,) from folders' names or the start of files' names; None where there are none."""
    nested = ["/" in name for name in ids]
    if any(nested) and not all(nested):
        plain = next(name for name in ids if "/" not in name)
        raise DataError(
            f"files in folders, and others such as {plain!r} beside them; put all in one folder "
            "for each label, or give a label table with labels (--labels)",
            name=str(path),
        )
    if all(nested):
        labels = [name.split("/")[-2] for name in ids]
        return np.array(labels, dtype=object), ["labels from the folders' names"]
    prefixed = ["_" in name for name in ids]
    if not any(prefixed):
        return None, []
    if not all(prefixed):
        plain = next(name for name in ids if "_" not in name)
        raise DataError(
            f"no label in the name {plain!r}; call the files LABEL_….wav, put them in one folder "
            "for each label, or give a label table with labels (--labels)",
            name=str(path),
        )
    labels = [name.partition("_")[0] for name in ids]
    return np.array(labels, dtype=object), ["labels from the files' names, before the first _"]
