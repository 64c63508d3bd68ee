"""The raw DSC series of a digital patient: an oblique slab of echo-planar frames, with the true blood volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.dsc.kinetics import Circulation, Haemodynamics, draw_circulation, exchange
from gliotype.simulate.dsc.noise import add_noise, equilibrium_factor, pulsation
from gliotype.simulate.dsc.protocols import DSC_SITES, DscSite, draw_dsc_protocol
from gliotype.simulate.dsc.signal import (
    Curves,
    DscProtocol,
    artery_signal,
    baseline_signal,
    blood_signal,
    dephase_near_vessels,
    preload_residue,
    relative_signal,
)
from gliotype.simulate.dsc.tissue import TissuePerfusion, draw_tissue_perfusion
from gliotype.simulate.dsc.vessels import VesselMap, vessels_at
from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.head.pose import axial_stack, draw_rigid, rigid
from gliotype.simulate.patient import DigitalPatient
from gliotype.simulate.sidecar import write_with_sidecar
from gliotype.simulate.tissue import Tissue, TissueParameters, draw_parameters
from gliotype.volume import Grid, Matrix, Volume

SHAPE = (128, 128, 20)
IN_PLANE_MM = 1.8
SLICE_MM = 5.0
GAP_MM = 1.0

_WITHIN_SLICE = 2
"""Points at which tissue is read across a slice."""
_AIR_CAVITIES = ((0.0, 48.0, -26.0, 14.0), (46.0, -20.0, -40.0, 12.0), (-46.0, -20.0, -40.0, 12.0))
"""Frontal sinus and ear canals: MNI152 coordinates and reach in mm of the signal that is lost around them."""
_FAT = (Tissue.SCALP, Tissue.MARROW)
_FAT_LEFT = 0.12
"""Fraction of the signal of fat that suppression leaves."""


@dataclass(frozen=True, eq=False)
class SimulatedDsc:
    """A DSC series of a digital patient, and the truth.

    Attributes:
        volume: int16 (i, j, k, t), scanner units.
        cbv: float32 (i, j, k), true blood volume in ml/100 ml, on the same grid before any movement.
        protocol: how it was acquired.
        circulation: the true arterial input.
        image_from_mni: transform from the digital patient's space to that of the first frame, RAS mm.
    """

    volume: Volume
    cbv: Volume
    protocol: DscProtocol
    circulation: Circulation
    image_from_mni: Matrix


def dsc_series(
    patient: DigitalPatient,
    seed: int,
    *,
    site: DscSite = DSC_SITES["snuh"],
    field_t: float = 3.0,
    lying: Matrix | None = None,
) -> SimulatedDsc:
    """Acquire a DSC series of a digital patient.

    Args:
        patient: whom to image.
        seed: random seed.
        site: where.
        field_t: field strength in tesla.
        lying: how the patient lies, a transform from the patient's space to the scanner's; None for straight. A
            small movement since the other images comes on top.
    """
    rng = np.random.default_rng([seed, 3])
    protocol = draw_dsc_protocol(rng, site, field_t=field_t)
    parameters = draw_parameters(rng, field_t)
    perfusion = draw_tissue_perfusion(rng, patient.plan, parameters)
    circulation = draw_circulation(
        rng, arrival_s=protocol.arrival_s, dose_mmol_per_kg=protocol.dose_mmol_per_kg
    )
    scanner_from_mni = draw_rigid(rng, 0.7, 1.0) @ (np.eye(4) if lying is None else lying)
    grid = _slab(rng, patient, scanner_from_mni)
    head = _Head.of(rng, patient, grid, scanner_from_mni)
    frames, cbv = _still_frames(rng, head, perfusion, parameters, circulation, protocol)
    white = float(baseline_signal(parameters, protocol)[Tissue.WHITE_MATTER])
    frames = _scan_frames(rng, frames, grid, scanner_from_mni, white / rng.uniform(*site.snr))
    gain = 600.0 / white
    return SimulatedDsc(
        volume=Volume(np.clip(gain * frames, 0, 32000).astype(np.int16), grid.affine),
        cbv=Volume(100 * cbv, grid.affine),
        protocol=protocol,
        circulation=circulation,
        image_from_mni=scanner_from_mni,
    )


def write_dsc(series: SimulatedDsc, folder: Path, name: str) -> Path:
    """Write a series as 4D NIfTI, its times in the header, with a JSON sidecar.

    Args:
        series: what to write.
        folder: where.
        name: of the files, without ending.

    Returns:
        The NIfTI file.
    """
    image = nib.Nifti1Image(series.volume.array, series.volume.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = series.protocol.tr_s
    return write_with_sidecar(image, sidecar(series.protocol, name), folder, name)


def write_true_cbv(series: SimulatedDsc, file: Path) -> None:
    """Write the true blood volume, ml/100 ml."""
    nib.Nifti1Image(series.cbv.array, series.cbv.affine).to_filename(file)


def sidecar(protocol: DscProtocol, name: str) -> dict[str, object]:
    """Return how a series was acquired, in the names of BIDS.

    Example:
        >>> found = sidecar(DscProtocol(), "AX_PERFUSION_DSC_EPI")
        >>> found["RepetitionTime"], found["EchoTime"], found["ScanningSequence"]
        (1.5, 0.035, ['EP', 'GR'])
    """
    return {
        "Modality": "MR",
        "MagneticFieldStrength": protocol.field_t,
        "SeriesDescription": name,
        "ScanningSequence": ["EP", "SE" if protocol.spin_echo else "GR"],
        "RepetitionTime": protocol.tr_s,
        "EchoTime": round(protocol.te_ms / 1000, 5),
        "FlipAngle": protocol.flip_deg,
        "SliceThickness": SLICE_MM,
        "SpacingBetweenSlices": SLICE_MM + GAP_MM,
        "NumberOfTemporalPositions": protocol.frames,
        "ContrastBolusAgent": "gadolinium (simulated)",
    }


@dataclass(frozen=True, eq=False)
class _Head:
    """The points of the slab at which tissue is read; n lie in the head.

    Attributes:
        inside: boolean (i, j, k, points across the slice).
        tissue: code of each point in the head, (n,).
        vessels: at each.
        deviates: of `TissuePerfusion.voxels`, smooth in space, (4, n).
        texture: standard normal, smooth in space, (n,).
    """

    inside: NDArray[np.bool_]
    tissue: NDArray[np.uint8]
    vessels: VesselMap
    deviates: Curves
    texture: Curves

    @classmethod
    def of(
        cls, rng: np.random.Generator, patient: DigitalPatient, grid: Grid, scanner_from_mni: Matrix
    ) -> _Head:
        """Read a patient at the points of a slab; half-infiltrated tissue is tumour at half of its points."""
        i, j, k = (axis.astype(np.float32) for axis in np.indices(grid.shape))
        across = (np.arange(_WITHIN_SLICE) + 0.5) / _WITHIN_SLICE - 0.5
        offset = across * SLICE_MM / (SLICE_MM + GAP_MM)
        index = np.stack(
            [np.repeat(a[..., None], _WITHIN_SLICE, axis=3) for a in (i, j)] + [k[..., None] + offset],
            axis=-1,
        )
        mni_from_index = np.linalg.inv(scanner_from_mni) @ grid.affine
        world = index @ mni_from_index[:3, :3].T + mni_from_index[:3, 3]
        own = np.linalg.inv(patient.grid.affine)
        at = np.moveaxis(world @ own[:3, :3].T + own[:3, 3], -1, 0)
        tissue = ndimage.map_coordinates(patient.healthy, at, order=0, cval=0)
        if patient.tumour is not None:
            infiltrated = ndimage.map_coordinates(patient.tumour.infiltration, at, order=1, cval=0)
            kind = ndimage.map_coordinates(patient.tumour.compartment, at, order=0, cval=0)
            replaced = (kind > 0) & (rng.random(infiltrated.shape, dtype=np.float32) < infiltrated)
            tissue = np.where(replaced, kind, tissue)
        inside = tissue != Tissue.AIR
        block = (*grid.shape[:2], grid.shape[2] * _WITHIN_SLICE)

        def smooth(scale: float) -> Curves:
            return np.asarray(smooth_noise(rng, block, scale).reshape(inside.shape)[inside])

        return cls(
            inside=inside,
            tissue=tissue[inside],
            vessels=vessels_at(world[inside].astype(np.float64), IN_PLANE_MM),
            deviates=np.stack([0.8 * smooth(2.2) + 0.6 * smooth(0.8) for _ in range(4)]),
            texture=smooth(1.2),
        )


def _still_frames(
    rng: np.random.Generator,
    head: _Head,
    perfusion: dict[Tissue, TissuePerfusion],
    parameters: TissueParameters,
    circulation: Circulation,
    protocol: DscProtocol,
) -> tuple[Curves, Curves]:
    """Frames of a head that lies still, and its blood volume, as the mean across each slice."""
    strength = baseline_signal(parameters, protocol)
    strength[list(_FAT)] *= _FAT_LEFT
    signal = np.zeros((head.tissue.size, protocol.frames), np.float32)
    cbv = np.zeros(head.tissue.size, np.float32)
    for kind in np.unique(head.tissue):
        here = head.tissue == kind
        voxels = perfusion.get(Tissue(kind), perfusion[Tissue.WHITE_MATTER]).voxels(head.deviates[:, here])
        base = strength[kind] * np.maximum(1 + parameters.texture[kind] * head.texture[here], 0.1)
        signal[here] = base[:, None] * _tissue_curves(circulation, voxels, protocol)
        cbv[here] = voxels.columns()["cbv"]
    _add_vessels(signal, cbv, head, perfusion, circulation, protocol)
    signal *= pulsation(rng, len(signal), protocol.times_s)
    frames = np.zeros((*head.inside.shape, protocol.frames), np.float32)
    frames[head.inside] = signal
    blood = np.zeros(head.inside.shape, np.float32)
    blood[head.inside] = cbv
    return frames.mean(axis=3), blood.mean(axis=3)


def _tissue_curves(circulation: Circulation, voxels: Haemodynamics, protocol: DscProtocol) -> Curves:
    agent = exchange(circulation, protocol.times_s, voxels)
    relative = relative_signal(agent, preload_residue(circulation, voxels, protocol), voxels, protocol)
    relative *= equilibrium_factor(voxels, protocol)
    return relative


def _add_vessels(
    signal: Curves,
    cbv: Curves,
    head: _Head,
    perfusion: dict[Tissue, TissuePerfusion],
    circulation: Circulation,
    protocol: DscProtocol,
) -> None:
    """Replace the tissue that vessels cross by their blood, and dephase the tissue near them (in place)."""
    crossed = np.flatnonzero(head.vessels.halo > 0)
    delay, vein = head.vessels.delay_s[crossed], head.vessels.vein[crossed]
    plasma = circulation.plasma(protocol.times_s[None, :] - delay[:, None].astype(np.float64))
    mtt_s = perfusion[Tissue.GREY_MATTER].median["mtt_s"]
    drained = exchange(
        circulation, protocol.times_s, Haemodynamics(0.04, mtt_s, dispersion=1.0, delay_s=delay[vein])
    )
    plasma[vein] = drained.plasma
    part = head.vessels.fraction[crossed]
    strength = blood_signal(protocol)
    signal[crossed] *= dephase_near_vessels(head.vessels.halo[crossed, None], plasma, protocol)
    signal[crossed] += part[:, None] * (strength * artery_signal(plasma, protocol) - signal[crossed])
    cbv[crossed] += part * (1 - cbv[crossed])


def _scan_frames(
    rng: np.random.Generator, frames: Curves, grid: Grid, scanner_from_mni: Matrix, sigma: float
) -> Curves:
    """Add what scanner and patient add: lost signal, blur and ghost of the echo train, movement, coil, noise."""
    mni_from_scanner = np.linalg.inv(scanner_from_mni)
    world = grid.world() @ mni_from_scanner[:3, :3].T + mni_from_scanner[:3, 3]
    signal_fraction = np.ones(grid.shape, np.float32)
    for *centre, reach in _AIR_CAVITIES:
        squared = ((world - np.array(centre)) ** 2).sum(axis=-1)
        signal_fraction *= 1 - rng.uniform(0.5, 0.9) * np.exp(-squared / (2 * reach**2)).astype(np.float32)
    coil = np.exp(0.15 * smooth_noise(rng, grid.shape, 30.0))
    ghost = rng.uniform(0.0, 0.03)
    scanned = np.empty_like(frames)
    for number, moved_from_still in enumerate(_movement(rng, frames.shape[3])):
        frame = _move_frame(frames[..., number] * signal_fraction, grid, moved_from_still)
        frame = ndimage.gaussian_filter(frame, (0.35, 0.6, 0.0), truncate=3)
        frame += ghost * np.roll(frame, grid.shape[1] // 2, axis=1)
        scanned[..., number] = add_noise(rng, frame * coil, sigma)
    return scanned


def _movement(rng: np.random.Generator, frames: int) -> list[Matrix]:
    """Draw how the head moves: a slow walk, and a start in some patients when the bolus comes."""
    walk = np.cumsum(rng.normal(0.0, 0.04, (frames, 6)), axis=0)
    if rng.random() < 0.4:
        walk[int(rng.integers(frames // 6, frames // 2)) :] += rng.normal(0.0, 0.5, 6)
    walk *= rng.uniform(0.3, 1.2)
    return [
        rigid(np.radians(0.6 * turn), shift) for turn, shift in zip(walk[:, :3], walk[:, 3:], strict=True)
    ]


def _move_frame(frame: Curves, grid: Grid, moved_from_still: Matrix) -> Curves:
    """Read a frame of a head that has turned about the middle of the slab."""
    middle = np.eye(4)
    middle[:3, 3] = grid.centre
    still_from_moved = middle @ np.linalg.inv(moved_from_still) @ np.linalg.inv(middle)
    index = np.linalg.inv(grid.affine) @ still_from_moved @ grid.affine
    moved = ndimage.affine_transform(frame, index[:3, :3], index[:3, 3], order=1, mode="nearest")
    return np.asarray(moved, dtype=np.float32)


def _slab(rng: np.random.Generator, patient: DigitalPatient, scanner_from_mni: Matrix) -> Grid:
    """An axial slab over most of the brain and, as a technician would place it, over the tumour; LPS-like axes."""
    wanted = _middle(patient, patient.brain)
    if patient.tumour is not None and (patient.tumour.compartment > 0).any():
        tumour = _middle(patient, patient.tumour.compartment > 0)
        wanted[2] += np.clip(tumour[2] - wanted[2], -20.0, 20.0)
    centre = (scanner_from_mni @ [*wanted, 1.0])[:3]
    tilt = rigid(np.radians(rng.uniform(-8, 8, 3) * [1.0, 0.3, 0.3]), np.zeros(3))
    return axial_stack(SHAPE, (IN_PLANE_MM, IN_PLANE_MM, SLICE_MM + GAP_MM), centre, tilt)


def _middle(patient: DigitalPatient, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    index = np.argwhere(mask).mean(axis=0)
    return np.asarray((patient.grid.affine @ [*index, 1.0])[:3])
