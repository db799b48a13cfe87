"""Write BENCHMARKS.md from the results of ``benchmarks/run.py``.

python benchmarks/render.py [RESULTS [PAGE]]
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from results import (
    Row,
    best_peer,
    gaps,
    losses,
    mean_ratio,
    peak,
    ratio,
    ratio_range,
    seconds,
)

HERE = Path(__file__).parent
NAMES = {
    "torch": "torch.nn",
    "torch.compile": "torch.compile",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "jax": "JAX",
}
TITLES = {"forward": "Forward (inference)", "train": "Training (forward and backward)"}
RUN = "python benchmarks/run.py"
SMALL = 16  # batches below are counted as small
Result = dict[str, Any]

HEAD = """# Benchmarks

A ratio is the other's time divided by ours: above 1, ours is faster.

**What is timed.** One call of a layer in float32 on the CPU: *forward* gives the whole output
sequence, without gradients; *train* is forward and backward, to the gradients of the input and of
all weights. Ours is `backend="cpu"`. All contenders get the same weights and the same input; before
anyone is timed, outputs (to 1e-4 of the largest value) and all gradients (1e-3) are compared, and
who disagrees is not timed. With layer norm, which amplifies rounding step by step, both may differ
by ten times as much.

**How.** Each contender runs in a process of its own, bound to as many cores as it has threads, and
sleeps while the others have their turn (processor time used between two turns: at most {awake}). A
turn is 30 ms of calls after one that is not counted, or one call if that takes longer; rounds
alternate over the contenders. Restarts of all processes: {restarts}, rounds in each: {rounds}. A
figure is the median over the restarts of the median over the rounds, in brackets the least and the
largest restart. Clocks of shared machines drift: trust the ratios.

**What is not fair.** To us: our weights are packed in every call, and counted, as are torch's; ONNX
Runtime and OpenVINO pack theirs once, when the model is loaded, before the timing. To torch:
`torch.compile` by its own default does not look into `torch.nn.LSTM` and `GRU`, so that it shows
torch's own kernels again. To JAX: it has no layer of its own, and its loop is written by hand (x·W
for all steps ahead, then `lax.scan`, under `jit`); but XLA compiles before the timing, for this
very shape. To ONNX Runtime: its threads may spin within a call, but stop at its end
(`session.force_spinning_stop`), because they would take the cores from whoever is next.

GFLOP/s count 2·T·B·G·H·(I + H) operations (G = 4 for the LSTM, 3 for the GRU), three times that in
training; the peak is what multiply-adds held in registers reach on as many threads.

Machine: {machine}; load before the run {load}; {peak}.
Versions: {versions}.
Made by `make bench`; this page shows the run `{command}`.
"""

TAIL = """## What more speed would need

Where H ≥ 128 and B ≥ 32, products fill most of the time and run close to the peak: in float32 on
the same cores no factor is left. What is left, by kind of work:

- *Large batches:* fewer bits. The dot product of AVX512_BF16 does twice as many multiply-adds, with
  8 bits of mantissa in weights and inputs (the state would stay float32).
- *One sequence, H ≥ 256:* the weights are read once a step from a cache, and that is the time.
  Weights of 16 or 8 bits (a scale a unit) would halve or quarter it, and be less exact.
- *H ≤ 64:* tanh, sigmoid and what belongs to them stand between the products. They would have to
  run beside the products of the next rows.
