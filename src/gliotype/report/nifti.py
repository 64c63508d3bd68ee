"""Masks and maps on the grid of the reference image as it was read, and their files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from gliotype.findings import Finding
from gliotype.prepare import to_acquired
from gliotype.result import Result
from gliotype.runtime import in_parallel
from gliotype.volume import Volume


def volumes_as_acquired(result: Result) -> dict[str, Volume]:
    """Bring masks and saliency back to the grid of the reference image as it was read.

    Returns:
        ``tumour`` (uint8, `Label`), ``brain`` (uint8, 0 and 1) and, where a finding has a map,
        ``saliency`` (float32): the map of the finding on which the answer rests, else the first one.
    """
    prepared = result.prepared
    brain = prepared.brain.with_array(np.asarray(prepared.brain.array, dtype=np.uint8))
    volumes = {"tumour": result.tumour.labels, "brain": brain}
    if (saliency := saliency_map(result)) is not None:
        volumes["saliency"] = saliency
    acquired = in_parallel(lambda volume: to_acquired(volume, prepared), volumes.values())
    return dict(zip(volumes, acquired, strict=True))


VOTE_MAPS = ("t2net", "tsnet")
"""Methods whose voxels vote; the map of each is written."""


def vote_maps(result: Result) -> dict[str, Volume]:
    """Return the maps of the methods whose voxels vote, on the grid of the reference image as it was read.

    Returns:
        ``votes_t2net`` and its like (float32): by how much IDH-mutant is more probable than IDH-wildtype, -1 to 1; 0
        where no voxel votes.
    """
    maps = {
        f"votes_{finding.method}": finding.map
        for finding in result.findings
        if finding.method in VOTE_MAPS and finding.map is not None
    }
    acquired = in_parallel(lambda votes: to_acquired(votes, result.prepared), maps.values())
    return dict(zip(maps, acquired, strict=True))


PERFUSION_MAPS = ("rcbv", "rcbv_uncorrected", "k2", "psr", "ttp", "fwhm", "cbf", "mtt")
"""Maps of `gliotype.dsc.Perfusion` that are written."""


def perfusion_maps(result: Result) -> dict[str, Volume]:
    """Return the perfusion maps, float32 on the grid of the DSC series as it was read; none without perfusion.

    Returns:
        ``perfusion_rcbv`` and its like, NaN where nothing was measured.
    """
    perfusion = result.measurements.dsc
    maps = {} if perfusion is None else perfusion.maps
    return {
        f"perfusion_{name}": maps[name].with_array(np.asarray(maps[name].array, dtype=np.float32))
        for name in PERFUSION_MAPS
        if name in maps
    }


def adc_map(result: Result) -> dict[str, Volume]:
    """Return the ADC map as ``adc``, float32 in 1e-3 mm2/s on its own grid, NaN where it was not measured."""
    adc = result.prepared.adc
    if adc is None:
        return {}
    array = np.asarray(adc.array, dtype=np.float32)
    return {"adc": adc.with_array(np.where(array > 0, array, np.float32(np.nan)))}


CEST_MAPS = ("mtrasym_3p0", "mtrasym_3p5", "b0")
"""Maps of `gliotype.cest.CestMaps` that are written."""


def cest_maps(result: Result) -> dict[str, Volume]:
    """Return the CEST maps, float32 on the grid of the series as it was read; none where nothing was measured.

    Returns:
        ``cest_mtrasym_3p0`` and its like, NaN where nothing was measured.
    """
    measured = result.measurements.cest_maps
    return {} if measured is None else {f"cest_{name}": measured.maps[name] for name in CEST_MAPS}


def saliency_map(result: Result) -> Volume | None:
    """Return the map to show: that of `mapped_finding`."""
    finding = mapped_finding(result)
    return None if finding is None else finding.map


def mapped_finding(result: Result) -> Finding | None:
    """Choose the finding whose map is shown: the one on which the answer rests, else the first with a map."""
    mapped = {finding.method: finding for finding in result.findings if finding.map is not None}
    return mapped.get(result.prediction.method or "", next(iter(mapped.values()), None))


def save_nifti(volume: Volume, path: Path) -> None:
    """Write a NIfTI-1 file; ``.nii.gz`` is compressed fast, and the same volume gives the same bytes.

    Both the sform and the qform (without shear, which it cannot hold) are set, to scanner coordinates.
    """
    image = nib.Nifti1Image(np.asarray(volume.array), volume.affine)
    image.set_sform(volume.affine, code="scanner")
    image.set_qform(volume.affine, code="scanner")
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
