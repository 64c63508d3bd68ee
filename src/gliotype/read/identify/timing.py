"""What echo, repetition and inversion time say about an image: opinions from header numbers.

The bounds are those of clinical brain protocols at 1.5 and 3 T; ``docs/reference/identification.md``
lists them. An opinion is a probability for each kind; what it does not name shares what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gliotype.read.identify.kinds import Kind
from gliotype.read.series import SeriesInfo


@dataclass(frozen=True)
class Opinion:
    """What one piece of evidence says.

    Attributes:
        odds: probability of the kinds that it speaks for; the others share the rest.
        because: a clause for the reason.
        meaning: what the image is if it is of kind OTHER.
    """

    odds: Mapping[Kind, float]
    because: str
    meaning: str = ""

    def probability(self, kind: Kind) -> float:
        """Probability of a kind in this opinion."""
        if kind in self.odds:
            return self.odds[kind]
        return max(1.0 - sum(self.odds.values()), 0.02) / (len(Kind) - len(self.odds))


_WEIGHTINGS: dict[str, tuple[Mapping[Kind, float], str]] = {
    "T1": ({Kind.T1: 0.93, Kind.OTHER: 0.05}, ""),
    "T2": ({Kind.T2: 0.93, Kind.FLAIR: 0.03}, ""),
    "FLUID_ATTENUATED": ({Kind.FLAIR: 0.97}, ""),
    "T2_STAR": ({Kind.OTHER: 0.8, Kind.DSC: 0.15}, "a T2*-weighted image"),
    "PROTON_DENSITY": ({Kind.OTHER: 0.93}, "a proton-density image"),
    "DIFFUSION": ({Kind.OTHER: 0.75, Kind.ADC: 0.2}, "a diffusion-weighted image"),
    "PERFUSION": ({Kind.DSC: 0.5, Kind.OTHER: 0.45}, "a perfusion image"),
    "STIR": ({Kind.OTHER: 0.95}, "a STIR image"),
    "TOF": ({Kind.OTHER: 0.95}, "an angiogram"),
    "FLOW_ENCODED": ({Kind.OTHER: 0.95}, "a flow image"),
}


def weighting_opinion(info: SeriesInfo) -> Opinion | None:
    """Take the AcquisitionContrast of an enhanced MR header, if there is one."""
    if info.weighting not in _WEIGHTINGS:
        return None
    odds, meaning = _WEIGHTINGS[info.weighting]
    return Opinion(odds, f"the header calls its contrast {info.weighting}", meaning)


def timing_opinion(info: SeriesInfo) -> Opinion | None:
    """Judge an image by its echo time, repetition time, inversion time and number of time points.

    Example:
        >>> from gliotype.study import Acquisition
        >>> flair = SeriesInfo(Acquisition(te_ms=110, tr_ms=9000, ti_ms=2500))
        >>> timing_opinion(flair).odds[Kind.FLAIR], timing_opinion(flair).because
        (0.95, 'TE 110 ms, TR 9000 ms and TI 2500 ms are those of FLAIR')
        >>> timing_opinion(SeriesInfo()) is None
        True
    """
    odds, meaning = _odds(info)
    if not odds:
        return None
    likely = [kind for kind in odds if odds[kind] >= 0.35]
    names = " or ".join(meaning if kind is Kind.OTHER else kind.value for kind in likely)
    return Opinion(odds, f"{_numbers(info)} of {names}", meaning)


def _numbers(info: SeriesInfo) -> str:
    """Say the numbers: ``TE 110 ms and TR 9000 ms are those``."""
    acquisition = info.acquisition
    parts = [f"{info.frames} time points"] if info.frames > 1 else []
    for name, value in (("TE", acquisition.te_ms), ("TR", acquisition.tr_ms), ("TI", acquisition.ti_ms)):
        if value is not None:
            parts.append(f"{name} {value:.4g} ms")
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
    return f"{listed} {'are those' if len(parts) > 1 else 'is that'}"


def _odds(info: SeriesInfo) -> tuple[dict[Kind, float], str]:
    acquisition = info.acquisition
    te, tr, ti = acquisition.te_ms, acquisition.tr_ms, acquisition.ti_ms
    if info.frames > 1:
        return _time_series(info)
    if te is None:
        return {}, ""
    if "EP" in info.scanning:
        return {Kind.OTHER: 0.8, Kind.ADC: 0.12}, "a diffusion or functional image"
    if ti or "IR" in info.scanning:
        return _inversion(te, tr, ti)
    if "GR" in info.scanning and "SE" not in info.scanning:
        return _gradient_echo(te, tr, acquisition.flip_angle_deg)
    return _spin_echo(te, tr, certain="SE" in info.scanning)


def _time_series(info: SeriesInfo) -> tuple[dict[Kind, float], str]:
    te = info.acquisition.te_ms
    if info.frames < 10 or (te is not None and not 10 <= te <= 110):
        return {Kind.OTHER: 0.9}, "a repeated or dynamic image"
    return {Kind.DSC: 0.55, Kind.OTHER: 0.43}, "a functional image"


def _inversion(te: float, tr: float | None, ti: float | None) -> tuple[dict[Kind, float], str]:
    if ti is None:
        if te >= 60 and (tr is None or tr >= 4000):
            return {Kind.FLAIR: 0.9, Kind.T2: 0.05}, ""
        return ({Kind.T1: 0.8, Kind.OTHER: 0.15}, "an inversion recovery image") if te < 40 else ({}, "")
    if ti >= 1400 and te >= 60:
        return {Kind.FLAIR: 0.95}, ""
    if ti < 350 and te >= 20:
        return {Kind.OTHER: 0.85, Kind.T2: 0.1}, "a STIR image"
    if 300 <= ti <= 1400 and te < 40:
        return {Kind.T1: 0.95}, ""
    return {Kind.OTHER: 0.6, Kind.T1: 0.2}, "an inversion recovery image"


def _gradient_echo(te: float, tr: float | None, flip: float | None) -> tuple[dict[Kind, float], str]:
    if te >= 12:
        return {Kind.OTHER: 0.9, Kind.T1: 0.04}, "a T2*-weighted image"
    if flip is not None and flip >= 40 and tr is not None and tr <= 15:
        return {Kind.OTHER: 0.8, Kind.T1: 0.15}, "a steady-state image"
    return {Kind.T1: 0.85, Kind.OTHER: 0.12}, "an angiogram"


def _spin_echo(te: float, tr: float | None, certain: bool) -> tuple[dict[Kind, float], str]:
    """Judge a spin echo; `certain` is False where the header does not say that it is one."""
    if tr is None:
        if te >= 65:
            return {Kind.T2: 0.5, Kind.FLAIR: 0.44}, ""
        return ({Kind.T1: 0.75, Kind.OTHER: 0.18}, "a proton-density image") if te <= 25 else ({}, "")
    if te < 40:
        if tr <= 1300 or (not certain and te <= 6 and tr <= 3000):
            return {Kind.T1: 0.92, Kind.OTHER: 0.05}, "an angiogram"
        return {Kind.OTHER: 0.75, Kind.T1: 0.15}, "a proton-density image"
    if te >= 65 and tr >= 1800:
        if not certain and tr >= 6500:
            return {Kind.T2: 0.55, Kind.FLAIR: 0.4}, ""
        return {Kind.T2: 0.96, Kind.FLAIR: 0.01 if certain else 0.03}, ""
    return {Kind.OTHER: 0.5, Kind.T2: 0.35}, "an intermediate-weighted image"
