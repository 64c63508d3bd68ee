"""Large vessels of a digital patient: where the arterial input is found, and where veins mislead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Vessel:
    """A vessel along a line.

    Attributes:
        points: corners of the line in MNI152, RAS mm; of one side where it is paired.
        radius_mm: of its lumen.
        delay_s: when the bolus comes to its beginning, after the carotid arteries, and to its end.
        paired: whether the other hemisphere has its mirror image.
        vein: whether its blood has passed the capillaries.
    """

    points: tuple[tuple[float, float, float], ...]
    radius_mm: float
    delay_s: tuple[float, float]
    paired: bool = True
    vein: bool = False


VESSELS: Mapping[str, Vessel] = MappingProxyType(
    {
        "internal carotid": Vessel(((22, -6, -44), (16, -2, -32), (11, 4, -24), (10, 6, -16)), 2.4, (0.0, 0.1)),
        "middle cerebral, M1": Vessel(((10, 6, -16), (22, 6, -18), (34, 4, -16)), 1.8, (0.1, 0.2)),
        "middle cerebral, upper M2": Vessel(
            ((34, 4, -16), (40, 12, -4), (42, 10, 8), (44, -2, 16)), 1.3, (0.2, 0.5)
        ),
        "middle cerebral, lower M2": Vessel(
            ((34, 4, -16), (41, -8, -6), (42, -22, 8), (46, -36, 18)), 1.3, (0.2, 0.6)
        ),
        "anterior cerebral": Vessel(
            ((10, 6, -16), (3, 14, -14), (3, 34, -4), (3, 34, 14), (3, 14, 30), (3, -10, 36)), 1.3, (0.1, 0.7)
        ),
        "posterior cerebral": Vessel(((3, -18, -22), (18, -28, -12), (20, -50, -4), (14, -74, 6)), 1.3, (0.3, 0.8)),
        "basilar": Vessel(((0, -22, -46), (0, -20, -34), (0, -18, -22)), 1.8, (0.1, 0.3), paired=False),
        "superior sagittal sinus": Vessel(
            ((0, 62, 22), (0, 40, 54), (0, 0, 74), (0, -40, 72), (0, -76, 44), (0, -94, 8)),
            4.0, (2.5, 3.5), paired=False, vein=True,
        ),
        "transverse sinus": Vessel(((2, -94, -4), (30, -86, -16), (52, -58, -22)), 3.5, (3.0, 3.8), vein=True),
        "internal cerebral vein": Vessel(((3, 4, 14), (3, -24, 12), (2, -44, 8)), 1.5, (2.2, 2.8), vein=True),
    }
)  # fmt: skip
"""Vessels of the circle of Willis and its branches, and the great veins, at the positions of an average head."""

_SPACING_MM = 1.0
_HALO, _HALO_REACH_MM = 0.12, 4.0
"""The field of a cylinder falls with the square of distance; its strength at the wall is a design value."""


@dataclass(frozen=True, eq=False)
class VesselMap:
    """Vessels at some points.

    Attributes:
        fraction: 0 to 1, how much of a point's voxel is blood of a vessel, (n,).
        halo: blood volume that would dephase the rest of the voxel as much as the vessel next to it does, (n,).
        delay_s: when the bolus comes there, (n,).
        vein: whether the vessel is a vein, (n,).
    """

    fraction: NDArray[np.float32]
    halo: NDArray[np.float32]
    delay_s: NDArray[np.float32]
    vein: NDArray[np.bool_]


def vessels_at(points: Points, width_mm: float) -> VesselMap:
    """Find what fraction of voxels around some points vessels fill.

    Args:
        points: (n, 3), MNI152, RAS mm.
        width_mm: of the voxels.

    Example:
        >>> found = vessels_at(np.array([[22.0, 6.0, -18.0], [22.0, 40.0, 40.0]]), 1.8)
        >>> found.fraction.tolist(), bool(found.vein[0])
        ([1.0, 0.0], False)
    """
    lines = [
        _sample_vessel(vessel, side)
        for vessel in VESSELS.values()
        for side in ((1, -1) if vessel.paired else (1,))
    ]
    points_on_axis, radius, delay, vein = (np.concatenate(parts) for parts in zip(*lines, strict=True))
    reach = float(radius.max()) + _HALO_REACH_MM
    distance, nearest = cKDTree(points_on_axis).query(points, distance_upper_bound=reach)
    there = np.isfinite(distance)
    index = np.where(there, nearest, 0)
    distance = np.where(there, distance, 1e3)
    inside = (radius[index] + 0.5 * width_mm - distance) / width_mm
    field = _HALO * (radius[index] / np.maximum(distance, radius[index])) ** 2
    return VesselMap(
        fraction=np.clip(inside, 0.0, 1.0).astype(np.float32),
        halo=np.where(distance < radius[index] + _HALO_REACH_MM, field, 0.0).astype(np.float32),
        delay_s=delay[index].astype(np.float32),
        vein=vein[index].astype(np.bool_),
    )


def _sample_vessel(vessel: Vessel, side: int) -> tuple[Points, Points, Points, Points]:
    """Points along a vessel every millimetre, and radius, delay and kind at each."""
    corners = np.array(vessel.points, dtype=np.float64) * [side, 1, 1]
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    at = np.arange(0.0, along[-1] + _SPACING_MM, _SPACING_MM)
    points_on_axis = np.stack([np.interp(at, along, corners[:, axis]) for axis in range(3)], axis=1)
    delay = np.interp(at / along[-1], [0.0, 1.0], vessel.delay_s)
    return points_on_axis, np.full(at.size, vessel.radius_mm), delay, np.full(at.size, float(vessel.vein))
