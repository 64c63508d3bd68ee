"""Z-spectra by the Bloch-McConnell equations: water and the pools that exchange with it, under a saturation train.

Each step of the train has a constant amplitude, and the magnetisation of all pools is propagated through it by the
exact matrix exponential. The pools' values at 3 T (`WHITE_MATTER`, `TUMOUR`) are round design values near those of the
literature; what is measured on these spectra verifies the software and is no evidence about patients.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from gliotype.cest import PROTON_MHZ_PER_T, is_reference

RADIANS_PER_UT_S = 2 * np.pi * PROTON_MHZ_PER_T
"""Gyromagnetic ratio of the proton, rad/s per uT (and per ppm and tesla)."""

_STEP_S = 0.25e-3
"""Longest step of constant amplitude in a Gaussian pulse: longer ones excite at multiples of their rate."""
_GAUSSIAN_SIGMAS = 3.0
"""Standard deviations from the middle of a Gaussian pulse to its end."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Protons that exchange with water.

    Attributes:
        fraction: their number over that of water.
        offset_ppm: chemical shift from water.
        exchange_hz: rate at which they change to water.
        t1_s: longitudinal relaxation time.
        t2_s: transverse relaxation time.
    """

    fraction: float
    offset_ppm: float
    exchange_hz: float
    t1_s: float = 1.0
    t2_s: float = 0.01


@dataclass(frozen=True)
class Tissue:
    """Water with its relaxation times, and the pools that exchange with it."""

    t1_s: float
    t2_s: float
    pools: tuple[Pool, ...] = ()


@dataclass(frozen=True)
class Train:
    """A train of saturation pulses.

    Attributes:
        b1_ut: root mean square of the amplitude within a pulse, uT.
        pulse_s: duration of a pulse.
        pulses: how many.
        delay_s: pause after each pulse, in which transverse magnetisation is spoiled.
        gaussian: whether pulses are Gaussian; rectangular otherwise.
    """

    b1_ut: float
    pulse_s: float
    pulses: int = 1
    delay_s: float = 0.0
    gaussian: bool = False

    @property
    def amplitudes_ut(self) -> Floats:
        """Amplitude in each step of a pulse, uT."""
        if not self.gaussian:
            return np.array([self.b1_ut])
        steps = max(2, round(self.pulse_s / _STEP_S))
        middle = (2 * np.arange(steps) + 1) / steps - 1
        shape = np.exp(-0.5 * (_GAUSSIAN_SIGMAS * middle) ** 2)
        return np.asarray(self.b1_ut * shape / np.sqrt((shape**2).mean()))


WASSR = Train(b1_ut=0.3, pulse_s=0.2)
"""Low power, which narrows the dip of water."""

SATURATION = Train(b1_ut=3.0, pulse_s=1.0)
"""High power, as amine CEST uses it."""

AMINE = Pool(0.0011, 3.0, 4000.0)
MAGNETISATION_TRANSFER = Pool(0.08, 0.0, 40.0, t2_s=1e-5)

WHITE_MATTER = Tissue(1.0, 0.07, (AMINE, MAGNETISATION_TRANSFER))
TUMOUR = Tissue(1.6, 0.12, (Pool(0.0008, 3.0, 2500.0), Pool(0.03, 0.0, 40.0, t2_s=1e-5)))


def z_spectrum(
    offsets_ppm: NDArray[np.floating] | tuple[float, ...],
    tissue: Tissue,
    train: Train,
    field_t: float = 3.0,
    shift_ppm: float = 0.0,
) -> Floats:
    """Compute the water signal after saturation over that in equilibrium.

    Args:
        offsets_ppm: of the saturation from the scanner's frequency; infinite for none.
        tissue: water and pools.
        train: saturation, from equilibrium.
        field_t: field strength in tesla.
        shift_ppm: by which the field is too high.

    Returns:
        One value for each offset; 1 without saturation.

    Example:
        >>> water = Tissue(1.0, 0.1)
        >>> z_spectrum((0.0, 3.5, np.inf), water, Train(1.0, 5.0)).round(3)
        array([0.   , 0.917, 1.   ])
    """
    offsets = np.asarray(offsets_ppm, dtype=np.float64)
    z = np.ones(offsets.shape)
    saturated = np.isfinite(offsets)
    if not saturated.any():
        return z
    relaxing = _generator(tissue, field_t, shift_ppm - offsets[saturated])
    size = relaxing.shape[-1]
    whole = np.broadcast_to(np.eye(size), relaxing.shape)
    known: dict[float, Floats] = {}
    amplitudes = train.amplitudes_ut.round(9)
    for amplitude in amplitudes.tolist():
        if amplitude not in known:
            step = relaxing + RADIANS_PER_UT_S * amplitude * _rotation(size)
            known[amplitude] = expm(step * train.pulse_s / len(amplitudes))
        whole = known[amplitude] @ whole
    if train.delay_s > 0:
        whole = expm(relaxing * train.delay_s) @ _spoiler(size) @ whole
    after = np.linalg.matrix_power(whole, train.pulses) @ _equilibrium(tissue)
    z[saturated] = after[:, 2]
    return z


def _generator(tissue: Tissue, field_t: float, water_ppm: Floats) -> Floats:
    """Relaxation, precession and exchange of x, y, z of each pool, and a constant: (offset, n, n)."""
    count = 1 + len(tissue.pools)
    size = 3 * count + 1
    matrix = np.zeros((len(water_ppm), size, size))
    pools = (Pool(1.0, 0.0, 0.0, tissue.t1_s, tissue.t2_s), *tissue.pools)
    for n, pool in enumerate(pools):
        x, y, z = 3 * n, 3 * n + 1, 3 * n + 2
        precession = RADIANS_PER_UT_S * field_t * (water_ppm + pool.offset_ppm)
        matrix[:, x, x] = matrix[:, y, y] = -1 / pool.t2_s
        matrix[:, x, y], matrix[:, y, x] = -precession, precession
        matrix[:, z, z] = -1 / pool.t1_s
        matrix[:, z, -1] = pool.fraction / pool.t1_s
    for n, pool in enumerate(tissue.pools, start=1):
        for axis in range(3):
            water, other = axis, 3 * n + axis
            matrix[:, other, other] -= pool.exchange_hz
            matrix[:, water, other] += pool.exchange_hz
            matrix[:, water, water] -= pool.fraction * pool.exchange_hz
            matrix[:, other, water] += pool.fraction * pool.exchange_hz
    return matrix


def _rotation(size: int) -> Floats:
    """Rotation of every pool about x by one radian a second."""
    matrix = np.zeros((size, size))
    for y in range(1, size - 1, 3):
        matrix[y, y + 1], matrix[y + 1, y] = -1.0, 1.0
    return matrix


def _spoiler(size: int) -> Floats:
    kept = np.ones(size)
    kept[0 : size - 1 : 3] = kept[1 : size - 1 : 3] = 0.0
    return np.diag(kept)


def _equilibrium(tissue: Tissue) -> Floats:
    fractions = [1.0, *(pool.fraction for pool in tissue.pools)]
    return np.array([part for fraction in fractions for part in (0.0, 0.0, fraction)] + [1.0])


@dataclass(frozen=True, eq=False)
class SpectrumLibrary:
    """Z-spectra of one tissue, of magnitude images, on a fine axis, from which spectra of any shift are read.

    Attributes:
        tissue: water and pools.
        train: saturation.
        field_t: field strength in tesla.
    """

    tissue: Tissue
    train: Train
    field_t: float = 3.0
    _axis: Floats = field(init=False)
    _z: Floats = field(init=False)

    def __post_init__(self) -> None:
        axis = np.unique(np.round(np.concatenate([np.arange(-8, 8.05, 0.1), np.arange(-1, 1.01, 0.02)]), 3))
        object.__setattr__(self, "_axis", axis)
        object.__setattr__(self, "_z", np.abs(z_spectrum(axis, self.tissue, self.train, self.field_t)))

    def asymmetry(self, at_ppm: float) -> float:
        """Return MTRasym in percent, without shift and noise."""
        below, above = np.interp((-at_ppm, at_ppm), self._axis, self._z)
        return float(100 * (below - above))

    def spectra(self, offsets_ppm: tuple[float, ...], shift_ppm: NDArray[np.floating]) -> Floats:
        """Read the spectra of voxels.

        Args:
            offsets_ppm: from the scanner's frequency, within 6 ppm or references.
            shift_ppm: of each voxel, within 2 ppm; any shape.

        Returns:
            Shape of `shift_ppm` with an axis of offsets at the end; 1 for references.
        """
        frames = [
            np.ones_like(shift_ppm, dtype=np.float64)
            if is_reference(offset)
            else np.interp(offset - shift_ppm, self._axis, self._z)
            for offset in offsets_ppm
        ]
        return np.stack(frames, axis=-1)
