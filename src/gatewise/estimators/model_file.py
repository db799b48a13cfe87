"""A model as one safetensors file: weights, and a JSON header that holds all the rest.

Reading a file runs no code from it. The header's key ``gatewise`` is JSON with ``format`` (1),
``version`` (of the package that wrote it), ``task`` and what the task needs.
"""

import json
import os
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import gatewise
from gatewise.data.errors import DataError
from gatewise.files import write_atomic

FORMAT = 1
_WRITERS = "models are written by 'gatewise fit --out' or an estimator's 'save'"


def write_model(
    path: str | os.PathLike[str], task: str, header: dict[str, Any], weights: dict[str, Tensor]
) -> None:
    """Write a model file, whole or not at all."""
    about = {"format": FORMAT, "version": gatewise.__version__, "task": task, **plain(header)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_atomic(path, save(tensors, metadata={"gatewise": json.dumps(about, allow_nan=False)}))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model file: its header and its weights.

    Raises:
        DataError: if it is not there, not a Gatewise model, or of a newer format.
    """
    if os.path.isdir(path):
        raise DataError(f"{path}: a directory, not a model file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"{path}: no such model file") from None
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path}: not a model file, or a damaged one ({error}); {_WRITERS}"
        ) from None
    try:
        header = json.loads(metadata["gatewise"])
        written = int(header["format"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{path}: a safetensors file, but not one of Gatewise's: its header has no key "
            f"'gatewise'; {_WRITERS}"
        ) from None
    if written > FORMAT:
        raise DataError(
            f"{path}: written by gatewise {header.get('version')} in format {written}; this is "
            f"gatewise {gatewise.__version__}, which reads up to format {FORMAT}: upgrade gatewise"
        )
    return header, weights


def plain(value: Any) -> Any:
    """Turn NumPy numbers, arrays and tuples into JSON values, however deep they are nested."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value
