"""Read NIfTI files: the header as a `Series`, the voxels when they are wanted."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import nibabel as nib
import numpy as np

from gliotype.errors import GeometryError, InputError
from gliotype.read.files import Found
from gliotype.read.nifti.bids import Sidecar, acquisition_of, examination_of, numbers_of, stem_of
from gliotype.read.series import Loaded, Series, SeriesInfo, broken_series
from gliotype.read.validate import validate
from gliotype.volume import Array, Grid, Matrix, Volume

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""By NIfTI code: unknown, metre, millimetre, micrometre."""

_INTENT_LABEL = 1002
_LONGEST_TR_S = 60.0
_UNREADABLE = (
    nib.filebasedimages.ImageFileError,
    nib.wrapstruct.WrapStructError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
)


def read_nifti(found: Found, sidecar: Sidecar) -> Series:
    """Read the header of a NIfTI file; one that cannot be read stands as a broken series.

    The affine is the sform if its code is above 0, else the qform. Without either, right and left are
    unknown, and the file is refused. Lengths in metres or micrometres are converted to mm.
    """
    try:
        image = _open(found)
    except _UNREADABLE:
        error = InputError(
            f"{found.relative} is not a readable NIfTI file: it is damaged or something else, "
            "export or copy it again"
        )
        return broken_series(found.relative, error, stem_of(found.relative))
    shape = _squeezed(image.shape)
    frames = shape[3] if len(shape) == 4 else 1
    grid, problem = None, _unusable(found.relative, image, shape)
    if problem is None:
        try:
            grid = Grid(shape[:3], _affine(image.header))  # type: ignore[arg-type]
        except GeometryError as error:
            problem = GeometryError(f"{found.relative}: {error}")
    times = _frame_times(image.header, sidecar, frames) if frames > 1 else None
    return Series(
        source=found.relative,
        grid=grid,
        info=_series_info(found, image.header, sidecar, frames),
        examination=examination_of(found.relative, sidecar),
        load=lambda: _load(found, grid, times),
        problem=problem,
        acquired=_acquired(image.header, sidecar),
    )


def _open(found: Found, whole: bool = False) -> Any:
    """Open with nibabel; a file whose name hides whether it is compressed is read into memory.

    With `whole`, a compressed file is unpacked to its end, which verifies its checksum.
    """
    name = found.path.name.lower()
    with found.path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    lazily = not (whole and compressed)
    if name.endswith(".hdr") or (lazily and name.endswith(".nii.gz" if compressed else ".nii")):
        image = nib.load(found.path)
        if not isinstance(image, nib.Nifti1Pair):
            raise ValueError("an Analyze file, which does not say where right and left are")
        return image
    content = found.path.read_bytes()
    content = gzip.decompress(content) if compressed else content
    two = content[4:8] == b"n+2\0"
    return (nib.Nifti2Image if two else nib.Nifti1Image).from_bytes(content)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop axes of length 1 beyond the third."""
    return shape[:3] + tuple(n for n in shape[3:] if n != 1)


def _unusable(source: str, image: Any, shape: tuple[int, ...]) -> InputError | None:
    """Say why the image can be none of ours, or None."""
    dtype = image.get_data_dtype()
    if dtype.fields is not None or dtype.kind == "c":
        return InputError(f"{source} holds colours or complex numbers: give the magnitude image")
    if len(shape) < 3 or min(shape[:3]) < 2:
        return InputError(f"{source} is a single slice ({' x '.join(map(str, shape))}): give the whole image")
    if len(shape) > 4:
        return InputError(f"{source} has {len(shape)} axes: give one 3D image, or 4D with time")
    return None


def _affine(header: Any) -> Matrix:
    """Take sform or qform, in mm."""
    try:
        affine, code = header.get_sform(coded=True)
        if code == 0:
            affine, code = header.get_qform(coded=True)
    except (ValueError, nib.spatialimages.HeaderDataError) as error:
        raise GeometryError("its orientation is not a rotation: convert the series again") from error
    if affine is None or code == 0:
        raise GeometryError(
            "it has no affine (sform and qform codes are 0), so right and left are unknown: "
            "convert it again from DICOM, or give a file with an affine"
        )
    affine = np.array(affine, dtype=np.float64)
    affine[:3] *= _MM_PER_UNIT.get(int(header["xyzt_units"]) % 8, 1.0)
    return affine


def _series_info(found: Found, header: Any, sidecar: Sidecar, frames: int) -> SeriesInfo:
    stem = stem_of(found.relative)
    texts = [str(sidecar.get(key, "")) for key in ("SeriesDescription", "ProtocolName", "SequenceName")]
    acquisition = acquisition_of(sidecar, description=texts[0] or stem)
    noted = header["descrip"].item().decode("latin-1")
    if acquisition.te_ms is None and (match := re.search(r"\bTE=([0-9.eE+]+)", noted)):
        te_ms = float(match[1])
        acquisition = replace(acquisition, te_ms=te_ms if te_ms > 0 else None)
    return SeriesInfo(
        acquisition=acquisition,
        name=stem,
        texts=tuple(text for text in texts if text),
        folder=PurePosixPath(found.relative).parent.name,
        scanning=frozenset(_listed(sidecar.get("ScanningSequence"))),
        image_type=_listed(sidecar.get("ImageType")),
        frames=frames,
        modality=str(sidecar.get("Modality", "MR")).upper(),
        label_map=int(header["intent_code"]) == _INTENT_LABEL,
    )


def _listed(value: Any) -> tuple[str, ...]:
    """Read a list, or a text whose parts a backslash or an underscore separates, in upper case."""
    parts = value if isinstance(value, list) else re.split(r"[\\_]", str(value or ""))
    return tuple(str(part).strip().upper() for part in parts if part)


def _acquired(header: Any, sidecar: Sidecar) -> tuple[float, ...]:
    """Sort key in time: the series number and clock time of a sidecar, or dcm2niix' note in the header."""
    number = sidecar.get("SeriesNumber")
    if isinstance(number, int | float):
        return (float(number),)
    match = re.search(r"\bTime=(\d\d)(\d\d)(\d\d(?:\.\d+)?)", header["descrip"].item().decode("latin-1"))
    return (3600 * float(match[1]) + 60 * float(match[2]) + float(match[3]),) if match else ()


