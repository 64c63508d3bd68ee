"""What is measured of a simulated patient for `benchmarks/simulator.py`, and the file in which it is kept.

Patients are drawn with the case mix of the Severance cohort on the 2 mm grid of Model 1, in the shipped template's head
reshaped at random, and the true masks are measured. The images are those of the hospital that the published signal is
from (UCSF): 3 T, thin slices, T1 as inversion-prepared gradient echo before and after contrast agent; timing, noise
and inhomogeneity vary as hospitals have them. The signal is read at 1 mm around the tumour, since the published ring is
3 mm wide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from truth import perfectly_prepared

import gliotype.simulate
from gliotype.masks import box_around
from gliotype.measure.loci import loci
from gliotype.measure.mismatch import mismatch
from gliotype.measure.shape import shape_features
from gliotype.measure.signal import RING_VOXELS, signal_ratios
from gliotype.segment.model1 import GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import SEVERANCE_MIX, DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocol
from gliotype.simulate.tissue import Tissue, draw_parameters
from gliotype.study import STRUCTURAL, Label, PreparedStudy, Sequence, Tumour
from gliotype.volume import Grid, Matrix, Volume

PARTS = {"enhancing": Label.ENHANCING, "non-enhancing core": Label.CORE, "oedema": Label.OEDEMA}
"""Parts of a tumour, as BraTS divides it; necrosis counts as non-enhancing core."""


@dataclass(frozen=True)
class Row:
    """What was measured in one simulated patient.

    Attributes:
        seed: of the patient.
        type: class of the tumour.
        grade: WHO grade.
        age: years.
        planned: what the plan says that the images do not show: mismatch, necrosis, cyst, calcification (as 0 or 1).
        mask: geometry of the true mask, as `geometry` names it.
        sign: whether the mismatch sign was measured (1, 0), or None.
        mismatch_fraction: measured, %, or None.
        signal: tumour over ring (`gliotype.measure.signal`).
        parts: ratio of the mean signal of two parts, such as ``"T1C enhancing / oedema"``.
        ventricle: median signal of the ventricles on FLAIR over that of white matter.
    """

    seed: int
    type: GliomaType
    grade: int
    age: float
    planned: dict[str, float]
    mask: dict[str, float]
    sign: float | None
    mismatch_fraction: float | None
    signal: dict[str, float]
    parts: dict[str, float]
    ventricle: float

    @property
    def mutant(self) -> bool:
        """Whether the tumour carries an IDH mutation."""
        return self.type.idh_mutant

    @property
    def enhancing(self) -> bool:
        """Whether more than 1 % of the tumour enhances."""
        return self.mask["enhancing"] > 0.01


def geometry(labels: NDArray[np.uint8], grid: Grid, mni_from_world: Matrix) -> dict[str, float]:
    """Measure size, parts, shape and place of a label map.

    Args:
        labels: on `grid`.
        grid: isotropic.
        mni_from_world: from the space of `grid` to MNI152.

    Returns:
        ``ml``; the parts of `PARTS` as fractions of the whole; ``sphericity``, ``elongation``, ``flatness``;
        ``extent`` (volume over that of the bounding box); ``foci`` of 1 ml or more; ``x`` (mm from the midline), ``y``,
        ``z`` of the centre; percent in each lobe.
    """
    whole = labels > 0
    mask = Volume(whole, grid.affine)
    shape = {name.lower(): value for name, value in shape_features(mask).items()}
    box = whole[box_around(whole, 0)]
    numbered, _ = ndimage.label(whole)
    sizes = np.bincount(numbered.ravel())[1:] * grid.voxel_ml
    x, y, z = (mni_from_world @ grid.affine @ [*np.argwhere(whole).mean(axis=0), 1.0])[:3]
    found: dict[str, float | None] = {
        "ml": float(whole.sum()) * grid.voxel_ml,
        **{name: float((labels == label).sum() / whole.sum()) for name, label in PARTS.items()},
        **{name: shape[name] for name in ("sphericity", "elongation", "flatness")},
        "extent": float(whole.sum()) / box.size,
        "foci": float((sizes >= 1.0).sum()),
        "x": abs(float(x)),
        "y": float(y),
        "z": float(z),
        **loci(mask, mni_from_world),
    }
    return {name: float("nan") if value is None else value for name, value in found.items()}


def reference_protocols(rng: np.random.Generator) -> dict[Sequence, Protocol]:
    """Draw protocols like those of UCSF: thin slices, MPRAGE before and after contrast agent."""
    drawn = {s: draw_protocol(rng, s, thickness_mm=float(rng.uniform(1.0, 1.5))) for s in STRUCTURAL}
    t1 = replace(
        drawn[Sequence.T1],
        technique="MPRAGE",
        tr_ms=float(rng.uniform(1900, 2500)),
        te_ms=3.0,
        ti_ms=float(rng.uniform(850, 1150)),
    )
    return drawn | {Sequence.T1: t1, Sequence.T1C: replace(t1, sequence=Sequence.T1C, contrast=True)}


def simulate(seed: int) -> tuple[DigitalPatient, PreparedStudy]:
    """Draw a patient and image it straight onto the prepared grid."""
    rng = np.random.default_rng([2021, seed])
    glioma = list(SEVERANCE_MIX)[rng.choice(len(SEVERANCE_MIX), p=list(SEVERANCE_MIX.values()))]
    patient = draw_patient(rng, template_anatomy(), GRID, glioma)
    protocols = reference_protocols(rng)
    parameters = draw_parameters(rng)
    white, brain = _away(patient, Tissue.WHITE_MATTER), patient.brain
    images = {
        s: Volume(image / float(np.median(image[white])) * brain, GRID.affine)
        for s, image in acquire(rng, patient, parameters, protocols).items()
    }
    return patient, perfectly_prepared(patient, images, dict.fromkeys(images, (GRID, np.eye(4))))


def _away(patient: DigitalPatient, tissue: Tissue) -> NDArray[np.bool_]:
    """Where a healthy tissue is free of tumour."""
    mask = patient.healthy == tissue
    return np.asarray(mask if patient.tumour is None else mask & (patient.tumour.infiltration < 0.01))


def measure(seed: int) -> Row:
    """Simulate one patient and measure its true tumour."""
    patient, prepared = simulate(seed)
    assert patient.tumour is not None
    assert patient.plan is not None
    labels, plan = patient.tumour.labels, patient.plan
    measured = mismatch(prepared, Tumour(Volume(labels, GRID.affine), "given"))
    flair = np.asarray(prepared.images[Sequence.FLAIR].array)
    images = {s: np.asarray(image.array) for s, image in prepared.images.items()}
    ventricle = ndimage.binary_erosion(_away(patient, Tissue.VENTRICLE))
    return Row(
        seed=seed,
        type=plan.type,
        grade=plan.grade,
        age=patient.age,
        planned={
            "mismatch": float(plan.mismatch),
            "necrosis": float(plan.necrotic_fraction > 0 and not plan.cystic),
            "cyst": float(plan.cystic),
            "calcification": float(plan.calcified_fraction > 0),
        },
        mask=geometry(labels, GRID, np.eye(4)),
        sign=measured["mismatch_sign"],
        mismatch_fraction=measured["mismatch_fraction"],
        signal={name: value for name, value in _over_ring(prepared, labels > 0).items() if value is not None},
        parts=_part_ratios(images, labels),
        ventricle=float(np.median(flair[ventricle])) if ventricle.any() else float("nan"),
    )


def _over_ring(prepared: PreparedStudy, whole: NDArray[np.bool_]) -> Mapping[str, float | None]:
    """Tumour over ring on a 1 mm grid around the tumour, as in the table of UCSF-PDGM."""
    box = box_around(whole, RING_VOXELS + 3)
    corner = np.array([s.start for s in box], dtype=float)
    shape = tuple(2 * (s.stop - s.start) for s in box)
    affine = GRID.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] = (GRID.affine @ [*(corner - 0.25), 1.0])[:3]
    fine = Grid((shape[0], shape[1], shape[2]), affine)
    near = PreparedStudy(
        images={s: image.resample(fine) for s, image in prepared.images.items()},
        brain=prepared.brain.resample(fine, order=0),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={},
        acquired_grids={},
        reference=Sequence.T1C,
        skull_stripped=True,
    )
    mask = Volume(whole.astype(np.float32), GRID.affine).resample(fine)
    return signal_ratios(near, np.asarray(mask.array) >= 0.5)


def _part_ratios(
    images: Mapping[Sequence, NDArray[np.floating]], labels: NDArray[np.uint8]
) -> dict[str, float]:
    """Mean signal of enhancing tumour and of non-enhancing core over that of oedema."""
    of = {name: labels == label for name, label in PARTS.items()}
    return {
        f"{sequence} {name} / oedema": float(image[of[name]].mean() / image[of["oedema"]].mean())
        for sequence, image in images.items()
        for name in ("enhancing", "non-enhancing core")
        if min(of[name].sum(), of["oedema"].sum()) >= 20
    }


@cache
def code_version() -> str:
    """Digest of the simulator's source: rows of another version are not used."""
    digest = hashlib.sha256()
    for path in sorted(Path(gliotype.simulate.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def rows_of(patients: int, kept: Path | None, jobs: int) -> list[Row]:
    """Simulate patients and measure them, or read from a file what was measured before with the same code.

    Args:
        patients: their seeds are 0 up to this number.
        kept: JSON lines to which each new row is appended; None keeps nothing.
        jobs: patients at the same time.
    """
    known: dict[int, Row] = {}
    if kept is not None and kept.exists():
        for line in kept.read_text().splitlines():
            entry = json.loads(line)
            if entry.pop("code") == code_version():
                known[entry["seed"]] = Row(**(entry | {"type": GliomaType(entry["type"])}))
    missing = [seed for seed in range(patients) if seed not in known]
    with ProcessPoolExecutor(jobs) as pool:
        for row in pool.map(measure, missing):
            known[row.seed] = row
            if kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps(asdict(row) | {"code": code_version()}) + "\n")
    return [known[seed] for seed in range(patients)]
