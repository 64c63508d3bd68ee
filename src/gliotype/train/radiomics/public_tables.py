"""Public tables of glioma patients, read into numbers with the names that `gliotype.measure` gives them.

The tables are not part of Gliotype; their sources are named in the model cards.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.cohorts import is_mutant
from gliotype.errors import InputError

Floats = NDArray[np.float64]

_SHAPE_COLUMNS = {
    "Elongation": "Elongation",
    "Flatness": "Flatness",
    "LeastAxisLength": "LeastAxisLength",
    "MajorAxisLength": "MajorAxisLength",
    "Maximum2DDiameterCoronal": "Maximum2DDiameterColumn",
    "Maximum2DDiameterSagittal": "Maximum2DDiameterRow",
    "Maximum2DDiameterAxial": "Maximum2DDiameterSlice",
    "Maximum3DDiameter": "Maximum3DDiameter",
    "MeshVolume": "MeshVolume",
    "MinorAxisLength": "MinorAxisLength",
    "Sphericity": "Sphericity",
    "SurfaceArea": "SurfaceArea",
    "VoxelVolume": "VoxelVolume",
}


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients of one table.

    Attributes:
        name: of the data set.
        ids: of the patients.
        mutant: whether an IDH mutation was found.
        grade: WHO grade, 0 where unknown.
        values: numbers by name, NaN where missing.
    """

    name: str
    ids: tuple[str, ...]
    mutant: NDArray[np.bool_]
    grade: NDArray[np.int_]
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, selected: NDArray[np.bool_]) -> Cohort:
        """Return the patients for whom `selected` is true."""
        return Cohort(
            self.name,
            tuple(np.array(self.ids)[selected].tolist()),
            self.mutant[selected],
            self.grade[selected],
            {name: column[selected] for name, column in self.values.items()},
        )

    def complete(self, features: Iterable[str]) -> NDArray[np.bool_]:
        """Return which patients have all of some features."""
        return np.asarray(np.isfinite(self.matrix(features)).all(axis=1))

    def matrix(self, features: Iterable[str]) -> Floats:
        """Return the features as columns."""
        return np.column_stack([self.values[name] for name in features])


def read_ucsf(tables: Path) -> Cohort:
    """Read UCSF-PDGM at baseline: age, the 13 shape features, tumour-over-ring ratios (318 of 495 patients).

    Follow-up examinations (``FU`` in the identifier) are left out. Shape belongs to the same experts'
    whole-tumour masks as the ratios: the voxel counts of both tables agree in every baseline patient.
    """
    clinical = [row for row in _rows(tables / "ucsf_pdgm_clinical.csv") if "FU" not in row["ID"]]
    shape = {row["ID"]: row for row in _rows(tables / "ucsf_pdgm_pyradiomics_t1c.csv")}
    rings = {
        _ucsf_id(row["patient_id"]): row
        for row in _rows(tables / "ucsf_pdgm_tumour_and_ring_statistics.csv")
        if "FU" not in row["patient_id"]
    }
    ids = tuple(row["ID"] for row in clinical)
    values = {"age": np.array([_number(row["Age at MRI"]) for row in clinical])}
    for name, column in _SHAPE_COLUMNS.items():
        values[name] = np.array(
            [_number(shape.get(each, {}).get(f"original_shape_{column}", "")) for each in ids]
        )
    for sequence in ("T1C", "T2", "FLAIR", "T1"):
        values |= _ratios(sequence, [rings.get(each, {}) for each in ids])
    return Cohort(
        name="UCSF-PDGM",
        ids=ids,
        mutant=np.array([is_mutant(row["IDH"]) for row in clinical], dtype=np.bool_),
        grade=np.array([int(row["WHO CNS Grade"]) for row in clinical]),
        values=values,
    )


def read_tcga(tables: Path) -> Cohort:
    """Read age, grade and IDH status of TCGA gliomas (Ceccarelli 2016), where all are known."""
    rows = [
        row
        for row in _rows(tables / "tcga_glioma_subtypes.csv")
        if is_mutant(row["IDH.status"]) is not None and np.isfinite(_number(row["Age..years.at.diagnosis."]))
    ]
    return Cohort(
        name="TCGA",
        ids=tuple(row["patient"] for row in rows),
        mutant=np.array([is_mutant(row["IDH.status"]) for row in rows], dtype=np.bool_),
        grade=np.array([int(row["Grade"][1:]) if row["Grade"][:1] == "G" else 0 for row in rows]),
        values={"age": np.array([_number(row["Age..years.at.diagnosis."]) for row in rows])},
    )


def read_upenn(tables: Path) -> Cohort:
    """Read age and IDH1 status of UPENN-GBM at baseline (``_11`` in the identifier), where it was tested."""
    rows = [
        row
        for row in _rows(tables / "upenn_gbm_clinical.csv")
        if is_mutant(row["IDH1"]) is not None and row["ID"].endswith("_11")
    ]
    return Cohort(
        name="UPENN-GBM",
        ids=tuple(row["ID"] for row in rows),
        mutant=np.array([is_mutant(row["IDH1"]) for row in rows], dtype=np.bool_),
        grade=np.full(len(rows), 4),
        values={"age": np.array([_number(row["Age_at_scan_years"]) for row in rows])},
    )


def _ratios(sequence: str, rows: list[dict[str, str]]) -> dict[str, Floats]:
    """Return the ratios of a sequence over the ring's median.

    The table has no inner ratios (`gliotype.measure.signal`). Those over the ring stand for them, and the errors that
    are added in training contain the difference.
    """
    key = sequence.lower()

    def column(name: str) -> Floats:
        return np.array([_number(row.get(name, "")) for row in rows])

    ring = column(f"ring_{key}_p50")
    statistics = {name: column(f"tumor_{key}_{name}") for name in ("mean", "std", "p5", "p25", "p50", "p95")}
    over = {name: statistics[name] / ring for name in ("mean", "p5", "p25", "p50", "p95")}
    ratios = {f"{sequence}_{name}_over_ring": column for name, column in over.items()}
    inner = {f"{sequence}_inner_{name}_over_tissue": column for name, column in over.items()}
    return {**ratios, **inner, f"{sequence}_cv": statistics["std"] / statistics["mean"]}


def _ucsf_id(patient: str) -> str:
    """Turn ``UCSF-PDGM-0004_nifti`` into ``UCSF-PDGM-004``."""
    found = re.fullmatch(r"UCSF-PDGM-(\d+)_nifti", patient)
    if found is None:
        raise InputError(f"{patient!r} is not an identifier of the UCSF-PDGM ring table")
    return f"UCSF-PDGM-{int(found[1]):03d}"


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"the table {path.name} is not in {path.parent}: put it there")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
