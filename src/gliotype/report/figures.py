"""Pictures of the prepared images with the tumour's outline, in radiological convention.

The patient's right is at the left of axial and coronal pictures, anterior is up in axial and at the left in
sagittal ones. A picture is a grey JPEG; outlines are vector paths in its millimetres, drawn over it by the
page, so that they stay sharp and can be switched off.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from gliotype.masks import box_around
from gliotype.report.nifti import saliency_map
from gliotype.result import Result
from gliotype.runtime import in_parallel
from gliotype.study import STRUCTURAL, Label, Sequence
from gliotype.text import data_uri
from gliotype.volume import Box, Volume

MARGIN_MM = 12
STRIP_MARGIN_MM = 25
STRIP_SLICES = 8
KEY_PICTURES = 3
PIXELS_PER_MM = 2
DISPLAY_ORDER = (Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR)
TOWARDS_MUTANT = (0, 114, 178)
TOWARDS_WILDTYPE = (213, 94, 0)


@dataclass(frozen=True)
class Plane:
    """One of the three anatomical planes of a RAS+ grid.

    Attributes:
        name: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
        axis: the grid axis perpendicular to it.
        directions: positive and negative direction of that axis, ``("S", "I")``.
        edges: letters at the left, right, top and bottom edge of a picture.
    """

    name: str
    axis: int
    directions: tuple[str, str]
    edges: tuple[str, str, str, str]


AXIAL = Plane("axial", 2, ("S", "I"), ("R", "L", "A", "P"))
CORONAL = Plane("coronal", 1, ("A", "P"), ("R", "L", "S", "I"))
SAGITTAL = Plane("sagittal", 0, ("R", "L"), ("A", "P", "S", "I"))


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: of the picture, for example ``"T1c"``.
        size_mm: width and height.
        edges: letters at the left, right, top and bottom edge.
        image: JPEG as a data URI.
        outlines: SVG path by what it outlines, in mm: each sub-region by lower-case label name, the ``brain``, and
            in a key picture the ``whole`` tumour and the other ``plausible`` outlines in one path, and the ``box`` of
            a spectrum.
        overlay: transparent PNG as a data URI, or None.
    """

    title: str
    size_mm: tuple[int, int]
    edges: tuple[str, str, str, str]
    image: str
    outlines: dict[str, str]
    overlay: str | None = None

    @classmethod
    def of_rgb(
        cls,
        title: str,
        colours: NDArray[np.uint8],
        size_mm: tuple[int, int],
        edges: tuple[str, str, str, str],
    ) -> Panel:
        """Make a picture without outlines from a RAS+ section in colours, (i, j, 3)."""
        picture = Picture.fromarray(np.ascontiguousarray(_turned(colours))).resize(
            (size_mm[0] * PIXELS_PER_MM, size_mm[1] * PIXELS_PER_MM), Picture.Resampling.NEAREST
        )
        return cls(title, size_mm, edges, picture_uri(picture, "png"), {})


