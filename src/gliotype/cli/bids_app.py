"""``gliotype-bids``: the batch with the arguments that BIDS Apps have."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gliotype.cli.main import run_command


class Level(StrEnum):
    """What a BIDS App works on."""

    PARTICIPANT = "participant"
    GROUP = "group"


app = typer.Typer(
    name="gliotype-bids",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def bids_app(
    bids_dir: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="BIDS data set.")],
    output_dir: Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder for the derivatives.")],
    level: Annotated[
        Level,
        typer.Argument(
            metavar="{participant|group}",
            help="participant: predict each participant; group: tabulate all of them.",
        ),
    ],
    *,
    participant_label: Annotated[
        list[str] | None,
        typer.Option(
            help="Participant to predict, with or without sub-; may be repeated. By default all participants."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Participants predicted at the same time.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Threads per participant.")] = None,
) -> None:
    """Predict the IDH status of the participants of a BIDS data set. Research use only."""
    from gliotype.batch.bids import studies_in_bids
    from gliotype.batch.group import write_group
    from gliotype.batch.job import BatchSettings
    from gliotype.batch.run import default_processes
    from gliotype.cli.batch import executor_for, run

    if level is Level.GROUP:
        write_group(output_dir.absolute())
        return
    processes, each = default_processes(jobs, threads)
    studies = studies_in_bids(bids_dir, participant_label or ())
    run(studies, BatchSettings(output_dir.absolute(), threads=each), executor_for(None, processes))


def main() -> None:
    """Run the command line as `gliotype.cli.main.main` does.

    BIDS Apps take several labels after one option: ``--participant-label 01 02``.
    """
    sys.argv[1:] = one_label_each(sys.argv[1:])
    run_command(app)


def one_label_each(arguments: list[str]) -> list[str]:
    """Repeat ``--participant-label`` before each of several labels.

    Example:
        >>> one_label_each(["in", "out", "participant", "--participant_label", "01", "02", "--jobs", "1"])[3:]
        ['--participant-label', '01', '--participant-label', '02', '--jobs', '1']
    """
    taken: list[str] = []
    labels = False
    for argument in arguments:
        if argument in ("--participant-label", "--participant_label"):
            labels = True
        elif argument.startswith("-"):
            labels = False
            taken.append(argument)
        elif labels:
            taken += ["--participant-label", argument]
        else:
            taken.append(argument)
    return taken
