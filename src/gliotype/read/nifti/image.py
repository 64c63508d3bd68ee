"""Read NIfTI files: the header as a `Series`, the voxels when they are wanted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine

from gliotype.errors import GeometryError, InputError
from gliotype.read.cest.names import names_cest
from gliotype.read.cest.offsets import saturation_of
from gliotype.read.files import Found
from gliotype.read.geometry import refuse_implausible
from gliotype.read.header_values import seconds_of_day
from gliotype.read.nifti.bids import (
    B_VALUES,
    Sidecar,
    acquisition_of,
    examination_of,
    number_of,
    numbers_of,
    stem_of,
)
from gliotype.read.nifti.content import read_nifti_array, read_nifti_header
from gliotype.read.parsing import reading
from gliotype.read.series import Loaded, Series, SeriesInfo, broken_series
from gliotype.read.time_axis import TimeAxis, choose_time_axis, repetition_axis
from gliotype.read.validate import validate
from gliotype.volume import Array, Grid, Matrix, Volume

_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""By NIfTI code: unknown, metre, millimetre, micrometre."""

LARGEST_B_VALUE = 20_000.0
"""No clinical scanner reaches this diffusion weighting (s/mm2)."""

_INTENT_LABEL = 1002
_LONGEST_TR_S = 60.0
_LONGEST_TE_MS = 2000.0
_MAX_DISAGREEMENT_MM = 1.0
"""Between sform and qform, at the corners of the image."""


def read_nifti(found: Found, sidecar: Sidecar, *, single_slice: bool = False) -> Series:
    """Read the header of a NIfTI file; one that cannot be read becomes a broken series.

    The affine is the sform if its code is above 0, else the qform. Without either, right and left are
    unknown, and the file is refused. Lengths in metres or micrometres are converted to mm.

    Args:
        found: the file.
        sidecar: what JSON files say about it.
        single_slice: whether one slice is enough; it is for Z-spectra, whatever this says.
    """
    sentence = (
        f"{found.relative} is not a readable NIfTI file: it is damaged or something else, "
        "export or copy it again"
    )
    try:
        with reading(sentence):
            return _series(found, sidecar, single_slice=single_slice)
    except InputError as error:
        return broken_series(found.relative, error, stem_of(found.relative))


def _series(found: Found, sidecar: Sidecar, *, single_slice: bool) -> Series:
    header = read_nifti_header(found)
    shape = _squeezed(header.get_data_shape())
    frames = shape[3] if len(shape) == 4 else 1
    info = _series_info(found, header, sidecar, frames)
    flat = single_slice or names_cest(info) or info.acquisition.saturation is not None
    grid, problem = None, _unusable(found.relative, header, shape, flat=flat)
    if problem is None:
        try:
            grid = Grid(shape[:3], _affine(header))  # type: ignore[arg-type]
            refuse_implausible(grid, found.relative)
        except GeometryError as error:
            message = str(error)
            prefix = "" if message.startswith(found.relative) else f"{found.relative}: "
            grid, problem = None, GeometryError(f"{prefix}{message}")
    times, remarks = None, _disagreement(found.relative, header, grid)
    if frames > 1:
        times, remark = _frame_times(found.relative, header, sidecar, frames)
        remarks = (*remarks, *remark)
    return Series(
        source=found.relative,
        grid=grid,
        info=info,
        examination=examination_of(found.relative, sidecar),
        load=lambda: _load(found, grid, times, remarks),
        problem=problem,
        acquired=_acquired(header, sidecar),
        time_s=_time_of_day(header, sidecar),
    )


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop axes of length 1 beyond the third."""
    return shape[:3] + tuple(n for n in shape[3:] if n != 1)


def _unusable(source: str, header: Any, shape: tuple[int, ...], *, flat: bool) -> InputError | None:
    """Say why the image can be none of ours, or None; `flat` where one slice is enough."""
    dtype = header.get_data_dtype()
    if dtype.fields is not None or dtype.kind not in "iuf":
        return InputError(f"{source} holds colours or complex numbers: give the magnitude image")
    if len(shape) < 3 or min(shape[: 2 if flat else 3]) < 2:
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
    return _in_mm(header, affine)


def _in_mm(header: Any, affine: Matrix) -> Matrix:
    """Convert an affine from the header's unit of length."""
    affine = np.array(affine, dtype=np.float64)
    affine[:3] *= _MM_PER_UNIT.get(int(header["xyzt_units"]) % 8, 1.0)
    return affine


def _disagreement(source: str, header: Any, grid: Grid | None) -> tuple[str, ...]:
    """Warn where sform and qform put the image at different places: one of them is wrong."""
    if grid is None or int(header["sform_code"]) <= 0 or int(header["qform_code"]) <= 0:
        return ()
    try:
        qform = Grid(grid.shape, _in_mm(header, header.get_qform()))
    except (ValueError, GeometryError, nib.spatialimages.HeaderDataError):
        return (f"{source}: its qform is not a valid orientation; its sform was used.",)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.shape) - 1)
    offsets = apply_affine(grid.affine, corners) - apply_affine(qform.affine, corners)
    largest = float(np.linalg.norm(offsets, axis=1).max())
    if largest <= _MAX_DISAGREEMENT_MM:
        return ()
    return (
        f"{source}: its sform and its qform disagree by up to {largest:.4g} mm; the sform was used. "
        "Check its sides and its size, or convert it again from DICOM.",
    )


