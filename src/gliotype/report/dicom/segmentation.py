"""The tumour and the brain as DICOM segmentations, on the slices of the reference series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from scipy import ndimage

from gliotype.dicom_source import DicomSource
from gliotype.errors import InputError
from gliotype.report.dicom import codes
from gliotype.report.dicom.identity import Identity, as_classic, refer_to_instances
from gliotype.report.dicom.outputs import Outputs
from gliotype.report.words import REGION_WORDS
from gliotype.study import Label


@dataclass(frozen=True)
class Kind:
    """What a segment shows.

    Attributes:
        name: the key of its numbers in ``prediction.json``; ``"whole"`` and ``"brain"`` for those two.
        label: for readers.
        category: of the property.
        property: that the segment shows.
        colour: red, green and blue, 0 to 255.
        description: what it includes.
    """

    name: str
    label: str
    category: Code
    property: Code
    colour: tuple[int, int, int]
    description: str


WHOLE = Kind(
    "whole",
    "Whole tumour",
    codes.ABNORMAL,
    codes.NEOPLASM,
    (230, 159, 0),
    "Core, enhancing tumour and oedema with infiltrated tissue together",
)
REGIONS = {
    Label.ENHANCING: Kind(
        "enhancing",
        REGION_WORDS["enhancing"],
        codes.ABNORMAL,
        codes.ENHANCING,
        (213, 94, 0),
        "Enhancing tumour; label 3 of tumour.nii.gz",
    ),
    Label.CORE: Kind(
        "core",
        REGION_WORDS["core"],
        codes.ABNORMAL,
        codes.NON_ENHANCING,
        (204, 121, 167),
        "Non-enhancing or necrotic tumour core; label 1 of tumour.nii.gz",
    ),
    Label.OEDEMA: Kind(
        "oedema",
        REGION_WORDS["oedema"],
        codes.ABNORMAL,
        codes.OEDEMA,
        (0, 158, 115),
        "Oedema and infiltrated tissue; label 2 of tumour.nii.gz",
    ),
}
BRAIN = Kind("brain", "Brain", codes.ANATOMICAL, codes.BRAIN, (86, 180, 233), "Brain, tumour included")
REST = Kind("brain", "Brain", codes.ANATOMICAL, codes.BRAIN, (86, 180, 233), "Brain without the tumour")


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment.

    Attributes:
        kind: what it shows.
        mask: (slices, rows, columns).
    """

    kind: Kind
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentReference:
    """Where a segment is to be found: the object, and its number there."""

    sop_class: str
    uid: str
    number: int


@dataclass(frozen=True, eq=False)
class Segmentations:
    """The objects by the name of their file, and where each segment is."""

    objects: dict[str, Dataset]
    references: dict[str, SegmentReference]


def make_segmentations(
    outputs: Outputs, source: DicomSource, identity: Identity, *, labelmap: bool
) -> Segmentations:
    """Make the segmentation; as label maps, which cannot overlap, two: of the regions, and of the whole tumour.

    Args:
        outputs: with the masks.
        source: on whose slices they are written, pixel by pixel.
        identity: of the run.
        labelmap: write LABELMAP objects instead of a BINARY one.

    Raises:
        InputError: if no voxel of the tumour that was found lies on a slice of the source.
    """
    labels, brain = on_slices(outputs, source)
    found = bool(outputs.labels.array.any())
    if found and not labels.any():
        raise InputError(
            "the tumour lies on no slice of the reference series: give the series that was processed"
        )
    regions_known = outputs.document["tumour"]["regions_ml"].get("core") is not None
    whole = [Segment(WHOLE, labels > 0)] if found else []
    regions = [Segment(kind, labels == label) for label, kind in REGIONS.items()] if regions_known else []
    parts: dict[str, list[Segment]]
    if not labelmap:
        parts = {"tumour_seg.dcm": [*whole, *regions, Segment(BRAIN, brain)]}
    elif regions_known and found:
        parts = {
            "tumour_seg.dcm": [*regions, Segment(REST, brain & (labels == 0))],
            "whole_tumour_seg.dcm": whole,
        }
    else:
        parts = {"tumour_seg.dcm": [*whole, Segment(REST, brain & (labels == 0))]}
    made = Segmentations({}, {})
    for number, (name, segments) in enumerate(parts.items()):
        shown = [segment for segment in segments if segment.mask.any()]
        if not shown:
            raise InputError(
                "the brain lies on no slice of the reference series: give the series that was processed"
            )
        made.objects[name] = _write(shown, source, identity, number, labelmap)
        for n, segment in enumerate(shown, start=1):
            dataset = made.objects[name]
            made.references[segment.kind.name] = SegmentReference(
                str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), n
            )
    return made


