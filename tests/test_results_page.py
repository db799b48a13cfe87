"""docs/results.md says what the log of evaluations says."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def load(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


renderer = load(DOCS / "render_results.py")
log = load(ROOT / "benchmarks" / "learning" / "log.py")


def record(folder: Path, **given: Any) -> dict[str, Any]:
    line = {
        "dataset": "etth1",
        "task": "forecast",
        "cell": "gru",
        "seed": 0,
        "part": "test",
        "metrics": {"mse": 0.5},
        "seconds": 12,
        "settings": {"hidden": 8},
        "command": "python x.py --seed 0",
    }
    line |= given
    return log.record(line.pop("dataset"), folder=folder, **line)


def rows(page: str, start: str) -> list[list[str]]:
    """Give the cells of the table rows that begin so."""
    lines = [line for line in page.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_results_page_is_up_to_date() -> None:
    written = (DOCS / "results.md").read_text()
    assert written == renderer.render(), "run: make results"


def test_results_page_changes_with_the_log(tmp_path: Path) -> None:
    record(tmp_path)
    one = renderer.render(tmp_path)
    record(tmp_path, metrics={"mse": 0.6})
    assert renderer.render(tmp_path) != one


def test_results_page_shows_mean_seeds_floor_and_command(tmp_path: Path) -> None:
    for seed, mse in enumerate((0.36, 0.37, 0.4)):
        record(
            tmp_path,
            seed=seed,
            metrics={"mse": mse, "coverage": 0.9},
            seconds=10 * (seed + 1),
            command=f"python x.py --seed {seed}",
        )
    record(tmp_path, cell="lstm", metrics={"mse": 0.3, "coverage": 0.8})
    page = renderer.render(tmp_path)
    [lstm], [gru] = rows(page, "LSTM"), rows(page, "GRU")
    assert gru[1:5] == ["**0.3767**", "0: 0.36, 1: 0.37, 2: 0.4", "0.37", "**no**"]
    assert gru[5:7] == ["**90.00 %**, outside 75%–87%", "20"]
    assert gru[-1] == "`python x.py --seed N`"
    assert lstm[1:6] == ["**0.3**", "0: 0.3", "0.378", "yes", "80.00 %"]
    assert lstm[-1] == "`python x.py --seed 0`"
    assert "NLinear | 0.374 | published" in page
    assert "On the test part: 4 evaluations in the log, 0 of them earlier or other." in page


def test_results_page_takes_the_newest_whole_configuration_not_the_best(tmp_path: Path) -> None:
    path = tmp_path / "etth1.jsonl"
    lines = []
    for day, (hidden, seeds, mse) in enumerate([(8, 3, 0.2), (16, 3, 0.4), (32, 1, 0.1)]):
        for seed in range(seeds):
            line = record(tmp_path, seed=seed, metrics={"mse": mse}, settings={"hidden": hidden})
            lines.append(line | {"date": f"2030-01-0{4 * day + 1}T00:00:00+00:00"})
    lines.append(lines[3] | {"date": "2030-01-07T00:00:00+00:00", "metrics": {"mse": 0.7}})
    path.write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    page = renderer.render(tmp_path)
    [row] = rows(page, "GRU")
    assert row[1:3] == ["**0.5**", "0: 0.7, 1: 0.4, 2: 0.4"]  # of the repeated seed the newest
    assert "On the test part: 8 evaluations in the log, 5 of them earlier or other." in page


def test_results_page_holds_accuracy_from_below(tmp_path: Path) -> None:
    for dataset, value in (("pendigits", 0.99), ("atis", 0.98)):
        record(tmp_path, dataset=dataset, metrics={"accuracy": value})
    found = [row[1:5] for row in rows(renderer.render(tmp_path), "GRU")]
    assert found == [
        ["**99.00 %**", "0: 99.00 %", "98.30 %", "yes"],
        ["**98.00 %**", "0: 98.00 %", "98.60 %", "**no**"],
    ]


def test_results_page_counts_test_parts_alone(tmp_path: Path) -> None:
    record(tmp_path, part="validation", metrics={"mse": 0.1})
    assert not rows(renderer.render(tmp_path), "GRU")
    record(tmp_path)
    assert "1 evaluation in the log, 0 of them" in renderer.render(tmp_path)


def test_results_page_shows_sets_without_references(tmp_path: Path) -> None:
    record(tmp_path, dataset="my_own", metrics={"error": 1.25, "parameters": 277_088})
    found = rows(renderer.render(tmp_path), "GRU")[0]
    assert found[1:6] == ["**1.25**", "0: 1.25", "–", "–", "277,088"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda line: json.dumps(line)[:-5], "etth1.jsonl, line 2 is not JSON"),
        (lambda line: "[1]", "etth1.jsonl, line 2 is not an evaluation, but '[1]'"),  # noqa: ARG005
        (lambda line: json.dumps(line | {"seed": "x"}), "etth1.jsonl, line 2: 'seed' is 'x'"),
        (
            lambda line: json.dumps({k: v for k, v in line.items() if k != "command"}),
            "etth1.jsonl, line 2: 'command' is 'missing'",
        ),
        (lambda line: json.dumps(line | {"metrics": {}}), "'metrics' must hold numbers"),
        (lambda line: json.dumps(line | {"metrics": {"mse": "low"}}), "'metrics' must hold"),
        (lambda line: json.dumps(line | {"dataset": "m4"}), "but the file is 'etth1'"),
    ],
)
def test_results_page_refuses_a_broken_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Any, message: str
) -> None:
    line = record(tmp_path)
    with (tmp_path / "etth1.jsonl").open("a") as file:
        file.write(spoil(line) + "\n")
    page = tmp_path / "page.md"
    with pytest.raises(SystemExit) as caught:
        renderer.main([str(tmp_path), str(page)])
    assert message in str(caught.value)
    assert not page.exists()
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "../etth1"}, "small letters"),
        ({"part": "train"}, "part must be one of"),
        ({"metrics": {"mse": float("nan")}}, "'mse' must be a finite number"),
        ({"metrics": {}}, "no metric"),
    ],
)
def test_log_refuses_what_is_no_evaluation(tmp_path: Path, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        record(tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_log_refuses_settings_that_are_not_json(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        record(tmp_path, settings={"path": tmp_path})
    assert not list(tmp_path.iterdir())


def test_log_line_says_where_it_comes_from(tmp_path: Path) -> None:
    record(tmp_path, seed=1)
    record(tmp_path, seed=2)
    lines = [json.loads(text) for text in (tmp_path / "etth1.jsonl").read_text().splitlines()]
    assert [line["seed"] for line in lines] == [1, 2]
    assert lines[0]["versions"]["python"] == sys.version.split()[0]
    assert lines[0]["date"].endswith("+00:00")
    assert lines[0]["threads"] >= 1
    assert lines[0]["machine"]


def test_references_name_their_source() -> None:
    known = json.loads(renderer.REFERENCES.read_text())
    for entry in known.values():
        assert entry["title"]
        assert entry["metric"]
        assert all(x["value"] and x["source"] for x in entry["references"])
