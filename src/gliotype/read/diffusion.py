"""Compute an ADC map from diffusion-weighted images: ln S(b) = ln S(0) - b ADC, by least squares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import InputError
from gliotype.read.identify import keywords as words
from gliotype.read.identify.kinds import Kind
from gliotype.read.series import Loaded, Series, SeriesInfo
from gliotype.volume import Array, Volume

LARGEST_LOW_B = 100.0
"""The least b-value (s/mm2) may be this at most: perfusion no longer counts much, and contrast is still that of T2."""
MIN_HIGH_B = 400.0
"""The largest b-value that is used must be this at least."""
LARGEST_B = 1500.0
"""Images with a larger b-value are not used: beyond it the logarithm of the signal is not a straight line."""

NEEDED = (
    f"one image with b of {LARGEST_LOW_B:g} s/mm2 or less and one with {MIN_HIGH_B:g} to {LARGEST_B:g}, "
    "from DICOM headers or a .bval file of the same name"
)
"""What an ADC map is computed from, for messages."""

_SAME_TE_MS = 2.0
_ABOVE_NOISE = 2.0
_MIN_SIGNAL = 0.03
"""Fraction of the brightest signal of the least weighted image below which a voxel counts as air."""
_DERIVED = frozenset({"ADC", "EADC", "EXP", "FA", "TENSOR", "PHASE", "PHASE MAP", "P"})

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ComputedAdc:
    """An ADC map that can be computed from images of a study.

    Attributes:
        series: stands for the map; its voxels, in 1e-6 mm2/s, are computed when they are loaded.
        reason: one sentence for the reader.
    """

    series: Series
    reason: str


def computed_adc(series: Iterable[Series]) -> list[ComputedAdc]:
    """Find the diffusion-weighted images of one acquisition and offer the ADC map that follows from them.

    Images belong together if they share grid and echo time. An image without diffusion weighting counts only if
    its description is that of a weighted one, or names diffusion.

    Args:
        series: of one examination.

    Returns:
        One offer for each acquisition that has the b-values (see `NEEDED`), finest slices first.
    """
    offers = [_offer(group) for group in _acquisitions(series) if _sufficient(group)]
    return sorted(offers, key=lambda offer: (max(_spacing(offer.series)), offer.series.source))


def fit_adc(images: Iterable[tuple[float, Array]]) -> Floats:
    """Fit the ADC to images of several b-values, in 1e-6 mm2/s.

    The logarithm of the signal is fitted by a straight line over b, each image counting once. Where an image has
    sunk towards the noise (twice the level of the air around the head, if that was not masked) it does not count
    in that voxel, because noise that cannot be negative would make the ADC too low.

    Args:
        images: b-value (s/mm2) and signal (i, j, k) of each.

    Returns:
        float32; 0 where signal is missing or the fit has nothing to go by.

    Example:
        >>> head = np.pad(np.ones((2, 2, 2)), 1)
        >>> images = [(b, 1000 * head * np.exp(-b * 0.8e-3)) for b in (0.0, 500.0, 1000.0)]
        >>> round(float(fit_adc(images)[1, 1, 1]))
        800
    """
    ordered = sorted(images, key=lambda pair: pair[0])
    first = np.asarray(ordered[0][1], dtype=np.float32)
    shape = first.shape
    n, sum_b, sum_bb, sum_y, sum_by = (np.zeros(shape, np.float64) for _ in range(5))
    for b, image in ordered:
        signal = np.asarray(image, dtype=np.float32)
        usable = signal > max(_ABOVE_NOISE * _air(signal), 0.0)
        y = np.log(np.where(usable, signal, 1.0))
        n += usable
        sum_b += usable * b
        sum_bb += usable * b**2
        sum_y += y
        sum_by += b * y
    spread = sum_bb - sum_b**2 / np.maximum(n, 1)
    covered = spread > (MIN_HIGH_B / 2) ** 2 / 2
    slope = (sum_by - sum_b * sum_y / np.maximum(n, 1)) / np.where(covered, spread, 1.0)
    inside = covered & (first > _MIN_SIGNAL * float(np.percentile(first, 99)))
    return np.where(inside, np.maximum(-1e6 * slope, 0.0), 0.0).astype(np.float32)


def _air(image: Floats) -> float:
    """Return the median of the corners of an image, where there is only air; 0 where that was masked."""
    edge = [max(1, n // 10) for n in image.shape[:2]]
    i, j = ([*range(e), *range(n - e, n)] for e, n in zip(edge, image.shape[:2], strict=True))
    return float(np.median(image[np.ix_(i, j)]))


def _acquisitions(series: Iterable[Series]) -> Iterator[list[Series]]:
    """Gather diffusion-weighted images that can be fitted together."""
    known = [one for one in series if _b_values(one) and not _is_derived(one.info)]
    weighted = [one for one in known if max(_b_values(one)) >= MIN_HIGH_B]
    described = {one.info.texts for one in weighted}
    groups: list[list[Series]] = []
    for one in known:
        if one not in weighted and not (one.info.texts in described or _names_diffusion(one.info)):
            continue
        for group in groups:
            if _fits(group[0], one):
                group.append(one)
                break
        else:
            groups.append([one])
    yield from groups


def _b_values(series: Series) -> tuple[float, ...]:
    if series.problem is not None or series.grid is None:
        return ()
    return series.info.acquisition.b_values or ()


def _is_derived(info: SeriesInfo) -> bool:
    """Whether the image is a map that was computed from diffusion-weighted images."""
    said = [match for _, text in info.all_texts if (match := words.match_kind(text))]
    maps = [m for m in said if m.kind is Kind.ADC or m.meaning.endswith("map")]
    return bool(_DERIVED.intersection(info.image_type) or maps)


def _names_diffusion(info: SeriesInfo) -> bool:
    said = [match for _, text in info.all_texts if (match := words.match_kind(text))]
    return any("diffusion-weighted" in match.meaning for match in said)


def _fits(one: Series, other: Series) -> bool:
    te, te_other = one.info.acquisition.te_ms, other.info.acquisition.te_ms
    same_echo = te is None or te_other is None or abs(te - te_other) <= _SAME_TE_MS
    return same_echo and one.grid is not None and other.grid is not None and one.grid.same_as(other.grid)


def _sufficient(group: list[Series]) -> bool:
    used = [b for one in group for b in _b_values(one) if b <= LARGEST_B]
    return bool(used) and min(used) <= LARGEST_LOW_B and max(used) >= MIN_HIGH_B


def _spacing(series: Series) -> tuple[float, ...]:
    return (0.0,) if series.grid is None else series.grid.spacing


def _offer(group: list[Series]) -> ComputedAdc:
    first = min(group, key=lambda one: min(_b_values(one)))
    used = sorted({round(b) for one in group for b in _b_values(one) if b <= LARGEST_B})
    listed = ", ".join(map(str, used[:4])) + (f" to {used[-1]}" if len(used) > 4 else "")
    series = replace(
        first,
        info=replace(first.info, frames=1, max_b_value=0.0, image_type=("DERIVED", "ADC")),
        load=lambda: _load(group, first),
    )
    return ComputedAdc(series, f"Computed from the diffusion-weighted images with b {listed} s/mm2.")


def _load(group: Sequence[Series], first: Series) -> Loaded:
    images: list[tuple[float, Array]] = []
    warnings: list[str] = []
    affine = dicom = None
    for series in group:
        loaded = series.load()
        warnings += loaded.warnings
        if series is first:
            affine, dicom = loaded.volume.affine, loaded.dicom
        frames = loaded.volume.array
        frames = frames if frames.ndim == 4 else frames[..., np.newaxis]
        images += [(b, frames[..., t]) for t, b in enumerate(_b_values(series)) if b <= LARGEST_B]
    adc = fit_adc(images)
    if affine is None or not adc.any():
        raise InputError(f"{first.source}: no ADC can be computed from these images: give the ADC map")
    return Loaded(Volume(adc, affine), tuple(warnings), dicom=dicom)
