"""The console entry `gliotype`: the sub-commands, and what becomes of errors.

Only what is needed to parse and to print help is imported here; each command imports its own work when it
runs, so that help comes at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from gliotype._version import __version__
from gliotype.cli.demo import demo
from gliotype.cli.evaluate import evaluate
from gliotype.cli.info import info
from gliotype.cli.predict import predict
from gliotype.cli.simulate import simulate
from gliotype.cli.study import study
from gliotype.cli.train import train
from gliotype.errors import GliotypeError

DEBUG = "GLIOTYPE_DEBUG"

app = typer.Typer(
    name="gliotype",
    help="Predict the IDH status of a glioma from pre-operative MRI, and show why. Research use only.",
    epilog=f"Set {DEBUG}=1 to see the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(predict)
app.command()(demo)
app.command()(evaluate)
app.command()(simulate)
app.add_typer(train)
app.command()(study)
app.command()(info)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gliotype {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a sub-command."""


def main() -> None:
    """Run the command line and exit with its code; an error becomes one sentence on stderr.

    Exit codes: 0 done, 2 usage, 3 unreadable or unusable input or unwritable output, 4 no structural
    image, 5 weights missing or corrupt, 1 a defect of Gliotype.
    """
    try:
        app()
    except GliotypeError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place where a defect is turned into a sentence
        _fail(
            f"this is a defect of ours ({type(error).__name__}: {error}): set {DEBUG}=1 to see the "
            "traceback, and report it",
            1,
        )


def _fail(sentence: str, exit_code: int) -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    typer.echo(f"gliotype: {sentence}", err=True)
    sys.exit(exit_code)
