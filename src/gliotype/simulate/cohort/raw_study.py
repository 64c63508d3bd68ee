"""Raw clinical studies of digital patients: each sequence in its own oblique, thick-sliced space, skull on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from gliotype.paths import as_path
from gliotype.simulate.diffusion import adc_series, write_adc
from gliotype.simulate.dsc.series import dsc_series, write_dsc
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.head.pose import axial_stack, draw_rigid
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan
from gliotype.simulate.mrs.series import mrs_series, write_mrs
from gliotype.simulate.patient import DigitalPatient, acquire, draw_head_and_plan, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocol, pair_post_contrast, same_session
from gliotype.simulate.sidecar import write_with_sidecar
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Grid, Matrix, Volume

SPACING_MM = 1.5
"""Spacing of the grid on which a raw study's patient is built."""

RESHAPE_SCALE = 0.04
"""Standard deviation of the log-scale of a head's axes."""

NAMES = {
    Sequence.T1: "AX_T1_SE_pre",
    Sequence.T1C: "AX_T1_SE_post_GAD",
    Sequence.T2: "AX_T2_TSE",
    Sequence.FLAIR: "AX_FLAIR_dark_fluid",
    Sequence.DSC: "AX_PERFUSION_DSC_EPI",
    Sequence.ADC: "AX_DWI_ADC",
    Sequence.MRS: "SVS_2HG",
}
"""File names as an export tool makes them from series descriptions."""


@dataclass(frozen=True, eq=False)
class SimulatedImage:
    """One sequence of a digital patient, as a scanner's export or a preparation would have it.

    Attributes:
        volume: int16, scanner units.
        protocol: how it was acquired.
        field_t: field strength in tesla.
        image_from_mni: transform from the digital patient's space to that of `volume`, RAS mm.
    """

    volume: Volume
    protocol: Protocol
    field_t: float
    image_from_mni: Matrix


def raw_patient(
    seed: int, disease: GliomaType | Distractor | None, anatomy: Anatomy | None = None
) -> DigitalPatient:
    """Draw a digital patient on a whole-head grid in MNI space.

    Args:
        seed: random seed.
        disease: class of tumour, kind of other lesion, or None for a healthy head.
        anatomy: head to start from; the shipped template when None.
    """
    anatomy = anatomy or template_anatomy()
    rng = np.random.default_rng([seed, 1])
    return draw_patient(rng, anatomy, _patient_grid(anatomy), disease, reshape_scale=RESHAPE_SCALE)


def raw_plan(seed: int, glioma: GliomaType, anatomy: Anatomy) -> TumourPlan:
    """Draw what the tumour of `raw_patient` is to be like, without growing it."""
    rng = np.random.default_rng([seed, 1])
    _, plan = draw_head_and_plan(rng, _patient_grid(anatomy), glioma, RESHAPE_SCALE)
    assert plan is not None, "a glioma has a plan"
    return plan


def raw_images(
    patient: DigitalPatient,
    seed: int,
    *,
    sequences: tuple[Sequence, ...] = STRUCTURAL,
    field_t: float = 3.0,
    thickness_mm: tuple[float, float] = (3.0, 6.0),
) -> dict[Sequence, SimulatedImage]:
    """Acquire a digital patient who lies obliquely in the scanner and moves a little between sequences.

    A T1c of the same session as T1 has the slices of T1, and the patient moves less between the two.

    Args:
        patient: whom to image.
        seed: random seed.
        sequences: which to acquire.
        field_t: field strength in tesla.
        thickness_mm: range of slice thickness.
    """
    rng = np.random.default_rng([seed, 2])
    protocols = pair_post_contrast(rng, {s: hospital_protocol(rng, s, thickness_mm) for s in STRUCTURAL})
    fine = {s: replace(protocols[s], thickness_mm=SPACING_MM, in_plane_mm=0.8) for s in sequences}
    acquired = acquire(rng, patient, draw_parameters(rng, field_t), fine)
    lying = draw_rigid(rng, turn_deg=6.0, shift_mm=12.0)
    images: dict[Sequence, SimulatedImage] = {}
    for sequence, array in acquired.items():
        before = images.get(Sequence.T1)
        if before is not None and same_session(before.protocol, protocols[sequence]):
            scanner_from_mni = draw_rigid(rng, turn_deg=0.2, shift_mm=0.3) @ before.image_from_mni
            grid = before.volume.grid
        else:
            scanner_from_mni = draw_rigid(rng, turn_deg=0.7, shift_mm=1.0) @ lying
            grid = _slab(patient.grid, scanner_from_mni, protocols[sequence].thickness_mm, rng)
        image = Volume(array, patient.grid.affine).resample(grid, np.linalg.inv(scanner_from_mni))
        volume = image.with_array(scanner_units(np.asarray(image.array), float(np.quantile(array, 0.995))))
        images[sequence] = SimulatedImage(volume, protocols[sequence], field_t, scanner_from_mni)
    return images


