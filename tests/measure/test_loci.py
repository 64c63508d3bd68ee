from __future__ import annotations

import numpy as np
import pytest

from conftest import oblique_affine
from gliotype.measure.loci import LOCI_UNITS, loci
from gliotype.volume import Volume


def ball(centre: tuple[float, float, float], radius: float, affine: np.ndarray) -> Volume:
    empty = Volume(np.zeros((90, 100, 40), dtype=bool), affine)
    return empty.with_array(np.linalg.norm(empty.grid.world() - np.array(centre), axis=-1) < radius)


@pytest.mark.parametrize(
    ("centre", "structure"),
    [
        ((30, 45, 15), "Frontal"),
        ((-55, -25, -15), "Temporal"),
        ((-28, -55, 50), "Parietal"),
        ((15, -90, 5), "Occipital"),
        ((-38, 5, 0), "Insula"),
        ((12, -18, 8), "Thalamus"),
    ],
)
def test_structures_are_found_at_their_mni_places_on_an_oblique_grid(centre, structure):
    affine = oblique_affine((1.1, 1.3, 4.0), (7.0, -4.0, 10.0))
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ (45, 50, 20)
    found = loci(ball(centre, 5.0, affine), np.eye(4))
    assert list(found) == list(LOCI_UNITS)
    assert max(found, key=lambda name: found[name]) == structure
    assert found[structure] > 50


def test_transform_to_mni_is_applied():
    moved = np.diag([1.0, -1.0, 1.0, 1.0])
    moved[:3, 3] = (5.0, 0.0, -3.0)
    affine = np.eye(4)
    affine[:3, 3] = (-20.0, -95.0, -2.0)
    frontal_when_turned = loci(ball((25, -45, 18), 8.0, affine), moved)
    assert frontal_when_turned["Frontal"] > 80
    assert loci(ball((25, -45, 18), 8.0, affine), np.eye(4))["Frontal"] == 0


def test_half_in_air_counts_half():
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (30.0, 45.0, 15.0)
    two = Volume(np.ones((2, 1, 1), dtype=bool), affine @ np.diag([1000.0, 1.0, 1.0, 1.0]))
    assert loci(two, np.eye(4))["Frontal"] == 50


def test_empty_mask_lies_nowhere():
    assert set(loci(Volume(np.zeros((4, 4, 4), dtype=bool), np.eye(4)), np.eye(4)).values()) == {None}
