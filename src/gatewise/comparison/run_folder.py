"""The folder of a run: its record, its trials, and whether it may be gone on with."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewise.data.errors import DataError
from gatewise.data.tables import read_table
from gatewise.files import write_atomic

FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """A run's files: ``run.json``, ``trials/…``, ``result.json``, ``report.html``."""

    path: Path

    def start(self, record: dict[str, Any]) -> None:
        """Write ``run.json``; the folder is made if it is not there.

        A run of which no trial is finished is begun anew.

        Raises:
            DataError: if the folder holds something else.
        """
        if self.path.exists() and (
            not self.path.is_dir() or any(map(_foreign, self.path.iterdir()))
        ):
            raise DataError(f"{self.path}: there, and not a run of gatewise: choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.record_path, json.dumps({"format": FORMAT, **record}, indent=1))

    @property
    def started(self) -> bool:
        """Whether there is a run with a finished trial, to go on with."""
        return self.record_path.exists() and any(self.path.glob("trials/*/result.json"))

    @property
    def record_path(self) -> Path:
        """Path of ``run.json``."""
        return self.path / "run.json"

    @property
    def result_path(self) -> Path:
        """Path of ``result.json``."""
        return self.path / "result.json"

    def record(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises:
            DataError: if it is missing, not JSON, or of a newer format.
        """
        try:
            record = json.loads(self.record_path.read_text())
            written = int(record["format"])
        except FileNotFoundError:
            raise DataError(f"{self.path}: no run.json there: not a run of gatewise") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.record_path}: not the record of a run: {error}") from None
        if written > FORMAT:
            raise DataError(
                f"{self.record_path}: written in format {written}, this gatewise reads up to "
                f"format {FORMAT}: upgrade gatewise"
            )
        return record

    def result(self) -> dict[str, Any] | None:
        """Read ``result.json``; None if the run has not come to an end."""
        if not self.result_path.exists():
            return None
        return json.loads(self.result_path.read_text())

    def trial(self, name: str) -> dict[str, Any] | None:
        """Read a trial's ``result.json``; None if the trial is not finished."""
        path = self.path / "trials" / name / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def require_same(
        self, arguments: dict[str, Any], sha256: str, versions: dict[str, str]
    ) -> None:
        """Refuse to go on with a run of other arguments or data, or half of other versions.

        Raises:
            DataError: names what differs.
        """
        there = self.record()
        if there["data"]["sha256"] != sha256:
            raise DataError(
                f"{self.path}: holds a run on other data ({there['data']['name']}, or an earlier "
                "version of it): choose another --out"
            )
        before, now = there["arguments"], json.loads(json.dumps(arguments))
        other = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
        if other:
            told = ", ".join(f"{n} was {before.get(n)!r}, now {now.get(n)!r}" for n in other)
            raise DataError(
                f"{self.path}: holds a run with other arguments ({told}): choose another --out"
            )
        if there["versions"] != versions and not self.result_path.exists():
            told = ", ".join(
                f"{name} {there['versions'].get(name)}, now {version}"
                for name, version in versions.items()
                if there["versions"].get(name) != version
            )
            raise DataError(
                f"{self.path}: was begun with other versions ({told}), whose numbers do not mix: "
                "choose another --out"
            )


def finished_trials(run: RunFolder, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read the results of trials that must be finished, by name.

    Raises:
        DataError: names the first that is not there.
    """
    results = {}
    for name in names:
        result = run.trial(name)
        if result is None:
            raise DataError(f"{run.path}: trial {name} left no result: give the same call again")
        results[name] = result
    return results


def require_same_data(record: dict[str, Any], source: str | os.PathLike[str]) -> str:
    """Give the path of a run's data.

    Raises:
        DataError: if it was a data frame in memory, or the file is gone or has changed.
    """
    path = record["data"]["path"]
    if path is None:
        raise DataError(f"{source}: was made on a data frame in memory, which is not kept")
    if read_table(path).sha256 != record["data"]["sha256"]:
        raise DataError(f"{path}: has changed since the run in {source}: compare it anew")
    return path


def _foreign(path: Path) -> bool:
    """Whether a path in a run folder is not what a run killed at its beginning leaves there."""
    return path.name not in ("run.json", "trials") and not path.name.startswith(".run.json.tmp-")
