"""The key picture: the slice in which the tumour is largest, with its outlines, as a secondary capture."""

from __future__ import annotations

from typing import cast

import contourpy
import numpy as np
from highdicom.enum import CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM, DSfloat
from scipy import ndimage

from gliotype.dicom_source import DicomSource, SourceFrame
from gliotype.report import words
from gliotype.report.dicom.identity import Identity, as_classic, refer_to_instances
from gliotype.report.dicom.segmentation import REGIONS, WHOLE, on_slices
from gliotype.result import Call
from gliotype.study import Label
from gliotype.text import percent
from gliotype.volume import Volume

PIXELS_PER_MM = 3.0
LINE_HEIGHT = 22
_DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))
_PERCENTILES = (1.0, 99.7)
"""Of the voxels in the brain: what is black and what is white."""


def make_picture(identity: Identity, source: DicomSource, image: Volume) -> Dataset:
    """Draw the key picture on a slice of the reference series, in the orientation of that series.

    Args:
        identity: of the run, with its outputs.
        source: the reference series.
        image: its voxels.
    """
    labels, brain = on_slices(identity.outputs, source)
    shown = labels > 0 if labels.any() else brain
    index = int(shown.sum(axis=(1, 2)).argmax())
    frame = source.frames[index]
    grey = _grey(image, frame, brain[index])
    pixels = _annotated(_drawn(grey, labels[index], frame), _lines(identity))
    slices, references = as_classic(source)
    dataset = SCImage.from_ref_dataset(
        ref_dataset=slices[index],
        pixel_array=pixels,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=(_letter(frame.orientation[:3]), _letter(frame.orientation[3:])),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **identity.arguments("picture", 9141, "key picture"),
    )
    made = identity.outputs.made
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = DA(made.date()), TM(made.time())
    dataset.NominalScannedPixelSpacing = 2 * [DSfloat(1 / PIXELS_PER_MM, auto_format=True)]
    dataset.BodyPartExamined = "BRAIN"
    dataset.BurnedInAnnotation = "YES"
    origin = Dataset()
    origin.ReferencedSOPClassUID = slices[index].SOPClassUID
    origin.ReferencedSOPInstanceUID = slices[index].SOPInstanceUID
    dataset.SourceImageSequence = [origin]
    refer_to_instances(dataset, references)
    return identity.finish(dataset)


def _lines(identity: Identity) -> list[str]:
    """Say what the picture shows, without a name."""
    document = identity.outputs.document
    answer = words.CALL_WORDS[Call(document["call"])]
    if document["probability"] is not None:
        interval = document["interval"]
        reach = words.range_words(None if interval is None else (interval[0], interval[1]))
        answer += f", P(IDH-mutant) {percent(document['probability'])}, {reach}"
    tumour = document["tumour"]
    legend = "outlines: whole tumour (orange), enhancing part (red), core (pink)"
    volume = f"Tumour {words.number(tumour['volume_ml'], 'ml')}; {legend}" if tumour["volume_ml"] else ""
    return [*filter(None, [answer, volume]), words.RESEARCH_USE]


def _grey(image: Volume, frame: SourceFrame, brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Read the image at the pixels of a slice (rows, columns), 0 to 255."""
    matrix = np.linalg.inv(image.affine) @ frame.affine
    values = ndimage.affine_transform(
        np.asarray(image.array, np.float32),
        matrix[:3, :3],
        matrix[:3, 3],
        output_shape=(frame.size[1], frame.size[0], 1),
        order=1,
        mode="grid-constant",
    )[..., 0].T
    low, high = np.percentile(values[brain] if brain.any() else values, _PERCENTILES)
    scaled = np.clip(255 * (values - low) / max(float(high - low), 1e-6), 0, 255)
    return np.asarray(scaled, np.uint8)


def _drawn(grey: NDArray[np.uint8], labels: NDArray[np.uint8], frame: SourceFrame) -> Picture.Image:
    """Draw the outlines of the whole tumour, its core and its enhancing part over a slice in true proportions."""
    along_x, along_y = (PIXELS_PER_MM * mm for mm in reversed(frame.spacing))
    size = (round(grey.shape[1] * along_x), round(grey.shape[0] * along_y))
    picture = Picture.fromarray(grey).resize(size, Picture.Resampling.BICUBIC).convert("RGB")
    draw = ImageDraw.Draw(picture)
    outlined = [(labels == label, REGIONS[label].colour) for label in (Label.CORE, Label.ENHANCING)]
    for mask, colour in ((labels > 0, WHOLE.colour), *outlined):
        padded = np.pad(mask, 1).astype(np.float32)
        lines = cast(list[NDArray[np.float64]], contourpy.contour_generator(z=padded).lines(0.5))
        for line in lines:
            places = (line - 0.5) * [along_x, along_y]
            draw.line([(float(x), float(y)) for x, y in places], fill=colour, width=2)
    row, column = (np.reshape(frame.orientation, (2, 3))[n] for n in (0, 1))
    font = ImageFont.load_default(LINE_HEIGHT * 0.8)
    for letter, place, anchor in (
        (_letter(-row), (4, size[1] / 2), "lm"),
        (_letter(row), (size[0] - 4, size[1] / 2), "rm"),
        (_letter(-column), (size[0] / 2, 4), "ma"),
        (_letter(column), (size[0] / 2, size[1] - 4), "md"),
    ):
        draw.text(place, letter, fill=(255, 255, 255), font=font, anchor=anchor)
    return picture


def _annotated(picture: Picture.Image, lines: list[str]) -> NDArray[np.uint8]:
    """Put lines of text below a picture, as large as its width allows."""
    below = Picture.new("RGB", (picture.width, picture.height + LINE_HEIGHT * len(lines) + 6))
    below.paste(picture)
    draw = ImageDraw.Draw(below)
    for number, text in enumerate(lines):
        size = LINE_HEIGHT * 0.7
        while size > 6 and draw.textlength(text, ImageFont.load_default(size)) > picture.width - 8:
            size -= 0.5
        place = (4, picture.height + 3 + number * LINE_HEIGHT)
        draw.text(place, text, fill=(255, 255, 255), font=ImageFont.load_default(size))
    return np.asarray(below, np.uint8)


def _letter(direction: NDArray[np.float64] | tuple[float, ...]) -> str:
    """Letter of DICOM for the main direction of a vector, LPS.

    Example:
        >>> _letter((0.1, -0.9, 0.2)), _letter((0.0, 0.0, 1.0))
        ('A', 'H')
    """
    axis = int(np.argmax(np.abs(direction)))
    return _DIRECTIONS[axis][int(direction[axis] < 0)]
