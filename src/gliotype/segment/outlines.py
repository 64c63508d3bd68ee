"""Other ways in which the same tumour could be drawn: what each network pass sees, and other thresholds.

One outline can decide an answer, and a voxel more or less all around it does not show that; other passes and
thresholds do. Each outline here keeps to the tumour that was found: components that it does not touch are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.masks import box_around
from gliotype.runtime import in_parallel
from gliotype.segment.appearance import Appearance
from gliotype.study import Outline, Sequence

Mask = NDArray[np.bool_]
Probability = NDArray[np.float32]

THRESHOLDS = (0.3, 0.7, 0.9)
"""Further sharpened whole-tumour probabilities at which the tumour is drawn."""

MIN_RELATIVE_VOLUME = 0.1
"""An outline smaller than this fraction of the drawn one is not plausible."""

MAX_RELATIVE_VOLUME = 4.0
"""Nor is one larger than this many times the drawn one."""


def draw_looks(
    drawn: Mask,
    views: Mapping[str, Probability],
    images: Mapping[Sequence, NDArray[np.float32]],
    brain: Mask,
    spacing_mm: float,
    threshold: float,
    tidy: Callable[[Mask], Mask],
) -> dict[str, Mask]:
    """Draw the tumour as each single network pass and mirror side sees it, however far that is from the drawn one.

    Args:
        drawn: the tumour as it was found.
        views: whole-tumour probability of single network passes and mirror sides, by name.
        images: on the same grid.
        brain: where tumour can be.
        spacing_mm: isotropic voxel size.
        threshold: sharpened probability at or above which a voxel is tumour.
        tidy: what is done to every drawing of this tumour.

    Returns:
        The mask of each view, by its name, empty where it sees nothing of the tumour; no mask without a tumour.
    """
    if not drawn.any():
        return {}

    appearance = Appearance.of(images, brain, spacing_mm)

    def draw(whole: Probability) -> Mask:
        return tidy(touching(appearance.sharpen(whole) >= threshold, drawn))

    return dict(zip(views, in_parallel(draw, views.values()), strict=True))


def plausible_outlines(
    drawn: Mask, sharp: Probability, looks: Mapping[str, Mask], tidy: Callable[[Mask], Mask]
) -> tuple[Outline, ...]:
    """Draw the tumour again by every threshold, network pass and mirror side, and its largest part alone.

    Args:
        drawn: the tumour as it was found.
        sharp: sharpened whole-tumour probability from which it was drawn.
        looks: what single network passes and mirror sides draw, see `draw_looks`.
        tidy: what is done to every drawing of this tumour.

    Returns:
        Outlines, without the drawn one, without any that equals another, and without those of another size altogether.
    """
    if not drawn.any():
        return ()
    found: list[Outline] = []
    for name, mask in _drawings(drawn, sharp, looks, tidy):
        size, of_drawn = int(mask.sum()), int(drawn.sum())
        others = [drawn, *(outline.mask for outline in found)]
        if MIN_RELATIVE_VOLUME * of_drawn <= size <= MAX_RELATIVE_VOLUME * of_drawn and not any(
            np.array_equal(mask, other) for other in others
        ):
            found.append(Outline(name, mask))
    return tuple(found)


def _drawings(
    drawn: Mask, sharp: Probability, looks: Mapping[str, Mask], tidy: Callable[[Mask], Mask]
) -> Iterator[tuple[str, Mask]]:
    for other in THRESHOLDS:
        yield f"threshold {other:g}", tidy(touching(sharp >= other, drawn))
    yield from looks.items()
    parts, n = ndimage.label(drawn)
    if n > 1:
        yield "largest part alone", parts == np.bincount(parts.ravel())[1:].argmax() + 1


def touching(mask: Mask, drawn: Mask) -> Mask:
    """Keep the connected components of a mask that touch the drawn tumour.

    Example:
        >>> mask = np.array([1, 1, 0, 1, 0, 1], bool).reshape(6, 1, 1)
        >>> drawn = np.array([0, 1, 0, 1, 0, 0], bool).reshape(6, 1, 1)
        >>> touching(mask, drawn).ravel().astype(int).tolist()
        [1, 1, 0, 1, 0, 0]
    """
    kept = np.zeros_like(mask)
    if mask.any():
        box = box_around(mask)
        parts, n = ndimage.label(mask[box])
        touched = np.zeros(n + 1, np.bool_)
        touched[parts[drawn[box] & mask[box]]] = True
        kept[box] = touched[parts]
    return kept
