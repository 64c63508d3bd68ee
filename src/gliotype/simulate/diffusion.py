"""The ADC map of a digital patient: diffusion-weighted echo-planar images of its tissues, and the scanner's fit.

Healthy tissue and vasogenic oedema have round values of the literature (1e-3 mm2/s: white matter 0.72 to 0.78, oedema
1.3 to 1.6, free water 3). The solid tumour's ADC over white matter is drawn from normal distributions, such that the
ratios that are *measured* lie as far apart as the pooled AUC of 0.743 to 0.804 says (Bhatti 2025; 33 studies, 4,297
patients), which is an AUC of measured ratios, too: their means and spread are those that the predictor ``adc`` assumes,
with codeleted tumours 0.23 below other mutants as the cut-offs of Thust 2018 imply.
Around a tumour that does not enhance, what is labelled oedema is infiltrated by tumour and has its ADC. What a method
scores on these patients therefore shows that software works, and nothing about ADC.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.read.diffusion import fit_adc
from gliotype.simulate.fields import Field, smooth_noise
from gliotype.simulate.head.pose import axial_stack, draw_rigid, rigid
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan
from gliotype.simulate.patient import DigitalPatient
from gliotype.simulate.scanner import ideal_image, spin_echo, texture_field
from gliotype.simulate.sidecar import write_with_sidecar
from gliotype.simulate.tissue import N_CODES, Tissue, TissueParameters, draw_parameters
from gliotype.volume import Grid, Matrix, Volume

MEASURED_RATIOS: dict[GliomaType, tuple[float, float]] = {
    GliomaType.GLIOBLASTOMA: (1.55, 0.38),
    GliomaType.WILDTYPE_LOWER_GRADE: (1.55, 0.38),
    GliomaType.ASTROCYTOMA: (2.00, 0.366),
    GliomaType.OLIGODENDROGLIOMA: (1.77, 0.366),
}
"""Mean and standard deviation of the measured ratio to white matter; 1.93 and 0.38 in all mutants (7 : 3)."""

SEEN_AS: dict[bool, tuple[float, float, float]] = {True: (0.74, 0.36, 0.106), False: (0.75, 0.43, 0.093)}
"""Slope, offset and residual standard deviation of the measured ratio over the true one, in mutants and wildtypes.

Thick slices, borders and necrosis draw the measured ratio to the middle: regression on 79 simulated patients
(`benchmarks/adc.py`).
"""

RATIO_LIMITS = (0.8, 3.0)

ADC: dict[Tissue, tuple[float, float]] = {
    Tissue.WHITE_MATTER: (0.72, 0.78),
    Tissue.GREY_MATTER: (0.80, 0.90),
    Tissue.DEEP_GREY: (0.74, 0.82),
    Tissue.BRAINSTEM: (0.70, 0.80),
    Tissue.VENTRICLE: (3.0, 3.2),
    Tissue.CSF: (2.8, 3.1),
    Tissue.MUSCLE: (1.2, 1.6),
    Tissue.VESSEL: (1.5, 3.0),
    Tissue.EYE: (2.7, 3.0),
    Tissue.MUCOSA: (1.2, 2.0),
    Tissue.WM_LESION: (0.9, 1.2),
    Tissue.OEDEMA: (1.3, 1.6),
    Tissue.NECROSIS: (2.0, 2.6),
    Tissue.CYST: (2.6, 3.1),
    Tissue.CALCIFICATION: (0.6, 0.9),
}
"""Range of each tissue's ADC, 1e-3 mm2/s; the solid tissues of a tumour follow its drawn ratio."""

_SOLID = (
    Tissue.NON_ENHANCING_WILDTYPE,
    Tissue.ASTROCYTOMA,
    Tissue.MISMATCH_CORE,
    Tissue.OLIGODENDROGLIOMA,
)
_ENHANCING_RATIO = 0.95
"""ADC of enhancing over other solid tissue of the same tumour: it is denser (a design value)."""

_SUPPRESSED = {Tissue.SCALP: 0.1, Tissue.MARROW: 0.1, Tissue.BONE: 0.2}
"""Fraction of signal that fat suppression and a short T2 leave."""

_AIR_CAVITIES = ((0.0, 48.0, -26.0, 14.0), (46.0, -20.0, -40.0, 12.0), (-46.0, -20.0, -40.0, 12.0))
"""Frontal sinus and ear canals: MNI152 coordinates and reach in mm of the distortion around them."""

IN_PLANE_MM = 1.2
RESOLUTION_MM = 2.0
"""Voxels of the scanner, which interpolates them to `IN_PLANE_MM`."""
GAP = 1.15
"""Distance of slices over their thickness."""


