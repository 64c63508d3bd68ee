"""Process a single-voxel measurement: coils, averages, eddy currents, residual water, difference of editing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gliotype.errors import InputError
from gliotype.mrs import Complexes, MrsSequence, MrsSeries, Spectrum, Timing
from gliotype.prepare.mrs.averages import Averaged, average, band_passed, moved, shift_between
from gliotype.prepare.mrs.coils import coil_weights
from gliotype.prepare.mrs.water import eddy_phase, water_amplitude, without_water
from gliotype.study import Image

FEWEST_POINTS = 128
SINGLETS_PPM = (2.9, 3.4)
"""Range of creatine and choline, which editing at 1.9 ppm leaves alone."""

NAA_PPM = (1.85, 2.15)
"""Range of NAA's singlet, which the editing pulse suppresses."""

UPFIELD_PPM, DOWNFIELD_PPM = (1.6, 3.6), (5.7, 7.7)
"""Ranges at the same distance from water, of which only the first holds strong signals."""

MIRRORED = 3.0
"""Signal of the second over that of the first beyond which the file has the sign of its frequencies reversed."""

MOST_DRIFT_HZ_PER_T = 2.0
"""Drift of the frequency per tesla beyond which a warning is given."""

SUPPRESSED = 30.0
"""Signal at water over that of metabolites beyond which water was not suppressed."""


def process(image: Image) -> Spectrum:
    """Make one spectrum of a measurement that was read.

    Args:
        image: with its FIDs.

    Raises:
        InputError: if it cannot be used; it says why.
    """
    if image.spectroscopy is None:
        raise InputError(
            f"{image.source} does not say the time between two points, or the scanner's frequency: "
            "give NIfTI-MRS, or a JSON file of the same name with SpectralWidth and SpectrometerFrequency"
        )
    return process_series(image.spectroscopy)


def process_series(series: MrsSeries) -> Spectrum:
    """Make one spectrum of a measurement.

    Args:
        series: as acquired.

    Raises:
        InputError: if it cannot be used; it says why.
    """
    timing = _usable_timing(series)
    water, fids = _combined(series)
    turned = _is_mirrored(series, fids)
    if turned:
        fids, water = fids.conj(), None if water is None else water.conj()
    warnings = [TURNED] if turned else []
    eddy = water is not None
    amplitude = None
    if water is not None:
        dwell = series.water_dwell_s or series.dwell_s
        amplitude = water_amplitude(water, dwell)
        phase = eddy_phase(water, dwell, len(fids), series.dwell_s)
        fids = fids * np.exp(-1j * phase)[:, None, None]
    conditions = [average(fids[..., n], series.dwell_s, series.frequency_mhz) for n in range(fids.shape[2])]
    _refuse_water(conditions[0].fid, series)
    clean = [
        replace(each, fid=without_water(each.fid, series.dwell_s, series.frequency_mhz))
        for each in conditions
    ]
    drift = max((each.drift_hz for each in clean if each.drift_hz is not None), default=None)
    if drift is not None and drift > MOST_DRIFT_HZ_PER_T * series.field_t:
        warnings.append(
            f"The frequency of the spectrum drifted by {drift:.0f} Hz: motion, or a warm gradient coil."
        )
    fid, difference = _edited(clean, series) if timing.sequence is MrsSequence.MEGA else (clean[0].fid, None)
    if difference is None and len(clean) > 1:
        fid = np.mean([each.fid for each in clean], axis=0)
    return Spectrum(
        fid=fid,
        difference=difference,
        dwell_s=series.dwell_s,
        frequency_mhz=series.frequency_mhz,
        timing=timing,
        assumed=series.assumed,
        tr_ms=series.tr_ms,
        transients=series.averages * sum(each.kept for each in clean),
        rejected=series.averages * sum(each.rejected for each in clean),
        drift_hz=drift,
        water=amplitude,
        eddy_corrected=eddy,
        voxel=series.voxel,
        warnings=tuple(warnings),
    )


TURNED = "The frequencies of the spectrum ran the other way than its format has it: they were reversed."


def _usable_timing(series: MrsSeries) -> Timing:
    """Refuse what cannot be measured; returns the timing, which is known then."""
    points, _, _, edits = series.fids.shape
    if series.nucleus != "1H":
        raise InputError(f"the spectrum is of {series.nucleus}, not of protons (1H): give a proton spectrum")
    if series.timing is None:
        raise InputError("the file of the spectrum does not say its echo time: give it with --mrs-timing")
    if points < FEWEST_POINTS:
        raise InputError(f"the spectrum has only {points} points: export the whole FID")
    if not np.isfinite(series.fids).all() or not np.any(series.fids):
        raise InputError(
            "the spectrum holds no signal (zeros, or values that are not numbers): export it again"
        )
    if series.timing.sequence is MrsSequence.MEGA and edits != 2:
        raise InputError(
            f"a MEGA-PRESS measurement needs two conditions of editing, and this one holds {edits}: "
            "export the transients, not their average"
        )
    return series.timing


def _combined(series: MrsSeries) -> tuple[Complexes | None, Complexes]:
    """Combine the coils; returns the water, (points,), and the FIDs, (points, transients, edits)."""
    fids, water = series.fids, series.water
    if water is not None and water.shape[1] == fids.shape[1]:
        weights = coil_weights(water)
        return water @ weights, np.einsum("pcte,c->pte", fids, weights)
    weights = coil_weights(fids.mean(axis=(2, 3)))
    return (None if water is None else water @ coil_weights(water)), np.einsum("pcte,c->pte", fids, weights)


def _is_mirrored(series: MrsSeries, fids: Complexes) -> bool:
    """Find out whether the frequencies run the other way: metabolites would then lie on the left of water."""
    mean = fids.mean(axis=(1, 2))

    def energy(band: tuple[float, float]) -> float:
        return float(np.linalg.norm(band_passed(mean, series.dwell_s, series.frequency_mhz, band)))

    return energy(DOWNFIELD_PPM) > MIRRORED * energy(UPFIELD_PPM)


def _refuse_water(fid: Complexes, series: MrsSeries) -> None:
    """Refuse a measurement in which water was not suppressed: its side bands hide the metabolites."""
    water = band_passed(fid, series.dwell_s, series.frequency_mhz, (4.3, 5.0))
    rest = band_passed(fid, series.dwell_s, series.frequency_mhz, UPFIELD_PPM)
    first = slice(0, max(8, round(0.05 / series.dwell_s)))
    ratio = float(np.abs(water[first]).mean()) / max(float(np.abs(rest[first]).mean()), 1e-30)
    if ratio > SUPPRESSED:
        raise InputError(
            "the spectrum is of unsuppressed water only, a reference without metabolites: "
            "give the measurement with water suppression"
        )


def _edited(conditions: list[Averaged], series: MrsSeries) -> tuple[Complexes, Complexes]:
    """Return the edit-off FID and the difference: the condition with less NAA is the one with editing on."""
    dwell, mhz = series.dwell_s, series.frequency_mhz
    part = slice(0, max(16, round(0.25 / dwell)))
    one, other = (each.fid for each in conditions)
    seen = [band_passed(fid, dwell, mhz, SINGLETS_PPM)[part] for fid in (one, other)]
    other = moved(other, *shift_between(seen[1], seen[0], dwell), dwell)
    naa = [float(np.linalg.norm(band_passed(fid, dwell, mhz, NAA_PPM)[part])) for fid in (one, other)]
    on, off = (one, other) if naa[0] < naa[1] else (other, one)
    return off, np.asarray(on - off)
