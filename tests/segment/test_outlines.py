"""Other plausible outlines keep to the tumour that was found, and say how they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.segment.outlines import draw_looks, plausible_outlines
from gliotype.study import Outline

SHAPE = (30, 32, 28)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    i, j, k = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return (i - centre[0]) ** 2 + (j - centre[1]) ** 2 + (k - centre[2]) ** 2 < radius**2


def as_drawn(mask: np.ndarray) -> np.ndarray:
    return mask


def drawn_again(sharp: np.ndarray, **views: np.ndarray) -> dict[str, np.ndarray]:
    outlines = plausible_outlines(
        sharp >= 0.5, sharp.astype(np.float32), looks(sharp, **views), tidy=as_drawn
    )
    assert all(isinstance(outline, Outline) for outline in outlines)
    return {outline.name: outline.mask for outline in outlines}


def looks(sharp: np.ndarray, **views: np.ndarray) -> dict[str, np.ndarray]:
    return draw_looks(
        drawn=sharp >= 0.5,
        views={name: view.astype(np.float32) for name, view in views.items()},
        images={},
        brain=np.ones(SHAPE, bool),
        spacing_mm=1.0,
        threshold=0.5,
        tidy=as_drawn,
    )


SOFT = np.select([ball((10, 12, 9), 3), ball((10, 12, 9), 5), ball((10, 12, 9), 7)], [0.95, 0.6, 0.4], 0.0)


def test_lower_thresholds_draw_wider() -> None:
    found = drawn_again(SOFT)
    assert set(found) == {"threshold 0.3", "threshold 0.7"}  # 0.9 draws what 0.7 draws
    assert np.array_equal(found["threshold 0.3"], ball((10, 12, 9), 7))
    assert np.array_equal(found["threshold 0.7"], ball((10, 12, 9), 3))


def test_an_outline_that_equals_another_is_listed_once() -> None:
    assert "same" not in drawn_again(SOFT, same=SOFT)


def test_each_view_is_an_outline_of_its_own() -> None:
    moved = np.where(ball((12, 12, 9), 5), 0.9, 0.0)
    found = drawn_again(SOFT, mirrored=moved)
    assert np.array_equal(found["mirrored"], ball((12, 12, 9), 5))


def test_what_the_drawn_tumour_does_not_touch_is_left_out() -> None:
    elsewhere = np.where(ball((22, 24, 20), 4), 0.9, 0.0)
    found = drawn_again(SOFT, mirrored=np.maximum(np.where(ball((12, 12, 9), 5), 0.9, 0), elsewhere))
    assert not (found["mirrored"] & ball((22, 24, 20), 4)).any()


@pytest.mark.parametrize("radius", [1.2, 13.0])
def test_a_look_of_another_size_altogether_is_no_plausible_outline_but_a_look(radius: float) -> None:
    mirrored = ball((10, 12, 9), radius)
    assert "mirrored" not in drawn_again(SOFT, mirrored=np.where(mirrored, 0.9, 0.0))
    assert np.array_equal(looks(SOFT, mirrored=np.where(mirrored, 0.9, 0.0))["mirrored"], mirrored)


def test_a_look_that_sees_nothing_of_the_tumour_is_empty() -> None:
    elsewhere = np.where(ball((22, 24, 20), 4), 0.9, 0.0)
    assert not looks(SOFT, mirrored=elsewhere)["mirrored"].any()


def test_the_largest_part_is_an_outline_where_there_are_several() -> None:
    two = np.maximum(SOFT, np.where(ball((22, 24, 20), 3), 0.95, 0.0))
    found = drawn_again(two)
    assert np.array_equal(found["largest part alone"], ball((10, 12, 9), 5))


def test_no_tumour_has_no_outline_and_no_look() -> None:
    assert drawn_again(np.zeros(SHAPE), mirrored=SOFT) == {}
    assert looks(np.zeros(SHAPE), mirrored=SOFT) == {}
