"""Put DICOM frames in order: which belong to one image, where each slice lies, which repeat in time.

DICOM positions are LPS+ in mm; the affine that leaves this module is RAS+.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import GeometryError, InputError
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.frame_order import is_repeated, match_frames, order_in_time, past_midnight
from gliotype.read.geometry import refuse_implausible
from gliotype.read.time_axis import TimeAxis, choose_time_axis, repetition_axis
from gliotype.volume import LPS_FROM_RAS, Grid

SAME_PLACE_MM = 0.05
MAX_GAP_MM = 15.0
MAX_MISSING = 0.25
_MAX_DRIFT_MM = 1.0
_DIRECTION_TOLERANCE = 0.02
_ALIKE_ABSOLUTE = np.array([0.0] * 2 + [5e-3] * 6 + [0.0] * 2)
_ALIKE_RELATIVE = np.array([0.0] * 2 + [0.0] * 6 + [1e-3] * 2)
"""By how much frames of one image may differ: rows, columns, six direction cosines, two spacings."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in order.

    Attributes:
        frames: by slice (ascending along the normal), then by time; as many times for each slice.
        positions_mm: of the slices along the normal.
        grid: the voxel grid, with even slices (see `gliotype.read.geometry.resample_evenly`), perhaps skewed.
        even: whether the slices are evenly spaced as they are.
        remark: what is uneven, for a warning, or empty.
    """

    frames: tuple[tuple[Frame, ...], ...]
    positions_mm: NDArray[np.float64]
    grid: Grid
    even: bool
    remark: str = ""

    @property
    def times(self) -> int:
        """Number of time points."""
        return len(self.frames[0])


def split_images(frames: list[Frame]) -> list[list[Frame]]:
    """Split the frames of a series into images: by matrix, orientation and spacing first (localisers).

    Where slices still coincide, by echo time, image type and b-value; what coincides after that is a series in time.
    """
    images = []
    for alike in _by_geometry(frames):
        images += _by_attribute(
            alike,
            [
                lambda f: None if f.te_ms is None else round(f.te_ms, 1),
                lambda f: f.image_type,
                lambda f: f.b_value,
            ],
        )
    return images


def build_stack(frames: list[Frame], source: str, *, cest: bool = False) -> Stack:
    """Order the frames of one image by their projection on the slice normal, then by time.

    Slices whose offsets in their own plane grow steadily (gantry tilt) give a skewed affine.

    Args:
        frames: of one image (see `split_images`).
        source: the name for messages.
        cest: whether frames differ in saturation offset, not in time: then one slice is enough.

    Raises:
        InputError: if there is only one slice, or a time series lacks frames in some slices.
        GeometryError: if the slices do not lie on a straight line, too many of them are missing, their directions
            are not unit vectors at right angles, or no scan of a head has such a geometry.
    """
    _refuse_bad_directions(frames[0], source)
    slices, remark = _slices_in_time(frames, source, cest=cest)
    if cest and len(slices) == 1:
        return _single_slice(slices[0], source)
    if len(slices) < 2:
        raise InputError(f"{source} is a single slice: give the whole series")
    first, last = slices[0][0], slices[-1][0]
    positions = np.array([float(first.normal @ s[0].position) for s in slices])
    count, even = _spacing(positions, source)
    if not even:
        gaps = np.diff(positions)
        remark += (
            f"{source}: slices are missing or unevenly spaced (gaps of {gaps.min():.1f} to "
            f"{gaps.max():.1f} mm); they were interpolated to an even spacing."
        )
    step = (np.array(last.position) - first.position) / (positions[-1] - positions[0])
    line = np.array(first.position) + (positions - positions[0])[:, None] * step
    drift = np.abs(np.array([s[0].position for s in slices]) - line).max()
    if drift > _MAX_DRIFT_MM:
        raise GeometryError(
            f"{source}: its slices are shifted against each other by up to {drift:.1f} mm: "
            "give a series of parallel, aligned slices"
        )
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = step * (positions[-1] - positions[0]) / (count - 1)
    affine[:3, 3] = first.position
    rows, columns = first.size
    grid = Grid((columns, rows, count), LPS_FROM_RAS @ affine)
    refuse_implausible(grid, source)
    return Stack(tuple(slices), positions, grid, even, remark)


def _single_slice(frames: tuple[Frame, ...], source: str) -> Stack:
    first = frames[0]
    if first.thickness_mm is None:
        raise InputError(f"{source} is a single slice without SliceThickness: export the series again")
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = first.normal * first.thickness_mm
    affine[:3, 3] = first.position
    grid = Grid((first.size[1], first.size[0], 1), LPS_FROM_RAS @ affine)
    refuse_implausible(grid, source)
    return Stack((frames,), np.array([float(first.normal @ first.position)]), grid, even=True)


def _refuse_bad_directions(frame: Frame, source: str) -> None:
    """Refuse directions of rows and columns that are not unit vectors at right angles: they change sizes."""
    row, column = np.reshape(frame.orientation, (2, 3))
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > _DIRECTION_TOLERANCE:
        raise GeometryError(
            f"{source}: the vectors of its ImageOrientationPatient have lengths {lengths[0]:.3g} and {lengths[1]:.3g} "
            "instead of 1: export the series again"
        )
    if abs(row @ column) > _DIRECTION_TOLERANCE:
        raise GeometryError(
            f"{source}: its rows and columns are not at right angles by its ImageOrientationPatient: "
            "export the series again"
        )


def _by_geometry(frames: list[Frame]) -> list[list[Frame]]:
    """Group frames of the same matrix, orientation and spacing; frames that are exactly alike are compared once."""
    exactly: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        exactly.setdefault((frame.size, frame.orientation, frame.spacing), []).append(frame)
    groups: list[list[Frame]] = []
    firsts = np.empty((len(exactly), 10))
    for alike in exactly.values():
        own = np.array([*alike[0].size, *alike[0].orientation, *alike[0].spacing], dtype=np.float64)
        known = firsts[: len(groups)]
        same = (np.abs(known - own) <= _ALIKE_ABSOLUTE + _ALIKE_RELATIVE * np.abs(known)).all(axis=1)
        if same.any():
            groups[int(np.argmax(same))] += alike
        else:
            firsts[len(groups)] = own
            groups.append(list(alike))
    return groups


def _by_attribute(frames: list[Frame], keys: list[Callable[[Frame], Hashable]]) -> list[list[Frame]]:
    if not keys or all(len(place) == 1 for place in _by_place(frames)):
        return [frames]
    groups: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(keys[0](frame), []).append(frame)
    return [image for group in groups.values() for image in _by_attribute(group, keys[1:])]


def _by_place(frames: list[Frame]) -> list[list[Frame]]:
    """Gather frames at the same position along the normal, in ascending order."""
    normal = frames[0].normal
    ordered = sorted(frames, key=lambda f: float(normal @ f.position))
    places = [[ordered[0]]]
    for before, frame in pairwise(ordered):
        if normal @ (np.array(frame.position) - before.position) > SAME_PLACE_MM:
            places.append([])
        places[-1].append(frame)
    return places


def repeats(frames: list[Frame]) -> int:
    """Return how often the slices of one image come, at most."""
    return max(map(len, _by_place(frames)))


def _slices_in_time(frames: list[Frame], source: str, *, cest: bool) -> tuple[list[tuple[Frame, ...]], str]:
    """Order each place's frames in time, as many at each place; say what was left out of images sent twice."""
    places = _by_place(past_midnight(frames))
    if is_repeated(places) and not cest:
        return match_frames(places, source)
    places = [sorted(place, key=order_in_time) for place in places]
    fewest, most = min(map(len, places)), max(map(len, places))
    remark = ""
    if fewest != most:
        remark = (
            f"{frames[0].found.relative}: some slices of its series came {most} times, others {fewest} "
            f"times; the first {fewest} of each {'was' if fewest == 1 else 'were'} used. "
        )
    return [tuple(place[:fewest]) for place in places], remark


