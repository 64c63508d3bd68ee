"""Decode the pixels of DICOM files, whatever their transfer syntax."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from gliotype.errors import InputError
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.mosaic import untiled
from gliotype.read.dicom.promise import refuse_false_promise
from gliotype.read.parsing import reading
from gliotype.temporary import temporary_folder
from gliotype.volume import Array

_STORAGE = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
_JPEG_LS = (JPEGLSLossless, JPEGLSNearLossless)
"""GDCM decodes JPEG-LS as well, frame by frame: pydicom's decoder can run for ever on damaged data."""


def decode_pixels(frames: list[Frame]) -> tuple[dict[tuple[str, int], Array], list[InputError], bool]:
    """Read the pixels of many frames, each file once.

    Values of MONOCHROME1, where low is bright, are inverted about the largest of the series.

    Returns:
        By file and frame number, an array (columns, rows) of rescaled values; the errors of the files
        that could not be read; and whether any was inverted.
    """
    errors = []
    decoded: list[tuple[Frame, _Stored]] = []
    files: dict[str, list[Frame]] = {}
    for frame in frames:
        files.setdefault(frame.found.relative, []).append(frame)
    for own in files.values():
        sentence = (
            f"{own[0].found.relative}: its pixels cannot be read ({{reason}}): "
            "it is cut off or damaged, export it again"
        )
        try:
            with reading(sentence, RuntimeError):
                decoded += _planes(own)
        except InputError as error:
            errors.append(error)
    inverted = [stored.plane for _, stored in decoded if stored.inverted]
    brightest = max((int(plane.max()) for plane in inverted), default=0)
    pixels = {
        (frame.found.relative, frame.index): _rescaled(stored, frame, brightest) for frame, stored in decoded
    }
    return pixels, errors, bool(inverted)


@dataclass(frozen=True, eq=False)
class _Stored:
    """One decoded plane (columns, rows), and what is still to be done to it."""

    plane: Array
    inverted: bool
    rescaled: bool


def _planes(frames: list[Frame]) -> list[tuple[Frame, _Stored]]:
    """Decode the frames of one file."""
    found = frames[0].found
    dataset = read_dataset(found)
    refuse_false_promise(dataset, found.relative)
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    rescaled = syntax in _JPEG
    if rescaled:
        array = _by_gdcm(found.path)
    elif syntax in _JPEG_LS:
        array = _frame_by_frame(dataset)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = dataset.pixel_array
        array = array if array.ndim == 3 else array[np.newaxis]
    if array.shape[1:] != frames[0].size:
        array = untiled(array[0], frames[0].size)
    return [(frame, _Stored(array[frame.index].T, inverted, rescaled)) for frame in frames]


def _frame_by_frame(dataset: FileDataset) -> Array:
    """Decode each frame of JPEG-LS as a slice of its own, which GDCM reads without slope, intercept or inversion."""
    count = int(dataset.get("NumberOfFrames") or 1)
    slices = Dataset()
    for keyword in _STORAGE:
        setattr(slices, keyword, dataset[keyword].value)
    slices.SOPClassUID = SecondaryCaptureImageStorage
    slices.SOPInstanceUID = generate_uid()
    slices.PhotometricInterpretation = "MONOCHROME2"
    slices.file_meta = FileMetaDataset()
    slices.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    planes = []
    with temporary_folder() as folder:
        for frame in generate_frames(dataset.PixelData, number_of_frames=count):
            slices.PixelData = encapsulate([frame])
            slices["PixelData"].is_undefined_length = True
            slices.save_as(folder / "frame.dcm", enforce_file_format=True)
            planes.append(_by_gdcm(folder / "frame.dcm")[0])
    return np.stack(planes)


def _by_gdcm(path: Path) -> Array:
    """Decode plain JPEG, also its lossless kind, with the GDCM in SimpleITK: pydicom has no free decoder.

    GDCM applies slope and intercept, and turns MONOCHROME1 into negative values of which the highest is bright.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    array: Array = sitk.GetArrayFromImage(reader.Execute())
    return array if array.ndim == 3 else array[np.newaxis]


def _rescaled(stored: _Stored, frame: Frame, brightest: int) -> Array:
    if stored.rescaled:
        return stored.plane
    plane = stored.plane
    if stored.inverted:
        plane = brightest - plane.astype(np.int32 if plane.itemsize <= 2 else np.int64)
    if frame.slope == 1.0 and frame.intercept == 0.0:
        return plane
    return plane.astype(np.float32) * np.float32(frame.slope) + np.float32(frame.intercept)
