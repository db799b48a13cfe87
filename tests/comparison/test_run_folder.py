import json

import pytest

from gatewise.comparison.run_folder import RunFolder
from gatewise.data import DataError

VERSIONS = {"torch": "2.13.0"}
RECORD = {
    "arguments": {"horizon": 24, "cells": ["lstm"]},
    "data": {"name": "a", "sha256": "1"},
    "versions": VERSIONS,
}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(RECORD)
    return folder


def test_record_comes_back(run):
    assert run.record() == {"format": 1, **RECORD}
    assert run.result() is None
    assert run.trial("lstm-f0-s0") is None
    run.require_same({"horizon": 24, "cells": ("lstm",)}, "1", VERSIONS)


def test_other_arguments_are_named(run):
    with pytest.raises(DataError, match=r"other arguments \(horizon was 24, now 12\).*--out"):
        run.require_same({"horizon": 12, "cells": ["lstm"]}, "1", VERSIONS)


def test_other_data_is_refused(run):
    with pytest.raises(DataError, match="run on other data"):
        run.require_same(RECORD["arguments"], "2", VERSIONS)


def test_half_a_run_of_other_versions_is_refused_and_a_whole_one_is_shown(run):
    other = {"torch": "2.14.1"}
    with pytest.raises(DataError, match=r"other versions \(torch 2.13.0, now 2.14.1\)"):
        run.require_same(RECORD["arguments"], "1", other)
    run.result_path.write_text("{}")
    run.require_same(RECORD["arguments"], "1", other)


def test_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="not a run of gatewise"):
        RunFolder(tmp_path).start(RECORD)
    with pytest.raises(DataError, match="not a run of gatewise"):
        RunFolder(tmp_path / "thesis.tex").start(RECORD)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_newer_or_broken_record_is_refused(run):
    run.record_path.write_text(json.dumps({"format": 2}))
    with pytest.raises(DataError, match=r"format 2.*upgrade"):
        run.record()
    run.record_path.write_text("{")
    with pytest.raises(DataError, match="not the record of a run"):
        run.record()
    with pytest.raises(DataError, match="not a run"):
        RunFolder(run.path / "nowhere").record()


def test_run_killed_at_its_beginning_is_begun_anew(run):
    (run.path / ".run.json.tmp-123").write_text("{")
    assert not run.started
    run.start({**RECORD, "arguments": {"horizon": 12}})
    assert run.record()["arguments"] == {"horizon": 12}
    trial = run.path / "trials" / "lstm-f0-s0"
    trial.mkdir(parents=True)
    assert not run.started
    (trial / "result.json").write_text("{}")
    assert run.started
