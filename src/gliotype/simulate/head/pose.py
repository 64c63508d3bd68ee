"""How a head lies in the scanner, and the slices over it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliotype.volume import Grid, Matrix


def rigid(turn_rad: NDArray[np.floating], shift_mm: NDArray[np.floating]) -> Matrix:
    """Make the transform that turns about x, y and z, one after the other, and then shifts.

    Example:
        >>> quarter = rigid(np.array([0, 0, np.pi / 2]), np.array([0, 0, 5.0]))
        >>> (quarter @ [1, 0, 0, 1]).round(3).tolist()
        [0.0, 1.0, 5.0, 1.0]
    """
    matrix = np.eye(4)
    for axis, angle in enumerate(turn_rad):
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    matrix[:3, 3] = shift_mm
    return matrix


def draw_rigid(rng: np.random.Generator, turn_deg: float, shift_mm: float) -> Matrix:
    """Draw a rigid transform with turns and shifts up to a size about and along each axis."""
    turns = np.radians(turn_deg) * rng.uniform(-1, 1, 3)
    return rigid(turns, shift_mm * rng.uniform(-1, 1, 3))


def axial_stack(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    centre: NDArray[np.floating],
    tilt: Matrix,
) -> Grid:
    """Lay a stack of axial slices, with LPS-like axes, about a point.

    Args:
        shape: columns, rows and slices.
        spacing_mm: within and between slices.
        centre: of the stack, in the scanner's mm.
        tilt: rigid transform that turns the stack from its straight position.

    Example:
        >>> stack = axial_stack((4, 4, 3), (1.0, 1.0, 6.0), np.array([0.0, 5.0, 0.0]), np.eye(4))
        >>> stack.centre.tolist(), stack.affine.diagonal().tolist()
        ([0.0, 5.0, 0.0], [-1.0, -1.0, 6.0, 1.0])
    """
    x, y, z = spacing_mm
    affine = tilt @ np.diag([-x, -y, z, 1.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)