@dataclass(frozen=True)
class Row:
    """Pictures that belong side by side, under one title."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """What there is to see of a result, on one 1 mm RAS+ grid.

    Attributes:
        images: grey values 0 to 255 of each sequence, in the order of display.
        labels: sub-regions of the tumour (`Label`).
        brain: mask of the brain.
        plausible: the other plausible outlines of the whole tumour, masks.
        saliency: map of reasons, -1 (towards wildtype) to 1 (towards mutant), or None.
        middle: voxel index of the middle of the brain's bounding box.
        reference: the sequence on which the map of reasons is shown.
        box: the part of the prepared grid that is shown.
    """

    images: Mapping[Sequence, NDArray[np.uint8]]
    labels: NDArray[np.uint8]
    brain: NDArray[np.bool_]
    plausible: tuple[NDArray[np.bool_], ...]
    saliency: NDArray[np.float32] | None
    middle: NDArray[np.float64]
    reference: Sequence
    box: Box

    def cropped(self, box: Box) -> Scene:
        """Keep a part."""
        return Scene(
            images={sequence: image[box] for sequence, image in self.images.items()},
            labels=self.labels[box],
            brain=self.brain[box],
            plausible=tuple(mask[box] for mask in self.plausible),
            saliency=None if self.saliency is None else self.saliency[box],
            middle=self.middle - [edge.start for edge in box],
            reference=self.reference,
            box=_within(self.box, box),
        )

    @property
    def axial_index(self) -> int:
        """Index of the axial slice where the tumour (else the brain) is largest."""
        return next(index for plane, index in self.largest_sections() if plane is AXIAL)

    def slice_position(self, plane: Plane, index: int) -> str:
        """Say how far from the middle of the brain a slice lies: ``"S 12 mm"``."""
        position = round(index - float(self.middle[plane.axis]))
        return f"{plane.directions[position < 0]} {abs(position)} mm"

    def panel(
        self,
        plane: Plane,
        index: int,
        sequence: Sequence,
        title: str,
        *,
        salient: bool = False,
        outlines: dict[str, str] | None = None,
    ) -> Panel:
        """Draw one slice of one sequence.

        Args:
            plane: of the slice.
            index: of the slice.
            sequence: whose image is drawn.
            title: of the picture.
            salient: whether the map of reasons lies over it.
            outlines: of this slice, where they are traced already.
        """
        grey = section(self.images[sequence], plane, index)
        height, width = grey.shape
        overlay = None
        if salient and self.saliency is not None:
            overlay = _heat(section(self.saliency, plane, index))
        traced = self.outlines(plane, index) if outlines is None else outlines
        return Panel(title, (width, height), plane.edges, _jpeg(grey), traced, overlay)

    def outlines(self, plane: Plane, index: int) -> dict[str, str]:
        """Trace the sub-regions and the brain in a slice, each as an SVG path."""
        labels = section(self.labels, plane, index)
        traced = {label.name.lower(): _path(labels == label) for label in Label}
        return traced | {"brain": _path(section(self.brain, plane, index))}

    def tumour_outlines(self, plane: Plane, index: int) -> dict[str, str]:
        """Trace the ``whole`` tumour in a slice, and all other ``plausible`` outlines of it in one path."""
        others = (_path(section(mask, plane, index)) for mask in self.plausible)
        return {"whole": _path(section(self.labels, plane, index) > 0), "plausible": "".join(others)}

    def largest_sections(self) -> Iterator[tuple[Plane, int]]:
        """Find the slice of each plane where the tumour is largest (the brain, if there is no tumour)."""
        shown = self.labels > 0 if self.labels.any() else self.brain
        for plane in (AXIAL, CORONAL, SAGITTAL):
            others = tuple(axis for axis in range(3) if axis != plane.axis)
            yield plane, int(shown.sum(axis=others).argmax())


def look_at(result: Result) -> Scene:
    """Take what there is to see from a result, cropped to the brain and a margin."""
    prepared = result.prepared
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    saliency = saliency_map(result)
    box = box_around(brain, MARGIN_MM)
    whole = Scene(
        images={},
        labels=np.asarray(result.tumour.labels.array, dtype=np.uint8),
        brain=brain,
        plausible=tuple(outline.mask for outline in result.tumour.outlines),
        saliency=None if saliency is None else _scaled(saliency, prepared.brain),
        middle=np.array([(edge.start + edge.stop - 1) / 2 for edge in box_around(brain)]),
        reference=prepared.reference,
        box=(slice(0, None), slice(0, None), slice(0, None)),
    )
    shown = [sequence for sequence in DISPLAY_ORDER if sequence in prepared.images]
    windowed = in_parallel(lambda s: _windowed(prepared.images[s].array, brain, box), shown)
    return replace(whole.cropped(box), images=dict(zip(shown, windowed, strict=True)))


def draw_planes(scene: Scene) -> tuple[Row, ...]:
    """Draw every sequence in three planes, each through the tumour's (else the brain's) largest section.

    Sequences stand side by side, a row for each plane; one or two of them get a row each instead. The first picture
    of a sequence is the axial one.
    """
    if len(scene.images) <= 2:
        return tuple(_three_planes(scene, sequence) for sequence in scene.images)
    rows = []
    for plane, index in scene.largest_sections():
        traced = scene.outlines(plane, index)
        panels = (scene.panel(plane, index, each, each.word, outlines=traced) for each in scene.images)
        rows.append(Row(f"{plane.name.capitalize()}, {scene.slice_position(plane, index)}", tuple(panels)))
    return tuple(rows)


def axial_panels(scene: Scene, planes: tuple[Row, ...]) -> dict[Sequence, Panel]:
    """Find the axial picture of each sequence among those that `draw_planes` drew, in the order of display."""
    axial = planes[0].panels if len(scene.images) > 2 else tuple(row.panels[0] for row in planes)
    return dict(zip(scene.images, axial, strict=True))


def key_pictures(scene: Scene, planes: tuple[Row, ...]) -> Row:
    """Take the most informative axial pictures, up to three, with the outline and all other plausible ones.

    Args:
        scene: what there is to see.
        planes: as `draw_planes` drew them; nothing is drawn twice.
    """
    index = scene.axial_index
    drawn = axial_panels(scene, planes)
    traced = scene.tumour_outlines(AXIAL, index)
    shown = [sequence for sequence in STRUCTURAL if sequence in drawn][:KEY_PICTURES]
    panels = (replace(drawn[each], title=each.word, outlines=traced) for each in shown)
    others = f". Thick: the outline; thin: {len(scene.plausible)} other plausible ones"
    return Row(
        f"Axial, {scene.slice_position(AXIAL, index)}{others if scene.plausible else ''}", tuple(panels)
    )


def coloured_panel(scene: Scene, plane: Plane, index: int, title: str, colours: NDArray[np.uint8]) -> Panel:
    """Draw one slice of the reference image with a map over it.

    Args:
        scene: what there is to see.
        plane: of the slice.
        index: of the slice.
        title: of the picture.
        colours: RGBA of every voxel of the scene, (i, j, k, 4).
    """
    overlay = Picture.fromarray(np.ascontiguousarray(_turned(np.take(colours, index, axis=plane.axis))))
    return replace(scene.panel(plane, index, scene.reference, title), overlay=picture_uri(overlay, "png"))


def draw_saliency(scene: Scene) -> Row | None:
    """Draw the map of reasons over the reference image in three planes; None where there is no map."""
    return None if scene.saliency is None else _three_planes(scene, scene.reference, salient=True)


def _three_planes(scene: Scene, sequence: Sequence, *, salient: bool = False) -> Row:
    panels = tuple(
        scene.panel(
            plane,
            index,
            sequence,
            f"{plane.name.capitalize()}, {scene.slice_position(plane, index)}",
            salient=salient,
        )
        for plane, index in scene.largest_sections()
    )
    return Row(sequence.word, panels)


def draw_strips(scene: Scene) -> tuple[Row, ...]:
    """Draw axial slices from the lowest to the highest of the tumour, close up, for up to two sequences.

    They show contrast enhancement (T1c, else T1) and the whole tumour (FLAIR, else T2); none where no
    tumour was found.
    """
    if not scene.labels.any():
        return ()
    box = box_around(scene.labels > 0, STRIP_MARGIN_MM)
    close = scene.cropped(box)
    filled = np.flatnonzero(close.labels.any(axis=(0, 1)))
    steps = np.linspace(filled[0], filled[-1], STRIP_SLICES + 2)[1:-1]
    slices = [int(k) for k in np.unique(steps.round())]
    pairs = ((Sequence.T1C, Sequence.T1), (Sequence.FLAIR, Sequence.T2))
    shown = [next((s for s in pair if s in scene.images), None) for pair in pairs]
    traced = {k: close.outlines(AXIAL, k) for k in slices}
    return tuple(
        Row(
            sequence.word,
            tuple(
                close.panel(AXIAL, k, sequence, close.slice_position(AXIAL, k), outlines=traced[k])
                for k in slices
            ),
        )
        for sequence in shown
        if sequence is not None
    )


def _within(outer: Box, inner: Box) -> Box:
    """Say where a part of a part of a grid lies in the grid."""
    ends = [
        slice(a.start + b.start, None if b.stop is None else a.start + b.stop)
        for a, b in zip(outer, inner, strict=True)
    ]
    return ends[0], ends[1], ends[2]


def _windowed(image: NDArray[np.generic], brain: NDArray[np.bool_], box: Box) -> NDArray[np.uint8]:
    """Scale a box of an image to 0..255: black a little below the brain's darkest tissue, white at its brightest."""
    inside = np.asarray(image, dtype=np.float32)[::2, ::2, ::2][brain[::2, ::2, ::2]]
    dark, bright = np.percentile(inside, (2.0, 99.7))
    black, white = 0.5 * dark, max(1.05 * bright, 0.5 * dark + 1e-3)
    grey = (np.asarray(image[box], dtype=np.float32) - black) * (255.0 / (white - black))
    return np.asarray(np.clip(grey, 0.0, 255.0), dtype=np.uint8)


