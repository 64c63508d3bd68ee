"""The 13 shape features of Choi 2021, with PyRadiomics' definitions (version 3.0.1).

Surface, volume and sphericity belong to the marching-cubes mesh whose vertices lie halfway between a voxel
inside and one outside (iso-value 0.5 of a binary mask); diameters to its vertices; axis lengths to the
principal components of the voxel centres. The three diameters in a plane are named by anatomical plane.

Sources: van Griethuysen 2017 (doi 10.1158/0008-5472.CAN-17-0339); Lorensen & Cline 1987; IBSI reference
manual (arXiv 1612.07003); Choi YS 2021 (PMID 32706862).
"""

from __future__ import annotations

from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from gliotype.masks import box_around
from gliotype.volume import Volume

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SHAPE_UNITS = MappingProxyType(
    {
        "Elongation": "1",
        "Flatness": "1",
        "LeastAxisLength": "mm",
        "MajorAxisLength": "mm",
        "Maximum2DDiameterCoronal": "mm",
        "Maximum2DDiameterSagittal": "mm",
        "Maximum2DDiameterAxial": "mm",
        "Maximum3DDiameter": "mm",
        "MeshVolume": "mm3",
        "MinorAxisLength": "mm",
        "Sphericity": "1",
        "SurfaceArea": "mm2",
        "VoxelVolume": "mm3",
    }
)
"""The 13 features in Choi's order (with planes named), and the unit of each."""


def shape_features(mask: Volume) -> dict[str, float | None]:
    """Measure the shape of a mask on its own grid, which may be anisotropic and oblique.

    Args:
        mask: non-zero inside.

    Returns:
        The features of `SHAPE_UNITS`; all None for an empty mask, Elongation and Flatness None
        where the mask is a single voxel.

    Example:
        >>> voxel = Volume(np.ones((1, 1, 1)), np.diag([1.0, 1.0, 2.0, 1.0]))
        >>> features = shape_features(voxel)
        >>> features["VoxelVolume"], features["Maximum3DDiameter"], features["Elongation"]
        (2.0, 2.0, None)
    """
    ras = mask.as_ras()
    inside = np.asarray(ras.array, dtype=np.bool_)
    if not inside.any():
        return dict.fromkeys(SHAPE_UNITS)
    spacing = np.array(ras.grid.spacing)
    padded = np.pad(inside[box_around(inside)], 1)
    volume, area = mesh_volume_and_area(padded, spacing)
    least, minor, major = axis_lengths(padded, spacing)
    diameters = _diameters(padded, spacing)
    features: dict[str, float | None] = {
        "Elongation": minor / major if major > 0 else None,
        "Flatness": least / major if major > 0 else None,
        "LeastAxisLength": least,
        "MajorAxisLength": major,
        "Maximum2DDiameterCoronal": diameters["coronal"],
        "Maximum2DDiameterSagittal": diameters["sagittal"],
        "Maximum2DDiameterAxial": diameters["axial"],
        "Maximum3DDiameter": diameters["3D"],
        "MeshVolume": volume,
        "MinorAxisLength": minor,
        "Sphericity": float(np.cbrt(36 * np.pi * volume**2)) / area,
        "SurfaceArea": area,
        "VoxelVolume": float(inside.sum() * spacing.prod()),
    }
    return features


def axis_lengths(inside: Mask, spacing: Floats) -> tuple[float, float, float]:
    """Return the least, minor and major axis of the ellipsoid with the mask's second moments, in mm."""
    centres = np.argwhere(inside) * spacing
    centred = centres - centres.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred / len(centred))
    least, minor, major = (float(axis) for axis in 4 * np.sqrt(np.clip(eigenvalues, 0, None)))
    return least, minor, major


def mesh_volume_and_area(padded: Mask, spacing: Floats) -> tuple[float, float]:
    """Return the volume (mm3) and the area (mm2) of the marching-cubes mesh.

    Args:
        padded: mask with a margin of one empty voxel, which the origin of the signed tetrahedra touches.
        spacing: mm along each axis.

    As in PyRadiomics, a cube whose corner 6 (low i, high j, high k) is inside takes the triangles of its
    complement. Such neighbours may disagree on a face whose inside corners lie across; the mesh is then not
    quite closed there, and both numbers depend a little on the storage order of the voxels (up to 0.4 % on
    ragged expert masks). They equal PyRadiomics' for a mask stored in RAS+ order.
    """
    configuration = np.zeros([n - 1 for n in padded.shape], dtype=np.uint8)
    for corner, (i, j, k) in enumerate(_CORNERS):
        shifted = tuple(slice(d, n - 1 + d) for d, n in zip((i, j, k), padded.shape, strict=True))
        configuration |= padded[shifted].astype(np.uint8) << corner
    origins = np.argwhere((configuration != 0) & (configuration != 255))
    kind = configuration[tuple(origins.T)]
    flipped = kind >> _FLIP_CORNER & 1 == 1
    kind = np.where(flipped, 255 - kind, kind)

    area, normal, cone = _cube_tables(tuple(spacing))
    sign = np.where(flipped, -1.0, 1.0)
    lifted = np.einsum("nd,nd->n", origins * spacing, normal[kind]) / 3
    return float((sign * (cone[kind] + lifted)).sum()), float(area[kind].sum())


