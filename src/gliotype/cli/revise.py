"""``gliotype revise``: another answer from a study that was prepared before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliotype.cli.hiding import hide_paths_of
from gliotype.cli.predict import Sex, run

if TYPE_CHECKING:
    from gliotype.result import Result


def revise(
    kept: Annotated[
        Path, typer.Argument(metavar="KEPT", help="Folder that gliotype predict --keep has written.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the results.")],
    age: Annotated[float | None, typer.Option(help="Age in years.")] = None,
    sex: Annotated[Sex | None, typer.Option(case_sensitive=False, help="Sex.")] = None,
    subject: Annotated[str | None, typer.Option("--id", help="Name of the case in the results.")] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            help="Share of IDH mutation among all gliomas sent to the clinic, before images and age are seen; 0.3, or "
            "that of --site, by default."
        ),
    ] = None,
    mutant_at: Annotated[
        float, typer.Option(metavar="P", help="Probability at or above which the call is mutant.")
    ] = 0.8,
    wildtype_at: Annotated[
        float, typer.Option(metavar="P", help="Probability at or below which the call is wildtype.")
    ] = 0.2,
    site: Annotated[
        Path | None,
        typer.Option(metavar="SITE.json", help="Local calibration, written by gliotype calibrate."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Tumour mask, in the space of the reference image, to measure instead."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, metavar="N", help="Number of threads; by default one for each available core."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print prediction.json on stdout.")] = False,
) -> None:
    """Answer again, in seconds, with another age, sex, prevalence or outline."""
    hide_paths_of(kept, mask)

    def revised(progress: Callable[[str], None]) -> Result:
        from gliotype.pipeline import revise as revise_study

        return revise_study(
            kept,
            age=age,
            sex=None if sex is None else sex.value,
            id=subject,
            prevalence=prevalence,
            thresholds=(wildtype_at, mutant_at),
            site=site,
            mask=mask,
            threads=threads,
            progress=progress,
        )

    run(revised, output, as_json=as_json)
