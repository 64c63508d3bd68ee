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
from scipy import ndimage, stats

from gliotype.errors import InputError
from gliotype.read.identify.by_header import Identity
from gliotype.read.identify.choose import Candidate, ranked
from gliotype.read.identify.kinds import Kind
from gliotype.read.series import Loaded, Series
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Volume

MAX_CONFIDENCE = 0.8
MIN_ENHANCEMENT = 0.2
"""By how much (see `enhancement`) one of two images called T1 must gain to be taken for T1c."""
_COARSE_MM = 3.0
_HEAD_HEIGHT_MM = 150.0
_MAX_LABELS = 16
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


def coarse(volume: Volume) -> Volume:
    """Resample an image to 3 mm and RAS+, without negative values: what the measures below work on."""
    small = volume.resample(volume.grid.bounding(_COARSE_MM))
    return small.with_array(np.maximum(small.array, np.float32(0)))


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
    contrast = np.clip(array / (smooth + 1e-6) - 1.0, -0.6, 0.6)[centre]
    values = array[centre] / max(float(np.median(array[centre])), 1e-6)
    return Appearance(
        bright=float(np.percentile(values, 95)),
        dark=float(np.percentile(values, 5)),
        fluid=float(stats.skew(contrast)) if np.ptp(contrast) > 0 else 0.0,
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
    low[2] = max(low[2], high[2] - _HEAD_HEIGHT_MM / _COARSE_MM)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1.0)
    distance = np.sqrt((((np.moveaxis(np.indices(array.shape), 0, -1) - middle) / half) ** 2).sum(axis=-1))
    return np.asarray((distance < radius) & head, dtype=np.bool_)


def decided_by_content(
    candidates: list[Candidate], used: Mapping[Sequence, tuple[Candidate, Loaded]]
) -> tuple[list[Candidate], dict[Series, Loaded], list[InputError]]:
    """Decide by their voxels what header and name left open.

    Args:
        candidates: all images of a source.
        used: images whose sequence is certain already, with their voxels.

    Returns:
        The candidates, identified as far as possible; the voxels that had to be read; and errors of reading.
    """
    loaded = {candidate.series: voxels for candidate, voxels in used.values()}
    certain = [candidate for candidate, _ in used.values()]
    errors: list[InputError] = []
    nameless = {
        c.series for c in candidates if c.identity.open.intersection(_LOOKS) and c.series.info.frames == 1
    }
    if nameless:
        candidates = _with_weighting(candidates, certain, nameless, loaded, errors)
    has_t1c = Sequence.T1C in used or any(c.identity.sequence is Sequence.T1C for c in candidates)
    unclear = [c for c in candidates if c.identity.contrast_open]
    plain = [c for c in [*certain, *candidates] if c.identity.sequence is Sequence.T1]
    if not has_t1c and unclear and len(plain) > 1:
        least = 0.0 if nameless.issuperset(c.series for c in plain) else MIN_ENHANCEMENT
        candidates = _with_contrast(candidates, plain, least, loaded, errors)
    elif has_t1c:
        candidates = [_beside_t1c(c) if c.identity.contrast_open else c for c in candidates]
    return candidates, loaded, errors


def _read(candidate: Candidate, loaded: dict[Series, Loaded], errors: list[InputError]) -> Volume | None:
    """Read the voxels of a candidate once; None, and an error noted, if that fails."""
    series = candidate.series
    if series not in loaded:
        try:
            if series.problem is not None:
                raise series.problem
            loaded[series] = series.load()
        except InputError as error:
            errors.append(error)
            return None
    return loaded[series].volume


@dataclass(frozen=True, eq=False)
class _Seen:
    """A nameless image: coarse, and what it looks like."""

    image: Volume
    appearance: Appearance


