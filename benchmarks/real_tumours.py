"""Real tumours against which `benchmarks/simulator.py` holds the simulated ones: expert masks and tables of signal.

A folder holds ``masks/`` (BraTS label maps in SRI24 space, ``labels.csv``) and ``tables/`` (UCSF-PDGM and UPENN-GBM);
what is missing is left out. Nothing of these is shipped, and quantiles alone are printed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from simulated_rows import geometry

from gliotype.study import Label
from gliotype.volume import Volume

MNI_FROM_SRI24 = np.array([[1.066, 0, 0, 125.6], [0, 1.075, 0, -136.0], [0, 0, 1.07, -65.2], [0, 0, 0, 1.0]])
"""Carries the box around the brain of BraTS images (mean of six) to that of MNI152, but for the cut brainstem."""

SPACING_MM = 2.0


@dataclass(frozen=True)
class RealMask:
    """An expert's mask, measured as a simulated one: `kind` is "wildtype", "mutant", "high grade" or "low grade"."""

    kind: str
    mask: dict[str, float]


@dataclass(frozen=True)
class RingRow:
    """A patient of UCSF-PDGM: tumour over the median of the ring, named as `gliotype.measure.signal` does."""

    mutant: bool
    grade: int
    age: float
    ml: float
    extent: float
    signal: dict[str, float]


def real_masks(folder: Path, kept: Path | None) -> list[RealMask]:
    """Measure every mask of a folder on a 2 mm grid, or read from a file what was measured before."""
    labels = {row["id"]: row for row in _table(folder / "labels.csv")}
    known: dict[str, dict[str, float]] = {}
    if kept is not None and kept.exists():
        known = {entry["id"]: entry["mask"] for entry in map(json.loads, kept.read_text().splitlines())}
    found = []
    for path in sorted(folder.glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        if name not in known:
            image: Any = nib.load(path)
            known[name] = _measure(Volume(np.asarray(image.dataobj), image.affine))
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps({"id": name, "mask": known[name]}) + "\n")
        row = labels[name]
        kind = row["idh"] or ("high grade" if row["brats_grade"] == "HGG" else "low grade")
        found.append(RealMask(kind, known[name]))
    return found


def _measure(mask: Volume) -> dict[str, float]:
    values = np.asarray(mask.array)
    labels = np.zeros(values.shape, np.float32)
    for value, label in ((1, Label.CORE), (2, Label.OEDEMA), (4, Label.ENHANCING)):
        labels[values == value] = label
    grid = mask.grid.bounding(SPACING_MM)
    resampled = Volume(labels, mask.affine).resample(grid, order=0)
    return geometry(np.rint(np.asarray(resampled.array)).astype(np.uint8), grid, MNI_FROM_SRI24)


def ring_rows(tables: Path) -> list[RingRow]:
    """Read the table of tumour and ring of UCSF-PDGM, joined with the clinical one; follow-ups are left out."""
    clinical = {
        _number(row["ID"]): row for row in _table(tables / "ucsf_pdgm_clinical.csv") if "FU" not in row["ID"]
    }
    found = []
    for row in _table(tables / "ucsf_pdgm_tumour_and_ring_statistics.csv"):
        patient = clinical.get(_number(row["patient_id"]))
        if patient is None or "FU" in row["patient_id"]:
            continue
        found.append(
            RingRow(
                mutant=patient["IDH"] != "wildtype",
                grade=int(patient["WHO CNS Grade"]),
                age=float(patient["Age at MRI"]),
                ml=float(row["tumor_volume_mm3"]) / 1000,
                extent=float(row["tumor_voxels"]) / float(row["bbox_volume_vox"]),
                signal={
                    f"{s.upper()}_{q}_over_ring": float(row[f"tumor_{s}_{q}"]) / float(row[f"ring_{s}_p50"])
                    for s in ("t1", "t1c", "t2", "flair")
                    for q in ("mean", "p5", "p50", "p95")
                },
            )
        )
    return found


def _number(patient: str) -> int:
    """The number within a patient's key, which the two tables pad differently."""
    found = re.search(r"PDGM-(\d+)", patient)
    assert found is not None
    return int(found[1])


def part_ratios(tables: Path) -> dict[str, NDArray[np.floating]]:
    """Read ratios of the mean signal of parts in UPENN-GBM (units cancel), named as `simulated_rows` does."""
    rows = _table(tables / "upenn_gbm_first_order.csv")
    parts, sequences = {"enhancing": "ET", "non-enhancing core": "NC"}, {"T1C": "T1GD"}
    return {
        f"{sequence} {part} / oedema": _ratios(rows, sequences.get(sequence, sequence), short)
        for sequence in ("T1", "T1C", "T2", "FLAIR")
        for part, short in parts.items()
    }


def _ratios(rows: Iterable[Mapping[str, str]], sequence: str, part: str) -> NDArray[np.floating]:
    above, below = f"{sequence}_{part}_Intensity_Mean", f"{sequence}_ED_Intensity_Mean"
    both = [(row[above], row[below]) for row in rows if row[above] and row[below]]
    return np.array([float(a) / float(b) for a, b in both])


def _table(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