def _diameters(padded: Mask, spacing: Floats) -> dict[str, float]:
    """Return the largest distance between mesh vertices: in space and within planes across each axis."""
    vertices = _vertices(padded)
    planes = zip(("sagittal", "coronal", "axial"), range(3), strict=True)
    found = {name: _largest_in_plane(vertices, axis, spacing) for name, axis in planes}
    hull = vertices[ConvexHull(vertices).vertices] * spacing
    return {**found, "3D": float(pdist(hull).max())}


def _vertices(padded: Mask) -> Floats:
    """Return the mesh vertices, in voxels: the middles between neighbours of which one is inside."""
    found = []
    for axis in range(3):
        middles = np.argwhere(np.diff(padded, axis=axis)).astype(np.float64)
        middles[:, axis] += 0.5
        found.append(middles)
    return np.concatenate(found)


def _largest_in_plane(vertices: Floats, axis: int, spacing: Floats) -> float:
    """Return the largest distance (mm) between vertices with the same coordinate along an axis.

    Planes are taken in the order of an upper bound, the diagonal of their bounding box, and the search
    ends at the first plane that cannot hold a longer distance.
    """
    across = [d for d in range(3) if d != axis]
    level, plane_of = np.unique(vertices[:, axis], return_inverse=True)
    points = vertices[:, across] * spacing[across]
    low, high = np.full((len(level), 2), np.inf), np.full((len(level), 2), -np.inf)
    np.minimum.at(low, plane_of, points)
    np.maximum.at(high, plane_of, points)
    bound = np.linalg.norm(high - low, axis=1)
    largest = 0.0
    for plane in np.argsort(-bound, kind="stable"):
        if bound[plane] <= largest:
            break
        largest = max(largest, float(pdist(_row_ends(points[plane_of == plane])).max()))
    return largest


def _row_ends(points: Floats) -> Floats:
    """Keep, of points in a plane, the first and last of each row: the farthest pair is among them."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    first = np.r_[True, np.diff(ordered[:, 0]) != 0]
    ends: Floats = ordered[first | np.r_[first[1:], True]]
    return ends


# Marching cubes. A cube's corner c lies at (c & 1, c >> 1 & 1, c >> 2 & 1); its configuration has bit c set
# where the corner is inside; its edges are lettered. Every configuration is a rotation of one of these 21,
# written as polygons that run counter-clockwise seen from outside, each a fan around its first vertex.

_CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)])
_EDGES = {
    **{"a": (0, 1), "b": (2, 3), "c": (4, 5), "d": (6, 7)},
    **{"e": (0, 2), "f": (1, 3), "g": (4, 6), "h": (5, 7)},
    **{"i": (0, 4), "j": (1, 5), "k": (2, 6), "l": (3, 7)},
}
_FLIP_CORNER = 6
_POLYGONS_BY_INSIDE_CORNERS = MappingProxyType(
    {
        "0": "aei",
        "01": "eijf",
        "12": "ajf bke",
        "012": "kijfb",
        "0123": "ijlk",
        "124": "ajf bke cig",
        "0124": "kgcjb bjf",
        "34": "bfl cig",
        "034": "caeg bfl",
        "0134": "begjl jgc",
        "0234": "kgcfl caf",
        "1234": "jlkea cig",
        "01234": "kgcjl",
        "2345": "eflk ghji",
        "02345": "aflkghj",
        "012345": "ghlk",
        "0356": "aei bfl chj dgk",
        "01356": "beichl dgk",
        "012356": "ldgich",
        "123456": "aie dhl",
        "0123456": "dhl",
    }
)


@cache
def _triangles() -> tuple[Floats, ...]:
    """Return the triangles of each configuration: (n, 3 vertices, 3 coordinates) in the unit cube."""
    middle = {edge: _CORNERS[list(ends)].mean(axis=0) for edge, ends in _EDGES.items()}
    table: dict[int, Floats] = {}
    for rotation in Rotation.create_group("O").as_matrix().round():
        turned = (_CORNERS - 0.5) @ rotation.T + 0.5
        corner_to = turned.round().astype(int) @ [1, 2, 4]
        for inside, polygons in _POLYGONS_BY_INSIDE_CORNERS.items():
            fans = [
                [middle[edge] for edge in (fan[0], fan[n], fan[n + 1])]
                for fan in polygons.split()
                for n in range(1, len(fan) - 1)
            ]
            configuration = sum(1 << int(corner_to[int(c)]) for c in inside)
            table.setdefault(configuration, (np.array(fans) - 0.5) @ rotation.T + 0.5)
    return tuple(table.get(configuration, np.zeros((0, 3, 3))) for configuration in range(256))


@lru_cache(maxsize=8)
def _cube_tables(spacing: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
    """Return per configuration: area, sum of outward area vectors, volume of cones to the cube's origin."""
    area, normal, cone = np.zeros(256), np.zeros((256, 3)), np.zeros(256)
    for configuration, triangles in enumerate(_triangles()):
        a, b, c = np.moveaxis(triangles * spacing, 1, 0)
        across = np.cross(b - a, c - a) / 2
        area[configuration] = np.linalg.norm(across, axis=1).sum()
        normal[configuration] = across.sum(axis=0)
        cone[configuration] = np.einsum("nd,nd->", across, a) / 3
    return area, normal, cone