@dataclass(frozen=True, eq=False)
class SimulatedAdc:
    """The diffusion-weighted images of a digital patient, and the ADC map that the scanner computes of them.

    Attributes:
        signal: int16 (i, j, k, b), scanner units: one image for each b-value.
        b_values: s/mm2.
        adc: int16, 1e-6 mm2/s; 0 in air.
        ratio: true ADC of the solid tumour over white matter; None without glioma.
        te_ms: echo time.
        tr_ms: repetition time.
        field_t: field strength in tesla.
        thickness_mm: slice thickness.
        image_from_mni: transform from the digital patient's space to that of the images, RAS mm.
    """

    signal: Volume
    b_values: tuple[float, ...]
    adc: Volume
    ratio: float | None
    te_ms: float
    tr_ms: float
    field_t: float
    thickness_mm: float
    image_from_mni: Matrix


def adc_series(
    patient: DigitalPatient,
    seed: int,
    *,
    field_t: float = 3.0,
    lying: Matrix | None = None,
) -> SimulatedAdc:
    """Acquire the ADC map of a digital patient.

    Args:
        patient: whom to image.
        seed: random seed.
        field_t: field strength in tesla.
        lying: how the patient lies, a transform from the patient's space to the scanner's; None for straight. A
            small movement since the other images comes on top.
    """
    rng = np.random.default_rng([seed, 4])
    adc, ratio = draw_tissue_adc(rng, patient.plan)
    parameters = draw_parameters(rng, field_t)
    te_ms, tr_ms = float(rng.uniform(75, 100)), float(rng.uniform(4000, 7000))
    b_values = (0.0, float(rng.choice([800.0, 1000.0, 1000.0, 1000.0])))
    thickness_mm, snr = float(rng.uniform(3.0, 5.0)), float(rng.uniform(25, 60))
    scanner_from_mni = draw_rigid(rng, 0.7, 1.0) @ (np.eye(4) if lying is None else lying)
    grid = _slab(rng, patient.grid, scanner_from_mni, thickness_mm)
    unweighted = _signal(parameters, tr_ms, te_ms)
    images = _ideal(rng, patient, parameters, unweighted, adc, b_values)
    scanned = _scanned(rng, images, patient.grid, grid, scanner_from_mni, unweighted, snr)
    gain = 500.0 / float(unweighted[Tissue.WHITE_MATTER])
    signal = np.clip(np.round(gain * scanned), 0, 32767).astype(np.int16)
    fitted = fit_adc([(b, signal[..., n]) for n, b in enumerate(b_values)])
    return SimulatedAdc(
        signal=Volume(signal, grid.affine),
        b_values=b_values,
        adc=Volume(np.clip(np.round(fitted), 0, 4095).astype(np.int16), grid.affine),
        ratio=ratio,
        te_ms=te_ms,
        tr_ms=tr_ms,
        field_t=field_t,
        thickness_mm=thickness_mm,
        image_from_mni=scanner_from_mni,
    )


def draw_tissue_adc(
    rng: np.random.Generator, plan: TumourPlan | None
) -> tuple[NDArray[np.float32], float | None]:
    """Draw the ADC of each tissue of a patient.

    Args:
        rng: source of randomness.
        plan: what the tumour was to be like; None without glioma.

    Returns:
        ADC in 1e-3 mm2/s by tissue code, and the solid tumour's over white matter (None without glioma).

    Example:
        >>> from gliotype.simulate.lesion.glioma import draw_plan
        >>> rng = np.random.default_rng(0)
        >>> adc, ratio = draw_tissue_adc(rng, draw_plan(rng, GliomaType.ASTROCYTOMA))
        >>> round(float(adc[Tissue.ASTROCYTOMA] / adc[Tissue.WHITE_MATTER] / ratio), 3)
        1.0
    """
    adc = np.full(N_CODES, 0.2, np.float32)
    for tissue, (low, high) in ADC.items():
        adc[tissue] = rng.uniform(low, high)
    if plan is None:
        return adc, None
    mean, spread = true_ratio(plan.type)
    ratio = float(np.clip(mean + spread * rng.standard_normal(), *RATIO_LIMITS))
    adc[list(_SOLID)] = ratio * adc[Tissue.WHITE_MATTER]
    adc[Tissue.ENHANCING] = _ENHANCING_RATIO * adc[_SOLID[0]]
    if plan.enhancing_fraction == 0:
        adc[Tissue.OEDEMA] = adc[_SOLID[0]]
    return adc, ratio


def true_ratio(glioma: GliomaType) -> tuple[float, float]:
    """Return mean and standard deviation of the true ratio that is measured as `MEASURED_RATIOS` says.

    Example:
        >>> [round(value, 2) for value in true_ratio(GliomaType.ASTROCYTOMA)]
        [2.22, 0.47]
    """
    mean, spread = MEASURED_RATIOS[glioma]
    slope, offset, residual = SEEN_AS[glioma.idh_mutant]
    return (mean - offset) / slope, sqrt(spread**2 - residual**2) / slope


