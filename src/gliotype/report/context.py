"""Published figures for groups of patients, as context; none is about the patient of the report."""

from __future__ import annotations

from dataclasses import dataclass

NCDB = "National Cancer Database, n = 8,651 (PMC10076944)"
REUSS = "Reuss 2015"

NOT_THIS_PATIENT = (
    "These figures were published for groups of patients. None was computed from this study, and none is a "
    "prediction for this patient. Grade and 1p/19q status come from pathology."
)


@dataclass(frozen=True)
class GroupFigure:
    """One published figure of one group."""

    group: str
    figure: str
    source: str


GROUPS = (
    GroupFigure("Astrocytoma, IDH-mutant, grade 2 / 3 / 4", "alive after 1 year: 98.0 / 92.4 / 76.3 %", NCDB),
    GroupFigure("Oligodendroglioma, grade 2 / 3", "alive after 1 year: 97.9 / 94.4 %", NCDB),
    GroupFigure("Glioblastoma, IDH-wildtype", "alive after 1 year: 53.7 %", NCDB),
    GroupFigure("Glioblastoma, MGMT methylated / not", "median survival: 17.1 / 12.4 months", NCDB),
    GroupFigure("Astrocytoma, IDH-mutant, grade 2 / 3", "median survival: 10.9 / 9.3 years", REUSS),
    GroupFigure(
        "1p/19q codeletion from MRI by deep learning",
        "pooled sensitivity 77 %, specificity 85 %, AUROC 0.89",
        "meta-analysis, Neuroradiology 2025;67:1667",
    ),
)
