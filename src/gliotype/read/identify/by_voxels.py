"""Identify images by their voxels, where neither header nor name says what they are: the last resort.

Three numbers of the central part of the head and the correlation between images of the same patient are
compared with what each weighting looks like. The constants are round numbers from the usual contrast of
tissues; ``docs/reference/identification.md`` explains them and says how often they err. The confidence
never exceeds `MAX_CONFIDENCE`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.read.identify.by_header import Identity
from gliotype.read.identify.choose import Candidate, ranked
from gliotype.read.identify.kinds import Kind
from gliotype.read.identify.voxel_access import COARSE_MM, VoxelAccess, count_values
from gliotype.read.series import Series
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Volume

MAX_CONFIDENCE = 0.8
_HEAD_HEIGHT_MM = 150.0
MAX_LABELS = 16
"""An image with no more different values is a label map."""
_MAX_TOGETHER = 8

_LOOKS: Mapping[Kind, tuple[tuple[float, float], ...]] = {
    Kind.T1: ((1.2, 0.12), (0.55, 0.15), (-0.9, 0.5)),
    Kind.FLAIR: ((1.55, 0.3), (0.5, 0.15), (-0.7, 0.5)),
    Kind.T2: ((2.1, 0.5), (0.7, 0.08), (0.6, 0.5)),
}
"""Mean and spread of `Appearance.bright`, `Appearance.dark` and `Appearance.fluid` by weighting."""

_SEQUENCE_KINDS = {
    Sequence.T1: Kind.T1,
    Sequence.T1C: Kind.T1,
    Sequence.T2: Kind.T2,
    Sequence.FLAIR: Kind.FLAIR,
}


@dataclass(frozen=True)
class Appearance:
    """What the central part of the head looks like; its median is 1.

    Attributes:
        bright: 95th percentile. High where fluid or lesions shine (T2, FLAIR), near 1.2 in T1.
        dark: 5th percentile. Low where fluid is dark (T1, FLAIR).
        fluid: skewness of the contrast to the surroundings: above 0 where small structures (fluid in
            ventricles and furrows) are brighter than their surroundings (T2).
    """

    bright: float
    dark: float
    fluid: float


def appearance_of(image: Volume) -> Appearance | None:
    """Measure a coarse image, skull on or off; None where there is nothing in the middle of what it shows."""
    array = np.asarray(image.array, dtype=np.float32)
    centre = _within(array, 0.5)
    if not centre.any():
        return None
    inside = array > 0
    smooth = ndimage.gaussian_filter(array, 2.5) / (
        ndimage.gaussian_filter(inside.astype(np.float32), 2.5) + 1e-6
    )
    from scipy.stats import skew

    contrast = np.clip(array / (smooth + 1e-6) - 1.0, -0.6, 0.6)[centre]
    values = array[centre] / max(float(np.median(array[centre])), 1e-6)
    return Appearance(
        bright=float(np.percentile(values, 95)),
        dark=float(np.percentile(values, 5)),
        fluid=float(skew(contrast)) if np.ptp(contrast) > 0 else 0.0,
    )


def _within(array: NDArray[np.float32], radius: float) -> NDArray[np.bool_]:
    """Select the central ellipsoid of the head: `radius` of the half axes of the box of its upper 150 mm.

    Nothing where no voxel is positive, or where the head is a shell.
    """
    if not (array > 0).any():
        return np.zeros(array.shape, np.bool_)
    head = ndimage.binary_opening(array > 0.2 * np.percentile(array[array > 0], 90))
    labels, count = ndimage.label(head)
    if count == 0:
        return array > 0
    head = labels == 1 + int(np.argmax(ndimage.sum_labels(head, labels, range(1, count + 1))))
    low, high = np.percentile(np.argwhere(head), [1, 99], axis=0)
    low[2] = max(low[2], high[2] - _HEAD_HEIGHT_MM / COARSE_MM)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1.0)
    distance = np.sqrt((((np.moveaxis(np.indices(array.shape), 0, -1) - middle) / half) ** 2).sum(axis=-1))
    return np.asarray((distance < radius) & head, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A nameless image: coarse, and what it looks like."""

    image: Volume
    appearance: Appearance


