"""``gatewise compare``: LSTM or GRU, on your data."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatewise.cli import options
from gatewise.cli.options import check_out, only_beside_from, say, say_nothing, split

if TYPE_CHECKING:
    from gatewise.comparison.run import Comparison


def compare(
    context: typer.Context,
    data: options.DataArgument = None,
    task: options.TaskOption = options.Task.forecast,
    target: options.Target = None,
    horizon: options.Horizon = None,
    lookback: options.Lookback = None,
    segment: options.Segment = None,
    time: options.Time = None,
    series: options.Series = None,
    past: options.Past = None,
    future: options.Future = None,
    static: options.Static = None,
    frequency: options.FrequencyOption = None,
    decimal: options.Decimal = None,
    encoding: options.Encoding = None,
    missing: options.Missing = None,
    timezone: options.Timezone = None,
    resample: options.Resample = None,
    label: options.Label = None,
    labels: options.Labels = None,
    audio: options.Audio = None,
    words: options.Words = None,
    unit: options.UnitOption = None,
    lines: options.Lines = False,
    cells: Annotated[str, typer.Option(help="Any of lstm,gru,rnn.")] = "lstm,gru",
    match: Annotated[
        options.Match, typer.Option(help="What is made equal between the cells.")
    ] = options.Match.parameters,
    hidden: Annotated[
        int | None,
        typer.Option(
            min=1, help="Hidden size of the first cell. [default: 64; of tags and texts 128]"
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=1, help="Test parts; at least 4 for a test.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Training runs in each fold.")] = 2,
    search: Annotated[int, typer.Option(min=0, help="Learning rates tried; 0 for none.")] = 0,
    steps: options.Steps = None,
    metric: Annotated[
        options.Metric | None,
        typer.Option(help="The error that decides. [default: by the task]"),
    ] = None,
    margin: Annotated[float, typer.Option(min=0, help="Difference that counts as equal.")] = 0.01,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials side by side. [default: all cores]")
    ] = None,
    cluster: Annotated[
        options.Cluster | None,
        typer.Option(help="Run trials on the cluster that the environment names, or a local one."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder. [default: one under gatewise-runs]")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Make the run in this folder again, in --out.")
    ] = None,
    device: options.Device = "cpu",
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
    markdown: Annotated[
        Path | None,
        typer.Option("--md", help="Also write the report as Markdown, for a pull request."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json.")] = False,
) -> None:
    """Train LSTM and GRU on the same folds beside baselines, and say which one to take.

    Without DATA, on the bundled example. A run that was killed goes on when called again.

    \b
    Example: gatewise compare bikes.csv --target users --horizon 24 --future holiday,workingday

    \b
    Example: gatewise compare vowels.ts --task classify
    """
    if source is not None:
        only_beside_from(context, "out", "jobs", "cluster", "quiet", "as_json", "markdown")
        if out is None:
            raise typer.BadParameter("--from RUN wants --out FOLDER for the new run")
    if markdown is not None:
        check_out(markdown, "--md")
    from gatewise.training import process_count

    if process_count() > 1:
        raise typer.BadParameter("trials are shared out by --jobs: start it without torchrun")
    from gatewise.comparison.run import compare as run
    from gatewise.comparison.run import repeat
    from gatewise.report import write_markdown
    from gatewise.training.progress import progress_bar

    tell = say_nothing if quiet else say
    with progress_bar("trials", False if quiet else None) as on_trial:
        if source is not None and out is not None:
            comparison = repeat(
                source,
                out=out,
                jobs=jobs,
                cluster=cluster.value if cluster else None,
                say=tell,
                on_trial=on_trial,
            )
        else:
            comparison = run(
                data,
                task=task.value,
                target=target,
                horizon=horizon,
                lookback=lookback,
                segment=segment,
                time=split(time),
                series=series,
                past=split(past),
                future=split(future) or (),
                static=split(static) or (),
                frequency=frequency,
                decimal=decimal,
                encoding=encoding,
                missing=split(missing),
                timezone=timezone,
                resample=resample,
                label=label,
                labels=labels,
                audio=audio.value if audio else None,
                words=words,
                unit=unit.value if unit else None,
                lines=lines,
                cells=[name.value for name in _cells(cells)],
                match=match.value,
                hidden_size=hidden,
                folds=folds,
                seeds=seeds,
                search=search,
                metric=metric.value if metric else None,
                margin=margin,
                jobs=jobs,
                cluster=cluster.value if cluster else None,
                out=out,
                device=device,
                seed=seed,
                steps=steps,
                say=tell,
                on_trial=on_trial,
            )
    if markdown is not None:
        write_markdown(comparison.folder, markdown)
    if as_json:
        typer.echo(json.dumps(comparison.result, indent=1))
    else:
        _show(comparison)
    tell(f"run: {comparison.folder}\nreport: {comparison.report}")


def _cells(names: str) -> list[options.CellName]:
    try:
        cells = [options.CellName(name) for name in split([names]) or []]
    except ValueError:
        cells = []
    if not cells or len(set(cells)) < len(cells):
        raise typer.BadParameter(f"--cells wants different ones of lstm,gru,rnn, got {names!r}")
    return cells


def _show(comparison: "Comparison") -> None:
    """Print table and verdict: drawn on a terminal, plain elsewhere."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        typer.echo(str(comparison))
        return
    _draw(console, comparison.result)


def _draw(console: Any, result: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from gatewise.comparison.summary import headers, remarks, rows

    table = Table()
    for index, header in enumerate(headers(result)):
        table.add_column(header, justify="left" if index == 0 else "right", no_wrap=index > 0)
    for row in rows(result):
        table.add_row(*map(Text, row))
    console.print(table)
    for remark in remarks(result):
        console.print(Text(remark, style="dim"))
    console.print(Text(result["verdict"]["sentence"], style="bold"))
    console.print(Text(result["verdict"]["practical"]))
