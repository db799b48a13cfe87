"""The files of a run folder, read for its report."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors

RESULT_FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: of its folder.
        result: the content of ``result.json``.
    """

    path: Path
    result: dict[str, Any]

    @property
    def take(self) -> str:
        """Name of the cell that the verdict says to take."""
        return str(self.result["verdict"]["take"])

    @property
    def folds(self) -> int:
        """How many there are."""
        return int(self.result["setup"]["folds"])

    @cached_property
    def labels(self) -> dict[str, str]:
        """How the cells and the best baseline are shown, by name, in the order of drawing."""
        labels = {cell["name"]: cell["name"].upper() for cell in self.result["cells"]}
        return labels | {model["name"]: model["label"] for model in self.best_baselines}

    @property
    def best_baselines(self) -> list[dict[str, Any]]:
        """The best baseline, if there is one."""
        return [baseline for baseline in self.result["baselines"] if baseline["best"]]

    @cached_property
    def record(self) -> dict[str, Any]:
        """The content of ``run.json``; empty where it is gone."""
        path = self.path / "run.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    @cached_property
    def trials(self) -> list[dict[str, Any]]:
        """The cells' trials, as their ``result.json`` has them; those without one are left out."""
        paths = [folder / "result.json" for *_, folder in self._cell_folders()]
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]

    def histories(self) -> pl.DataFrame:
        """How the cells' trainings went, one under the other.

        Returns:
            Columns model, fold, seed, step, train_loss and validation_error, null where it was not
            taken; no rows where no trial kept its history.
        """
        columns = {"step": pl.Int64, "train_loss": pl.Float64, "validation_error": pl.Float64}
        parts = []
        for model, fold, folder in self._cell_folders():
            if not (folder / "history.parquet").is_file():
                continue
            rows = pl.read_parquet(folder / "history.parquet")
            if not set(columns) <= set(rows.columns):
                continue
            keys = {"model": model, "fold": fold, "seed": _seed(folder)}
            parts.append(
                rows.select(
                    *(pl.lit(value).alias(name) for name, value in keys.items()),
                    *(pl.col(name).cast(kind) for name, kind in columns.items()),
                )
            )
        names = {"model": pl.String, "fold": pl.Int32, "seed": pl.Int32}
        return pl.concat(parts) if parts else pl.DataFrame(schema={**names, **columns})

    def predictions(self, models: Iterable[str]) -> pl.DataFrame:
        """What some models predicted in every fold, of the smallest seed there is.

        Returns:
            Columns model, fold and those of the trials' ``predictions.parquet``; null is not known.

        Raises:
            FileNotFoundError: a model has no trial in some fold, or a trial has no predictions.
        """
        parts = [
            pl.read_parquet(self._predictions_file(name, fold)).select(
                pl.lit(name).alias("model"), pl.lit(fold).alias("fold"), pl.all()
            )
            for name in models
            for fold in range(self.folds)
        ]
        return pl.concat(parts, how="diagonal").with_columns(selectors.float().fill_nan(None))

    def have_predictions(self) -> bool:
        """Whether any trial kept what it predicted (texts did not always)."""
        return any(self.path.glob("trials/*/predictions.parquet"))

    def _cell_folders(self) -> Iterator[tuple[str, int, Path]]:
        """Give the folder of each trial of a cell, with the cell and the fold."""
        for cell in self.result["cells"]:
            for fold in range(self.folds):
                for folder in self._folders(cell["name"], fold):
                    yield cell["name"], fold, folder

    def _folders(self, model: str, fold: int) -> list[Path]:
        """The folders of a model's trials on a fold, by their seeds."""
        return sorted((self.path / "trials").glob(f"{model}-f{fold}-s[0-9]*"), key=_seed)

    def _predictions_file(self, model: str, fold: int) -> Path:
        """The predictions of the trial with the smallest seed."""
        folders = self._folders(model, fold) or [self.path / "trials" / f"{model}-f{fold}-s0"]
        path = folders[0] / "predictions.parquet"
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no {path}: the folder is incomplete; "
                "run the same comparison again and it is completed"
            )
        return path


def read_run(run_dir: str | os.PathLike[str]) -> Run:
    """Read a run folder.

    Raises:
        FileNotFoundError: the run is not finished.
        ValueError: ``result.json`` is damaged or of a newer format.
    """
    path = Path(run_dir) / "result.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: the comparison is not finished, or this is not its folder; "
            "run the same comparison again and it goes on where it was"
        )
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        written = result["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not the result of a comparison: {error!r}") from error
    if written != RESULT_FORMAT:
        raise ValueError(
            f"{path} has format {written}, this version reads {RESULT_FORMAT}: "
            "upgrade gatewise, or run the comparison again"
        )
    return Run(Path(run_dir), result)


def _seed(folder: Path) -> int:
    return int(folder.name.rpartition("-s")[2])
