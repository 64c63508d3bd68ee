"""A smooth baseline: cubic splines whose bends cost, taken out of a linear problem before it is solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from gliotype.mrs import Complexes, Floats

KNOT_PPM = 0.25
"""Distance of the knots of the baseline."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Splines of a fitted range.

    Attributes:
        splines: (points, coefficients), real.
        orthonormal: (2 points + rows of the penalty, 2 coefficients): the space of baselines with their penalty.
    """

    splines: Floats
    orthonormal: Floats
    triangle: Floats

    @classmethod
    def over(cls, ppm: Floats, bend: float) -> Baseline:
        """Make the baseline of a range.

        Args:
            ppm: chemical shift of each point.
            bend: standard deviation of the second difference of neighbouring coefficients, in standard deviations of
                the noise of a point.
        """
        low, high = float(ppm.min()), float(ppm.max())
        inner = np.linspace(low, high, max(2, round((high - low) / KNOT_PPM) + 1))
        step = inner[1] - inner[0]
        knots = np.concatenate([low - step * np.arange(3, 0, -1), inner, high + step * np.arange(1, 4)])
        splines = np.asarray(BSpline.design_matrix(np.clip(ppm, low, high), knots, 3).toarray())
        bends = np.diff(np.eye(splines.shape[1]), 2, axis=0) / bend
        nothing, none = np.zeros_like(splines), np.zeros_like(bends)
        both = np.block([[splines, nothing], [nothing, splines], [bends, none], [none, bends]])
        orthonormal, triangle = np.linalg.qr(both)
        return cls(splines, orthonormal, triangle)

    def without(self, columns: Floats) -> Floats:
        """Project columns of real parts over imaginary parts, (2 points, n), off the baseline.

        What is left has the same sum of squares as the residual after the best baseline, its penalty included.
        """
        padded = np.zeros((len(self.orthonormal), columns.shape[1]))
        padded[: len(columns)] = columns
        return np.asarray(padded - self.orthonormal @ (self.orthonormal.T @ padded))

    def fitted(self, residual: Floats) -> Complexes:
        """Return the baseline that fits a residual of real parts over imaginary parts, (2 points,)."""
        padded = np.zeros(len(self.orthonormal))
        padded[: len(residual)] = residual
        coefficients = np.linalg.solve(self.triangle, self.orthonormal.T @ padded)
        half = self.splines.shape[1]
        return np.asarray(self.splines @ coefficients[:half] + 1j * (self.splines @ coefficients[half:]))
