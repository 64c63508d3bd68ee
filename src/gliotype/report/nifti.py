"""Masks and maps on the grid of the reference image as it was read, and their files.

A 1 mm mask that is read at the centres of 5.5 mm slices loses thin structures. Here each region's share of
every acquired voxel is computed, and the region gets as many voxels as its volume fills, those with the
largest share first. So every region keeps its volume, however thin it is. The regions are nested (whole
tumour, tumour core, enhancing tumour), so that they cannot compete.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from gliotype.study import Label, PreparedStudy, Result, Tumour
from gliotype.volume import Volume


def volumes_as_acquired(result: Result) -> dict[str, Volume]:
    """Bring masks and saliency back to the grid of the reference image as it was read.

    Returns:
        ``tumour`` (uint8, `Label`), ``brain`` (uint8, 0 and 1) and, where a finding has a map,
        ``saliency`` (float32): the map of the finding on which the answer rests, else the first one.
    """
    prepared = result.prepared
    brain = _as_acquired(prepared.brain, prepared)
    volumes = {
        "tumour": tumour_as_acquired(result.tumour, prepared),
        "brain": brain.with_array((np.asarray(brain.array, np.float32) >= 0.5).astype(np.uint8)),
    }
    if (saliency := saliency_map(result)) is not None:
        volumes["saliency"] = _as_acquired(saliency, prepared)
    return volumes


def saliency_map(result: Result) -> Volume | None:
    """Choose the map to show: that of the finding on which the answer rests, else the first one."""
    maps = {finding.method: finding.map for finding in result.findings if finding.map is not None}
    return maps.get(result.prediction.method or "", next(iter(maps.values()), None))


def tumour_as_acquired(tumour: Tumour, prepared: PreparedStudy) -> Volume:
    """Bring the label map back to the grid of the reference image; every region keeps its volume.

    Returns:
        uint8 labels (`Label`) on ``prepared.acquired_grids[prepared.reference]``.
    """
    labels = tumour.labels.array
    whole = tumour.mask
    core = (labels == Label.CORE) | (labels == Label.ENHANCING)
    enhancing = labels == Label.ENHANCING

    grid = prepared.acquired_grids[prepared.reference]
    acquired = np.zeros(grid.shape, np.uint8)
    within = np.ones(grid.shape, np.bool_)
    for region, label in ((whole, Label.OEDEMA), (core, Label.CORE), (enhancing, Label.ENHANCING)):
        if not region.any():
            break
        share = np.asarray(_as_acquired(tumour.labels.with_array(region), prepared).array, np.float32)
        count = max(1, round(region.sum() * tumour.labels.grid.voxel_ml / grid.voxel_ml))
        within = _largest_shares(np.where(within, share, 0.0), count)
        acquired[within] = label
    return Volume(acquired, grid.affine)


def _largest_shares(share: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """Pick voxels with the largest share (the first in memory among equals), none without any."""
    candidates = np.flatnonzero(share > 1e-3)
    chosen = candidates[np.argsort(-share.ravel()[candidates], kind="stable")[:count]]
    mask = np.zeros(share.size, np.bool_)
    mask[chosen] = True
    return mask.reshape(share.shape)


def _as_acquired(volume: Volume, prepared: PreparedStudy) -> Volume:
    """Read a volume of the prepared space at the voxels of the reference image as it was read."""
    acquired_from_prepared = prepared.acquired_from_prepared[prepared.reference]
    prepared_from_acquired = np.asarray(np.linalg.inv(acquired_from_prepared), dtype=np.float64)
    return volume.resample(prepared.acquired_grids[prepared.reference], prepared_from_acquired)


def save_nifti(volume: Volume, path: Path) -> None:
    """Write a NIfTI-1 file; ``.nii.gz`` is compressed fast, and the same volume gives the same bytes.

    Both the sform and the qform (without shear, which it cannot hold) are set, to scanner coordinates.
    """
    image = nib.Nifti1Image(np.asarray(volume.array), volume.affine)
    image.set_sform(volume.affine, code="scanner")
    image.set_qform(volume.affine, code="scanner")
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