def name_nameless(
    candidates: list[Candidate], certain: list[Candidate], access: VoxelAccess
) -> tuple[list[Candidate], set[Series]]:
    """Decide between T1, T2 and FLAIR for the images that header and name leave open, together with the known ones.

    Args:
        candidates: all images of a source.
        certain: images whose sequence the caller named.
        access: reads voxels.

    Returns:
        The candidates, identified as far as possible, and which of them were open.
    """
    nameless = {
        c.series for c in candidates if c.identity.open.intersection(_LOOKS) and c.series.info.frames == 1
    }
    if not nameless:
        return candidates, nameless
    decided: dict[Series, Candidate] = {}
    seen: dict[Series, _Seen] = {}
    for candidate in (c for c in candidates if c.series in nameless):
        volume, image = access.volume(candidate), access.coarse(candidate)
        if volume is None or image is None:
            decided[candidate.series] = candidate.dismissed(f"Not used: {access.failure(candidate)}.")
        elif (values := count_values(volume)) <= MAX_LABELS:
            decided[candidate.series] = candidate.dismissed(
                f"Not used: it holds only {values} different values, as a label map does."
            )
        elif (appearance := appearance_of(image)) is None:
            decided[candidate.series] = candidate.dismissed("Not used: it shows no head.")
        else:
            seen[candidate.series] = _Seen(image, appearance)
    anchors = [
        (_SEQUENCE_KINDS[c.identity.sequence], image)
        for c in _known(certain, candidates)
        if c.identity.sequence in _SEQUENCE_KINDS and (image := access.coarse(c)) is not None
    ]
    open_ones = [c for c in candidates if c.series in seen]
    for start in range(0, len(open_ones), _MAX_TOGETHER):
        together = open_ones[start : start + _MAX_TOGETHER]
        for candidate, identity in zip(together, _likeliest(together, seen, anchors), strict=True):
            decided[candidate.series] = replace(candidate, identity=identity)
    return [decided.get(c.series, c) for c in candidates], nameless


def _known(certain: list[Candidate], candidates: list[Candidate]) -> list[Candidate]:
    """Return the certain images, and the best one of each other structural sequence that header or name identified."""
    known = [*certain]
    named = {c.identity.sequence for c in certain}
    for sequence in (s for s in STRUCTURAL if s not in named):
        alike = [c for c in candidates if c.identity.sequence is sequence and not c.identity.open]
        known += ranked(alike)[:1]
    return known


def _likeliest(
    together: list[Candidate], seen: Mapping[Series, _Seen], anchors: list[tuple[Kind, Volume]]
) -> list[Identity]:
    """Weigh every way to name the open images, by how each looks and how they correlate (Bayes' rule).

    The probability of each name is the sum over all ways in which the image has it.
    """
    images = [seen[c.series].image for c in together]
    appearances = [seen[c.series].appearance for c in together]
    allowed = [[k for k in _LOOKS if k in c.identity.open] or [*_LOOKS] for c in together]
    pairs = {
        (a, b): correlation(images[a], images[b]) for a, b in itertools.combinations(range(len(images)), 2)
    }
    to_anchors = [[(kind, correlation(image, anchor)) for kind, anchor in anchors] for image in images]
    taken = [kind for kind, _ in anchors]
    ways = list(itertools.product(*allowed))
    weights = np.empty(len(ways))
    for number, way in enumerate(ways):
        weights[number] = (
            sum(_log_appearance(appearance, kind) for appearance, kind in zip(appearances, way, strict=True))
            + sum(_log_pair(r, way[a], way[b]) for (a, b), r in pairs.items())
            + sum(_log_pair(r, k, own) for k, rs in zip(way, to_anchors, strict=True) for own, r in rs)
            + _log_repeats([*way, *taken])
        )
    weights = np.exp(weights - weights.max())
    identities = []
    for place, appearance in enumerate(appearances):
        sums = {kind: float(weights[[way[place] is kind for way in ways]].sum()) for kind in allowed[place]}
        kind = max(sums, key=lambda k: sums[k])
        probability = min(sums[kind] / float(weights.sum()), 1.0) * MAX_CONFIDENCE
        identities.append(
            _identity(kind, probability, appearance, with_others=len(together) + len(anchors) > 1)
        )
    return identities


