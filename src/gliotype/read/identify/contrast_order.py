"""Distinguish T1 from T1c where header and keywords do not: by the order of acquisition, and by the voxels.

An agent stays for hours, so that contrast is a matter of order: what was acquired after a T1c, or after the bolus of
a DSC series, is after contrast, and what was acquired before a plain T1 is before it. Where no image is known to be
either, the voxels show after which image vessels are brighter; where they show nothing, a protocol that was repeated
unchanged is taken for one image before and one after contrast, with a warning. Nothing is decided by paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gliotype.read.identify.by_header import SURE, Identity
from gliotype.read.identify.by_voxels import enhancement
from gliotype.read.identify.choose import Candidate
from gliotype.read.identify.voxel_access import VoxelAccess
from gliotype.read.series import Series
from gliotype.study import Sequence
from gliotype.volume import Volume

MIN_ENHANCEMENT = 0.2
"""By how much (see `enhancement`) one of several images called T1 must gain to be taken for T1c."""
MIN_NAMELESS_ENHANCEMENT = 0.0
"""The same where no name says that both are T1: two are more likely T1 and T1c than twice the same."""
_DAY_S = 86400.0
_ORDER_CONFIDENCE = 0.55

AcquisitionOrder = Mapping[Series, float]


def decide_contrast(
    candidates: list[Candidate], certain: list[Candidate], nameless: set[Series], access: VoxelAccess
) -> tuple[list[Candidate], list[str]]:
    """Decide for each T1-weighted image that is open whether it is T1 or T1c.

    Args:
        candidates: all images of a source.
        certain: images that the caller named.
        nameless: those that only their voxels identified as T1.
        access: reads voxels.

    Returns:
        The candidates in the same order, and warnings about what stays ambiguous.
    """
    everyone = [*certain, *candidates]
    order = acquisition_order([c for c in everyone if c.identity.sequence is not None])
    candidates = [_by_known_order(c, everyone, order) for c in candidates]
    unclear = [c for c in candidates if c.identity.contrast_open]
    if not unclear:
        return candidates, []
    everyone = [*certain, *candidates]
    has_t1c = any(c.identity.sequence is Sequence.T1C for c in everyone)
    plain = [c for c in everyone if c.identity.sequence is Sequence.T1]
    if len(plain) < 2:
        return [_alone(c, has_t1c) if c.identity.contrast_open else c for c in candidates], []
    least = MIN_NAMELESS_ENHANCEMENT if nameless.issuperset(c.series for c in plain) else MIN_ENHANCEMENT
    named = least == MIN_ENHANCEMENT
    decided = _by_voxels(plain, order, least, access, several=named)
    if not decided and not has_t1c:
        decided = _by_repetition(plain, order)
    candidates = [decided.get(c.series, c) for c in candidates]
    candidates = [_alone(c, has_t1c) if c.identity.contrast_open else c for c in candidates]
    left = [c.series.source for c in candidates if c.identity.contrast_open]
    if decided or has_t1c or not left or len(plain) < 2:
        return candidates, []
    names = " and ".join(sorted({c.series.source for c in plain})[:3])
    return candidates, [
        f"{names} are T1-weighted, and neither header, name, time nor voxels tell whether contrast was given "
        "before one of them: each was taken for T1; name the image after contrast with --t1c."
    ]


def acquisition_order(candidates: list[Candidate]) -> AcquisitionOrder:
    """Return when each image was acquired, in any unit; nothing where the headers do not say it for all T1-like ones.

    Times of day count first, else the numbers of the series.
    """
    weighted = [c for c in candidates if c.identity.sequence in (Sequence.T1, Sequence.T1C)]
    times = {c.series: c.series.time_s for c in candidates if c.series.time_s is not None}
    if weighted and all(c.series in times for c in weighted) and len(set(times.values())) > 1:
        if max(times.values()) - min(times.values()) > _DAY_S / 2:
            times = {s: t + _DAY_S * (t < _DAY_S / 2) for s, t in times.items()}
        return times
    numbers = {c.series: c.series.acquired[0] for c in candidates if c.series.acquired}
    if weighted and all(c.series in numbers for c in weighted) and len(set(numbers.values())) > 1:
        return numbers
    return {}


def _by_known_order(candidate: Candidate, everyone: list[Candidate], order: AcquisitionOrder) -> Candidate:
    """Decide an open image by those whose contrast is known and by the bolus of a DSC series."""
    identity, series = candidate.identity, candidate.series
    if not identity.contrast_open or series not in order:
        return candidate
    known = [
        c
        for c in everyone
        if c.series in order and not c.identity.contrast_open and c.identity.confidence >= SURE
    ]
    after = [c for c in known if c.identity.sequence in (Sequence.T1C, Sequence.DSC)]
    before = [order[c.series] for c in known if c.identity.sequence is Sequence.T1]
    first = min(after, key=lambda c: order[c.series], default=None)
    position = order[series]
    if first is not None and before and max(before) > order[first.series]:
        return candidate
    if first is not None and position >= order[first.series]:
        if _agent_distinguishes(series, first.series) and _number_alone_says(
            candidate, first, everyone, order
        ):
            clause = "the header of the T1c names a contrast agent, and its own does not"
            return _renamed(candidate, Sequence.T1, identity.confidence, clause)
        word = "the T1c" if first.identity.sequence is Sequence.T1C else "the DSC series"
        clause = f"it was acquired after {word} began, so that contrast had been given"
        return _renamed(candidate, Sequence.T1C, 0.95 * identity.confidence, clause)
    if before and position <= max(before):
        clause = "it was acquired before an image that is known to be without contrast"
        return _renamed(candidate, Sequence.T1, 1.1 * identity.confidence, clause)
    if first is not None and first.identity.sequence is Sequence.T1C:
        return _renamed(candidate, Sequence.T1, 1.15 * identity.confidence, "it was acquired before the T1c")
    return candidate


def _number_alone_says(
    candidate: Candidate, t1c: Candidate, everyone: list[Candidate], order: AcquisitionOrder
) -> bool:
    """Tell whether only a series number puts an image after the T1c, with no T1 before that."""
    numbered = bool(candidate.series.acquired) and order[candidate.series] == candidate.series.acquired[0]
    earlier = any(
        c.identity.sequence is Sequence.T1 and c.series in order and order[c.series] < order[t1c.series]
        for c in everyone
    )
    return numbered and not earlier


def _agent_distinguishes(series: Series, t1c: Series) -> bool:
    """Tell whether the header of a T1c names an agent and that of a series does not.

    A series number is not the scanner's clock: alone, with no T1 before the T1c, it does not outweigh the agent.
    """
    return t1c.info.acquisition.contrast is True and series.info.acquisition.contrast is None


def _by_voxels(
    plain: list[Candidate], order: AcquisitionOrder, least: float, access: VoxelAccess, several: bool
) -> dict[Series, Candidate]:
    """Find where vessels brighten between T1-weighted images; nothing where none gains clearly.

    With known times the images after contrast are those after some position; else each image is compared with the one
    whose vessels are darkest. Without `several` at most one image is identified as T1c: of three nameless images that
    look T1-weighted one may be something else.
    """
    volumes = {c.series: v for c in plain if (v := access.coarse(c)) is not None}
    shown = [c for c in plain if c.series in volumes]
    if len(shown) < 2:
        return {}
    if all(c.series in order for c in shown) and len({order[c.series] for c in shown}) > 1:
        gains = _gains_in_order(shown, volumes, order)
    else:
        gains = _gains(shown, volumes, several)
    best = max(gains.values())
    if best <= least:
        return {}
    sure = 0.55 + 0.5 * min(best, 0.4)
    decided = {}
    for candidate in shown:
        if not candidate.identity.contrast_open:
            continue
        gain = gains[candidate.series]
        given = gain > (least if len(shown) > 2 else 0.0) if several else gain == best
        clause = (
            "its vessels are brighter than in the other T1, as after contrast"
            if given
            else "its vessels are darker than in another T1, as before contrast"
        )
        sequence = Sequence.T1C if given else Sequence.T1
        decided[candidate.series] = _renamed(
            candidate, sequence, candidate.identity.confidence * sure, clause
        )
    return decided


def _gains(shown: list[Candidate], volumes: Mapping[Series, Volume], several: bool) -> dict[Series, float]:
    """Return by how much each open image is brighter in vessels than the darkest one, or than the others' mean."""
    means = {
        c.series: float(
            np.mean([enhancement(volumes[o.series], volumes[c.series]) for o in shown if o is not c])
        )
        for c in shown
    }
    if len(shown) == 2 or not several:
        return {c.series: means[c.series] if c.identity.contrast_open else -1.0 for c in shown}
    darkest = min(means, key=lambda series: means[series])
    return {
        c.series: enhancement(volumes[darkest], volumes[c.series])
        if c.series is not darkest and c.identity.contrast_open
        else -1.0
        for c in shown
    }


