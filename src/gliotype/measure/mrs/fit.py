"""Linear-combination fit of a spectrum, by variable projection.

The spectrum is a sum of basis spectra with amplitudes that are not negative, each broadened and shifted, with a phase
of order zero and one, on a smooth baseline. For given phases, shifts and widths, the amplitudes and the baseline are a
linear problem; only the phases, shifts and widths are searched. Ratios of macromolecules, lipids and the weakest
metabolites are softly held near usual ones, as in Provencher's LCModel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares, nnls

from gliotype.measure.mrs.baseline import Baseline
from gliotype.measure.mrs.basis import Basis
from gliotype.mrs import WATER_PPM, Complexes, Floats

RANGE_PPM = (0.5, 4.2)
"""Range that is fitted."""

EDITED_RANGE_PPM = (2.55, 4.2)
"""Range of a difference spectrum that is fitted: right of NAA's aspartate, which the editing pulse turns in part."""

NOISE_PPM = ((-3.5, -0.5), (9.5, 12.5))
"""Ranges without signal, the quieter of which gives the noise, as far as the measurement reaches."""

LONGEST_S = 0.8
"""Of the FID; what comes later is noise."""

BEND = 0.01
"""Standard deviation of the baseline's second differences over the tallest point of the spectrum."""

GROUPS = (("NAA", "NAAG"), ("Cr", "PCr"), ("GPC", "PCh"))
"""Metabolites whose shift may differ a little from that of all others."""

GROUP_SHIFT_PPM = 0.004
"""Standard deviation of that difference."""

DELAY_S = 1.0e-4
"""Standard deviation of the delay that the phase of order one stands for."""

MOST_LORENTZ_HZ, MOST_GAUSS_HZ = 25.0, 25.0

RATIOS: tuple[tuple[str, str, float, float], ...] = (
    ("MM12", "MM09", 0.30, 0.10),
    ("MM14", "MM09", 0.75, 0.45),
    ("MM17", "MM09", 0.375, 0.24),
    ("MM20", "MM09", 1.50, 0.375),
    ("Lip09", "Lip13", 0.267, 0.1),
    ("Lip20", "Lip13", 0.15, 0.07),
    ("NAAG", "NAA", 0.15, 0.15),
    ("GABA", "Cr", 0.25, 0.25),
)
"""Soft ratios: name, of what, expected, standard deviation."""


@dataclass(frozen=True)
class Shape:
    """What is searched.

    Attributes:
        phase: of order zero, radians.
        delay_s: of the acquisition's start, which the phase of order one stands for.
        shift_hz: of all lines.
        lorentz_hz: full width at half maximum by which all lines are broadened.
        gauss_hz: the same of the Gaussian part.
        group_hz: further shift of each of `GROUPS`.
    """

    phase: float = 0.0
    delay_s: float = 0.0
    shift_hz: float = 0.0
    lorentz_hz: float = 4.0
    gauss_hz: float = 3.0
    group_hz: tuple[float, ...] = (0.0,) * len(GROUPS)

    def vector(self) -> Floats:
        """Return its numbers in units in which all are of order one."""
        return np.array(
            [
                self.phase,
                self.delay_s / DELAY_S,
                self.shift_hz,
                self.lorentz_hz,
                self.gauss_hz,
                *self.group_hz,
            ]
        )

    @classmethod
    def of(cls, vector: Floats) -> Shape:
        """Return what `vector` returned."""
        phase, delay, shift, lorentz, gauss, *groups = (float(value) for value in vector)
        return cls(phase, delay * DELAY_S, shift, lorentz, gauss, tuple(groups))


@dataclass(frozen=True, eq=False)
class LinearCombination:
    """The fit of one spectrum.

    Attributes:
        names: as in the basis.
        amplitudes: of each.
        covariance: Cramer-Rao bound of the covariance of the amplitudes.
        shape: phases, shifts and widths.
        noise: standard deviation of the real part of a point of the spectrum.
        ppm: chemical shift of each point, decreasing.
        measured: phased spectrum.
        components: (names, points), phased, each with its amplitude.
        baseline: phased.
    """

    names: tuple[str, ...]
    amplitudes: Floats
    covariance: Floats
    shape: Shape
    noise: float
    ppm: Floats
    measured: Complexes
    components: Complexes
    baseline: Complexes

    def total(self, *names: str) -> tuple[float, float]:
        """Return the sum of the amplitudes of some names, and the Cramer-Rao bound of its standard deviation."""
        chosen = np.array([float(name in names) for name in self.names])
        return float(chosen @ self.amplitudes), float(np.sqrt(max(chosen @ self.covariance @ chosen, 0.0)))


