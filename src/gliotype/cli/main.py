"""The console entry `gliotype`: the sub-commands, and what becomes of errors.

Only what is needed to parse and to print help is imported here; each command imports its own work when it
runs, so that help comes at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from gliotype._version import __version__
from gliotype.cli.batch import batch
from gliotype.cli.calibrate import calibrate
from gliotype.cli.demo import demo
from gliotype.cli.dicom import dicom
from gliotype.cli.evaluate import evaluate
from gliotype.cli.experiment import experiment
from gliotype.cli.hiding import DEBUG, hidden
from gliotype.cli.info import info
from gliotype.cli.node import node
from gliotype.cli.predict import predict
from gliotype.cli.renamed import accept_old_names
from gliotype.cli.revise import revise
from gliotype.cli.serve import serve
from gliotype.cli.simulate import simulate
from gliotype.cli.train import train
from gliotype.errors import GliotypeError

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals at which a run removes what it has unpacked or half written, and ends."""

CLEARING_S = 10.0
"""A further signal is not obeyed for so long after the first, so that clearing up can end."""

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
app.command()(batch)
app.command()(revise)
app.command()(serve)
app.command()(demo)
app.command()(dicom)
app.command(cls=accept_old_names({"--against": "--compare", "--cut": "--threshold"}))(evaluate)
app.command()(calibrate)
app.command(cls=accept_old_names({"--anatomies": "--label-maps"}))(simulate)
app.add_typer(train)
app.command()(experiment)
app.command("study", hidden=True)(experiment)
app.add_typer(node)
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


class Stopped(BaseException):
    """A signal asked the run to end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Turn each of `STOPPING` into `Stopped` in the block; one that is ignored, as ``nohup`` has it, stays ignored."""
    first: list[float] = []

    def stop(number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if not first or now - first[0] > CLEARING_S:
            first[:] = [now]
            raise Stopped(number)

    before = {each: signal.getsignal(each) for each in STOPPING}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def main() -> None:
    """Run ``gliotype``; see `run_command`."""
    run_command(app)


def run_command(command: Callable[[], object]) -> None:
    """Run a command line and exit with its code; an error becomes one sentence on stderr.

    Exit codes: 0 done, 2 usage, 3 unreadable or unusable input or unwritable output, 4 no structural
    image, 5 weights missing or corrupt, 6 some studies of a batch failed, 1 a defect of Gliotype; 128 and
    the signal's number after a signal.
    """
    try:
        with stopping_in_order():
            try:
                command()
            finally:
                sys.stdout.flush()
    except Stopped as stopped:
        _fail(f"stopped by {signal.Signals(stopped.number).name}", 128 + stopped.number)
    except (BrokenPipeError, SystemExit) as ended:
        if not isinstance(ended, BrokenPipeError) and not isinstance(ended.__context__, BrokenPipeError):
            raise
        _leave_output()
        sys.exit(128 + signal.SIGPIPE)
    except GliotypeError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place where a defect is turned into a sentence
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            _leave_output()
            _fail("standard output cannot be written (no space left): make room, or redirect it elsewhere", 3)
        _fail(
            f"this is a bug in Gliotype ({type(error).__name__}: {error}): set {DEBUG}=1 to see the "
            "traceback, and report it",
            1,
        )


def _leave_output() -> None:
    """Let what is still waiting for a standard output that cannot be written go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(sentence: str, exit_code: int) -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()
    else:
        sentence = hidden(sentence)
    typer.echo(f"gliotype: {sentence}", err=True)
    sys.exit(exit_code)
