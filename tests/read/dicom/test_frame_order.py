"""Frames of a time series are matched across slices by their time; what is missing is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.frame_order import match_frames, past_midnight
from gliotype.read.files import Format, Found

SLICES, TIMES, TR_S = 5, 24, 1.5
ORDER = (0, 3, 1, 4, 2)
"""Interleaved: when each slice is acquired within a frame."""

Entries = Callable[[int, int], dict[str, object]]


def by_clock(k: int, t: int) -> dict[str, object]:
    return {"time_s": 36000.0 + TR_S * (t + ORDER[k] / SLICES)}


SOURCES: dict[str, Entries] = {
    "temporal position": lambda k, t: {"temporal": t + 1},
    "acquisition number": lambda k, t: {"number": (t + 3, 7 * k), "time_s": 36000.0},
    "clock": by_clock,
    "trigger": lambda k, t: {"trigger_ms": 1000 * TR_S * t + 60 * k, "time_s": 36000.0},
}


def series(entries: Entries, lost: set[tuple[int, int]] | None = None) -> list[list[Frame]]:
    """Frames by slice, shuffled; the row count stands for the time at which each was acquired."""
    found = Found(Path("x"), "perf/x", Format.DICOM)
    places = []
    for k in range(SLICES):
        place = [
            Frame(found, 0, (t, k), (0.0, 0.0, 6.0 * k), (1.0, 0, 0, 0, 1, 0), (1.0, 1.0), **entries(k, t))  # type: ignore[arg-type]
            for t in range(TIMES)
            if (k, t) not in (lost or set())
        ]
        places.append(random.Random(k).sample(place, len(place)))
    return places


@pytest.mark.parametrize("entries", SOURCES.values(), ids=SOURCES.keys())
def test_shuffled_frames_come_in_order(entries: Entries) -> None:
    for place in match_frames(series(entries), "perf/x")[0]:
        assert [frame.size[0] for frame in place] == list(range(TIMES))


@pytest.mark.parametrize("entries", SOURCES.values(), ids=SOURCES.keys())
def test_frames_lost_in_the_middle_of_some_slices_are_named(entries: Entries) -> None:
    lost = {(k, t) for k in (2, 3, 4) for t in (16, 17)}
    with pytest.raises(
        InputError,
        match=r"perf/x: frames 17 and 18 of 24 are missing in slices 3-5 of 5: export the whole series again",
    ):
        match_frames(series(entries, lost), "perf/x")


@pytest.mark.parametrize("entries", SOURCES.values(), ids=SOURCES.keys())
def test_a_frame_lost_in_every_slice_is_named(entries: Entries) -> None:
    with pytest.raises(InputError, match=r"frame 10 of 24 is missing in every slice"):
        match_frames(series(entries, {(k, 9) for k in range(SLICES)}), "perf/x")


@pytest.mark.parametrize("entries", SOURCES.values(), ids=SOURCES.keys())
def test_slices_with_as_many_but_not_the_same_frames_are_not_paired(entries: Entries) -> None:
    """Each slice lacks one frame, each another one: counting alone would find nothing wrong."""
    with pytest.raises(
        InputError, match=r"frame 6 of 24 is missing in slice 1 of 5; frame 8 of .* and 2 more: export"
    ):
        match_frames(series(entries, {(k, 5 + 2 * k) for k in range(SLICES)}), "perf/x")


@pytest.mark.parametrize("entries", SOURCES.values(), ids=SOURCES.keys())
def test_what_was_sent_twice_counts_once(entries: Entries) -> None:
    places = series(entries)
    places[1] += places[1][:9]
    for place in match_frames(places, "perf/x")[0]:
        assert [frame.size[0] for frame in place] == list(range(TIMES))


def test_without_times_only_the_count_tells_of_missing_frames() -> None:
    def numbered(k: int, t: int) -> dict[str, object]:
        return {"number": (1, TIMES * k + t)}

    for place in match_frames(series(numbered), "perf/x")[0]:
        assert [frame.size[0] for frame in place] == list(range(TIMES))
    with pytest.raises(
        InputError, match=r"missing in slice 2 of 5 \(23 instead of 24\), and nothing .* says which"
    ):
        match_frames(series(numbered, {(1, 7)}), "perf/x")


def test_a_clock_of_whole_seconds_misses_nothing() -> None:
    places = series(lambda k, t: {"time_s": float(int(36000 + 1.4 * t + 0.2 * k))})
    assert all(len(place) == TIMES for place in match_frames(places, "perf/x")[0])


def test_a_series_that_slows_down_misses_nothing() -> None:
    places = series(lambda k, t: {"time_s": 36000.0 + (1.5 * t if t < 15 else 22.5 + 3.4 * (t - 15))})
    assert all(len(place) == TIMES for place in match_frames(places, "perf/x")[0])


def test_the_clock_goes_on_past_midnight() -> None:
    places = series(lambda k, t: {"time_s": (86390.0 + TR_S * (t + ORDER[k] / SLICES)) % 86400})
    frames = past_midnight([frame for place in places for frame in place])
    again = [[f for f in frames if f.size[1] == k] for k in range(SLICES)]
    for place in match_frames(again, "perf/x")[0]:
        assert np.all(np.diff([frame.time_s for frame in place]) > 0)