def spectrum_of(fid: Complexes, dwell_s: float, frequency_mhz: float) -> tuple[Floats, Complexes]:
    """Transform FIDs, (..., points); the chemical shift decreases along the last axis.

    Example:
        >>> ppm, spectrum = spectrum_of(np.exp(-0.1 * np.arange(64)), 0.0005, 100.0)
        >>> round(float(ppm[spectrum.real.argmax()]), 2)
        4.65
    """
    fid = np.array(fid)
    fid[..., 0] *= 0.5
    hertz = np.fft.fftshift(np.fft.fftfreq(fid.shape[-1], dwell_s))[::-1]
    spectrum = np.fft.fftshift(np.fft.fft(fid, axis=-1), axes=-1)[..., ::-1] * dwell_s
    return WATER_PPM + hertz / frequency_mhz, spectrum


def noise_of(ppm: Floats, spectrum: Complexes) -> float:
    """Return the standard deviation of the real part of a point where there is no signal.

    The noise is taken from differences of neighbours of second order, so that the foot of a line does not count.
    """
    found = []
    for low, high in NOISE_PPM:
        inside = spectrum[(ppm >= low) & (ppm <= high)]
        if len(inside) >= 64:
            bent = np.diff(inside, 2)
            found.append(float(np.sqrt(np.mean(np.abs(bent) ** 2) / 12)))
    if not found:
        bent = np.diff(np.concatenate([spectrum[:64], spectrum[-64:]]), 2)
        found.append(float(np.sqrt(np.mean(np.abs(bent) ** 2) / 12)))
    return min(found)


def fit(
    fid: Complexes,
    basis: Basis,
    dwell_s: float,
    frequency_mhz: float,
    *,
    range_ppm: tuple[float, float] = RANGE_PPM,
    start: Shape | None = None,
    fixed: bool = False,
) -> LinearCombination:
    """Fit a spectrum.

    Args:
        fid: (points,).
        basis: simulated for it.
        dwell_s: time between two points.
        frequency_mhz: of the scanner.
        range_ppm: that is fitted.
        start: where the search begins; found from the singlets if None.
        fixed: whether phases and widths stay near those of `start`, as for a difference spectrum.
    """
    problem = _Problem.of(fid, basis, dwell_s, frequency_mhz, range_ppm)
    start = start or problem.first_shape()
    spread = np.array([0.15, 0.3, 1.0, 1.0, 1.0, *(1.0,) * len(GROUPS)]) if fixed else None
    shape = problem.search(start, spread)
    problem = problem.with_ratios(shape)
    shape = problem.search(shape, spread, start)
    return problem.result(shape, spread)


