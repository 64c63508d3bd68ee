"""Gather DICOM files into the images of a study, and load their voxels when they are wanted."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from gliotype.cest import Saturation
from gliotype.errors import InputError
from gliotype.read.cest.names import names_cest
from gliotype.read.cest.offsets import Offsets, in_ppm
from gliotype.read.dicom.frame import Frame
from gliotype.read.dicom.grouping import group_headers
from gliotype.read.dicom.header import Header, read_header
from gliotype.read.dicom.pixels import decode_pixels
from gliotype.read.dicom.promise import refuse_oversized
from gliotype.read.dicom.source import dicom_source
from gliotype.read.dicom.stack import MAX_MISSING, Stack, build_stack, frame_times, repeats, split_images
from gliotype.read.files import Found
from gliotype.read.geometry import resample_evenly
from gliotype.read.limits import refuse_more_voxels
from gliotype.read.parsing import reading
from gliotype.read.series import Loaded, Series, broken_series
from gliotype.read.validate import compact, validate
from gliotype.study import NotRead
from gliotype.volume import Array, Volume

FEWEST_JOINED = 4
"""Single slices that are taken for one series, at least."""


def read_dicom(files: Iterable[Found]) -> tuple[list[Series], list[NotRead]]:
    """Read the headers of DICOM files and gather them into images.

    A file that cannot be read becomes a series of its own, marked as broken.

    Returns:
        The images, and the files that hold none (reports, directories, presentation states) or are copies.
    """
    headers, broken, without = [], [], []
    for found in files:
        try:
            file = read_header(found)
        except InputError as error:
            broken.append(broken_series(found.relative, error))
            continue
        if file is None:
            without.append(
                NotRead(found.relative, "a DICOM object without an image, such as a report or an index")
            )
        else:
            headers.append(file)
    groups, copies = group_headers(headers)
    images = [series for group, remark in _joined(groups) for series in _images(group, remark)]
    return images + broken, [*without, *copies]


def _joined(groups: list[list[Header]]) -> list[tuple[list[Header], str]]:
    """Join slices that each carry a SeriesInstanceUID of their own, as some anonymisers leave them.

    They are of one series if study, series number, description, echo time, type, matrix and orientation are the same
    and no two of them lie at the same place.

    Returns:
        The files of each series, and a remark where they were joined.
    """
    alike: dict[Hashable, list[list[Header]]] = {}
    for number, group in enumerate(groups):
        key: Hashable = number
        if len(group) == 1 and len(group[0].frames) == 1:
            file, frame = group[0], group[0].frames[0]
            plane = (frame.te_ms, frame.image_type, frame.size, frame.orientation, frame.spacing)
            key = (file.series[0], file.number, file.info.texts, *plane)
        alike.setdefault(key, []).append(group)
    joined: list[tuple[list[Header], str]] = []
    for same in alike.values():
        files = [file for group in same for file in group]
        if len(same) >= FEWEST_JOINED and len({file.frames[0].position for file in files}) == len(files):
            remark = f"{files[0].source}: each slice of its series has its own SeriesInstanceUID; they were joined."
            joined.append((files, remark))
        else:
            joined += [(group, "") for group in same]
    return joined


def _images(files: list[Header], remark: str) -> Iterator[Series]:
    """Turn the files of one DICOM series into its images."""
    files = sorted(files, key=lambda file: file.frames[0].number if file.frames else (0, 0))
    frames = [frame for file in files for frame in file.frames]
    header = {frame.found.relative: file for file in files for frame in file.frames}
    if unplaced := [file for file in files if not file.frames]:
        yield _picture(unplaced)
    if not frames:
        return
    for image in split_images(frames):
        yield _series(image, header, remark)


def _picture(files: list[Header]) -> Series:
    file = files[0]
    problem = InputError(f"{file.source} {file.unplaced}: give the original series")

    def load() -> Loaded:
        raise problem

    sources = tuple(file.source for file in files)
    return Series(file.source, None, file.info, file.examination, load, problem, files=sources)


def _series(frames: list[Frame], headers: Mapping[str, Header], remark: str) -> Series:
    source = frames[0].found.relative
    file = headers[source]
    cest = names_cest(file.info) or all(frame.offset is not None for frame in frames)
    stack: Stack | None = None
    problem: InputError | None = None
    try:
        with reading(
            f"{source}: the places of its slices make no image ({{reason}}): export the series again"
        ):
            refuse_oversized(frames, source)
            stack = build_stack(frames, source, cest=cest)
    except InputError as error:
        problem = error
    times = stack.times if stack else repeats(frames)
    info = replace(
        file.info,
        acquisition=replace(
            file.info.acquisition,
            te_ms=frames[0].te_ms,
            b_values=_b_values(frames, times),
            saturation=None if stack is None else _saturation(stack, file.info.megahertz),
        ),
        image_type=frames[0].image_type,
        max_b_value=max(frame.b_value or 0.0 for frame in frames),
        frames=times,
    )
    return Series(
        source=source,
        grid=stack.grid if stack else None,
        info=info,
        examination=file.examination,
        load=lambda: _load(frames, headers, info.acquisition.tr_ms, remark, cest=cest),
        problem=problem,
        acquired=(file.number, float(frames[0].number[0])),
        time_s=min((f.time_s for f in frames if f.time_s is not None), default=None),
        files=tuple(dict.fromkeys(frame.found.relative for frame in frames)),
        dicom=None if stack is None else lambda: dicom_source((place[0] for place in stack.frames), headers),
    )


def _b_values(frames: list[Frame], times: int) -> tuple[float, ...] | None:
    """Return the b-value of each time point; None where the frames of one image do not share a known one."""
    values = {frame.b_value for frame in frames}
    (only,) = values if len(values) == 1 else (None,)
    return None if only is None else (only,) * times


def _saturation(stack: Stack, megahertz: float | None) -> Saturation | None:
    """Return the saturation offset of each time point; None where a frame states none."""
    stated = [{frame.offset for frame in frames} for frames in zip(*stack.frames, strict=True)]
    offsets = [only for each in stated if len(each) == 1 and (only := next(iter(each))) is not None]
    units = {offset.unit for offset in offsets if np.isfinite(offset.values[0])}
    if len(offsets) < len(stated) or len(units) > 1:
        return None
    values = tuple(offset.values[0] for offset in offsets)
    return in_ppm(Offsets(values, next(iter(units), "ppm")), megahertz)


def _load(
    frames: list[Frame], headers: Mapping[str, Header], tr_ms: float | None, remark: str, *, cest: bool
) -> Loaded:
    """Decode the frames and assemble the image; slices whose file is damaged count as missing."""
    source = frames[0].found.relative
    refuse_more_voxels(source, (*frames[0].size, len(frames)))
    pixels, errors, inverted = decode_pixels(frames)
    readable = [frame for frame in frames if (frame.found.relative, frame.index) in pixels]
    if len(readable) < max(1, (1 - MAX_MISSING) * len(frames)):
        raise errors[0]
    stack = build_stack(readable, source, cest=cest)
    slices = [
        np.stack([pixels[frame.found.relative, frame.index] for frame in place], axis=-1)
        for place in stack.frames
    ]
    array: Array = np.stack(slices, axis=2)
    array = compact(array[..., 0] if stack.times == 1 else array)
    if not stack.even:
        array, _ = resample_evenly(array, stack.positions_mm)
    if inverted:
        array = array - min(array.min(), 0)
    loaded = validate(Volume(array, stack.grid.affine), source)
    remarks = [text for text in (remark, stack.remark.strip()) if text]
    if inverted:
        remarks.append(f"{source}: it is stored with low values bright (MONOCHROME1) and was inverted.")
    if errors:
        remarks.append(f"{source}: {len(frames) - len(readable)} of its {len(frames)} slices cannot be read.")
    times, time_warnings = (None, ()) if cest else frame_times(stack, source, tr_ms)
    dicom = None
    with suppress(InputError):
        dicom = dicom_source((place[0] for place in stack.frames), headers)
    return Loaded(loaded.volume, (*remarks, *loaded.warnings, *time_warnings), times, dicom)