- *Tiny calls:* Python's and autograd's part of a call, which `torch.compile` takes away.
"""


def render(result: Result) -> str:
    """Give the page."""
    threads = result["threads"][-1]
    rows = [row for row in result["rows"] if row["threads"] == threads]
    parts = {row["part"]: [r for r in rows if r["part"] == row["part"]] for row in rows}
    plain = parts.get("layers", [])
    sections = [
        render_head(result),
        *(render_mode(result, plain, mode) for mode in TITLES),
        render_means(plain),
        render_losses(result),
        render_cells(plain),
        render_threads(result),
        *(render_part(name, parts[name]) for name in PARTS if name in parts),
        render_gaps(result),
        TAIL,
    ]
    return "\n".join(filter(None, sections))


def render_head(result: Result) -> str:
    """Say what is timed, how, on what, and what is not fair."""
    entries = [entry for row in result["rows"] for entry in row["entries"].values()]
    awake = max((entry.get("awake", 0.0) for entry in entries), default=0.0)
    return HEAD.format(
        awake=f"{awake * 1e3:.0f} ms",
        restarts=result["restarts"],
        rounds=result["rounds"],
        machine=result["machine"],
        load=result["load"],
        peak=show_peaks(result),
        versions=", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        command=result["command"],
    )


def show_peaks(result: Result) -> str:
    """Say the measured peaks, and with which instructions."""
    shown = []
    for threads, found in result["peak"].items():
        value, plural = peak(result, int(threads)), "s" if threads != "1" else ""
        figure = f"{value:.0f} GFLOP/s ({found['target']})" if value else found["reason"]
        shown.append(f"{threads} thread{plural}: {figure}")
    return "peak at " + "; at ".join(shown)


def render_mode(result: Result, rows: list[Row], mode: str) -> str:
    """Show the plain layers in one mode, all contenders."""
    mine = [row for row in rows if row["mode"] == mode]
    if not mine:
        return ""
    others = [label for label in mine[0]["entries"] if label != "ours"]
    header = ["cell", "T, B, I, H", "ours, ms", "GFLOP/s", "of peak", *map(name_of, others)]
    body = [
        [row["cell"], show_shape(row), show_ms(row, "ours"), *show_speed(result, row)]
        + [show_peer(row, label) for label in others]
        for row in mine
    ]
    note = "Ratios; the best peer of each row is bold, torch's with its range over the restarts."
    title = f"{TITLES[mode]}, {count_threads(mine[0]['threads'])}"
    return section(title, f"{RUN} --modes {mode} --cases", table(header, body), note)


def render_means(rows: list[Row]) -> str:
    """Show geometric means of the ratios, large and small batches apart."""
    body = []
    for cell, mode in dict.fromkeys((row["cell"], row["mode"]) for row in rows):
        mine = [row for row in rows if (row["cell"], row["mode"]) == (cell, mode)]
        large = [row for row in mine if row["shape"][1] >= SMALL]
        small = [row for row in mine if row["shape"][1] < SMALL]
        means = [mean_ratio(group, label) for group in (large, small) for label in ("torch", None)]
        body.append([cell, mode, *map(show_number, means)])
    header = ["cell", "mode", f"torch, B ≥ {SMALL}", f"best peer, B ≥ {SMALL}"]
    header += [f"torch, B < {SMALL}", f"best peer, B < {SMALL}"]
    return (
        section("Geometric means of the ratios", f"{RUN} --cases", table(header, body))
        if body
        else ""
    )


def render_losses(result: Result) -> str:
    """List whatever did the same work faster than ours."""
    body = [
        [*show_where(row), str(row["threads"]), name_of(label), show_ratio(row, label)]
        for row, label in losses(result["rows"])
    ]
    if not body:
        return "## Where we lose\n\nNowhere in this run.\n"
    header = ["table", "cell", "mode", "case", "T, B, I, H", "threads", "faster than ours", "ratio"]
    return section("Where we lose", result["command"], table(header, body))


def render_cells(rows: list[Row]) -> str:
    """Compare our GRU with our LSTM."""
    times = {(row["cell"], row["mode"], *row["shape"]): seconds(row, "ours") for row in rows}
    body = []
    for shape in dict.fromkeys(tuple(row["shape"]) for row in rows):
        pairs = [(times.get(("GRU", m, *shape)), times.get(("LSTM", m, *shape))) for m in TITLES]
        cells = [show_number(one / two if one and two else None) for one, two in pairs]
        body.append([", ".join(map(str, shape)), *cells])
    if {row["cell"] for row in rows} != {"LSTM", "GRU"}:
        return ""
    header = ["T, B, I, H", *TITLES]
    return section("Our GRU's time divided by our LSTM's", f"{RUN} --cases", table(header, body))


def render_threads(result: Result) -> str:
    """Show what more threads bring, to torch and to ours."""
    few, many = result["threads"][0], result["threads"][-1]
    rows = {
        (row["cell"], row["mode"], *row["shape"], row["threads"]): row
        for row in result["rows"]
        if row["part"] == "layers"
    }
    body = []
    for (*key, threads), row in rows.items():
        more = rows.get((*key, many))
        if threads == few != many and more:
            gains = [_gain(row, more, label) for label in ("ours", "torch")]
            ratios = [show_ratio(r, "torch") for r in (row, more)]
            body.append([row["cell"], row["mode"], show_shape(row), *ratios, *gains])
    ratios = [f"torch / ours, {count_threads(n)}" for n in (few, many)]
    header = ["cell", "mode", "T, B, I, H", *ratios, "ours gains", "torch gains"]
    title = f"From {count_threads(few)} to {many}"
    note = f"A gain is the time at {count_threads(few)} divided by the time at {many}."
    return section(title, f"{RUN} --cases", table(header, body), note) if body else ""


def _gain(row: Row, more: Row, label: str) -> str:
    one, two = seconds(row, label), seconds(more, label)
    return show_number(one / two if one and two else None)


PARTS = {
    "one-process": (
        "torch and ours in one process",
        "The same, but both alternate within one process, as in a program that uses both.",
    ),
    "structures": ("Stacks, both directions, projection", "What torch has too."),
    "ragged": (
        "Sequences of different lengths",
        "Lengths uniform in 1…T. Ours is given `lengths=`; packed is a `PackedSequence`, packing "
        "and unpacking counted; padded runs over all T steps, gathers each sequence's own last "
        "output and clears the rest.",
    ),
    "resets": (
        "Sequences cut by resets",
        "Each step starts anew with probability 1 %. The step loop is an eager loop over the "
        'equations (`backend="reference"`). torch cannot cut; its time is that of the uncut '
        "sequence, another function.",
    ),
    "options": (
        "Options that torch lacks, each alone",
        'The step loop is an eager loop over the equations, cell by cell (`backend="reference"`), '
        "which is what one would write in torch. Beside it, our own layer without the option: "
        "below 1, that is what the option costs.",
    ),
    "step": (
        "One step of one sequence",
        "Ours is `layer.freeze().step(x)` on a NumPy array, torch's is `LSTMCell` or `GRUCell` in "
        "`inference_mode`; both go on from the state that the last step left. ONNX Runtime runs a "
        "model of one step from zero, and so is given no state.",
    ),
    "avx2": (
        "Ours without AVX-512",
        "Ours is forced to AVX2 (`GATEWISE_CPU=avx2`); torch is not, and in the last column is "
        "(`ATEN_CPU_CAPABILITY`, `MKL_ENABLE_INSTRUCTIONS`, `ONEDNN_MAX_CPU_ISA`).",
    ),
    "epoch": (
        "One training epoch of a small forecaster",
        "Layer and linear head on the last output, Adam, 60 batches.",
    ),
    "grid": ("A coarse grid of shapes", ""),
}


def render_part(name: str, rows: list[Row]) -> str:
    """Show one of the further cases: times of ours, ratios to the others."""
    title, note = PARTS[name]
    others = list(
        dict.fromkeys(label for row in rows for label in row["entries"] if label != "ours")
    )
    header = ["cell", "mode", "case", "T, B, I, H", "ours, ms", *map(name_of, others)]
    body = [
        [*show_where(row)[1:], show_ms(row, "ours"), *(show_ratio(row, label) for label in others)]
        for row in rows
    ]
    if not any(row["case"] for row in rows):
        header, *body = ([*cells[:2], *cells[3:]] for cells in (header, *body))
    command = f"{RUN} --shapes --cases {'--grid' if name == 'grid' else name}"
    if name == "one-process":
        command = f"{RUN} --cases one-process"
    title = f"{title}, {count_threads(rows[0]['threads'])}"
    tables = [table(header, body), show_means(rows, others)]
    return section(title, command, "\n\n".join(filter(None, tables)), note)


def show_means(rows: list[Row], others: list[str]) -> str:
    """Give a table of geometric means of the ratios, over whatever has more than one row."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        size = f"B ≥ {SMALL}" if row["shape"][1] >= SMALL else f"B < {SMALL}"
        groups.setdefault((row["cell"], row["mode"], size), []).append(row)
    body = [
        [*key, *(show_number(mean_ratio(group, label)) for label in others)]
        for key, group in groups.items()
        if len(group) > 1
    ]
    header = ["geometric mean", "mode", "batch", *map(name_of, others)]
    return table(header, body) if body else ""