def scanner_units(array: NDArray[np.floating], bright: float) -> NDArray[np.int16]:
    """Scale an image to whole numbers up to 4095, with a bright signal at 1000.

    Example:
        >>> scanner_units(np.array([0.0, 1.0, 9.0]), bright=2.0)
        array([   0,  500, 4095], dtype=int16)
    """
    return np.asarray(np.clip(array / bright * 1000, 0, 4095), dtype=np.int16)


def write_image(image: SimulatedImage, folder: Path, name: str) -> Path:
    """Write an image as NIfTI with a JSON sidecar.

    Args:
        image: what to write.
        folder: where.
        name: of the files, without ending.

    Returns:
        The NIfTI file.
    """
    nifti = nib.Nifti1Image(image.volume.array, image.volume.affine)
    return write_with_sidecar(nifti, _sidecar(image, name), folder, name)


def write_raw_study(
    patient: DigitalPatient,
    folder: str | Path,
    seed: int,
    *,
    sequences: tuple[Sequence, ...] = STRUCTURAL,
) -> tuple[Path, ...]:
    """Write sequences of a digital patient as a scanner's export: NIfTI with JSON sidecars.

    Structural slices are 3 to 6 mm thick; see `raw_images`, `dsc_series` in `gliotype.simulate.dsc` for
    perfusion, `adc_series` in `gliotype.simulate.diffusion` for ADC, and `gliotype.simulate.mrs` for spectra.

    Args:
        patient: whom to image.
        folder: for the files; created if missing.
        seed: random seed. A sequence is the same whichever others are written.
        sequences: which to write: T1, T1C, T2, FLAIR, DSC, ADC, MRS.

    Returns:
        The NIfTI files.
    """
    folder = as_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = raw_images(patient, seed)
    files = [
        write_image(image, folder, NAMES[sequence])
        for sequence, image in images.items()
        if sequence in sequences
    ]
    if Sequence.DSC in sequences:
        series = dsc_series(patient, seed, lying=images[Sequence.T1C].image_from_mni)
        files.append(write_dsc(series, folder, NAMES[Sequence.DSC]))
    if Sequence.ADC in sequences:
        adc = adc_series(patient, seed, lying=images[Sequence.T1C].image_from_mni)
        files.append(write_adc(adc, folder, NAMES[Sequence.ADC]))
    if Sequence.MRS in sequences:
        spectrum = mrs_series(patient, seed, lying=images[Sequence.T1C].image_from_mni)
        files.append(write_mrs(spectrum, folder, NAMES[Sequence.MRS]))
    return tuple(files)


def hospital_protocol(
    rng: np.random.Generator, sequence: Sequence, thickness_mm: tuple[float, float]
) -> Protocol:
    """Draw the protocol of a raw study: axial slices, spin echo for T1, FLAIR before contrast agent."""
    protocol = draw_protocol(rng, sequence, thickness_mm=float(rng.uniform(*thickness_mm)))
    while protocol.technique in ("SPGR", "MPRAGE") or (protocol.contrast and sequence is Sequence.FLAIR):
        protocol = draw_protocol(rng, sequence, thickness_mm=protocol.thickness_mm)
    return replace(protocol, slice_axis=2, bias=0.12, noise=float(rng.uniform(0.02, 0.05)))


def _patient_grid(anatomy: Anatomy) -> Grid:
    """The grid on which a raw study's patient is built."""
    return anatomy.tissue.grid.bounding(SPACING_MM, anatomy.mni_from_world)


def _slab(head: Grid, scanner_from_mni: Matrix, thickness_mm: float, rng: np.random.Generator) -> Grid:
    """An axial stack of thick slices over the head, tilted as a technician would, in LPS-like voxel order."""
    box = head.bounding(0.9, scanner_from_mni)
    extent = np.array(box.shape) * 0.9
    spacing = np.array([0.9, 0.9, thickness_mm])
    shape = np.ceil(extent / spacing).astype(int)
    tilt = draw_rigid(rng, turn_deg=8.0, shift_mm=0.0)
    return axial_stack(tuple(shape), tuple(spacing), box.centre, tilt)


def _sidecar(image: SimulatedImage, name: str) -> dict[str, object]:
    protocol = image.protocol
    facts: dict[str, object] = {
        "Modality": "MR",
        "MagneticFieldStrength": image.field_t,
        "SeriesDescription": name,
        "RepetitionTime": round(protocol.tr_ms / 1000, 4),
        "EchoTime": round(protocol.te_ms / 1000, 4),
        "SliceThickness": round(protocol.thickness_mm, 2),
    }
    if protocol.technique in ("IR", "MPRAGE"):
        facts["InversionTime"] = round(protocol.ti_ms / 1000, 4)
    if protocol.technique == "SPGR":
        facts["FlipAngle"] = round(protocol.flip_deg, 1)
    if protocol.contrast:
        facts["ContrastBolusAgent"] = "gadolinium (simulated)"
    return facts
