"""What is known about a simulated patient: the row of a cohort's table, and what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gliotype.measure import LOCI_UNITS, loci
from gliotype.simulate.cohort.sites import Disease
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient
from gliotype.simulate.tissue import Tissue
from gliotype.study import Label
from gliotype.volume import Volume

TRUTH_SPACES = ("FLAIR", "T1C", "T2", "T1")
"""Sequences in the order in which a raw patient's truth is drawn on one of them."""

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "participant_id": {"Description": "Name of the simulated patient's folder"},
    "age": {"Description": "Age", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"M": "male", "F": "female"}},
    "idh": {"Description": "IDH status; n/a without glioma", "Levels": {"mutant": "", "wildtype": ""}},
    "codel_1p19q": {
        "Description": "1p/19q status; n/a without glioma",
        "Levels": {"codeleted": "", "intact": ""},
    },
    "disease": {"Description": "Class of glioma, kind of other lesion, or healthy"},
    "grade": {"Description": "WHO grade, 2 to 4; n/a without glioma"},
    "mismatch": {
        "Description": "Whether the core has the relaxation times of the T2-FLAIR mismatch sign",
        "Levels": {"1": "yes", "0": "no"},
    },
    "enhancing": {
        "Description": "Whether any part of the glioma enhances",
        "Levels": {"1": "yes", "0": "no"},
    },
    "whole_ml": {"Description": "Volume of the whole tumour (any label)", "Units": "mL"},
    "core_ml": {"Description": "Volume of non-enhancing or necrotic core (label 1)", "Units": "mL"},
    "oedema_ml": {"Description": "Volume of oedema and infiltrated tissue (label 2)", "Units": "mL"},
    "enhancing_ml": {"Description": "Volume of enhancing tumour (label 3)", "Units": "mL"},
    "adc_ratio": {
        "Description": "ADC of the solid glioma over that of white matter; n/a without glioma or without an ADC map"
    },
    "two_hg_mm": {"Description": "2HG in the box of the spectrum; n/a without a spectrum", "Units": "mmol/L"},
    "box_tumour": {"Description": "Part of that box that is tumour, 0 to 1; n/a without a spectrum"},
    "lobe": {
        "Description": "Structure that holds most of the tumour; n/a where it is in none of them",
        "Levels": {name.lower(): "" for name in LOCI_UNITS},
    },
    "site": {"Description": "Site whose case mix and ages the patient was drawn from"},
    "field_t": {"Description": "Field strength", "Units": "T"},
    "sequences": {"Description": "Sequences that the patient has, separated by blanks"},
    "truth_space": {
        "Description": "Sequence on whose grid the truth lies; all share it in a cohort that is not raw"
    },
    "seed": {"Description": "Seed of this patient, made from the cohort's seed and the patient's number"},
}
"""Every column of participants.tsv, in order, as ``participants.json`` describes it."""


def truth_of(patient: DigitalPatient, disease: Disease) -> dict[str, str | int | float | None]:
    """Determine what is known about a digital patient; None where it does not apply.

    Args:
        patient: with maps in MNI152 coordinates.
        disease: what was drawn.

    Returns:
        The columns of `COLUMNS` that the patient alone decides, except age and sex.
    """
    glioma = disease if isinstance(disease, GliomaType) else None
    labels = np.zeros(patient.grid.shape, np.uint8) if patient.tumour is None else patient.tumour.labels
    volumes = {
        f"{label.name.lower()}_ml": round(float((labels == label).sum()) * patient.grid.voxel_ml, 2)
        for label in Label
    }
    truth: dict[str, str | int | float | None] = {
        "idh": None if glioma is None else ("mutant" if glioma.idh_mutant else "wildtype"),
        "codel_1p19q": None
        if glioma is None
        else ("codeleted" if glioma is GliomaType.OLIGODENDROGLIOMA else "intact"),
        "disease": "healthy" if disease is None else str(disease),
        "grade": None if patient.plan is None else patient.plan.grade,
        "mismatch": None,
        "enhancing": None,
        "whole_ml": round(float((labels > 0).sum()) * patient.grid.voxel_ml, 2),
        **volumes,
        "lobe": _main_structure(Volume(labels > 0, patient.grid.affine)),
    }
    if glioma is not None and patient.tumour is not None:
        truth["mismatch"] = int((patient.tumour.compartment == Tissue.MISMATCH_CORE).any())
        truth["enhancing"] = int((labels == Label.ENHANCING).any())
    return truth


def _main_structure(tumour_in_mni: Volume) -> str | None:
    fractions = {name: fraction or 0.0 for name, fraction in loci(tumour_in_mni, np.eye(4)).items()}
    most = max(fractions, key=lambda name: fractions[name])
    return most.lower() if fractions[most] > 0 else None
