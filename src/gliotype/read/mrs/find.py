"""Find the spectra of a study, pair them with their water, and choose the one that is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gliotype.errors import InputError
from gliotype.mrs import PROTON_MHZ_PER_T, MrsSequence, MrsSeries, Timing, is_dedicated
from gliotype.read.files import Format, Found, require_file
from gliotype.read.mrs.file import MrsFile
from gliotype.read.mrs.lcmodel import is_raw, read_raw
from gliotype.read.mrs.nifti_mrs import is_nifti_mrs, read_nifti_mrs
from gliotype.read.mrs.philips import read_sdat
from gliotype.read.mrs.rda import is_rda, read_rda
from gliotype.read.mrs.sequence import names_water, timing_of
from gliotype.read.mrs.spec2nii import convert
from gliotype.read.nifti.bids import examination_of, sidecar_for, sidecars_of
from gliotype.study import Acquisition, Image, Sequence
from gliotype.text import printable
from gliotype.volume import Volume

_ENDINGS = (".rda", ".sdat", ".raw", ".h2o")
_SPAR = ".spar"
_SAME_MM = 1.0
"""Two boxes whose corners lie nearer than this are the same."""


@dataclass(frozen=True)
class MrsSource:
    """Where a spectrum lies, not yet read.

    Attributes:
        found: the file.
        kind: ``"nifti"``, ``"rda"``, ``"sdat"`` or ``"raw"``.
        partner: the SPAR file of an SDAT file.
        sidecar: what a JSON file next to it says.
    """

    found: Found
    kind: str
    partner: Path | None
    sidecar: Mapping[str, Any]

    @property
    def source(self) -> str:
        """Path relative to the study."""
        return self.found.relative

    def read(self) -> MrsFile:
        """Read the file.

        Raises:
            InputError: if it cannot be read.
        """
        path, source = self.found.path, self.found.relative
        if self.kind == "nifti":
            return read_nifti_mrs(path, source, self.sidecar)
        if self.kind == "rda":
            return read_rda(path, source)
        if self.kind == "raw":
            return read_raw(path, source, self.sidecar)
        if self.partner is None:
            raise InputError(f"{source} has no SPAR file of the same name: put it next to it")
        return read_sdat(path, self.partner, source)


def separate_spectra(found: Iterable[Found]) -> tuple[list[Found], list[MrsSource]]:
    """Separate the spectra of a study from everything else.

    Args:
        found: all files of the study.

    Returns:
        The files that are no spectra, in their order, and the spectra.
    """
    found = list(found)
    kinds = {one.relative: kind for one in found if (kind := _kind(one)) is not None}
    if not kinds:
        return found, []
    sidecars = sidecars_of(found)
    spars = {
        str(PurePosixPath(one.relative).with_suffix("")).lower(): one
        for one in found
        if one.relative.lower().endswith(_SPAR)
    }
    spectra, taken = [], set(kinds)
    for one in found:
        if (kind := kinds.get(one.relative)) is None:
            continue
        partner = (
            spars.get(str(PurePosixPath(one.relative).with_suffix("")).lower()) if kind == "sdat" else None
        )
        if partner is not None:
            taken.add(partner.relative)
        own = sidecar_for(one.relative, sidecars)
        # A JSON file of the same name belongs to the spectrum, whatever the ending of that.
        name = f"{_stem(one.relative)}.json"
        if name in sidecars:
            own = {**own, **sidecars[name]}
            taken.add(name)
        spectra.append(MrsSource(one, kind, None if partner is None else partner.path, own))
    return [one for one in found if one.relative not in taken], spectra


def _stem(relative: str) -> str:
    name = relative.lower()
    ending = next((e for e in (".nii.gz", ".nii", *_ENDINGS) if name.endswith(e)), "")
    return relative[: len(relative) - len(ending)]


def _kind(one: Found) -> str | None:
    name = one.relative.lower()
    if one.format is Format.NIFTI:
        return "nifti" if name.endswith((".nii", ".nii.gz")) and is_nifti_mrs(one.path) else None
    if one.format is not Format.OTHER or not name.endswith(_ENDINGS):
        return None
    if name.endswith(".rda"):
        return "rda" if is_rda(one.path) else None
    if name.endswith(".sdat"):
        return "sdat"
    return "raw" if is_raw(one.path) else None


def named_spectra(path: Path) -> list[MrsSource]:
    """List the spectra of a file or folder that the caller names; files next to it are its water reference or sidecar.

    Raises:
        InputError: if there is no spectrum.
    """
    folder = path if path.is_dir() else path.parent
    if not path.is_dir():
        require_file(path, path.name)
    listed = [
        Found(
            one, printable(one.name), Format.NIFTI if one.name.endswith((".nii", ".nii.gz")) else Format.OTHER
        )
        for one in sorted(folder.iterdir())
        if one.is_file() and one.name.lower().endswith((".nii", ".nii.gz", ".json", _SPAR, *_ENDINGS))
    ]
    _, spectra = separate_spectra(listed)
    if path.is_dir():
        if not spectra:
            raise InputError(f"{path} holds no spectrum: give NIfTI-MRS, rda, SDAT with SPAR, or LCModel RAW")
        return spectra
    return [one for one in spectra if path in (one.found.path, one.partner)]


@dataclass(frozen=True, eq=False)
class ChosenSpectra:
    """The spectra of a study.

    Attributes:
        images: the chosen one first, then the others with the reason why they are not used.
        errors: of files that cannot be read.
    """

    images: tuple[Image, ...]
    errors: tuple[InputError, ...]


def choose_spectrum(
    files: Iterable[MrsFile], given: Timing | None = None, *, named: bool = False
) -> tuple[Image, ...]:
    """Choose the spectrum that is measured: of a sequence for 2HG if there is one, then with the most averages.

    Args:
        files: all of a study.
        given: sequence and echo time, as the caller says.
        named: whether the caller named the file.

    Returns:
        The chosen one with its water and, for MEGA-PRESS in two files, both conditions; then the others.
    """
    files = _paired(list(files), given)
    water = [one for one in files if names_water(one)]
    metabolites = [one for one in files if not names_water(one)]
    if not metabolites:
        metabolites, water = water, []
    ranked = sorted(metabolites, key=lambda one: _rank(one, given))
    if not ranked:
        return ()
    chosen = ranked[0]
    timing, assumed, why = timing_of(chosen, given)
    reference = _reference(chosen, water)
    how = "Named by the caller: " if named else "Single-voxel spectrum, "
    reason = f"{how}{why}{_others(ranked)}."
    if reference is not None:
        reason = f"{reason[:-1]}; water from {reference.source}."
    images = [
        _image(
            chosen, _series(chosen, timing, assumed, reference), reason, 1.0 if named or not assumed else 0.5
        )
    ]
    for one in (*ranked[1:], *water):
        used = one is reference
        why = (
            "Used as the water reference of the spectrum."
            if used
            else "Not used: another spectrum was taken."
        )
        images.append(_image(one, None, why, 0.9))
    return tuple(images)


def _others(ranked: list[MrsFile]) -> str:
    return f"; taken from {len(ranked)} spectra" if len(ranked) > 1 else ""


def _rank(one: MrsFile, given: Timing | None) -> tuple[bool, bool, float, str]:
    timing, assumed, _ = timing_of(one, given)
    dedicated = timing is not None and is_dedicated(timing) and not assumed
    return (
        one.nucleus != "1H",
        not dedicated,
        -float(one.averages * np.prod(one.fids.shape[2:])),
        one.source,
    )


def _paired(files: list[MrsFile], given: Timing | None) -> list[MrsFile]:
    """Join two files of MEGA-PRESS that hold one condition of editing each."""

    def single(one: MrsFile) -> bool:
        timing, _, _ = timing_of(one, given)
        mega = timing is not None and timing.sequence is MrsSequence.MEGA
        return mega and one.fids.shape[2:] == (1, 1) and not names_water(one)

    halves = [one for one in files if single(one)]
    if len(halves) != 2 or halves[0].fids.shape != halves[1].fids.shape or halves[0].te_ms != halves[1].te_ms:
        return files
    joined = replace(halves[0], fids=np.concatenate([one.fids for one in halves], axis=3))
    return [joined, *(one for one in files if one not in halves)]


def _reference(chosen: MrsFile, water: list[MrsFile]) -> MrsFile | None:
    """Find the water of the same box, with the same echo time first."""
    fitting = [one for one in water if one.nucleus == chosen.nucleus and _same_box(one, chosen)]
    return min(
        fitting, key=lambda one: (abs((one.te_ms or 0) - (chosen.te_ms or 0)), one.source), default=None
    )


def _same_box(one: MrsFile, other: MrsFile) -> bool:
    return one.voxel is None or other.voxel is None or one.voxel.same_as(other.voxel, _SAME_MM)


def _series(
    chosen: MrsFile, timing: Timing | None, assumed: bool, reference: MrsFile | None
) -> MrsSeries | None:
    if chosen.dwell_s is None or chosen.frequency_mhz is None:
        return None
    water = None if reference is None else reference.fids.mean(axis=(2, 3))
    return MrsSeries(
        fids=chosen.fids,
        dwell_s=chosen.dwell_s,
        frequency_mhz=chosen.frequency_mhz,
        timing=timing,
        assumed=assumed,
        nucleus=chosen.nucleus,
        tr_ms=chosen.tr_ms,
        averages=chosen.averages,
        voxel=chosen.voxel,
        water=water,
        water_dwell_s=None if reference is None else reference.dwell_s,
    )


def _image(file: MrsFile, series: MrsSeries | None, reason: str, confidence: float) -> Image:
    if file.voxel is None:
        volume = Volume(np.full((1, 1, 1), np.nan, np.float32), np.eye(4))
    else:
        volume = Volume(np.ones((1, 1, 1), np.float32), file.voxel.affine)
    return Image(
        volume=volume,
        sequence=Sequence.MRS,
        confidence=confidence,
        reason=reason,
        source=file.source,
        acquisition=Acquisition(
            te_ms=file.te_ms,
            tr_ms=file.tr_ms,
            field_t=None if file.frequency_mhz is None else round(file.frequency_mhz / PROTON_MHZ_PER_T, 2),
        ),
        spectroscopy=series,
    )


def read_spectra(
    sources: Iterable[MrsSource], given: Timing | None, studies: frozenset[str] = frozenset()
) -> ChosenSpectra:
    """Read the spectra that were found in a study, and choose one; what cannot be read is listed.

    Args:
        sources: the files.
        given: sequence and echo time, as the caller says.
        studies: names of the sessions of the images that are used; spectra of another session are left out.
    """
    files, errors = [], []
    for source in sources:
        session = examination_of(source.found.relative, {}).study
        if session and studies and session not in studies:
            continue
        try:
            files.append(source.read())
        except InputError as error:
            errors.append(error)
    return ChosenSpectra(choose_spectrum(files, given), tuple(errors))


def read_named(path: Path, given: Timing | None) -> tuple[Image, ...]:
    """Read the spectrum that the caller names; whatever is wrong with its file is an error.

    Raises:
        InputError: if it cannot be read.
    """
    sources = named_spectra(path)
    if not sources:
        return choose_spectrum([convert(path, printable(path.name))], given, named=True)
    files = [source.read() for source in sources]
    if not path.is_dir():
        neighbours = [one for one in named_spectra(path.parent) if one.found.path != path]
        files += [file for one in neighbours if (file := _if_water(one)) is not None]
    return choose_spectrum(files, given, named=True)


def _if_water(source: MrsSource) -> MrsFile | None:
    """Read a file next to a named one if it is its water reference."""
    try:
        file = source.read()
    except InputError:
        return None
    return file if names_water(file) else None