def render_gaps(result: Result) -> str:
    """List who was not timed, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, label, reason in gaps(result["rows"]):
        where = " ".join(filter(None, show_where(row)[:4]))
        found.setdefault((name_of(label), reason), []).append(where)
    body = [[*key, ", ".join(dict.fromkeys(where))] for key, where in found.items()]
    if not body:
        return ""
    return section("Not timed", result["command"], table(["contender", "why", "where"], body))


def section(title: str, command: str, body: str, note: str = "") -> str:
    """Give a section: title, note, table, and the command that makes it anew."""
    return "\n\n".join(filter(None, (f"## {title}", note, body, f"`{command}`"))) + "\n"


def table(header: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """Give a Markdown table."""
    head = list(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def name_of(label: str) -> str:
    """Give a contender's proper name."""
    return NAMES.get(label, label)


def count_threads(number: int) -> str:
    """Give "1 thread", "2 threads"."""
    return f"{number} thread{'s' if number != 1 else ''}"


def show_where(row: Row) -> list[str]:
    """Give table, cell, mode, case and shape."""
    case = f"`{row['case']}`" if "=" in row["case"] else row["case"]
    return [row["part"], row["cell"], row["mode"], case, show_shape(row)]


def show_shape(row: Row) -> str:
    """Give T, B, I, H."""
    return ", ".join(map(str, row["shape"]))


