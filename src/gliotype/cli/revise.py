"""``gliotype revise``: another answer from a study that was prepared before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliotype.cli.hiding import hide_paths_of
from gliotype.cli.options import (
    Age,
    AsJson,
    MutantAt,
    Output,
    Prevalence,
    SexOption,
    Site,
    SubjectId,
    Threads,
    WildtypeAt,
)
from gliotype.cli.predict import run

if TYPE_CHECKING:
    from gliotype.result import Result


def revise(
    cached: Annotated[
        Path, typer.Argument(metavar="CACHE", help="Folder written by gliotype predict --keep.")
    ],
    *,
    output: Output,
    age: Age = None,
    sex: SexOption = None,
    subject: SubjectId = None,
    prevalence: Prevalence = None,
    mutant_at: MutantAt = 0.8,
    wildtype_at: WildtypeAt = 0.2,
    site: Site = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Tumour mask, drawn on the reference image, to use instead of the outline that was found."
        ),
    ] = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Recompute an answer within seconds, with another age, sex, prevalence or outline."""
    hide_paths_of(cached, mask)

    def revised(progress: Callable[[str], None]) -> Result:
        from gliotype.pipeline import revise as revise_study

        return revise_study(
            cached,
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