def _with_weighting(
    candidates: list[Candidate],
    certain: list[Candidate],
    nameless: set[Series],
    loaded: dict[Series, Loaded],
    errors: list[InputError],
) -> list[Candidate]:
    """Decide between T1, T2 and FLAIR for the nameless candidates together, beside the known ones."""
    decided: dict[Series, Candidate] = {}
    seen: dict[Series, _Seen] = {}
    for candidate in (c for c in candidates if c.series in nameless):
        volume = _read(candidate, loaded, errors)
        if volume is None:
            decided[candidate.series] = candidate.dismissed(f"Not used: {errors[-1]}.")
        elif (values := _different_values(volume)) <= _MAX_LABELS:
            decided[candidate.series] = candidate.dismissed(
                f"Not used: it holds only {values} different values, as a label map does."
            )
        elif (appearance := appearance_of(image := coarse(volume))) is None:
            decided[candidate.series] = candidate.dismissed("Not used: it shows no head.")
        else:
            seen[candidate.series] = _Seen(image, appearance)
    anchors = [
        (_SEQUENCE_KINDS[c.identity.sequence], coarse(loaded[c.series].volume))
        for c in _known(certain, candidates)
        if c.identity.sequence in _SEQUENCE_KINDS and _read(c, loaded, errors) is not None
    ]
    open_ones = [c for c in candidates if c.series in seen]
    for start in range(0, len(open_ones), _MAX_TOGETHER):
        together = open_ones[start : start + _MAX_TOGETHER]
        for candidate, identity in zip(together, _likeliest(together, seen, anchors), strict=True):
            decided[candidate.series] = replace(candidate, identity=identity)
    return [decided.get(c.series, c) for c in candidates]


def _different_values(volume: Volume) -> int:
    """Count the different values among some 100,000 voxels."""
    return len(np.unique(volume.array.reshape(-1)[:: max(1, volume.array.size // 100_000)]))


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
        identities.append(_identity(kind, probability, appearance, beside=len(together) + len(anchors) > 1))
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
    return float(stats.spearmanr(x[tissue], y[tissue])[0])


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


def _identity(kind: Kind, probability: float, appearance: Appearance, beside: bool) -> Identity:
    others = " and the correlation with the other images" if beside else ""
    reason = (
        f"By its voxels, since header and name say nothing: brightest tissue {appearance.bright:.1f} and darkest "
        f"{appearance.dark:.1f} times the median, fluid {'bright' if appearance.fluid > 0 else 'dark'}{others} "
        f"fit {kind}."
    )
    return Identity(Sequence(kind.value), probability, reason, contrast_open=kind is Kind.T1)


def _with_contrast(
    candidates: list[Candidate],
    plain: list[Candidate],
    least: float,
    loaded: dict[Series, Loaded],
    errors: list[InputError],
) -> list[Candidate]:
    """Take the T1 image that is brighter in vessels than the others for T1c, among those that may be one.

    Images that are called T1 may well be two plain T1; only a clear gain (`least`) makes one of them T1c.
    """
    volumes = {c.series: coarse(v) for c in plain if (v := _read(c, loaded, errors)) is not None}
    gains = {
        c.series: float(
            np.mean([enhancement(v, volumes[c.series]) for s, v in volumes.items() if s is not c.series])
        )
        for c in plain
        if c.series in volumes and c.identity.contrast_open and len(volumes) > 1
    }
    if not gains:
        return candidates
    best = max(gains, key=lambda series: gains[series])
    if gains[best] <= least:
        return candidates
    sure = 0.55 + 0.5 * min(gains[best], 0.4)
    changed = []
    for candidate in candidates:
        identity = candidate.identity
        if candidate.series is best:
            reason = f"{identity.reason.rstrip('.')}; its vessels are brighter than in the other T1, as after contrast."
            identity = Identity(Sequence.T1C, identity.confidence * sure, reason)
        elif candidate.series in gains:
            reason = f"{identity.reason.rstrip('.')}; its vessels are darker than in another T1, as before contrast."
            identity = Identity(Sequence.T1, identity.confidence * sure, reason)
        changed.append(replace(candidate, identity=identity))
    return changed


def _beside_t1c(candidate: Candidate) -> Candidate:
    """Raise the confidence of a T1 of which nothing says that contrast was given, if there is a T1c as well."""
    identity = candidate.identity
    reason = f"{identity.reason.rstrip('.')}; another image is the T1c."
    return replace(
        candidate,
        identity=replace(identity, confidence=min(1.15 * identity.confidence, 0.99), reason=reason),
    )