def _log_appearance(appearance: Appearance, kind: Kind) -> float:
    values = (appearance.bright, appearance.dark, appearance.fluid)
    return sum(
        -0.5 * ((value - mean) / spread) ** 2 - float(np.log(spread))
        for value, (mean, spread) in zip(values, _LOOKS[kind], strict=True)
    )


def _log_pair(r: float | None, a: Kind, b: Kind) -> float:
    """Weigh a correlation: near 0.55 between two T1 or two of T2 and FLAIR, near -0.1 across."""
    if r is None:
        return 0.0
    expected = 0.55 if (a is Kind.T1) == (b is Kind.T1) else -0.1
    return -0.5 * ((r - expected) / 0.3) ** 2


def _log_repeats(way: list[Kind]) -> float:
    """Find a third T1, a second T2 or a second FLAIR unlikely in one study."""
    counts = Counter(way)
    extra = max(0, counts[Kind.T1] - 2) + max(0, counts[Kind.T2] - 1) + max(0, counts[Kind.FLAIR] - 1)
    return -2.0 * extra


def correlation(first: Volume, second: Volume) -> float | None:
    """Rank correlation of two coarse images of one patient in the central head, less their darkest tenth.

    Returns:
        -1 to 1, or None if they hardly overlap.
    """
    a, b, centre = _on_common_grid(first, second, 0.7)
    if centre.sum() < 500:
        return None
    x, y = a[centre], b[centre]
    tissue = (x > np.percentile(x, 10)) & (y > np.percentile(y, 10))
    if tissue.sum() < 100 or np.ptp(x[tissue]) == 0 or np.ptp(y[tissue]) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(x[tissue], y[tissue])[0])


def enhancement(before: Volume, after: Volume) -> float:
    """Tell by how much the difference of two coarse T1 images leans to the bright side, -1 to 1.

    After contrast, vessels and enhancing tissue are brighter and hardly anything is darker: the upper tail
    of the difference (each image over its median) is longer than the lower one.
    """
    a, b, centre = _on_common_grid(before, after, 0.62)
    if centre.sum() < 500:
        return 0.0
    x, y = a[centre], b[centre]
    difference = y / max(float(np.median(y)), 1e-6) - x / max(float(np.median(x)), 1e-6)
    low, middle, high = np.percentile(difference, [0.5, 50, 99.5])
    return float(((high - middle) - (middle - low)) / max(high - low, 1e-6))


def _on_common_grid(
    first: Volume, second: Volume, radius: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    a = np.asarray(first.array, dtype=np.float32)
    b = np.asarray(second.resample(first.grid).array, dtype=np.float32)
    return a, b, _within(a, radius) & (b > 0)


def _identity(kind: Kind, probability: float, appearance: Appearance, with_others: bool) -> Identity:
    others = " and the correlation with the other images" if with_others else ""
    reason = (
        f"By its voxels, since header and name say nothing: brightest tissue {appearance.bright:.1f} and darkest "
        f"{appearance.dark:.1f} times the median, fluid {'bright' if appearance.fluid > 0 else 'dark'}{others} "
        f"fit {kind}."
    )
    return Identity(Sequence(kind.value), probability, reason, contrast_open=kind is Kind.T1)