def write_adc(series: SimulatedAdc, folder: Path, name: str) -> Path:
    """Write an ADC map as NIfTI with a JSON sidecar, in 1e-6 mm2/s; returns the NIfTI file."""
    facts = {
        "Modality": "MR",
        "MagneticFieldStrength": series.field_t,
        "SeriesDescription": name,
        "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"],
        "ScanningSequence": "EP",
        "RepetitionTime": round(series.tr_ms / 1000, 4),
        "EchoTime": round(series.te_ms / 1000, 4),
        "SliceThickness": round(series.thickness_mm, 2),
        "Units": "1e-6 mm2/s",
    }
    return write_with_sidecar(nib.Nifti1Image(series.adc.array, series.adc.affine), facts, folder, name)


def _signal(parameters: TissueParameters, tr_ms: float, te_ms: float) -> Field:
    """Signal of each tissue without diffusion weighting, fat suppressed."""
    signal = spin_echo(parameters.pd, parameters.t1_ms, parameters.t2_ms, tr_ms, te_ms)
    for tissue, fraction in _SUPPRESSED.items():
        signal[tissue] *= fraction
    return signal


def _ideal(
    rng: np.random.Generator,
    patient: DigitalPatient,
    parameters: TissueParameters,
    unweighted: Field,
    adc: NDArray[np.float32],
    b_values: tuple[float, ...],
) -> list[Field]:
    """Paint the patient at each b-value; texture is that of T2 and the same in all."""
    nothing = np.zeros(patient.grid.shape, np.uint8)
    compartment = nothing if patient.tumour is None else patient.tumour.compartment
    infiltration = nothing.astype(np.float32) if patient.tumour is None else patient.tumour.infiltration
    code = np.where(infiltration > 0.3, compartment, patient.healthy)
    texture = texture_field(rng, parameters, code, patient.grid.spacing[0])
    return [
        ideal_image(
            (unweighted * np.exp(-1e-3 * b * adc)).astype(np.float32),
            patient.healthy,
            compartment,
            infiltration,
            texture,
        )
        for b in b_values
    ]


def _scanned(
    rng: np.random.Generator,
    images: list[Field],
    head: Grid,
    grid: Grid,
    scanner_from_mni: Matrix,
    unweighted: Field,
    snr: float,
) -> Field:
    """Add what echo-planar imaging adds: low resolution, distortion along the phase axis, coil and noise."""
    mni_from_scanner = np.linalg.inv(scanner_from_mni)
    shift_mm = _distortion_mm(rng, grid, mni_from_scanner)
    coil = np.exp(0.12 * smooth_noise(rng, grid.shape, 60.0))
    sigma = float(unweighted[Tissue.WHITE_MATTER]) / snr
    blur = 0.42 * RESOLUTION_MM / IN_PLANE_MM
    scanned = np.empty((*grid.shape, len(images)), np.float32)
    index = list(np.indices(grid.shape, dtype=np.float32))
    index[1] = index[1] + shift_mm / IN_PLANE_MM
    for n, image in enumerate(images):
        frame = np.asarray(Volume(image, head.affine).resample(grid, mni_from_scanner).array)
        frame = ndimage.gaussian_filter(frame, (blur, blur, 0.0), truncate=3)
        frame = ndimage.map_coordinates(frame, index, order=1, mode="nearest") * coil
        noise = sigma * rng.standard_normal((2, *grid.shape)).astype(np.float32)
        scanned[..., n] = np.hypot(frame + noise[0], noise[1])
    return scanned


def _distortion_mm(rng: np.random.Generator, grid: Grid, mni_from_scanner: Matrix) -> Field:
    """Draw by how much echo-planar images are shifted along the phase axis: most near air, a little elsewhere."""
    world = grid.world() @ mni_from_scanner[:3, :3].T + mni_from_scanner[:3, 3]
    shift = 0.3 * smooth_noise(rng, grid.shape, 25.0)
    for *centre, reach in _AIR_CAVITIES:
        squared = ((world - np.array(centre)) ** 2).sum(axis=-1)
        shift = shift + rng.uniform(1.0, 3.0) * np.exp(-squared / (2 * reach**2))
    return np.asarray(shift, dtype=np.float32)


def _slab(rng: np.random.Generator, head: Grid, scanner_from_mni: Matrix, thickness_mm: float) -> Grid:
    """An axial stack over the head, tilted as a technician would, with LPS-like axes."""
    box = head.bounding(IN_PLANE_MM, scanner_from_mni)
    spacing = np.array([IN_PLANE_MM, IN_PLANE_MM, GAP * thickness_mm])
    shape = np.ceil(np.array(box.shape) * IN_PLANE_MM / spacing).astype(int)
    tilt = rigid(np.radians(rng.uniform(-8, 8, 3) * [1.0, 0.3, 0.3]), np.zeros(3))
    return axial_stack(tuple(shape), tuple(spacing), box.centre, tilt)
