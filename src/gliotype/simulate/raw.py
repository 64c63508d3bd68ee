"""Raw clinical studies of digital patients: each sequence in its own oblique, thick-sliced space, skull on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from gliotype.simulate.anatomy import Anatomy
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocol
from gliotype.simulate.template import template_anatomy
from gliotype.simulate.tissue import draw_parameters
from gliotype.simulate.tumour import GliomaType
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Grid, Matrix, Volume

SPACING_MM = 1.5
"""Spacing of the grid on which a raw study's patient is built."""

NAMES = {
    Sequence.T1: "AX_T1_SE_pre",
    Sequence.T1C: "AX_T1_SE_post_GAD",
    Sequence.T2: "AX_T2_TSE",
    Sequence.FLAIR: "AX_FLAIR_dark_fluid",
}
"""File names as an export tool makes them from series descriptions."""


def raw_patient(seed: int, glioma: GliomaType | None, anatomy: Anatomy | None = None) -> DigitalPatient:
    """Draw a digital patient on a whole-head grid in MNI space.

    Args:
        seed: of everything random.
        glioma: class of tumour, or None for a healthy head.
        anatomy: head to start from; the shipped template when None.
    """
    anatomy = anatomy or template_anatomy()
    grid = anatomy.tissue.grid.bounding(SPACING_MM, anatomy.mni_from_world)
    return draw_patient(np.random.default_rng([seed, 1]), anatomy, grid, glioma, reshape_scale=0.04)


def write_raw_study(patient: DigitalPatient, folder: Path, seed: int) -> tuple[Path, ...]:
    """Write T1, T1c, T2 and FLAIR of a digital patient as a scanner's export: NIfTI with JSON sidecars.

    The patient lies obliquely in the scanner and moves a little between sequences; slices are 3 to 6 mm thick.

    Args:
        patient: whom to image.
        folder: for the files; made if it is not there.
        seed: of everything random.

    Returns:
        The NIfTI files.
    """
    rng = np.random.default_rng([seed, 2])
    folder.mkdir(parents=True, exist_ok=True)
    protocols = {s: _hospital_protocol(rng, s) for s in STRUCTURAL}
    fine = {s: replace(p, thickness_mm=SPACING_MM, in_plane_mm=0.8) for s, p in protocols.items()}
    images = acquire(rng, patient, draw_parameters(rng), fine)
    lying = _rigid(rng, turn_deg=6.0, shift_mm=12.0)
    written = []
    for sequence, array in images.items():
        scanner_from_mni = _rigid(rng, turn_deg=0.7, shift_mm=1.0) @ lying
        grid = _slab(patient.grid, scanner_from_mni, protocols[sequence].thickness_mm, rng)
        image = Volume(array, patient.grid.affine).resample(grid, np.linalg.inv(scanner_from_mni))
        scaled = np.clip(np.asarray(image.array) / float(np.quantile(array, 0.995)) * 1000, 0, 4095)
        path = folder / f"{NAMES[sequence]}.nii.gz"
        nib.Nifti1Image(scaled.astype(np.int16), grid.affine).to_filename(path)
        path.with_name(f"{NAMES[sequence]}.json").write_text(_sidecar(protocols[sequence]))
        written.append(path)
    return tuple(written)


def demo_study(folder: Path, seed: int = 1) -> float:
    """Write the raw study of one digital patient with an IDH-mutant astrocytoma.

    Returns:
        The patient's age in years.
    """
    patient = raw_patient(seed, GliomaType.ASTROCYTOMA)
    write_raw_study(patient, folder, seed)
    return round(patient.age, 1)


def _hospital_protocol(rng: np.random.Generator, sequence: Sequence) -> Protocol:
    protocol = draw_protocol(rng, sequence, thickness_mm=float(rng.uniform(3.0, 6.0)))
    while protocol.technique in ("SPGR", "MPRAGE") or (protocol.contrast and sequence is Sequence.FLAIR):
        protocol = draw_protocol(rng, sequence, thickness_mm=protocol.thickness_mm)
    return replace(protocol, slice_axis=2, bias=0.12, noise=float(rng.uniform(0.02, 0.05)))


def _rigid(rng: np.random.Generator, turn_deg: float, shift_mm: float) -> Matrix:
    matrix = np.eye(4)
    for axis in range(3):
        angle = np.radians(turn_deg) * rng.uniform(-1, 1)
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    matrix[:3, 3] = shift_mm * rng.uniform(-1, 1, 3)
    return matrix


def _slab(head: Grid, scanner_from_mni: Matrix, thickness_mm: float, rng: np.random.Generator) -> Grid:
    """An axial stack of thick slices over the head, tilted as a technician would, in LPS-like voxel order."""
    box = head.bounding(0.9, scanner_from_mni)
    extent = np.array(box.shape) * 0.9
    spacing = np.array([0.9, 0.9, thickness_mm])
    shape = np.ceil(extent / spacing).astype(int)
    tilt = _rigid(rng, turn_deg=8.0, shift_mm=0.0)
    affine = tilt @ np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = box.centre - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(shape), affine)


def _sidecar(protocol: Protocol) -> str:
    facts: dict[str, object] = {
        "Modality": "MR",
        "MagneticFieldStrength": 3,
        "SeriesDescription": NAMES[protocol.sequence],
        "RepetitionTime": round(protocol.tr_ms / 1000, 4),
        "EchoTime": round(protocol.te_ms / 1000, 4),
        "SliceThickness": round(protocol.thickness_mm, 2),
    }
    if protocol.technique == "IR":
        facts["InversionTime"] = round(protocol.ti_ms / 1000, 4)
    if protocol.sequence is Sequence.T1C:
        facts["ContrastBolusAgent"] = "gadolinium (simulated)"
    return json.dumps(facts, indent=2) + "\n"
