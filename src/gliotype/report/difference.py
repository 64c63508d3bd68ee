"""The T2-FLAIR mismatch as a picture: T2, FLAIR, and their difference in a graded colour scale with a sign."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from gliotype.measure import subtract_flair
from gliotype.report.drawing import Box, Drawing, Words
from gliotype.report.figures import AXIAL, Panel, Row, Scene, axial_panels, picture_uri, section
from gliotype.result import Result
from gliotype.study import Sequence

GRADES = ("#8c510a", "#bf812d", "#dfc27d", "#f6e8c3", "#c7eae5", "#80cdc1", "#35978f", "#01665e")
"""From FLAIR far brighter to T2 far brighter; the sign changes in the middle."""

STEP = 1.0
"""Width of a grade, in standard deviations of normal tissue; the outermost ones are open."""


@dataclass(frozen=True)
class DifferencePage:
    """What the report shows of the mismatch.

    Attributes:
        row: T2, FLAIR and the difference in the same axial slice, with the outline of the tumour.
        legend: of the difference's colours.
    """

    row: Row
    legend: Drawing


def draw_difference(result: Result, scene: Scene, planes: tuple[Row, ...]) -> DifferencePage | None:
    """Draw T2, FLAIR and their difference; None where it cannot be computed.

    Args:
        result: of a run.
        scene: of the same result.
        planes: as `draw_planes` drew them; T2 and FLAIR are taken from there.
    """
    difference = subtract_flair(result.prepared, result.tumour)
    if difference is None:
        return None
    index, drawn = scene.axial_index, axial_panels(scene, planes)
    traced = {"whole": scene.tumour_outlines(AXIAL, index)["whole"]}
    shown = section(difference[scene.box], AXIAL, index)
    brain = section(scene.brain, AXIAL, index)
    t2 = replace(drawn[Sequence.T2], title="T2", outlines=traced)
    flair = replace(drawn[Sequence.FLAIR], title="FLAIR", outlines=traced)
    graded = Panel("T2 minus FLAIR", t2.size_mm, AXIAL.edges, _coloured(shown, brain), traced)
    return DifferencePage(
        Row(f"Axial, {scene.slice_position(AXIAL, index)}", (t2, flair, graded)), draw_legend()
    )


def grade(difference: NDArray[np.float32]) -> NDArray[np.intp]:
    """Index of each value's grade in `GRADES`.

    Example:
        >>> grade(np.float32([-9, -0.1, 0.1, 9])).tolist()
        [0, 3, 4, 7]
    """
    middle = len(GRADES) // 2
    return np.asarray(np.clip(np.floor(difference / STEP) + middle, 0, len(GRADES) - 1), dtype=np.intp)


def _coloured(difference: NDArray[np.float32], brain: NDArray[np.bool_]) -> str:
    palette = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in GRADES], dtype=np.uint8)
    colours = np.where(brain[..., None], palette[grade(difference)], 0).astype(np.uint8)
    return picture_uri(Picture.fromarray(np.ascontiguousarray(colours)), "png")


def draw_legend() -> Drawing:
    """Draw the grades with the values between them."""
    width, height = 44.0, 14.0
    shapes: list[Box | Words] = []
    for n, colour in enumerate(GRADES):
        shapes.append(Box(n * width + 1, 0, width, height, colour))
    for n in range(1, len(GRADES)):
        value = (n - len(GRADES) // 2) * STEP
        shapes.append(
            Words(n * width + 1, height + 13, f"{value:+g}" if value else "0", 10.5, anchor="middle")
        )
    total = len(GRADES) * width + 2
    shapes.append(Words(1, height + 28, "FLAIR brighter", 10.5))
    shapes.append(Words(total - 1, height + 28, "T2 brighter (mismatch)", 10.5, anchor="end"))
    return Drawing(
        total,
        height + 32,
        tuple(shapes),
        "Colour scale of T2 minus FLAIR in standard deviations of normal tissue, from FLAIR brighter to T2 brighter",
    )
