"""A DSC series ready to measure: still, with its times, and with the brain on its own grid."""

from __future__ import annotations

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.dsc import FEWEST_FRAMES, MAX_FRAME_S, MIN_FRAME_S, MIN_FRAME_TR, DscSeries, Floats
from gliotype.errors import InputError
from gliotype.prepare.brain import brain_with_signal
from gliotype.prepare.head import head_mask
from gliotype.prepare.motion import head_motion
from gliotype.study import Image
from gliotype.text import spans
from gliotype.volume import Matrix, Volume

STILL_MM = 0.15
"""A frame that moved less than this is left as it was acquired: less cannot be distinguished from noise."""

MAX_UNSTEADY = 4
"""Frames that are taken, at most, not to have reached the steady state."""

MIN_SIGNAL = 0.1
"""Fraction of the brain's median signal below which a voxel holds none (drop-outs of EPI)."""

EMPTY = 0.05
"""Fraction of the usual mean signal below which a whole frame holds none; no bolus takes that much from a head."""

_FALLEN = 0.15


def dsc_series(image: Image, brain: Volume, dsc_from_prepared: Matrix) -> DscSeries:
    """Make a DSC series ready to measure: correct it for motion and bring the brain to its grid.

    Args:
        image: 4D, as acquired, with its echo time and the time of each frame.
        brain: boolean mask on the prepared grid.
        dsc_from_prepared: rigid transform, world of the prepared grid to that of the series (RAS mm).

    Raises:
        InputError: if the series cannot be measured; it says what is missing.
    """
    acquisition, acquired = image.acquisition, image.volume
    te_ms, times = _echo_time(image), _times(image)
    _refuse_empty_frames(image)
    if min(acquired.grid.shape) < 2:
        raise InputError(
            f"{image.source} is a single slice, in which motion cannot be followed: give two or more"
        )
    baseline = baseline_of(acquired)
    still = baseline_mean(acquired)
    inside = still.with_array(
        brain_with_signal("the DSC series", still, brain, dsc_from_prepared, MIN_SIGNAL)
    )
    motion = head_motion(acquired, baseline)
    moved = _displacement(motion, inside)
    signal, covered = _align_frames(acquired, motion, moved)
    brain_in_all_frames = inside.with_array(np.asarray(inside.array) & covered)
    lost = 1 - float(np.sum(brain_in_all_frames.array)) / float(np.sum(inside.array))
    return DscSeries(
        signal=signal,
        times_s=times,
        te_ms=te_ms,
        tr_ms=acquisition.tr_ms,
        flip_angle_deg=acquisition.flip_angle_deg,
        field_t=acquisition.field_t,
        spin_echo=bool(acquisition.spin_echo),
        brain=brain_in_all_frames,
        dsc_from_prepared=dsc_from_prepared,
        displacement_mm=moved,
        warnings=_remarks(moved, lost, min(acquired.grid.spacing)),
    )


def baseline_mean(volume: Volume) -> Volume:
    """Return a 3D image as it is, and of a series the mean of its baseline."""
    if volume.array.ndim == 3:
        return volume
    baseline = baseline_of(volume)
    frames = np.asarray(volume.array[..., baseline.start : baseline.stop], dtype=np.float32)
    return volume.with_array(frames.mean(axis=3))