def _gains_in_order(
    shown: list[Candidate], volumes: Mapping[Series, Volume], order: AcquisitionOrder
) -> dict[Series, float]:
    """Find after which image vessels are brighter; return the gain for later images, and minus it for earlier ones."""
    ordered = sorted(shown, key=lambda c: order[c.series])
    boundaries = sorted({order[c.series] for c in shown})[1:]
    pairs = {
        (a.series, b.series): enhancement(volumes[a.series], volumes[b.series])
        for n, a in enumerate(ordered)
        for b in ordered[n + 1 :]
    }

    def gain(boundary: float) -> float:
        values = [g for (a, b), g in pairs.items() if order[a] < boundary <= order[b]]
        return float(np.mean(values))

    boundary = max(boundaries, key=gain)
    best = gain(boundary)
    return {c.series: best if order[c.series] >= boundary else -best for c in shown}


def _by_repetition(plain: list[Candidate], order: AcquisitionOrder) -> dict[Series, Candidate]:
    """Take a protocol that was repeated unchanged for one image before and one after contrast, with little confidence.

    Other open images join by their times: those after the repetition are after contrast.
    """
    ordered = sorted((c for c in plain if c.series in order), key=lambda c: order[c.series])
    if len(ordered) < len(plain):
        return {}
    pairs = [
        (a, b)
        for n, a in enumerate(ordered)
        for b in ordered[n + 1 :]
        if order[a.series] < order[b.series] and _same_protocol(a, b)
    ]
    if not pairs:
        return {}
    start = order[pairs[0][0].series]
    repeated = min(order[b.series] for a, b in pairs if order[a.series] == start)
    clause = (
        "the same protocol was acquired twice, and nothing but the order tells before from after contrast"
    )
    decided = {}
    for candidate in ordered:
        position = order[candidate.series]
        if not candidate.identity.contrast_open or start < position < repeated:
            continue
        sequence, other = (Sequence.T1C, Sequence.T1) if position >= repeated else (Sequence.T1, Sequence.T1C)
        changed = _renamed(candidate, sequence, _ORDER_CONFIDENCE, clause)
        decided[candidate.series] = replace(changed, identity=replace(changed.identity, rival=other))
    return decided


