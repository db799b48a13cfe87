"""``gatewise VERB …``, and what all verbs share: how errors end."""

import sys
import warnings
from typing import Annotated, Any

import typer

import gatewise
from gatewise.cli.compare import compare
from gatewise.cli.explain import explain
from gatewise.cli.fit import fit
from gatewise.cli.generate import generate
from gatewise.cli.inspect import inspect
from gatewise.cli.predict import predict

app = typer.Typer(
    name="gatewise",
    help="LSTM or GRU? Compare, fit, predict and generate on your own data; see how cells work.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help and errors: nothing in [brackets] is taken for a style
)
for verb in (compare, fit, predict, generate, inspect, explain):
    app.command()(verb)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(gatewise.__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; what the user can mend ends in one message and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of stdout went away, as in `gatewise … | head`
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _end(named)
    except Exception as error:
        from gatewise.comparison import ArgumentError
        from gatewise.data import DataError
        from gatewise.training import TrainingError

        if not isinstance(error, (ArgumentError, DataError, TrainingError)):
            raise
        _end(str(error))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"gatewise: warning: {message}", file=sys.stderr)


def _end(message: str) -> None:
    print(f"gatewise: {message}", file=sys.stderr)
    sys.exit(2)
