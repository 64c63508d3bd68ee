"""Find the Z-spectra of a study: a series of frames, or one image for each offset, and what belongs to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gliotype.cest import UNSATURATED, FieldReference, Saturation, is_reference
from gliotype.errors import InputError
from gliotype.read.cest.names import may_name_cest, names_cest, names_wassr, own_texts
from gliotype.read.cest.offsets import ACCEPTED, Offsets, in_ppm, offsets_beside, stated_offset
from gliotype.read.series import Loaded, Series
from gliotype.volume import Array, Volume

FEWEST_IMAGES = 5
"""Images of one offset each, or frames without known offsets, below which they are not taken for Z-spectra."""

NO_OFFSETS = f"its saturation offsets are unknown: give {ACCEPTED}"

_M0 = r"m0|m0scan|s0"
_B0 = r"b0|db0|b0 ?map|fieldmap"


@dataclass(frozen=True, eq=False)
class CestOffer:
    """Z-spectra that a study holds.

    Attributes:
        series: stands for them; its frames are put together when they are loaded.
        reason: one sentence for the reader.
        parts: the images of which it is made, and those that tell the shift of the water resonance.
        remarks: what was found and cannot be used, one sentence each.
    """

    series: Series
    reason: str
    parts: tuple[Series, ...]
    remarks: tuple[str, ...] = ()


def with_offset_files(series: Iterable[Series], files: Mapping[str, Offsets]) -> list[Series]:
    """Give series without offsets those of a text file next to them.

    Args:
        series: all of a study.
        files: lists of offsets, by their path in the study.
    """
    return [_with_file(one, files) for one in series] if files else list(series)


def _with_file(one: Series, files: Mapping[str, Offsets]) -> Series:
    if one.info.acquisition.saturation is not None or one.info.frames < 2:
        return one
    folder = one.source.rpartition("/")[0]
    stem = one.info.name or one.source.rpartition("/")[2]
    name = offsets_beside(f"{folder}/{stem}" if folder else stem, files)
    if name is None:
        return one
    if not names_cest(one.info) and len(files[name].values) != one.info.frames:
        return one
    return _saturated(one, in_ppm(files[name], one.info.megahertz))


def _saturated(one: Series, saturation: Saturation) -> Series:
    acquisition = replace(one.info.acquisition, saturation=saturation)
    return replace(one, info=replace(one.info, acquisition=acquisition))


def cest_offer(series: Sequence[Series]) -> CestOffer | None:
    """Find the Z-spectra of a study.

    Args:
        series: of one examination, with what text files say (see `with_offset_files`).

    Returns:
        Those with the most known offsets; a series that calls itself CEST and whose offsets are unknown comes last.
        None where there are none.
    """
    usable = [
        one for one in series if one.problem is None and one.grid is not None and one.info.modality == "MR"
    ]
    offers = [*filter(None, map(_whole, usable)), *_from_parts(usable)]
    if not offers:
        return None
    best = min(offers, key=lambda offer: (-len(_offsets(offer.series)), offer.series.source))
    return _with_companions(best, usable)


def as_named(one: Series) -> CestOffer:
    """Take a series that the caller names as Z-spectra, whatever it says of itself."""
    saturation = one.info.acquisition.saturation or Saturation(problem=NO_OFFSETS)
    return CestOffer(_saturated(one, saturation), "", (one,))


def _offsets(series: Series) -> tuple[float, ...]:
    saturation = series.info.acquisition.saturation
    return () if saturation is None else saturation.offsets_ppm


def _whole(one: Series) -> CestOffer | None:
    """Take a series whose frames are offsets."""
    saturation = one.info.acquisition.saturation
    if one.info.frames < 2 or names_wassr(one.info):
        return None
    if saturation is None:
        if not names_cest(one.info) or one.info.frames < FEWEST_IMAGES:
            return None
        offer = as_named(one)
        return replace(offer, reason="Header or name calls it CEST; its saturation offsets are unknown.")
    count = len(saturation.offsets_ppm)
    reason = f"{count} saturation offsets are stated for its {one.info.frames} frames."
    if not count:
        reason = "It states saturation offsets."
    return CestOffer(one, reason, (one,))


def _from_parts(series: Iterable[Series]) -> list[CestOffer]:
    """Gather images of one offset each on one grid."""
    groups: list[list[tuple[float, Series]]] = []
    for one in series:
        offset = _only_offset(one)
        if offset is None or one.grid is None:
            continue
        for group in groups:
            grid = group[0][1].grid
            if grid is not None and grid.same_as(one.grid):
                group.append((offset, one))
                break
        else:
            groups.append([(offset, one)])
    return [_gathered(group) for group in groups if len({offset for offset, _ in group}) >= FEWEST_IMAGES]


def _only_offset(one: Series) -> float | None:
    """Return the offset in ppm of an image of one frame that belongs to CEST, or None."""
    if one.info.frames != 1 or not may_name_cest(one.info) or names_wassr(one.info):
        return None
    known = _offsets(one)
    if len(known) == 1:
        return known[0]
    stated = next((found for text in own_texts(one.info) if (found := stated_offset(text))), None)
    if stated is None:
        return None
    converted = in_ppm(stated, one.info.megahertz).offsets_ppm
    return converted[0] if converted else None


def _gathered(group: list[tuple[float, Series]]) -> CestOffer:
    ordered = sorted(group, key=lambda pair: (pair[0], pair[1].source))
    first = ordered[0][1]
    parts = tuple(one for _, one in ordered)
    said = first.info.acquisition.saturation or Saturation()
    saturation = replace(said, offsets_ppm=tuple(offset for offset, _ in ordered))
    info = replace(first.info, frames=len(parts))
    stand_in = replace(first, info=info, load=lambda: _stack(parts))
    return CestOffer(
        _saturated(stand_in, saturation),
        f"Put together of {len(parts)} images of one saturation offset each.",
        parts,
    )


def _stack(parts: tuple[Series, ...]) -> Loaded:
    loaded = [one.load() for one in parts]
    frames: list[Array] = [np.asarray(each.volume.array, dtype=np.float32) for each in loaded]
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(f"{parts[0].source}: the images of its offsets differ in size: export them again")
    warnings = tuple(dict.fromkeys(warning for each in loaded for warning in each.warnings))
    return Loaded(Volume(np.stack(frames, axis=-1), loaded[0].volume.affine), warnings, dicom=loaded[0].dicom)


def _with_companions(offer: CestOffer, series: Sequence[Series]) -> CestOffer:
    """Add an unsaturated image if there is none among the frames, and what tells the shift of water."""
    others = [one for one in series if one not in offer.parts]
    offsets = _offsets(offer.series)
    if offsets and not any(map(is_reference, offsets)):
        m0 = next(
            (o for o in others if o.info.frames == 1 and _belongs(o, offer.series, _M0) and _same(o, offer)),
            None,
        )
        if m0 is not None:
            offer = _with_m0(offer, m0)
    b0, remarks = _field_source(offer, others)
    offer = replace(offer, remarks=remarks)
    if b0 is None:
        return offer
    inner, outer = offer.series.load, b0

    def load() -> Loaded:
        return replace(inner(), b0=_read_field(outer))

    return replace(offer, series=replace(offer.series, load=load), parts=(*offer.parts, b0))


def _same(one: Series, offer: CestOffer) -> bool:
    return one.grid is not None and offer.series.grid is not None and one.grid.same_as(offer.series.grid)


def _belongs(one: Series, cest: Series, ending: str) -> bool:
    """Whether an image has the name of the Z-spectra and an ending that says what it is to them."""
    if not one.info.name or one.source.rpartition("/")[0] != cest.source.rpartition("/")[0]:
        return False
    name, stem = one.info.name.lower(), cest.info.name.lower()
    return name.startswith(stem) and bool(re.fullmatch(rf"[_.-]?(?:{ending})", name.removeprefix(stem)))


def _with_m0(offer: CestOffer, m0: Series) -> CestOffer:
    cest = offer.series
    said = cest.info.acquisition.saturation or Saturation()

    def load() -> Loaded:
        frames, reference = cest.load(), m0.load()
        array = np.concatenate(
            [
                np.asarray(each.volume.array, np.float32).reshape(*each.volume.grid.shape, -1)
                for each in (frames, reference)
            ],
            axis=-1,
        )
        return replace(frames, volume=frames.volume.with_array(array))

    info = replace(cest.info, frames=cest.info.frames + 1)
    joined = _saturated(
        replace(cest, info=info, load=load), replace(said, offsets_ppm=(*said.offsets_ppm, UNSATURATED))
    )
    return replace(offer, series=joined, parts=(*offer.parts, m0))


def _field_source(offer: CestOffer, others: Sequence[Series]) -> tuple[Series | None, tuple[str, ...]]:
    """Find a map of the field or a WASSR series; and say what cannot be used."""
    maps = [o for o in others if o.info.frames == 1 and _belongs(o, offer.series, _B0)]
    maps += [
        o for o in others if o.info.frames == 1 and re.search(r"_fieldmap$", o.info.name) and o.info.units
    ]
    remarks = []
    for one in dict.fromkeys(maps):
        if one.info.units == "ppm" or (one.info.units in ("hz", "rad/s") and one.info.megahertz):
            return one, ()
        missing = "its Units (Hz, rad/s or ppm)" if not one.info.units else "MagneticFieldStrength"
        remarks.append(
            f"{one.source} was not used to correct the CEST series: its JSON sidecar does not state {missing}."
        )
    wassr = (o for o in others if names_wassr(o.info) and o.info.frames > 2)
    usable = next((o for o in wassr if len(_offsets(o)) == o.info.frames), None)
    return usable, tuple(remarks)


def _read_field(one: Series) -> FieldReference:
    """Read a map of the field as a shift in ppm, or a WASSR series with its offsets."""
    loaded = one.load().volume
    if one.info.frames > 1:
        return FieldReference(loaded, _offsets(one))
    values = np.asarray(loaded.array, dtype=np.float32)
    divisor = 1.0 if one.info.units == "ppm" else float(one.info.megahertz or np.nan)
    divisor *= 2 * np.pi if one.info.units == "rad/s" else 1.0
    return FieldReference(loaded.with_array(values / np.float32(divisor)))