def _spacing(positions: NDArray[np.float64], source: str) -> tuple[int, bool]:
    """Return the number of slices at even spacing, and whether they are evenly spaced already."""
    gaps = np.diff(positions)
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() <= 0.05 * usual:
        return len(positions), True
    count = int(np.round((positions[-1] - positions[0]) / usual)) + 1
    missing = count - len(positions)
    if gaps.max() > MAX_GAP_MM or missing > MAX_MISSING * count:
        raise GeometryError(
            f"{source}: {max(missing, 1)} of {count} slices are missing (gaps up to {gaps.max():.1f} mm): "
            "export the whole series again"
        )
    return count, False


def frame_times(
    stack: Stack, source: str, tr_ms: float | None
) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Return the time in s of each time point from the first, or None where it is not known; and warnings.

    Clock times of acquisition count first (the median over slices), then trigger times, then the
    repetition time; the first that a scanner can have produced is taken (see `gliotype.read.time_axis`).
    """
    if stack.times == 1:
        return None, ()
    candidates = []
    for name, attribute, unit_s in (("its clock", "time_s", 1.0), ("its trigger", "trigger_ms", 0.001)):
        values = np.array(
            [[getattr(f, attribute) for f in place] for place in stack.frames], dtype=np.float64
        )
        seconds = np.median(values, axis=0) * unit_s
        candidates.append(TimeAxis(f"{name} times", tuple(float(s) for s in seconds)))
    tr_s = None if tr_ms is None else tr_ms / 1000.0
    return choose_time_axis(source, [*candidates, *repetition_axis(tr_s, stack.times)], tr_s)
