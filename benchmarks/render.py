"""Write BENCHMARKS.md from ``benchmarks/results/layers.json``."""

import json
from pathlib import Path

HERE = Path(__file__).parent

PAGE = """# Benchmarks

What is timed: one layer, batch and time as in the table, float32, on the CPU. Results are compared
with `torch.nn` before anything is timed. One process, the contenders alternate in every round,
medians of {rounds} rounds; clocks of shared machines drift, so trust the ratios. Our packing of the
weights is counted, once a call. Not fair to torch: the options in the second table do not exist
there; its time is that of its nearest plain layer.

Machine: {machine}; {threads} threads; torch {torch}, Python {python}.
Made by `make bench` (`python benchmarks/run.py && python benchmarks/render.py`).

## Plain layers: torch's time divided by ours (above 1 is faster than torch)

| cell | mode | T, B, I, H | torch.nn, ms | `auto` | `cpu` | `reference` |
|---|---|---|---|---|---|---|
{plain}

`cpu` is our own C++ core, `reference` the equations step by step in Python: the oracle, not a
contender. We lose where `cpu` is below 1: at an LSTM's forward, and at a batch of one; `auto` takes
torch's kernels there.

## Options that torch lacks: our time divided by torch's plain layer

| cell | option | mode | T, B, I, H | ours, ms | times torch's plain layer |
|---|---|---|---|---|---|
{options}

Layer norm and `reset_after=False` still run on the reference: right, and slow. In evaluation,
recurrent dropout is the plain layer.
"""


def main() -> None:
    """Read the results and write the page."""
    result = json.loads((HERE / "results" / "layers.json").read_text())
    plain, options = [], []
    for row in result["rows"]:
        shape = ", ".join(map(str, row["shape"]))
        torch_time = row["torch.nn"]
        if row["option"]:
            cells = [row["cell"], f"`{row['option']}`", row["mode"], shape]
            options.append([*cells, f"{row['auto'] * 1e3:.1f}", f"{row['auto'] / torch_time:.1f}"])
        else:
            ratios = [f"{torch_time / row[name]:.2f}" for name in ("auto", "cpu", "reference")]
            plain.append([row["cell"], row["mode"], shape, f"{torch_time * 1e3:.2f}", *ratios])
    page = PAGE.format(
        rounds=result["rounds"],
        machine=result["machine"],
        threads=result["threads"],
        torch=result["versions"]["torch"],
        python=result["versions"]["python"],
        plain="\n".join(f"| {' | '.join(row)} |" for row in plain),
        options="\n".join(f"| {' | '.join(row)} |" for row in options),
    )
    (HERE.parent / "BENCHMARKS.md").write_text(page)


if __name__ == "__main__":
    main()
