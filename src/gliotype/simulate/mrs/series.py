"""The spectrum of a digital patient: a box over its tumour, what that holds, and its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from gliotype.mrs import MrsSequence, MrsSeries, Timing
from gliotype.simulate.head.pose import draw_rigid
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.mrs.acquire import Conditions, acquire
from gliotype.simulate.mrs.concentrations import draw_concentrations, draw_two_hg
from gliotype.simulate.patient import DigitalPatient
from gliotype.volume import Grid, Matrix

EDGES_MM = (20.0, 20.0, 20.0)
"""Of the box, as the published protocols have it."""

TIMINGS = (Timing(MrsSequence.PRESS, 97.0, 32.0), Timing(MrsSequence.MEGA, 68.0))
"""Sequences that are acquired, and how often: two PRESS to one MEGA-PRESS."""

EXTENSION = 44


@dataclass(frozen=True, eq=False)
class SimulatedMrs:
    """The spectrum of a digital patient.

    Attributes:
        series: as acquired, with its water.
        two_hg_mm: in the box.
        tumour_fraction: part of the box that is tumour.
    """

    series: MrsSeries
    two_hg_mm: float
    tumour_fraction: float


def mrs_series(
    patient: DigitalPatient, seed: int, *, field_t: float = 3.0, lying: Matrix | None = None
) -> SimulatedMrs:
    """Measure a spectrum in the middle of the tumour; in healthy heads, in white matter.

    Args:
        patient: whom to measure.
        seed: random seed; the spectrum is the same whatever else is acquired.
        field_t: field strength in tesla.
        lying: transform from the patient's space to the scanner's, RAS mm; not turned by default.
    """
    rng = np.random.default_rng([seed, 44])
    scanner_from_mni = draw_rigid(rng, 0.7, 1.0) @ (np.eye(4) if lying is None else lying)
    tumour = np.zeros(patient.grid.shape, np.bool_) if patient.tumour is None else patient.tumour.labels > 0
    voxel, fraction = place_box(patient, tumour, scanner_from_mni)
    glioma = patient.plan.type if patient.plan is not None else None
    mutant = isinstance(glioma, GliomaType) and glioma.idh_mutant
    two_hg = fraction * draw_two_hg(rng, mutant)
    timing = TIMINGS[int(rng.choice(2, p=(2 / 3, 1 / 3)))]
    conditions = Conditions(
        fwhm_hz=float(rng.uniform(4.5, 9.0)) * field_t / 3.0,
        snr=float(rng.uniform(15.0, 40.0)),
        drift_hz=float(rng.normal(0.0, 2.0)),
        eddy=float(rng.uniform(0.0, 0.5)),
        residual_water=float(rng.uniform(10.0, 80.0)),
        spoiled=int(rng.integers(0, 3)),
        coils=4,
        transients=32 if timing.sequence is MrsSequence.PRESS else 16,
    )
    held = draw_concentrations(rng, two_hg, fraction, mutant=mutant)
    series = acquire(rng, held, timing, field_t, conditions, voxel=voxel)
    return SimulatedMrs(series, two_hg, fraction)


def place_box(patient: DigitalPatient, tumour: np.ndarray, scanner_from_mni: Matrix) -> tuple[Grid, float]:
    """Place the box where it holds most of a mask, with its edges along those of the scanner.

    Returns:
        The box in scanner coordinates, and the part of it that is tumour.
    """
    target = tumour if tumour.any() else ndimage.binary_erosion(patient.brain, iterations=8)
    spacing = patient.grid.spacing
    size = [max(1, round(edge / step)) for edge, step in zip(EDGES_MM, spacing, strict=True)]
    held = ndimage.uniform_filter(target.astype(np.float32), size, mode="constant")
    inside = ndimage.uniform_filter(patient.brain.astype(np.float32), size, mode="constant")
    best = np.unravel_index(int(np.argmax(held + 0.5 * inside)), held.shape)
    centre = patient.grid.affine @ [*best, 1.0]
    affine = np.diag([*EDGES_MM, 1.0])
    affine[:3, 3] = (scanner_from_mni @ centre)[:3]
    voxel = Grid((1, 1, 1), affine)
    line = (np.arange(20) + 0.5) / 20 - 0.5
    points = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    mni = nib.affines.apply_affine(np.linalg.inv(scanner_from_mni) @ affine, points)
    index = nib.affines.apply_affine(np.linalg.inv(patient.grid.affine), mni).T
    fraction = float(ndimage.map_coordinates(tumour.astype(np.uint8), index, order=0).mean())
    return voxel, fraction


def write_mrs(simulated: SimulatedMrs, folder: Path, name: str) -> Path:
    """Write a spectrum and its water as NIfTI-MRS; returns the file of the spectrum."""
    series = simulated.series
    assert series.timing is not None, "a simulated spectrum has a timing"
    path = folder / f"{name}.nii.gz"
    edits = series.fids.shape[3]
    tags = {"dim_5": "DIM_COIL", "dim_6": "DIM_DYN", **({"dim_7": "DIM_EDIT"} if edits > 1 else {})}
    facts = {
        "SpectrometerFrequency": [series.frequency_mhz],
        "ResonantNucleus": ["1H"],
        "EchoTime": series.timing.te_ms / 1000,
        "RepetitionTime": (series.tr_ms or 2500.0) / 1000,
        "SequenceName": str(series.timing.sequence),
        "ConversionMethod": "Simulated with Gliotype",
    }
    if series.timing.te1_ms is not None:
        facts["EchoTime1"] = series.timing.te1_ms / 1000
    fids = series.fids if edits > 1 else series.fids[..., 0]
    _write(fids, series, path, {**facts, **tags, "WaterSuppressed": True})
    if series.water is not None:
        reference = path.with_name(f"{name}_ref.nii.gz")
        _write(series.water, series, reference, {**facts, "dim_5": "DIM_COIL", "WaterSuppressed": False})
    return path


def _write(fids: np.ndarray, series: MrsSeries, path: Path, facts: dict[str, object]) -> None:
    affine = np.eye(4) if series.voxel is None else series.voxel.affine
    # The format keeps frequencies as they turn, which is the other way round.
    image = nib.Nifti2Image(fids.conj()[None, None, None].astype(np.complex64), affine)
    image.header["pixdim"][4] = series.dwell_s
    image.header["intent_name"] = b"mrs_v0_9"
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.extensions.append(nib.nifti1.Nifti1Extension(EXTENSION, json.dumps(facts).encode()))
    nib.save(image, path)