def show_number(value: float | None) -> str:
    """Give two decimals, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def show_ms(row: Row, label: str) -> str:
    """Give milliseconds with their range over the restarts, or a dash."""
    value = seconds(row, label)
    if value is None:
        return "–"
    times = row["entries"][label]["seconds"]
    shown = [f"{time * 1e3:.3g}" for time in (value, min(times), max(times))]
    return shown[0] if len(times) == 1 else "{} ({}–{})".format(*shown)


def show_ratio(row: Row, label: str) -> str:
    """Give a ratio with its range over the restarts; without ours, milliseconds; or a dash."""
    value = ratio(row, label)
    if value is None:
        return "–" if seconds(row, label) is None else f"{show_ms(row, label)} ms"
    low, high = ratio_range(row, label)
    return f"{value:.2f}" if low == high else f"{value:.2f} ({low:.2f}–{high:.2f})"


def show_peer(row: Row, label: str) -> str:
    """Give a ratio, bold if the peer is the best; torch's with its range."""
    shown = show_ratio(row, label) if label == "torch" else show_number(ratio(row, label))
    return f"**{shown}**" if label == best_peer(row) else shown


def show_speed(result: Result, row: Row) -> list[str]:
    """Give GFLOP/s and the share of the peak, or dashes."""
    time, best = seconds(row, "ours"), peak(result, row["threads"])
    if time is None:
        return ["–", "–"]
    speed = row["operations"] / time * 1e-9
    return [f"{speed:.1f}", f"{speed / best:.0%}" if best else "–"]


def main(arguments: list[str]) -> None:
    """Read the results and write the page."""
    source, page = [*arguments, *("", "")][:2]
    result = json.loads(Path(source or HERE / "results" / "layers.json").read_text())
    Path(page or HERE.parent / "BENCHMARKS.md").write_text(render(result))


if __name__ == "__main__":
    main(sys.argv[1:])
