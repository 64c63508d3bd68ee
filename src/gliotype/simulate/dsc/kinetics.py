"""Perfusion: how a bolus of contrast agent passes arteries, capillaries and the space between cells.

Tissue follows the two-compartment exchange model (Brix 1999; Sourbron and Buckley 2012) with a gamma distribution of
capillary transit times (Jespersen and Ostergaard 2012) in place of one well-stirred plasma compartment, which is
the case of a dispersion of 1. The model is linear, so that it is solved in the frequency domain, without time steps.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

HAEMATOCRIT = 0.42
"""Fraction of red cells in blood; the contrast agent stays in the plasma."""

_STEP_S = 0.5
"""Sampling of the arterial input; a bolus that has passed the lungs holds nothing faster than 1 Hz."""
_DAMPING = 7.0
"""Natural log of how far a curve is damped over the window, against its return at the window's beginning."""
_CHUNK = 4096


@dataclass(frozen=True)
class Circulation:
    """The arterial input of one patient: a first pass, a second, and slow washout.

    Attributes:
        arrival_s: when contrast agent arrives in the brain's arteries, from the first frame.
        area_mm_s: time integral of the first pass in plasma, mM s: dose over cardiac output (of plasma).
        shape: of the gamma density that the first pass follows in time.
        scale_s: of that density; its width is ``sqrt(shape) * scale_s``.
        recirculated: area of the second pass over that of the first.
        recirculation_s: how much later the second pass comes.
        remaining_per_s: level after mixing, over `area_mm_s`.
        washout_s: time constant of the level's decay.
    """

    arrival_s: float
    area_mm_s: float
    shape: float = 4.0
    scale_s: float = 1.8
    recirculated: float = 0.2
    recirculation_s: float = 12.0
    remaining_per_s: float = 0.011
    washout_s: float = 250.0

    def plasma(self, times_s: ArrayLike) -> Floats:
        """Concentration in arterial plasma at some times, in mM.

        Example:
            >>> circulation = Circulation(arrival_s=10.0, area_mm_s=100.0)
            >>> [round(float(c), 2) for c in circulation.plasma([5.0, 15.4, 90.0])]
            [0.0, 12.45, 0.84]
        """
        first = np.asarray(times_s, dtype=np.float64) - self.arrival_s
        second = np.maximum(first - self.recirculation_s, 0.0)
        slower = 1.6 * self.scale_s
        passes = stats.gamma.pdf(first, self.shape, scale=self.scale_s)
        passes += self.recirculated * stats.gamma.pdf(second, self.shape, scale=slower)
        mixed = stats.gamma.cdf(second, self.shape, scale=slower) * np.exp(-second / self.washout_s)
        return np.asarray(self.area_mm_s * (passes + self.remaining_per_s * mixed))


def draw_circulation(
    rng: np.random.Generator, *, arrival_s: float, dose_mmol_per_kg: float = 0.1
) -> Circulation:
    """Draw a patient's circulation.

    The area of the first pass is dose over cardiac output: 0.1 mmol/kg leave about 60 mM s in blood (48 in Parker
    2006, 76 for 70 kg and 5.5 l/min); the level after mixing follows Parker 2006, and the spread of patients is a
    design value.

    Args:
        rng: source of randomness.
        arrival_s: when the bolus arrives, from the first frame.
        dose_mmol_per_kg: of contrast agent.
    """
    in_blood = 600.0 * dose_mmol_per_kg * np.exp(0.2 * rng.standard_normal())
    return Circulation(
        arrival_s=arrival_s,
        area_mm_s=float(in_blood / (1 - HAEMATOCRIT)),
        shape=float(rng.uniform(3.0, 5.0)),
        scale_s=float(rng.uniform(1.4, 2.4)),
        recirculated=float(rng.uniform(0.1, 0.3)),
        recirculation_s=float(rng.uniform(9.0, 15.0)),
        remaining_per_s=float(rng.uniform(0.008, 0.014)),
        washout_s=float(rng.uniform(150.0, 400.0)),
    )


@dataclass(frozen=True, eq=False)
class Haemodynamics:
    """What decides the perfusion of a tissue; each a number, or an array (n,) with a value for each voxel.

    Attributes:
        cbv: blood volume, ml/ml; the truth that a measured CBV is compared with.
        mtt_s: mean capillary transit time.
        dispersion: standard deviation of capillary transit times over their mean (1: well stirred).
        ps_per_s: permeability-surface product, ml/ml/s; 0 with an intact barrier.
        ve: volume of the extravascular extracellular space, ml/ml.
        packing: transverse relaxivity of contrast agent between cells over that of contrast agent in vessels; cells
            that are packed irregularly have more.
        vessel_um: mean vessel radius, which spin echoes weigh.
        t1_ms: T1 before contrast agent.
        delay_s: how much later than in the arteries the bolus arrives.
    """

    cbv: ArrayLike
    mtt_s: ArrayLike
    dispersion: ArrayLike = 0.8
    ps_per_s: ArrayLike = 0.0
    ve: ArrayLike = 0.2
    packing: ArrayLike = 0.3
    vessel_um: ArrayLike = 8.0
    t1_ms: ArrayLike = 900.0
    delay_s: ArrayLike = 0.0

    @property
    def plasma_volume(self) -> Floats:
        """Plasma volume, ml/ml."""
        return np.asarray(self.cbv, dtype=np.float64) * (1 - HAEMATOCRIT)

    def take(self, index: NDArray[np.intp] | slice) -> Haemodynamics:
        """Take some of the voxels."""
        return Haemodynamics(**{name: array[index] for name, array in self.columns().items()})

    def columns(self) -> dict[str, Floats]:
        """Every parameter as an array (n,) of the same length, by name."""
        names = [field.name for field in fields(self)]
        arrays = np.broadcast_arrays(*(np.atleast_1d(getattr(self, name)) for name in names))
        return {name: np.asarray(a, dtype=np.float64) for name, a in zip(names, arrays, strict=True)}


