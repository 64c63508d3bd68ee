"""Match the slices of a DICOM time series by when they were acquired, and say which frames are missing.

Matched by their order alone, one lost slice would shift all later frames of its place against those of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import InputError
from gliotype.read.dicom.frame import Frame
from gliotype.text import spans

FEWEST_TIMES = 3
"""An image whose slices come less often was sent twice or averaged, and is not a time series."""
MAX_LOST = 0.25
"""Numbers or times that would mean a larger fraction of lost frames count something else."""

_DAY_S = 86400.0
_INTEGRAL = 0.15
_EARLY = 0.75
_MAX_GROUPS = 3

Places = list[list[Frame]]
Indices = list[NDArray[np.intp]]


def order_in_time(frame: Frame) -> tuple[float, float, float, tuple[int, int], int]:
    """Sort frames of one place by temporal position, clock time, trigger time and their numbers."""
    return (
        float(frame.temporal or 0),
        frame.time_s or 0.0,
        frame.trigger_ms or 0.0,
        frame.number,
        frame.index,
    )


def past_midnight(frames: list[Frame]) -> list[Frame]:
    """Let the clock run past 24 h where a series runs past midnight."""
    times = [frame.time_s for frame in frames if frame.time_s is not None]
    if not times or max(times) - min(times) < _DAY_S / 2:
        return frames
    return [
        replace(frame, time_s=frame.time_s + _DAY_S)
        if frame.time_s is not None and frame.time_s < _DAY_S / 2
        else frame
        for frame in frames
    ]


def is_repeated(places: Places) -> bool:
    """Determine whether frames are a series in time: most slices come three times or more."""
    return float(np.median([len(place) for place in places])) >= FEWEST_TIMES


def match_frames(places: Places, source: str) -> tuple[list[tuple[Frame, ...]], str]:
    """Put the frames of a time series in order, the same time at the same index in every slice.

    What was sent twice counts once. Frames are distinguished by their temporal position, else by the acquisition
    number, else by clock or trigger time; the first of these that every frame has and that differs within each
    slice decides. Where none does, each slice keeps the order of its instance numbers.

    A last frame that lacks slices, as an examination that was stopped leaves it, is left out.

    Args:
        places: frames at the same place, slices ascending.
        source: the name for messages.

    Returns:
        By slice, the frames in order; and a remark on a frame that was left out, or nothing.

    Raises:
        InputError: if frames are missing; it says which.
    """
    places = [_once(sorted(place, key=order_in_time)) for place in places]
    indices = next(_indices(places), None)
    remark = ""
    if indices is None and (finished := _without_unfinished_by_number(places)):
        places, remark = finished, _unfinished(source, len(finished[0]) + 1)
    counts = [len(place) for place in places]
    if indices is not None:
        if total := _unfinished_total(indices):
            remark = _unfinished(source, total)
            complete = [index < total - 1 for index in indices]
            places = [
                [f for f, keep in zip(p, k, strict=True) if keep]
                for p, k in zip(places, complete, strict=True)
            ]
            indices = [index[keep] for index, keep in zip(indices, complete, strict=True)]
        _refuse_missing(indices, source)
        return [
            tuple(place[n] for n in np.argsort(index)) for place, index in zip(places, indices, strict=True)
        ], remark
    if min(counts) < max(counts):
        short = [k + 1 for k, count in enumerate(counts) if count < max(counts)]
        raise InputError(
            f"{source}: frames are missing in {_slices(short, len(counts))} ({min(counts)} instead of "
            f"{max(counts)}), and nothing in the headers says which: export the whole series again"
        )
    return [tuple(place) for place in places], remark


def _unfinished(source: str, total: int) -> str:
    return f"{source}: the last of its {total} frames lacks slices, as if the scan was stopped; it was left out. "


def _unfinished_total(indices: Indices) -> int:
    """Return the number of frames if the last one alone lacks slices, else 0."""
    total = 1 + max(int(index.max()) for index in indices)
    missing = [set(range(total)) - set(index.tolist()) for index in indices]
    return total if any(missing) and all(m <= {total - 1} for m in missing) and total > FEWEST_TIMES else 0


def _without_unfinished_by_number(places: Places) -> Places | None:
    """Leave out an unfinished last frame where the instance numbers count slice by slice, frame by frame."""
    numbered = sorted((frame.number, k, n) for k, place in enumerate(places) for n, frame in enumerate(place))
    slices = [k for _, k, _ in numbered]
    whole, left = divmod(len(slices), len(places))
    numbers = [number for number, _, _ in numbered]
    if not left or whole < FEWEST_TIMES or len(set(numbers)) < len(numbers):
        return None
    order = slices[: len(places)]
    if len(set(order)) < len(places) or slices != (order * (whole + 1))[: len(slices)]:
        return None
    return [sorted(place, key=lambda frame: frame.number)[:whole] for place in places]


def _once(place: list[Frame]) -> list[Frame]:
    """Keep the first of frames whose time and numbers are all the same: they were sent twice."""
    return list({order_in_time(frame): frame for frame in reversed(place)}.values())[::-1]


def _indices(places: Places) -> Iterator[Indices]:
    """Number the frames of each slice from 0, by whatever distinguishes them."""
    counted: tuple[Callable[[Frame], int | None], ...] = (lambda f: f.temporal, lambda f: f.number[0])
    for count in counted:
        values = [[count(frame) for frame in place] for place in places]
        if (numbers := _known(values)) and (indices := _by_number(numbers)):
            yield indices
    clocks: tuple[Callable[[Frame], float | None], ...] = (lambda f: f.time_s, lambda f: f.trigger_ms)
    for clock in clocks:
        times = [[clock(frame) for frame in place] for place in places]
        if (known := _known(times)) and (indices := _by_time(known)):
            yield indices


def _known(values: list[list[float | None]] | list[list[int | None]]) -> list[NDArray[np.float64]]:
    """Return the values of each slice if all are there and differ within each slice, else nothing."""
    if any(value is None for place in values for value in place):
        return []
    known = [np.array(place, dtype=np.float64) for place in values]
    return known if all(np.unique(place).size == place.size for place in known) else []


def _by_number(numbers: list[NDArray[np.float64]]) -> Indices:
    """Turn numbers that count frames into indices; nothing if they cannot be that."""
    everything = np.unique(np.concatenate(numbers))
    step = float(np.median(np.diff(everything)))
    indices = [np.round((place - everything[0]) / step).astype(np.intp) for place in numbers]
    even = bool(np.isclose((everything - everything[0]) / step % 1, 0).all())
    return indices if even and _plausible(indices) else []


def _by_time(times: list[NDArray[np.float64]]) -> Indices:
    """Turn times into indices, at the usual step between frames; nothing if that does not fit.

    The slices of a frame are acquired one after the other within a step. A step that is near a larger whole multiple
    of the usual one means lost frames; clocks that know whole seconds only are given a second more. A clock by
    which frames also come early is that of a computer that stored them, and does not show lost frames.
    """
    step = float(np.median(np.concatenate([np.diff(np.sort(place)) for place in times])))
    slack = 1.0 / step if all((place % 1 == 0).all() for place in times) else 0.0
    if any((np.diff(np.sort(place)) / step < _EARLY - slack).any() for place in times):
        return [np.argsort(np.argsort(place)) for place in times] if len({p.size for p in times}) == 1 else []
    first = min(float(place.min()) for place in times)
    indices = []
    for place in times:
        order = np.argsort(place)
        steps = np.diff(place[order]) / step
        whole = np.maximum(np.round(steps), 1)
        lost = (steps > 1.5 + slack) & (np.abs(steps - whole) < _INTEGRAL + slack)
        start = int((float(place.min()) - first) / step + 1e-6)
        index = np.empty(place.size, np.intp)
        index[order] = start + np.concatenate([[0], np.cumsum(np.where(lost, whole, 1))]).astype(np.intp)
        indices.append(index)
    complete = all(index.size == np.ptp(index) + 1 for index in indices)
    if complete and len({index.size for index in indices}) == 1:
        return [index - index.min() for index in indices]
    return indices if _plausible(indices) else []


def _plausible(indices: Indices) -> bool:
    total = 1 + max(int(index.max()) for index in indices)
    return total * (1 - MAX_LOST) <= max(index.size for index in indices)


def _refuse_missing(indices: Indices, source: str) -> None:
    """Refuse a series that lacks frames, naming them and their slices."""
    total = 1 + max(int(index.max()) for index in indices)
    slices: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for k, index in enumerate(indices):
        if missing := sorted(set(range(total)) - set(index.tolist())):
            slices[tuple(frame + 1 for frame in missing)].append(k + 1)
    if not slices:
        return
    lost = [
        f"{'frames' if len(frames) > 1 else 'frame'} {spans(frames)} of {total} "
        f"{'are' if len(frames) > 1 else 'is'} missing in {_slices(where, len(indices))}"
        for frames, where in slices.items()
    ]
    more = f"; and {len(lost) - _MAX_GROUPS} more" if len(lost) > _MAX_GROUPS else ""
    raise InputError(f"{source}: {'; '.join(lost[:_MAX_GROUPS])}{more}: export the whole series again")


def _slices(numbers: list[int], total: int) -> str:
    if len(numbers) == total:
        return "every slice"
    return f"slice{'s' * (len(numbers) > 1)} {spans(numbers)} of {total}"
