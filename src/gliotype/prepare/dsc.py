"""A DSC series ready to measure: still, with its times, and with the brain on its own grid."""

from __future__ import annotations

import numpy as np
from nibabel.affines import apply_affine

from gliotype.dsc import DscSeries, Floats
from gliotype.errors import InputError
from gliotype.prepare.head import head_mask
from gliotype.prepare.motion import head_motion
from gliotype.study import Acquisition, Image
from gliotype.volume import Matrix, Volume

FEWEST_FRAMES = 20
"""A series with fewer frames cannot show baseline, bolus and recovery."""

STILL_MM = 0.15
"""A frame that moved less than this is left as it was acquired: less is not told from noise."""

MOST_UNSTEADY = 4
"""Frames that are taken, at most, not to have reached the steady state."""

LEAST_SIGNAL = 0.1
"""Share of the brain's median signal below which a voxel holds none (drop-outs of EPI)."""

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
    times = _times(image)
    acquisition = image.acquisition
    signal = image.volume.with_array(np.asarray(image.volume.array, dtype=np.float32))
    baseline = baseline_of(signal)
    inside = _brain_on(signal, brain, dsc_from_prepared, baseline)
    motion = head_motion(signal, baseline)
    moved = _displacement(motion, inside)
    return DscSeries(
        signal=_still(signal, motion, moved),
        times_s=times,
        te_ms=_echo_time(acquisition),
        tr_ms=acquisition.tr_ms,
        flip_angle_deg=acquisition.flip_angle_deg,
        field_t=acquisition.field_t,
        spin_echo=bool(acquisition.spin_echo),
        brain=inside,
        dsc_from_prepared=dsc_from_prepared,
        displacement_mm=moved,
        warnings=_remarks(moved, signal),
    )


def resting(volume: Volume) -> Volume:
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
    first = min(MOST_UNSTEADY, mean.size // 8)
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
            f"{image.source} has {frames} time point{'s' * (frames != 1)}, where {FEWEST_FRAMES} are the least"
        )
    times = image.acquisition.frame_times_s
    if times is None or len(times) != frames:
        raise InputError(
            f"{image.source} does not say how far its frames lie apart: give a JSON sidecar with RepetitionTime"
        )
    if not (np.diff(times) > 0).all():
        raise InputError(f"the times of the frames of {image.source} do not rise: export the series again")
    _echo_time(image.acquisition, image.source)
    if not np.any(image.volume.array):
        raise InputError(f"every frame of {image.source} is zero: export the series again")
    return np.asarray(times, dtype=np.float64)


def _echo_time(acquisition: Acquisition, source: str = "the series") -> float:
    if not acquisition.te_ms or acquisition.te_ms <= 0:
        raise InputError(f"{source} does not say its echo time: give a JSON sidecar with EchoTime")
    return acquisition.te_ms


def _brain_on(signal: Volume, brain: Volume, dsc_from_prepared: Matrix, baseline: range) -> Volume:
    """Bring the brain to the grid of the series, and leave out voxels without signal."""
    prepared_from_dsc = np.asarray(np.linalg.inv(dsc_from_prepared))
    still = np.asarray(signal.array[..., baseline.start : baseline.stop]).mean(axis=3)
    share = brain.with_array(np.asarray(brain.array, dtype=np.float32)).resample(
        signal.grid, prepared_from_dsc
    )
    mask = np.asarray(share.array) >= 0.5
    if not mask.any():
        raise InputError("the DSC series lies outside the brain: check that it is of the same patient")
    return Volume(mask & (still > LEAST_SIGNAL * float(np.median(still[mask]))), signal.affine)


def _displacement(motion: tuple[Matrix, ...], brain: Volume) -> Floats:
    """Return how far each frame moved the brain, at most, in mm."""
    index = np.argwhere(np.asarray(brain.array, dtype=np.bool_))
    low, high = index.min(axis=0), index.max(axis=0)
    corners = np.array(
        [[a, b, c] for a in (low[0], high[0]) for b in (low[1], high[1]) for c in (low[2], high[2])]
    )
    points = apply_affine(brain.affine, corners)
    return np.array([np.linalg.norm(apply_affine(m, points) - points, axis=1).max() for m in motion])


def _still(signal: Volume, motion: tuple[Matrix, ...], moved: Floats) -> Volume:
    """Resample the frames that moved."""
    frames = np.asarray(signal.array).copy()
    for t in np.flatnonzero(moved > STILL_MM):
        frame = signal.with_array(np.ascontiguousarray(signal.array[..., t]))
        frames[..., t] = np.maximum(frame.resample(signal.grid, motion[t], order=3).array, 0)
    return signal.with_array(frames)


def _remarks(moved: Floats, signal: Volume) -> tuple[str, ...]:
    largest, voxel = float(moved.max()), min(signal.grid.spacing)
    if largest <= voxel / 2:
        return ()
    return (
        f"The head moved by up to {largest:.1f} mm during the DSC series; its frames were brought together, but what "
        "left the slices is lost.",
    )