@dataclass(frozen=True, eq=False)
class _Problem:
    """A spectrum with everything that is needed to compare a shape with it.

    The unit of all spectra is the noise of a point.
    """

    basis: Basis
    time_s: Floats
    hertz: Floats
    ppm: Floats
    inside: slice
    measured: Complexes
    baseline: Baseline
    noise: float
    dwell_s: float
    frequency_mhz: float
    ratios: Floats

    @classmethod
    def of(
        cls,
        fid: Complexes,
        basis: Basis,
        dwell_s: float,
        frequency_mhz: float,
        range_ppm: tuple[float, float],
    ) -> _Problem:
        points = min(len(fid), round(LONGEST_S / dwell_s))
        ppm, spectrum = spectrum_of(fid[:points], dwell_s, frequency_mhz)
        noise = noise_of(ppm, spectrum)
        within = np.flatnonzero((ppm >= range_ppm[0]) & (ppm <= range_ppm[1]))
        inside = slice(int(within[0]), int(within[-1]) + 1)
        measured = spectrum[inside] / noise
        bend = max(BEND * float(np.abs(measured).max()), 0.05)
        shortened = Basis(basis.names, basis.fids[:, :points], basis.metabolites)
        return cls(
            basis=shortened,
            time_s=np.asarray(dwell_s * np.arange(points), dtype=np.float64),
            hertz=(ppm[inside] - WATER_PPM) * frequency_mhz,
            ppm=ppm[inside],
            inside=inside,
            measured=measured,
            baseline=Baseline.over(ppm[inside], bend),
            noise=noise,
            dwell_s=dwell_s,
            frequency_mhz=frequency_mhz,
            ratios=np.zeros((0, len(basis.names))),
        )

    def model(self, shape: Shape) -> Complexes:
        """Return the basis spectra, (names, points), shifted, broadened and with the phase of the measurement."""
        time = self.time_s
        gauss = (np.pi * shape.gauss_hz * time) ** 2 / (4 * np.log(2))
        common = np.exp(-np.pi * shape.lorentz_hz * time - gauss + 2j * np.pi * shape.shift_hz * time)
        fids = self.basis.fids * common
        for group, shift in zip(GROUPS, shape.group_hz, strict=True):
            turned = np.exp(2j * np.pi * shift * time)
            for name in group:
                fids[self.basis.index(name)] *= turned
        _, spectra = spectrum_of(fids, self.dwell_s, self.frequency_mhz)
        phase = np.exp(1j * (shape.phase + 2 * np.pi * shape.delay_s * self.hertz))
        return np.asarray(spectra[:, self.inside] * phase)

    def columns(self, spectra: Complexes) -> Floats:
        """Lay spectra out as columns, real over imaginary parts, project the baseline off, and add the soft ratios."""
        flat = np.concatenate([spectra.real, spectra.imag], axis=-1).T
        return np.vstack([self.baseline.without(flat), self.ratios])

    def target(self) -> Floats:
        """Return the measurement in the same layout as `columns`."""
        flat = np.concatenate([self.measured.real, self.measured.imag])[:, None]
        return np.concatenate([self.baseline.without(flat)[:, 0], np.zeros(len(self.ratios))])

    def amplitudes(self, columns: Floats, target: Floats) -> Floats:
        """Solve for amplitudes that are not negative."""
        _, triangle = np.linalg.qr(np.column_stack([columns, target]))
        n = columns.shape[1]
        return np.asarray(nnls(triangle[:n, :n], triangle[:n, n], maxiter=50 * n)[0])

    def search(self, shape: Shape, spread: Floats | None, centre: Shape | None = None) -> Shape:
        """Search phases, shifts and widths."""
        target = self.target()
        middle = (centre or shape).vector()
        groups = GROUP_SHIFT_PPM * self.frequency_mhz

        def residual(vector: Floats) -> Floats:
            columns = self.columns(self.model(Shape.of(vector)))
            left = target - columns @ self.amplitudes(columns, target)
            held = np.concatenate([vector[1:2], vector[5:] / groups])
            if spread is not None:
                held = np.concatenate([held, (vector - middle) / spread])
            return np.concatenate([left, held])

        low = np.array([-20.0, -8.0, -40.0, 0.0, 0.0, *(-4 * groups,) * len(GROUPS)])
        high = np.array([20.0, 8.0, 40.0, MOST_LORENTZ_HZ, MOST_GAUSS_HZ, *(4 * groups,) * len(GROUPS)])
        inner = np.clip(shape.vector(), low + 1e-3, high - 1e-3)
        found = least_squares(
            residual, inner, bounds=(low, high), x_scale=[0.1, 1.0, 0.5, 1.0, 1.0, 0.3, 0.3, 0.3], diff_step=1e-4,
            xtol=1e-5, ftol=1e-6, max_nfev=25,
        )  # fmt: skip
        return Shape.of(found.x)

    def with_ratios(self, shape: Shape) -> _Problem:
        """Add the soft ratios, scaled by the amplitudes that a first fit found."""
        columns = self.columns(self.model(shape))
        found = self.amplitudes(columns, self.target())
        names = self.basis.names
        rows = []
        for name, of, ratio, sd in RATIOS:
            if name not in names or of not in names:
                continue
            reference = found[names.index(of)]
            if of == "Cr":
                reference += found[names.index("PCr")]
            row = np.zeros(len(names))
            row[names.index(name)] = 1.0
            row[names.index(of)] = -ratio
            if of == "Cr":
                row[names.index("PCr")] = -ratio
            scale = sd * max(
                float(reference), 0.02 * float(found[: self.basis.metabolites].max(initial=0.0)), 1e-12
            )
            rows.append(row / scale)
        return replace(self, ratios=np.array(rows).reshape(len(rows), len(names)))

    def first_shape(self) -> Shape:
        """Find shift and phase from the correlation of the measurement with singlets of NAA, creatine and choline."""
        best = (-1.0, Shape())
        singlets = [self.basis.index(name) for name in ("NAA", "Cr", "GPC")]
        for width in (5.0, 12.0):
            shape = Shape(lorentz_hz=width / 2, gauss_hz=width / 2)
            pattern = np.abs(self.model(shape)[singlets]).sum(axis=0)
            signal = np.abs(self.measured)
            lags = np.fft.irfft(
                np.fft.rfft(signal - signal.mean(), 2 * len(signal))
                * np.fft.rfft(pattern - pattern.mean(), 2 * len(signal)).conj()
            )
            step = abs(float(self.hertz[1] - self.hertz[0]))
            most = int(0.12 * self.frequency_mhz / step)
            around = np.concatenate([lags[: most + 1], lags[-most:]])
            index = int(np.argmax(around))
            lag = index if index <= most else index - len(around)
            moved = replace(shape, shift_hz=-lag * step)
            model = self.model(moved)[singlets]
            # Phase by the complex scale that fits best.
            scale, *_ = np.linalg.lstsq(model.T, self.measured, rcond=None)
            phase = float(np.angle(np.sum(scale)))
            trial = replace(moved, phase=phase)
            columns, target = self.columns(self.model(trial)), self.target()
            left = target - columns @ self.amplitudes(columns, target)
            score = float(-(left**2).sum())
            if best[0] == -1.0 or score > best[0]:
                best = (score, trial)
        return best[1]

    def result(self, shape: Shape, spread: Floats | None) -> LinearCombination:
        """Collect amplitudes, their bounds, and the curves of the best shape."""
        model = self.model(shape)
        columns, target = self.columns(model), self.target()
        amplitudes = self.amplitudes(columns, target)
        turn = np.exp(-1j * (shape.phase + 2 * np.pi * shape.delay_s * self.hertz))
        components = model * amplitudes[:, None]
        left = self.measured - components.sum(axis=0)
        baseline = self.baseline.fitted(np.concatenate([left.real, left.imag]))
        return LinearCombination(
            names=self.basis.names,
            amplitudes=amplitudes * self.noise,
            covariance=self._bound(shape, columns, amplitudes, spread) * self.noise**2,
            shape=shape,
            noise=self.noise,
            ppm=self.ppm,
            measured=self.measured * turn * self.noise,
            components=components * turn * self.noise,
            baseline=baseline * turn * self.noise,
        )

    def _bound(self, shape: Shape, columns: Floats, amplitudes: Floats, spread: Floats | None) -> Floats:
        """Invert the Fisher information of amplitudes, shape and baseline, the soft ratios counting as information."""
        vector = shape.vector()
        derivatives = []
        for place in range(len(vector)):
            step = np.zeros_like(vector)
            step[place] = 1e-3
            above, below = (amplitudes @ self.model(Shape.of(vector + sign * step)) for sign in (1, -1))
            derivatives.append((above - below) / 2e-3)
        bent = np.array(derivatives)
        shapes = np.zeros((len(columns), len(vector)))
        shapes[: len(columns) - len(self.ratios)] = self.baseline.without(
            np.concatenate([bent.real, bent.imag], axis=-1).T
        )
        jacobian = np.column_stack([columns, shapes])
        information = jacobian.T @ jacobian
        n = columns.shape[1]
        groups = GROUP_SHIFT_PPM * self.frequency_mhz
        prior = np.array([0.0, 1.0, 0.0, 0.0, 0.0, *(groups**-2,) * len(GROUPS)])
        if spread is not None:
            prior = prior + spread**-2
        information[n:, n:] += np.diag(prior)
        scale = np.sqrt(np.maximum(np.diag(information), 1e-30))
        inverse = np.linalg.pinv(information / np.outer(scale, scale), rcond=1e-12, hermitian=True)
        return np.asarray((inverse / np.outer(scale, scale))[:n, :n])
