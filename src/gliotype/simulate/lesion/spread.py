"""How a lesion spreads through tissue, swells gyri and pushes the rest aside."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from gliotype.simulate.tissue import Tissue

GLIOMA_SPEED = {
    Tissue.WHITE_MATTER: 1.0,
    Tissue.WM_LESION: 1.0,
    Tissue.DEEP_GREY: 0.45,
    Tissue.GREY_MATTER: 0.5,
    Tissue.BRAINSTEM: 0.4,
    Tissue.CSF: 0.08,
}
"""How fast glioma spreads through each tissue, relative to white matter."""


def arrival_time(
    tissue: NDArray[np.uint8],
    seeds: NDArray[np.intp],
    spacing_mm: float,
    log_speed: NDArray[np.float32],
    tissue_speed: Mapping[Tissue, float],
) -> NDArray[np.float32]:
    """Time at which a tumour front that starts at the seeds reaches each voxel.

    Shortest paths over the 26-neighbourhood of a grid of half the resolution, interpolated back.

    Args:
        tissue: tissue codes.
        seeds: (n, 3) voxel indices.
        spacing_mm: isotropic voxel size.
        log_speed: log of a local factor on the speed of spread.
        tissue_speed: speed in each tissue; 0 in those that are not named.

    Returns:
        Times in mm of white matter; a large number where the front does not come.
    """
    speeds = np.zeros(max(Tissue) + 1, np.float32)
    for kind, value in tissue_speed.items():
        speeds[kind] = value
    speed = (speeds[tissue] * np.exp(log_speed))[::2, ::2, ::2]
    inside = speed > 0
    number = np.full(speed.shape, -1, np.int64)
    number[inside] = np.arange(int(inside.sum()))
    rows, columns, costs = [], [], []
    for step in [
        (i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)
    ]:
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, speed.shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, speed.shape, strict=True))
        both = inside[here] & inside[there]
        rows.append(number[here][both])
        columns.append(number[there][both])
        length = 2 * spacing_mm * float(np.linalg.norm(step))
        costs.append(length * 0.5 * (1 / speed[here][both] + 1 / speed[there][both]))
    edges = (np.concatenate(rows), np.concatenate(columns))
    graph = sparse.csr_matrix((np.concatenate(costs), edges), shape=(inside.sum(),) * 2)
    starts = number[tuple((seeds // 2).T)]
    time = csgraph.dijkstra(
        graph, directed=False, indices=np.unique(starts[starts >= 0]), min_only=True, limit=150.0
    )
    coarse = np.full(speed.shape, 1e3, np.float32)
    coarse[inside] = np.where(np.isfinite(time), time, 1e3)
    filled = ndimage.minimum_filter(coarse, 3)
    coarse = np.where(inside, coarse, filled)
    doubled = enlarge_linear(coarse, tissue.shape)
    return np.where(speeds[tissue] > 0, doubled, np.float32(1e3))


def enlarge_linear(coarse: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate every second voxel back to the full grid (linear, edges repeated)."""
    fine = coarse
    for axis, size in enumerate(shape):
        following = np.concatenate(
            [np.take(fine, range(1, fine.shape[axis]), axis), np.take(fine, [-1], axis)], axis
        )
        pairs = np.stack([fine, 0.5 * (fine + following)], axis=axis + 1)
        merged = pairs.reshape(*fine.shape[:axis], -1, *fine.shape[axis + 1 :])
        fine = np.take(merged, range(size), axis)
    return fine


def efface_sulci(
    time: NDArray[np.float32], edge: float, tissue: NDArray[np.uint8], width: float
) -> NDArray[np.float32]:
    """Let tumour fill the sulci between its gyri, up to a width in voxels."""
    steps = round(width / 2)
    if steps == 0:
        return time
    whole = time < edge
    closed = ndimage.binary_closing(np.pad(whole, steps), iterations=steps)[(slice(steps, -steps),) * 3]
    sulci = closed & (tissue == Tissue.CSF)
    weight = ndimage.gaussian_filter(whole.astype(np.float32), width / 2, truncate=2.5)
    around = ndimage.gaussian_filter(np.where(whole, time, 0), width / 2, truncate=2.5)
    return np.where(sulci & (weight > 0.02), around / np.maximum(weight, 0.02), time).astype(np.float32)


def mass_effect(
    world: NDArray[np.float32], centre: NDArray[np.float64], radius_mm: float, push_mm: float
) -> NDArray[np.float32]:
    """Pull-back displacement of tissue that a growing mass has pushed outwards.

    Args:
        world: world coordinates of the grid, shape (3, i, j, k), mm.
        centre: of the mass, RAS mm.
        radius_mm: of the mass.
        push_mm: displacement of tissue at its border.

    Returns:
        Displacement in mm, shape (3, i, j, k); it points towards the centre, since it pulls back.
    """
    offset = world - centre.astype(np.float32)[:, None, None, None]
    distance = np.sqrt((offset**2).sum(axis=0)) + 1e-3
    inside, outside = distance / radius_mm, np.exp(-((distance - radius_mm) / (1.5 * radius_mm)))
    amount = -push_mm * np.where(distance < radius_mm, inside, outside)
    return np.asarray(offset / distance * amount, dtype=np.float32)
