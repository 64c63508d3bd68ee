"""2HG and the other metabolites of a spectrum: concentration, its bound, and the quality of the measurement."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from gliotype.errors import InputError
from gliotype.measure.mrs.basis import basis
from gliotype.measure.mrs.fit import EDITED_RANGE_PPM, LinearCombination, Shape, fit
from gliotype.measure.mrs.relaxation import WATER, decay, t2_s
from gliotype.measure.mrs.spins import TWO_HG
from gliotype.measure.mrs.voxel import box_content
from gliotype.mrs import Curves, Spectrum, SpectrumFit
from gliotype.study import Numbers, PreparedStudy, Tumour

SPECTROSCOPY_UNITS = MappingProxyType(
    {
        "2HG": "mM",
        "2HG_sd": "mM",
        "2HG_bound": "%",
        "2HG_over_tCr": "1",
        "water_referenced": "1",
        "tCr": "mM",
        "tNAA_over_tCr": "1",
        "tCho_over_tCr": "1",
        "Glx_over_tCr": "1",
        "Ins_over_tCr": "1",
        "Lac_over_tCr": "1",
        "spectrum_fwhm": "ppm",
        "spectrum_snr": "1",
        "spectrum_transients": "1",
        "spectrum_drift": "Hz",
        "spectrum_te": "ms",
        "box_volume": "ml",
        "box_tumour": "%",
        "box_brain": "%",
    }
)
"""Names of all measurements of spectroscopy, and the unit of each."""

LEAST_SNR = 3.0
"""Below this ratio of signal to noise nothing is fitted: it is noise."""

TCR_MM = 6.5
"""Concentration of total creatine that is assumed where there is no water reference."""

WATER_MM = 43_000.0
"""Concentration of water that signal comes from, in tumour tissue."""

WATER_PROTONS = 2

TNAA, TCR, TCHO, GLX = ("NAA", "NAAG"), ("Cr", "PCr"), ("GPC", "PCh"), ("Glu", "Gln")


def spectroscopy(
    prepared: PreparedStudy, tumour: Tumour
) -> tuple[Numbers, SpectrumFit | None, tuple[str, ...]]:
    """Measure the spectrum of a study.

    Args:
        prepared: brings the spectrum.
        tumour: label map on the prepared grid.

    Returns:
        The measurements of `SPECTROSCOPY_UNITS`, each None where it cannot be computed (no entries without a spectrum),
        the fit, and warnings, one sentence each.
    """
    spectrum = prepared.mrs
    if spectrum is None:
        return {}, None, ()
    found: dict[str, float | None] = dict.fromkeys(SPECTROSCOPY_UNITS)
    remarks = _place(found, spectrum, prepared, tumour)
    found |= {
        "spectrum_te": spectrum.timing.te_ms,
        "spectrum_transients": float(spectrum.transients),
        "spectrum_drift": spectrum.drift_hz,
    }
    try:
        fitted = fit_spectrum(spectrum)
    except InputError as error:
        return found, None, (*remarks, f"2HG was not measured: {error}.")
    found |= fitted.numbers
    fitted = replace(fitted, numbers=dict(found))
    if spectrum.assumed:
        remarks.append(
            f"Nothing names the sequence of the spectrum: {spectrum.timing} was assumed, and it gives no evidence; "
            "give the sequence with --mrs-timing."
        )
    return found, fitted, (*remarks, *fitted.warnings)


def _place(
    found: dict[str, float | None], spectrum: Spectrum, prepared: PreparedStudy, tumour: Tumour
) -> list[str]:
    """Measure the box; returns what a referee should know of it."""
    if spectrum.voxel is None:
        return [
            "The file of the spectrum does not say where its box lies: how much tumour it holds is unknown."
        ]
    content = box_content(spectrum.voxel, prepared, tumour)
    found |= {
        "box_volume": spectrum.voxel.voxel_ml,
        "box_brain": 100 * content.brain,
        "box_tumour": 100 * content.tumour if tumour.found else None,
    }
    if content.brain == 0:
        return [
            "The box of the spectrum lies outside the brain: its file or the images have another position."
        ]
    if content.brain < LEAST_BRAIN:
        return [f"Only {100 * content.brain:.0f} % of the spectrum's box lies within the brain."]
    return []


LEAST_BRAIN = 0.8
"""Part of the box within the brain below which a warning is given."""


def fit_spectrum(spectrum: Spectrum) -> SpectrumFit:
    """Fit a processed spectrum.

    Args:
        spectrum: as `gliotype.prepare.mrs` makes it.

    Raises:
        InputError: if its sequence is not simulated, or it holds nothing but noise.
    """
    sampling = (spectrum.timing, spectrum.frequency_mhz, len(spectrum.fid), spectrum.dwell_s)
    plain = fit(spectrum.fid, basis(*sampling), spectrum.dwell_s, spectrum.frequency_mhz)
    snr = _snr(plain)
    if snr < LEAST_SNR:
        raise InputError(f"the spectrum shows no metabolites above its noise (signal to noise {snr:.1f})")
    edited = None
    if spectrum.difference is not None:
        edited = fit(
            spectrum.difference,
            basis(*sampling, difference=True),
            spectrum.dwell_s,
            spectrum.frequency_mhz,
            range_ppm=EDITED_RANGE_PPM,
            start=plain.shape,
            fixed=True,
        )
    shown = edited or plain
    natural = 1 / (np.pi * t2_s("Cr", spectrum.field_t))
    fwhm = width_hz(plain.shape, float(natural)) / spectrum.frequency_mhz
    index = shown.names.index(TWO_HG)
    curves = Curves(
        ppm=shown.ppm,
        measured=shown.measured.real,
        fitted=(shown.components.sum(axis=0) + shown.baseline).real,
        baseline=shown.baseline.real,
        two_hg=shown.components[index].real,
    )
    amplitudes, bounds = {}, {}
    for name in plain.names:
        source = shown if name == TWO_HG else plain
        amplitudes[name], bounds[name] = source.total(name)
    return SpectrumFit(
        timing=spectrum.timing,
        frequency_mhz=spectrum.frequency_mhz,
        amplitudes=amplitudes,
        bounds=bounds,
        curves=curves,
        edited=edited is not None,
        fwhm_ppm=fwhm,
        snr=snr,
        numbers={
            **_concentrations(plain, shown, spectrum),
            "spectrum_fwhm": fwhm,
            "spectrum_snr": snr,
        },
    )


def width_hz(shape: Shape, natural_hz: float) -> float:
    """Return the full width at half maximum of a singlet: a Voigt line of both widths.

    Args:
        shape: of the fit.
        natural_hz: Lorentzian width that the basis brings.

    Example:
        >>> [round(width_hz(Shape(lorentz_hz=one, gauss_hz=6.0 - one), 0.0), 2) for one in (6.0, 3.0, 0.0)]
        [6.0, 4.91, 6.0]
    """
    lorentz, gauss = shape.lorentz_hz + natural_hz, shape.gauss_hz
    return float(0.5346 * lorentz + np.sqrt(0.2166 * lorentz**2 + gauss**2))


def _snr(fitted: LinearCombination) -> float:
    """Return the height of the tallest of tNAA, tCr and tCho over the noise."""
    heights = [
        float(fitted.components[[fitted.names.index(name) for name in group]].sum(axis=0).real.max())
        for group in (TNAA, TCR, TCHO)
    ]
    return max(heights) / fitted.noise


def _concentrations(
    plain: LinearCombination, shown: LinearCombination, spectrum: Spectrum
) -> dict[str, float | None]:
    """Compute concentrations from water where there is a reference, else from total creatine."""
    two_hg, sd = shown.total(TWO_HG)
    tcr, _ = plain.total(*TCR)
    found: dict[str, float | None] = {
        "2HG_over_tCr": two_hg / tcr if tcr > 0 else None,
        "2HG_bound": 100 * sd / two_hg if two_hg > 0 else None,
        "water_referenced": float(spectrum.water is not None),
    }
    for name, group in (("tNAA", TNAA), ("tCho", TCHO), ("Glx", GLX), ("Ins", ("Ins",)), ("Lac", ("Lac",))):
        found[f"{name}_over_tCr"] = plain.total(*group)[0] / tcr if tcr > 0 else None

    def decayed(name: str) -> float:
        return decay(name, spectrum.timing.te_ms, spectrum.field_t)

    if spectrum.water is not None and spectrum.water > 0:
        unit = WATER_MM * WATER_PROTONS * decayed(WATER) / spectrum.water
        found["tCr"] = tcr * unit / decayed("Cr")
    elif tcr > 0:
        unit = TCR_MM * decayed("Cr") / tcr
    else:
        return found
    return found | {"2HG": two_hg * unit / decayed(TWO_HG), "2HG_sd": sd * unit / decayed(TWO_HG)}