def _series_info(found: Found, header: Any, sidecar: Sidecar, frames: int) -> SeriesInfo:
    stem = stem_of(found.relative)
    texts = [str(sidecar.get(key, "")) for key in ("SeriesDescription", "SequenceName")]
    acquisition = acquisition_of(sidecar, description=texts[0] or stem)
    noted = header["descrip"].item().decode("latin-1")
    if acquisition.te_ms is None and (match := re.search(r"\bTE=([0-9.eE+]+)", noted)):
        te_ms = number_of(match[1])
        known = te_ms is not None and 0 < te_ms < _LONGEST_TE_MS
        acquisition = replace(acquisition, te_ms=te_ms if known else None)
    b_values = _b_values(sidecar, frames)
    return SeriesInfo(
        acquisition=replace(acquisition, b_values=b_values, saturation=saturation_of(sidecar)),
        name=stem,
        texts=tuple(text for text in texts if text),
        protocol=str(sidecar.get("ProtocolName", "")),
        folder=PurePosixPath(found.relative).parent.name,
        scanning=frozenset(_listed(sidecar.get("ScanningSequence"))),
        image_type=_listed(sidecar.get("ImageType")),
        frames=frames,
        max_b_value=max(b_values or (0.0,)),
        modality=str(sidecar.get("Modality", "MR")).upper(),
        label_map=int(header["intent_code"]) == _INTENT_LABEL,
        frequency_mhz=number_of(sidecar.get("ImagingFrequency")),
        units=str(sidecar.get("Units") or "").strip().lower(),
    )


def _b_values(sidecar: Sidecar, frames: int) -> tuple[float, ...] | None:
    """Take a b-value for each frame from the ``.bval`` file, or one for a single image from ``DiffusionBValue``."""
    listed = numbers_of(sidecar.get(B_VALUES)) or numbers_of([sidecar.get("DiffusionBValue")])
    return listed if len(listed) == frames and all(0 <= b < LARGEST_B_VALUE for b in listed) else None


def _listed(value: Any) -> tuple[str, ...]:
    """Read a list, or a text whose parts a backslash or an underscore separates, in upper case."""
    parts = value if isinstance(value, list) else re.split(r"[\\_]", str(value or ""))
    return tuple(str(part).strip().upper() for part in parts if part)


def _acquired(header: Any, sidecar: Sidecar) -> tuple[float, ...]:
    """Sort key in time: the series number and clock time of a sidecar, or dcm2niix' note in the header."""
    number = number_of(sidecar.get("SeriesNumber"))
    if number is not None:
        return (number,)
    match = re.search(r"\bTime=(\d\d)(\d\d)(\d\d(?:\.\d+)?)", header["descrip"].item().decode("latin-1"))
    return (3600 * float(match[1]) + 60 * float(match[2]) + float(match[3]),) if match else ()


def _time_of_day(header: Any, sidecar: Sidecar) -> float | None:
    """Return when acquisition began, in s, by the sidecar or dcm2niix' note in the header."""
    noted = re.search(r"\bTime=([0-9.]+)", header["descrip"].item().decode("latin-1"))
    texts = [str(sidecar.get(key) or "") for key in ("AcquisitionTime", "AcquisitionDateTime")]
    return next(
        (s for t in [*texts, noted[1] if noted else ""] if (s := seconds_of_day(t)) is not None), None
    )


def read_voxels(found: Found) -> Array:
    """Read the voxels of a NIfTI file, scaled, axes of length 1 beyond the third dropped.

    Raises:
        InputError: if the file is cut off or damaged, or larger than the limits.
    """
    with reading(f"{found.relative} is cut off or damaged within its voxels: export or copy it again"):
        array = read_nifti_array(found)
    return array.reshape(_squeezed(array.shape))


def _load(
    found: Found, grid: Grid | None, times_s: tuple[float, ...] | None, remarks: tuple[str, ...]
) -> Loaded:
    if grid is None:
        raise InputError(f"{found.relative} has no usable geometry: convert it again")
    loaded = validate(Volume(read_voxels(found), grid.affine), found.relative)
    return replace(loaded, frame_times_s=times_s, warnings=(*remarks, *loaded.warnings))


def _frame_times(
    source: str, header: Any, sidecar: Sidecar, frames: int
) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Return the time in s of each frame from the first, or None where it is not known; and warnings.

    The sidecar's VolumeTiming counts first, then its RepetitionTime, then the header's fourth voxel size. A header
    that says 1 without a unit says nothing: that is what an unset field holds. A VolumeTiming that does not rise is
    returned as it is, and keeps the series from being measured.
    """
    tr_ms = acquisition_of(sidecar, "").tr_ms
    tr_s = None if tr_ms is None else tr_ms / 1000.0
    candidates = []
    if timing := numbers_of(sidecar.get("VolumeTiming")):
        if len(timing) != frames:
            entries = f"{len(timing)} entries for {frames} frames"
            return None, (f"{source}: its VolumeTiming has {entries}; their times are unknown.",)
        if not (np.diff(timing) > 0).all():
            return tuple(round(t - timing[0], 6) for t in timing), ()
        in_ms = np.median(np.diff(timing)) > _LONGEST_TR_S
        candidates = [TimeAxis("its VolumeTiming", tuple(t / 1000.0 if in_ms else t for t in timing))]
    candidates += repetition_axis(tr_s, frames)
    if (step_s := _fourth_voxel_size_s(header)) is not None:
        candidates.append(TimeAxis("its fourth voxel size", tuple(step_s * t for t in range(frames))))
    return choose_time_axis(source, candidates, tr_s)


def _fourth_voxel_size_s(header: Any) -> float | None:
    """Return the time between frames that the header says, or None."""
    zooms = header.get_zooms()
    unit = {8: 1.0, 16: 1e-3, 24: 1e-6}.get(int(header["xyzt_units"]) & 0x38)
    if len(zooms) <= 3 or (unit is None and zooms[3] == 1.0):
        return None
    step_s = float(zooms[3]) * (unit or 1.0)
    return step_s if 0 < step_s < _LONGEST_TR_S else None