def _same_protocol(a: Candidate, b: Candidate) -> bool:
    """Whether two images have the same times, matrix and spacing."""
    first, second = a.series, b.series
    if first.grid is None or second.grid is None or first.grid.shape != second.grid.shape:
        return False
    pairs = [
        (first.info.acquisition.te_ms, second.info.acquisition.te_ms),
        (first.info.acquisition.tr_ms, second.info.acquisition.tr_ms),
        (first.info.acquisition.ti_ms, second.info.acquisition.ti_ms),
        *zip(first.grid.spacing, second.grid.spacing, strict=True),
    ]
    return all(
        (x is None) == (y is None) and (x is None or y is None or abs(x - y) <= 0.02 * abs(x))
        for x, y in pairs
    )


def _renamed(candidate: Candidate, sequence: Sequence, confidence: float, clause: str) -> Candidate:
    reason = f"{candidate.identity.reason.rstrip('.')}; {clause}."
    return replace(candidate, identity=Identity(sequence, min(confidence, 0.99), reason))


def _alone(candidate: Candidate, has_t1c: bool) -> Candidate:
    """Fall back to T1 without evidence: surer with a T1c in the study, less sure if something suggests contrast."""
    identity, info = candidate.identity, candidate.series.info
    if has_t1c:
        return _renamed(candidate, Sequence.T1, 1.15 * identity.confidence, "another image is the T1c")
    if info.uncounted:
        changed = _renamed(
            candidate,
            Sequence.T1,
            min(identity.confidence, _ORDER_CONFIDENCE),
            f"{info.uncounted} does not count, since it holds for several images",
        )
        doubtful = replace(changed.identity, rival=Sequence.T1C, contrast_open=True)
        return replace(changed, identity=doubtful)
    return candidate