def read_voxels(found: Found) -> Array:
    """Read the voxels of a NIfTI file, scaled, axes of length 1 beyond the third dropped.

    Raises:
        InputError: if the file is cut off or damaged.
    """
    try:
        array: Array = np.asanyarray(_open(found, whole=True).dataobj)
    except _UNREADABLE as error:
        raise InputError(
            f"{found.relative} is cut off or damaged within its voxels: export or copy it again"
        ) from error
    return array.reshape(_squeezed(array.shape))


def _load(found: Found, grid: Grid | None, times_s: tuple[float, ...] | None) -> Loaded:
    if grid is None:
        raise InputError(f"{found.relative} has no usable geometry: convert it again")
    loaded = validate(Volume(read_voxels(found), grid.affine), found.relative)
    return replace(loaded, frame_times_s=times_s)


def _frame_times(header: Any, sidecar: Sidecar, frames: int) -> tuple[float, ...] | None:
    """Return the time in s of each frame from the first, or None where nothing tells it.

    The sidecar's VolumeTiming counts first, then its RepetitionTime, then the header's fourth voxel size. A header
    that says 1 without a unit says nothing: that is what an unset field holds.
    """
    if timing := numbers_of(sidecar.get("VolumeTiming")):
        return tuple(round(t - timing[0], 6) for t in timing) if len(timing) == frames else None
    tr_s = _frame_seconds(header, sidecar)
    return tuple(round(t * tr_s, 6) for t in range(frames)) if tr_s is not None else None


def _frame_seconds(header: Any, sidecar: Sidecar) -> float | None:
    tr_ms = acquisition_of(sidecar, "").tr_ms
    if tr_ms is not None:
        return tr_ms / 1000.0
    zooms = header.get_zooms()
    unit = {8: 1.0, 16: 1e-3, 24: 1e-6}.get(int(header["xyzt_units"]) & 0x38)
    if len(zooms) <= 3 or (unit is None and zooms[3] == 1.0):
        return None
    step_s = float(zooms[3]) * (unit or 1.0)
    return step_s if 0 < step_s < _LONGEST_TR_S else None