@dataclass(frozen=True, eq=False)
class Concentrations:
    """Contrast agent in tissue over time.

    Attributes:
        plasma: mean over the capillaries' plasma, mM, (n, t).
        extravascular: in the extravascular extracellular space, mM, (n, t).
    """

    plasma: NDArray[np.float32]
    extravascular: NDArray[np.float32]


def exchange(circulation: Circulation, times_s: ArrayLike, tissue: Haemodynamics) -> Concentrations:
    """Solve two-compartment exchange with distributed transit times.

    With ``l = PS/vp``, ``k = PS/ve`` and capillary transit times of Laplace transform
    ``H(p) = (1 + p theta)^-shape``, the mean over a capillary that exchanges with a well-stirred extravascular space is
    ``P(s) = Q Ca / (1 - (1 - Q) l/(s + l) k/(s + k))`` where ``Q = (1 - H(s + l)) / ((s + l) MTT)``.

    Args:
        circulation: the arterial input.
        times_s: (t,), from the first frame; 0 or greater.
        tissue: n voxels.

    Example:
        >>> leaky = Haemodynamics(cbv=0.05, mtt_s=5.0, ps_per_s=0.002, ve=0.3)
        >>> found = exchange(Circulation(10.0, 100.0), np.arange(0, 90, 1.5), leaky)
        >>> found.plasma.shape, bool(found.extravascular[0, -1] > found.plasma[0, -1] * 0.3)
        ((1, 60), True)
    """
    times = np.asarray(times_s, dtype=np.float64)
    columns = tissue.columns()
    samples = 2 * int(np.ceil(1.5 * (times.max() + 10.0) / (2 * _STEP_S)))
    grid = _STEP_S * np.arange(samples)
    damping = _DAMPING / (samples * _STEP_S)
    spectrum = np.fft.rfft(circulation.plasma(grid) * np.exp(-damping * grid))
    s = damping + 2j * np.pi * np.fft.rfftfreq(samples, _STEP_S)
    weights = np.full(s.size, 2.0 / samples)
    weights[[0, -1]] = 1.0 / samples
    inverse = (weights[:, None] * np.exp(s[:, None] * times[None, :])).astype(np.complex64)
    parts = [
        _responses(s, spectrum, {name: a[start : start + _CHUNK] for name, a in columns.items()}, inverse)
        for start in range(0, columns["cbv"].size, _CHUNK)
    ]
    return Concentrations(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _responses(
    s: NDArray[np.complexfloating],
    arterial: NDArray[np.complexfloating],
    tissue: dict[str, Floats],
    inverse: NDArray[np.complex64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Plasma and extravascular concentration of some voxels, (n, t) each."""
    mtt, shape = (a.astype(np.float32)[:, None] for a in (tissue["mtt_s"], tissue["dispersion"] ** -2.0))
    ps = tissue["ps_per_s"]
    leaving = (ps / (tissue["cbv"] * (1 - HAEMATOCRIT))).astype(np.float32)[:, None]
    back = (ps / tissue["ve"]).astype(np.float32)[:, None]
    frequency = s.astype(np.complex64)[None, :]
    p = frequency + leaving
    passed = _power(1 + p * (mtt / shape), -shape)
    stay = (1 - passed) / (p * mtt)
    extravascular = back / (frequency + back)
    plasma = stay / (1 - (1 - stay) * (leaving / p) * extravascular)
    plasma *= arterial.astype(np.complex64)[None, :]
    if tissue["delay_s"].any():
        delay = tissue["delay_s"].astype(np.float32)[:, None]
        plasma *= _polar(np.exp(-frequency.real * delay), -frequency.imag * delay)
    extravascular *= plasma
    return _real_product(plasma, inverse), _real_product(extravascular, inverse)


def _power(base: NDArray[np.complex64], exponent: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Raise complex numbers to a real power, by modulus and angle, which is far faster than numpy's own."""
    re, im = np.ascontiguousarray(base.real), np.ascontiguousarray(base.imag)
    return _polar(np.exp(0.5 * exponent * np.log(re * re + im * im)), exponent * np.arctan2(im, re))


def _polar(modulus: NDArray[np.float32], angle: NDArray[np.float32]) -> NDArray[np.complex64]:
    found = np.empty(np.broadcast_shapes(modulus.shape, angle.shape), np.complex64)
    found.real, found.imag = modulus * np.cos(angle), modulus * np.sin(angle)
    return found


def _real_product(spectra: NDArray[np.complex64], inverse: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.asarray(spectra.real @ inverse.real - spectra.imag @ inverse.imag, dtype=np.float32)