def on_slices(outputs: Outputs, source: DicomSource) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read tumour labels and brain at the pixels of the source's slices, wherever these lie.

    Slices of which the masks' grid holds the voxels, as it does unless it was made even or rectangular, get exactly
    these; others the nearest ones.

    Returns:
        Labels and brain, each (slices, rows, columns).
    """
    grid = outputs.labels.grid
    both = np.asarray(outputs.labels.array, np.uint8) | (
        np.asarray(outputs.masks["brain"].array, np.uint8) << 4
    )
    index_from_world = np.linalg.inv(grid.affine)
    slices = np.zeros((len(source.frames), *source.frames[0].size), np.uint8)
    for number, frame in enumerate(source.frames):
        matrix = np.asarray(index_from_world @ frame.affine)
        ndimage.affine_transform(
            both,
            matrix[:3, :3],
            matrix[:3, 3],
            output_shape=(frame.size[1], frame.size[0], 1),
            output=(plane := np.zeros((frame.size[1], frame.size[0], 1), np.uint8)),
            order=0,
            mode="grid-constant",
            prefilter=False,
        )
        slices[number] = plane[..., 0].T
    return np.bitwise_and(slices, np.uint8(15)), slices >= 16


def _write(
    segments: Iterable[Segment], source: DicomSource, identity: Identity, number: int, labelmap: bool
) -> Dataset:
    segments = list(segments)
    slices, references = as_classic(source)
    used = np.flatnonzero(np.any([segment.mask.any(axis=(1, 2)) for segment in segments], axis=0))
    pixels: NDArray[np.uint8]
    if labelmap:
        pixels = np.zeros((len(used), *source.frames[0].size), np.uint8)
        for n, segment in enumerate(segments, start=1):
            pixels[segment.mask[used]] = n
    else:
        pixels = np.stack([segment.mask[used] for segment in segments], axis=-1).astype(np.uint8)
    names = "-".join(segment.kind.name for segment in segments)
    kind = f"{'labelmap' if labelmap else 'binary'} {names}"
    dataset = Segmentation(
        source_images=[slices[n] for n in used],
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.LABELMAP if labelmap else SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(segment.kind, n, identity) for n, segment in enumerate(segments, start=1)
        ],
        content_label="GLIOTYPE_SEG",
        content_description="Tumour and brain",
        **identity.arguments(kind, 9101 + number, "segmentation"),
    )
    refer_to_instances(dataset, references)
    return identity.finish(dataset)


def _description(kind: Kind, number: int, identity: Identity) -> SegmentDescription:
    given = identity.outputs.document["tumour"]["source"] == "given" and kind.name != "brain"
    item = SegmentDescription(
        segment_number=number,
        segment_label=kind.label,
        segmented_property_category=kind.category,
        segmented_property_type=kind.property,
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL if given else SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=None if given else identity.algorithm(),
        tracking_uid=identity.uid("tracking", kind.name),
        tracking_id=kind.label,
        anatomic_regions=[codes.BRAIN] if kind.category == codes.ABNORMAL else None,
        display_color=hd.color.CIELabColor.from_rgb(*kind.colour),
    )
    item.SegmentDescription = kind.description
    return item