def _scaled(saliency: Volume, brain: Volume) -> NDArray[np.float32]:
    """Scale a map to -1..1 within the brain, zero outside, on the brain's grid."""
    if not saliency.grid.same_as(brain.grid):
        saliency = saliency.resample(brain.grid)
    inside = np.where(brain.array, saliency.array, 0.0).astype(np.float32)
    largest = np.percentile(np.abs(inside[np.asarray(brain.array, dtype=np.bool_)]), 99.9)
    return cast(NDArray[np.float32], np.clip(inside / max(float(largest), 1e-12), -1.0, 1.0))


def trace(mask: NDArray[np.bool_], plane: Plane, index: int) -> str:
    """Trace a section of a mask as an SVG path."""
    return _path(section(mask, plane, index))


def section(array: NDArray[Any], plane: Plane, index: int) -> NDArray[Any]:
    """Take a section of a RAS+ array and turn it as it is displayed: rows from top, columns from the left."""
    return _turned(np.take(array, index, axis=plane.axis))


def _turned(section: NDArray[Any]) -> NDArray[Any]:
    """Turn a section of a RAS+ array, (a, b) or (a, b, colours), as it is displayed."""
    return np.asarray(np.flip(section, axis=(0, 1)).swapaxes(0, 1))


def _jpeg(grey: NDArray[np.uint8]) -> str:
    height, width = grey.shape
    picture = Picture.fromarray(np.ascontiguousarray(grey))
    size = (width * PIXELS_PER_MM, height * PIXELS_PER_MM)
    picture = picture.resize(size, Picture.Resampling.BICUBIC)
    return picture_uri(picture, "jpeg", quality=85)


def _heat(saliency: NDArray[np.float32]) -> str:
    """Colour a section of a signed map: the colour says to which answer, the opacity how much."""
    colour = np.where((saliency > 0)[..., None], TOWARDS_MUTANT, TOWARDS_WILDTYPE).astype(np.uint8)
    opacity = (200 * np.abs(saliency)).astype(np.uint8)
    return picture_uri(Picture.fromarray(np.dstack([colour, opacity])), "png")


def picture_uri(picture: Picture.Image, kind: str, **options: int) -> str:
    """Write a picture as a data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return data_uri(buffer.getvalue(), f"image/{kind}")


def _path(mask: NDArray[np.bool_]) -> str:
    """Trace a mask's outline as an SVG path in pixels from the top left corner; empty for an empty mask."""
    if not mask.any():
        return ""
    soft = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), 0.5)
    lines = cast(list[NDArray[np.float64]], contourpy.contour_generator(z=soft).lines(0.5))
    return "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line - 1.5) + "Z" for line in lines if len(line) > 3
    )
