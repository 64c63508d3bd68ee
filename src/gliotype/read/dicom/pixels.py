"""Decode the pixels of DICOM files, whatever their transfer syntax."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from gliotype.errors import InputError
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.mosaic import untiled
from gliotype.read.files import Found
from gliotype.read.header_values import UNREADABLE_DICOM
from gliotype.volume import Array

_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)


def decode_pixels(frames: list[Frame]) -> tuple[dict[tuple[str, int], Array], list[InputError]]:
    """Read the pixels of many frames, each file once.

    Returns:
        By file and frame number, an array (columns, rows) of rescaled values; and the errors of the files
        that could not be read.
    """
    pixels: dict[tuple[str, int], Array] = {}
    errors = []
    files: dict[str, list[Frame]] = {}
    for frame in frames:
        files.setdefault(frame.found.relative, []).append(frame)
    for relative, own in files.items():
        found = own[0].found
        try:
            stored, rescaled = _stored_values(found)
            if stored.shape[1:] != own[0].size:
                stored = untiled(stored[0], own[0].size)
            for frame in own:
                plane = stored[frame.index].T
                pixels[relative, frame.index] = plane if rescaled else _rescaled(plane, frame)
        except (*UNREADABLE_DICOM, RuntimeError) as error:
            errors.append(_error(found, error))
    return pixels, errors


def _stored_values(found: Found) -> tuple[Array, bool]:
    """Read an array (frames, rows, columns), and tell whether slope and intercept are applied already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(found.path, force=True)
        if dataset.file_meta.get("TransferSyntaxUID") in _JPEG:
            return _by_gdcm(found), True
        array = dataset.pixel_array
    return (array if array.ndim == 3 else array[np.newaxis]), False


def _by_gdcm(found: Found) -> Array:
    """Decode plain JPEG, also its lossless kind, with the GDCM in SimpleITK: pydicom has no free decoder."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(found.path))
    array: Array = sitk.GetArrayFromImage(reader.Execute())
    return array if array.ndim == 3 else array[np.newaxis]


def _rescaled(plane: Array, frame: Frame) -> Array:
    if frame.slope == 1.0 and frame.intercept == 0.0:
        return plane
    return plane.astype(np.float32) * np.float32(frame.slope) + np.float32(frame.intercept)


def _error(found: Found, error: Exception) -> InputError:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return InputError(
        f"{found.relative}: its pixels cannot be read ({reason}): it is cut off or damaged, export it again"
    )