def baseline_of(series: Volume) -> range:
    """Find the frames before the bolus, from the mean signal of the head.

    The baseline ends before the signal falls for good to its lowest: where it last was within 15 % of the way from
    the level before. Up to four frames at the beginning are left out, until the steady state is reached.

    Args:
        series: (i, j, k, t).

    Returns:
        At least two frames.
    """
    array = series.array
    head = head_mask(series.with_array(np.asarray(array[..., array.shape[3] // 4], dtype=np.float32)))
    voxels = np.argwhere(head if head.any() else np.ones_like(head))
    i, j, k = voxels[:: max(1, len(voxels) // 5000)].T
    mean = np.asarray(array[i, j, k], dtype=np.float64).mean(axis=0)
    first = min(MAX_UNSTEADY, mean.size // 8)
    lowest = first + 1 + int(np.argmin(mean[first + 1 :]))
    level = float(np.median(mean[first : max(first + 2, lowest)]))
    above = np.flatnonzero(mean[:lowest] >= level - _FALLEN * (level - mean[lowest]))
    stop = max(int(above[-1]) if above.size else 0, 2)
    return range(min(first, stop - 2), stop)


def _times(image: Image) -> Floats:
    """Take the times of the frames, or say what keeps the series from being measured."""
    frames = image.volume.array.shape[3] if image.volume.array.ndim == 4 else 1
    if frames < FEWEST_FRAMES:
        raise InputError(
            f"{image.source} has {frames} time point{'s' * (frames != 1)}, where {FEWEST_FRAMES} are needed"
        )
    times = image.acquisition.frame_times_s
    if times is None or len(times) != frames:
        raise InputError(
            f"{image.source} does not state the time between its frames: give a JSON sidecar with RepetitionTime"
        )
    if not (np.diff(times) > 0).all():
        raise InputError(f"the times of the frames of {image.source} do not rise: export the series again")
    step, tr_ms = float(np.median(np.diff(times))), image.acquisition.tr_ms
    if not MIN_FRAME_S <= step <= MAX_FRAME_S or (tr_ms and step < MIN_FRAME_TR * tr_ms / 1000.0):
        at = f" at a repetition time of {tr_ms / 1000.0:.3g} s" if tr_ms else ""
        raise InputError(
            f"the frames of {image.source} would lie {step:.3g} s apart{at}, which no scanner does: "
            "give a JSON sidecar with the right RepetitionTime"
        )
    return np.asarray(times, dtype=np.float64)


def _echo_time(image: Image) -> float:
    te_ms = image.acquisition.te_ms
    if not te_ms or te_ms <= 0:
        raise InputError(f"{image.source} does not state its echo time: give a JSON sidecar with EchoTime")
    return te_ms


def _refuse_empty_frames(image: Image) -> None:
    """Refuse a series with frames that hold no signal: they would pass for the deepest bolus."""
    mean = np.mean(image.volume.array, axis=(0, 1, 2), dtype=np.float64)
    empty = np.flatnonzero(mean <= EMPTY * np.median(mean))
    if empty.size == mean.size:
        raise InputError(f"every frame of {image.source} is zero: export the series again")
    if empty.size:
        which = f"frame{'s' * (empty.size > 1)} {spans(empty + 1)} of {mean.size}"
        raise InputError(f"{image.source} holds no signal in {which}: export the series again")


def _displacement(motion: tuple[Matrix, ...], brain: Volume) -> Floats:
    """Return how far each frame was displaced, at most, within the brain, in mm."""
    mask = np.asarray(brain.array, dtype=np.bool_)
    surface = mask & ~ndimage.binary_erosion(mask)
    points = apply_affine(brain.affine, np.argwhere(surface))
    return np.array([np.linalg.norm(apply_affine(m, points) - points, axis=1).max() for m in motion])


def _align_frames(
    acquired: Volume, motion: tuple[Matrix, ...], moved: Floats
) -> tuple[Volume, NDArray[np.bool_]]:
    """Resample the frames that moved, by cubic B-splines.

    Returns:
        The series, float32, and which voxels every frame covers. Where a frame does not, it stays as acquired.
    """
    frames = np.array(acquired.array, dtype=np.float32)
    covered = np.ones(acquired.grid.shape, dtype=np.bool_)
    for t in np.flatnonzero(moved > STILL_MM):
        frame = acquired.with_array(np.ascontiguousarray(frames[..., t]))
        there = np.asarray(frame.resample(frame.grid, motion[t], order=3, outside=np.nan).array)
        seen = np.isfinite(there)
        frames[seen, t] = np.maximum(there[seen], 0)
        covered &= seen
    return acquired.with_array(frames), covered


def _remarks(moved: Floats, lost: float, voxel_mm: float) -> tuple[str, ...]:
    """Mention motion of more than half a voxel, and the fraction of the brain that it took out of the slices."""
    largest = float(moved.max())
    if largest <= voxel_mm / 2:
        return ()
    left = f"; {100 * lost:.0f} % of the brain left the slices and is not counted" if lost >= 0.005 else ""
    return (
        f"The head moved by up to {largest:.1f} mm during the DSC series: its frames were aligned{left}.",
    )
