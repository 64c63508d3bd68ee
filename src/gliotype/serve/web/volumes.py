"""What the viewer shows: sequences, maps and the outline of a case, all on the 1 mm grid of its prepared study."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from gliotype.atomic_files import atomic_write
from gliotype.cached_study import (
    cached_brain,
    cached_image,
    cached_labels,
    cached_sequences,
    cached_transform,
)
from gliotype.errors import InputError
from gliotype.read import read_mask
from gliotype.report import OUTPUTS
from gliotype.report.nifti import save_nifti
from gliotype.serve.web.cases import Case
from gliotype.study import Label, Sequence
from gliotype.volume import Matrix, Volume

OUTLINE = "outline"
MAPS = tuple(
    name.removesuffix(".nii.gz") for name in OUTPUTS if name.startswith(("saliency", "perfusion_", "adc"))
)
"""Results that are shown over a sequence."""

_BRIGHTEST = 99.6
"""Percentile of the brain's signal that is shown white."""
SPARSE = 7
"""Step between the voxels from which that percentile is estimated."""


def volume_names(case: Case) -> dict[str, list[str]]:
    """List what the viewer can show of a case; nothing if its prepared study is not cached, or is being replaced."""
    try:
        sequences = cached_sequences(case.cache)
    except InputError:
        return {"sequences": [], "maps": []}
    maps = [name for name in MAPS if (case.results / f"{name}.nii.gz").is_file()]
    return {"sequences": [sequence.value for sequence in sequences], "maps": maps}


def viewer_volume(case: Case, name: str) -> bytes:
    """Make the NIfTI file of a sequence (`Sequence`), a map (`MAPS`) or the `OUTLINE`.

    Its header says which values are shown black and white.

    Raises:
        KeyError: if the case has nothing of this name.
        InputError: if it cannot be read.
    """
    names = volume_names(case)
    if name == OUTLINE and names["sequences"]:
        return _nifti(_outline(case))
    if name in names["sequences"]:
        image = cached_image(case.cache, Sequence(name))
        brain = np.asarray(cached_brain(case.cache).array, dtype=np.bool_)
        return _nifti(image, float(np.percentile(np.asarray(image.array)[brain][::SPARSE], _BRIGHTEST)))
    if name in names["maps"]:
        return _map(case, name)
    raise KeyError(name)


def save_drawing(case: Case, voxels: bytes) -> None:
    """Save an outline that was drawn in the viewer as the new one of a case.

    Args:
        case: whose prepared study is cached.
        voxels: one label (`Label`) for each voxel of the prepared grid, the first axis fastest.

    Raises:
        InputError: if these are not as many labels as the grid has voxels.
    """
    grid = cached_brain(case.cache).grid
    labels = np.frombuffer(voxels, np.uint8)
    if labels.size != np.prod(grid.shape) or labels.max(initial=0) > max(Label):
        raise InputError("the drawing does not fit the images: load the page again")
    drawn = Volume(labels.reshape(grid.shape, order="F"), grid.affine)
    with atomic_write(case.new_mask) as aside:
        save_nifti(drawn, aside)


def _map(case: Case, name: str) -> bytes:
    """Move a map from the grid on which it was written to the prepared one; 0 where nothing was measured."""
    written = _read(case.results / f"{name}.nii.gz")
    values = np.nan_to_num(np.asarray(written.array, dtype=np.float32))
    moved = written.with_array(values).resample(
        cached_brain(case.cache).grid, _written_from_prepared(case.cache, name)
    )
    inside = np.abs(values[values != 0])
    return _nifti(moved, float(np.percentile(inside, 99)) if inside.size else 1.0, signed=name == "saliency")


def _written_from_prepared(cache: Path, name: str) -> Matrix | None:
    """Return how the prepared world lies to that of a written map: perfusion and ADC have that of their series."""
    if name == "saliency":
        return None
    return cached_transform(cache, Sequence.ADC if name == "adc" else Sequence.DSC)


def _outline(case: Case) -> Volume:
    """Return the outline of the answer: the corrected one, or the tumour that was found."""
    if not case.mask.exists():
        return cached_labels(case.cache)
    grid = cached_brain(case.cache).grid
    mask = read_mask(case.mask)
    if not mask.grid.same_as(grid):
        mask = _read(case.results / "tumour.nii.gz").resample(grid, order=0)
    return mask.with_array(np.asarray(mask.array, dtype=np.uint8))


def _read(file: Path) -> Volume:
    """Read a result of this package's own."""
    try:
        image = nib.Nifti1Image.from_filename(file)
        return Volume(np.asarray(image.dataobj), image.affine)
    except (OSError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"{file.name} cannot be read ({error}): predict again") from error


def _nifti(volume: Volume, white: float | None = None, *, signed: bool = False) -> bytes:
    """Write a volume with one byte a voxel, which is what a screen shows; two where the sign counts.

    Args:
        volume: to be shown.
        white: the value that is shown white; None for labels.
        signed: whether negative values are shown, too.
    """
    values, scale = np.asarray(volume.array), 1.0
    if white is not None:
        kind, lowest = (np.int16, -32767) if signed else (np.uint8, 0)
        scale = max(white, 1e-6) * 1.25 / np.iinfo(kind).max
        values = np.rint(np.clip(values / scale, lowest, np.iinfo(kind).max)).astype(kind)
    image = nib.Nifti1Image(values, volume.affine)
    image.set_sform(volume.affine, code="scanner")
    image.set_qform(volume.affine, code="scanner")
    image.header.set_slope_inter(scale, 0.0)
    image.header["cal_max"] = max(Label) if white is None else white
    return bytes(image.to_bytes())
