"""Gather DICOM files into series, so that slices of different images are never mixed.

The SeriesInstanceUID says what belongs together, unless it is missing or several images share it. Then the rest of the
header separates them: descriptions, numbers, times, contrast agent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable

import numpy as np

from gliotype.errors import InputError
from gliotype.read.dicom.dataset import read_dataset
from gliotype.read.dicom.frame_order import FEWEST_TIMES
from gliotype.read.dicom.header import Header
from gliotype.read.parsing import reading
from gliotype.read.series import group_by
from gliotype.study import NotRead

RESENT = "slice sent twice under another identifier"
_RESENT_REASON = "a copy of another slice of its series, under another identifier"
_PLACE_MM = 0.05
_KEYS: tuple[Callable[[Header], Hashable], ...] = (
    lambda h: (h.info.texts, h.info.protocol),
    lambda h: h.number,
    lambda h: h.info.acquisition.contrast,
    lambda h: (h.info.acquisition.tr_ms, h.info.acquisition.ti_ms, h.info.acquisition.flip_angle_deg),
    lambda h: h.info.scanning,
)
"""What never differs between the frames of one time series."""
_DISTINGUISHING: tuple[Callable[[Header], Hashable], ...] = (
    lambda h: h.echo,
    lambda h: h.frames[0].number[0],
    lambda h: h.frames[0].time_s,
    lambda h: h.frames[0].trigger_ms,
    lambda h: h.frames[0].number[1],
)
"""Keys that distinguish the few images of one series that lie at the same places."""


def group_headers(headers: Iterable[Header]) -> tuple[list[list[Header]], list[NotRead]]:
    """Gather files into series, and leave out duplicates.

    Of files with the same SOPInstanceUID, header and pixels the first counts. Files that share no more than the
    SOPInstanceUID are all retained, since some anonymisers give one to many.

    Returns:
        The files of each series, and those that are left out.
    """
    by_series: defaultdict[Hashable, list[Header]] = defaultdict(list)
    seen: defaultdict[tuple[str, Hashable], list[Header]] = defaultdict(list)
    copies = []
    for header in headers:
        key = _series_key(header)
        twins = seen[header.uid, key]
        if any(_same_object(header, twin) for twin in twins):
            copies.append(NotRead(header.source, "a copy of another file of the study"))
            continue
        twins.append(header)
        by_series[key].append(header)
    groups = [part for group in by_series.values() for part in _separate(group, _KEYS)]
    separated = []
    for group in groups:
        parts, doubles = _without_doubles(group)
        separated += [one for part in parts for one in _separate_repeats(part)]
        copies += [NotRead(h.source, _RESENT_REASON, RESENT) for h in doubles]
    return separated, copies


def _series_key(header: Header) -> Hashable:
    """Return what files of one series share; without SeriesInstanceUID, all that a header says of it."""
    if header.series[1]:
        return header.series
    info = header.info
    return (
        header.series,
        header.number,
        info.texts,
        info.protocol,
        info.folder,
        info.acquisition,
        info.scanning,
    )


def _same_object(a: Header, b: Header) -> bool:
    return _places(a) == _places(b) and a.frames_alike(b) and _pixels(a) == _pixels(b)


def _places(header: Header) -> tuple[Hashable, ...]:
    """Return where the frames of a file lie, to a twentieth of a millimetre, and what makes them different images."""
    return tuple(
        (
            frame.size,
            tuple(np.round(np.array(frame.position) / _PLACE_MM).astype(int).tolist()),
            tuple(np.round(frame.orientation, 2).tolist()),
            frame.te_ms,
            frame.image_type,
            frame.b_value,
        )
        for frame in header.frames
    )


def _pixels(header: Header) -> bytes | None:
    """Return the stored pixels of a file, or None where they cannot be read."""
    try:
        with reading(f"{header.source}: its pixels cannot be read"):
            dataset = read_dataset(header.found, specific_tags=["PixelData"])
    except InputError:
        return None
    return bytes(dataset.get("PixelData") or b"")


def _repeated(group: list[Header]) -> int:
    """Return how often the most frequent place of a group of single slices comes; 1 for multi-frame files."""
    if any(len(h.frames) != 1 for h in group):
        return 1
    return max(Counter(_places(h) for h in group).values())


def _separate(group: list[Header], keys: tuple[Callable[[Header], Hashable], ...]) -> list[list[Header]]:
    """Separate slices that lie at the same places by the first header entries that differ."""
    if not keys or _repeated(group) == 1:
        return [group]
    parts = group_by(group, keys[0])
    return [one for part in parts for one in _separate(part, keys[1:])]


def _without_doubles(group: list[Header]) -> tuple[list[list[Header]], list[Header]]:
    """Leave out slices that came twice: same place, same time, same numbers, same pixels, another UID."""
    if _repeated(group) == 1:
        return [group], []
    distinct: list[Header] = []
    doubles = []
    seen: defaultdict[Hashable, list[Header]] = defaultdict(list)
    for header in group:
        twins = seen[_places(header)]
        if any(header.frames_alike(twin) and _pixels(header) == _pixels(twin) for twin in twins):
            doubles.append(header)
            continue
        twins.append(header)
        distinct.append(header)
    return [distinct], doubles


def _separate_repeats(group: list[Header]) -> list[list[Header]]:
    """Separate two images that share a series: two echoes of one TE, T1 and T1c under one UID.

    The first header entry by which every part holds each place once decides; else each place's slices are taken in
    the order of time and number, if that order is known at every place. A series in time stays as it is.
    """
    repeats = _repeated(group)
    if repeats == 1 or _usual_repeats(group) >= FEWEST_TIMES:
        return [group]
    for key in _DISTINGUISHING[:2]:
        parts = group_by(group, key)
        if len(parts) == repeats and all(_repeated(part) == 1 for part in parts):
            return parts
    for key in _DISTINGUISHING[2:]:
        if separated := _one_after_the_other(group, key) or _interleaved(group, key):
            return separated
    return [group]


def _usual_repeats(group: list[Header]) -> float:
    return float(np.median([*Counter(_places(h) for h in group).values()]))


def _one_after_the_other(group: list[Header], key: Callable[[Header], Hashable]) -> list[list[Header]]:
    """Separate images of which one ended before the next began; nothing where the key does not show that."""
    values = [key(h) for h in group]
    if any(value is None for value in values) or len(set(values)) < 2:
        return []
    parts: list[list[Header]] = [[]]
    held: set[Hashable] = set()
    for header in sorted(group, key=lambda h: float(key(h))):  # type: ignore[arg-type]
        if _places(header) in held:
            if key(parts[-1][-1]) == key(header):
                return []
            parts.append([])
            held = set()
        held.add(_places(header))
        parts[-1].append(header)
    return parts if len(parts) == _repeated(group) else []


def _interleaved(group: list[Header], key: Callable[[Header], Hashable]) -> list[list[Header]]:
    """Separate images whose slices alternate, as echoes do: the same step of the key at every place."""
    places: defaultdict[Hashable, list[Header]] = defaultdict(list)
    for header in group:
        places[_places(header)].append(header)
    counts = {len(place) for place in places.values()}
    if len(counts) != 1 or any(key(h) is None for h in group):
        return []
    ordered = [sorted(place, key=lambda h: float(key(h))) for place in places.values()]  # type: ignore[arg-type]
    steps = np.array([np.diff([float(key(h)) for h in place]) for place in ordered])  # type: ignore[arg-type]
    if steps.min() <= 0 or not np.allclose(steps, steps[0], rtol=0.05):
        return []
    return [[place[n] for place in ordered] for n in range(counts.pop())]
