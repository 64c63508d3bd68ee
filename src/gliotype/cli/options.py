"""Options that several commands have, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gliotype.seeds import MAX_SEED


class Sex(StrEnum):
    """Values of ``--sex``."""

    M = "M"
    F = "F"


Output = Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the results.")]
"""Where a command writes its results."""

RunFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="RUN", help="Folder for the run; run again to resume.")
]
"""Where a training keeps what lets it resume."""

LabelMaps = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Whole-head label maps (FreeSurfer label numbers) to use instead of the shipped template.",
    ),
]
"""Heads to simulate patients in."""

Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Random seed.")]
"""Seed of every random step."""

Layout = Annotated[
    str, typer.Option(help="How a cohort's files are named: bids, ucsf-pdgm, upenn-gbm, egd or brats.")
]
"""Layout of cohorts on disk."""

TargetName = Annotated[
    str,
    typer.Option(
        "--target", help="Target of the prediction: idh, or codeletion (1p/19q) among IDH-mutant patients."
    ),
]
"""Target of the prediction."""

Tables = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the public tables.")]
"""Where public tables lie."""

EnsembleSize = Annotated[
    int, typer.Option(min=2, help="Networks in the ensemble; their spread gives the interval.")
]
"""How many networks are trained."""

Age = Annotated[float | None, typer.Option(help="Age in years.")]
"""Age of the patient."""

SexOption = Annotated[Sex | None, typer.Option("--sex", case_sensitive=False, help="Sex.")]
"""Sex of the patient."""

SubjectId = Annotated[str | None, typer.Option("--id", help="Name of the case in the results.")]
"""What the results call the patient."""

Prevalence = Annotated[
    float | None,
    typer.Option(
        help="Prevalence of IDH mutation among all gliomas sent to the clinic, before images and age are seen; "
        "0.3, or that of --site, by default."
    ),
]
"""Prevalence to which the answer refers."""

MutantAt = Annotated[
    float, typer.Option(metavar="P", help="Probability at or above which the call is mutant.")
]
"""Upper threshold of the call."""

WildtypeAt = Annotated[
    float, typer.Option(metavar="P", help="Probability at or below which the call is wildtype.")
]
"""Lower threshold of the call."""

Site = Annotated[
    Path | None,
    typer.Option(metavar="SITE.json", help="Local calibration, written by gliotype calibrate."),
]
"""Calibration to a clinic."""

Model1 = Annotated[
    Path | None,
    typer.Option(
        metavar="WEIGHT",
        help="Weights of Model 1 to use instead of the shipped ones, written by gliotype train model1.",
    ),
]
"""Another weight of Model 1."""

Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, metavar="N", help="Number of threads; by default one per available core."),
]
"""On how many threads a study is predicted."""

AsJson = Annotated[bool, typer.Option("--json", help="Print prediction.json on stdout.")]
"""Whether the result is printed for machines."""
