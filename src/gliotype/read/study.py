"""Read a study: find its images, say what each is, choose one of each kind, and load it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError, UsageError
from gliotype.mrs import Timing
from gliotype.paths import as_path
from gliotype.read.cest.find import CestOffer, as_named, cest_offer, with_offset_files
from gliotype.read.cest.offsets import offset_files
from gliotype.read.dicom.series import read_dicom
from gliotype.read.diffusion import NEEDED, ComputedAdc, computed_adc
from gliotype.read.examinations import of_one_examination, refuse_folders_side_by_side
from gliotype.read.files import Format, Found, open_source, sniff
from gliotype.read.gathered import Gathered, make_study, state_subject
from gliotype.read.identify import keywords as words
from gliotype.read.identify.by_header import (
    Identity,
    identify,
    modality_word,
)
from gliotype.read.identify.choose import Candidate, preference, ranked
from gliotype.read.identify.context import without_common_evidence
from gliotype.read.identify.decide import decide_together
from gliotype.read.losses import entries_not_listed, files_not_read
from gliotype.read.mrs.find import MrsSource, read_named, read_spectra, separate_spectra
from gliotype.read.nifti.bids import broken_sidecars, sidecar_for, sidecars_of, stem_of
from gliotype.read.nifti.image import read_nifti
from gliotype.read.series import Loaded, Series
from gliotype.study import NotRead, Sequence, Study, Subject
from gliotype.text import printable

STATED = "Named by the caller."
"""Why an image is taken as a sequence that the caller names or states."""


def read_study(
    source: str | Path | None,
    *,
    files: Mapping[Sequence, str | Path] | None = None,
    subject: Subject,
    sequences: Mapping[str, Sequence | None] | None = None,
    study_uid: str | None = None,
    mrs_timing: Timing | None = None,
) -> Study:
    """Read the images of one examination and say which sequence each of them is.

    Only images that are used are read in full: the chosen one of each sequence. The others are listed in
    the study with the reason why they are not used, and with a volume of NaN in place of voxels.

    Args:
        source: a folder or zip of DICOM or NIfTI files, or one file; None where `files` are enough.
        files: images that the caller names; nothing else in `source` is taken as these sequences. Each
            is a NIfTI file, or a file, folder or zip of DICOM.
        subject: the patient. Age and sex are filled in from the headers where they are None.
        sequences: by `Image.source`, the sequence as which an image of `source` is taken, whatever identification
            would say; None for an image that is not to be used.
        study_uid: which study, if `source` holds several: a StudyInstanceUID, or the session or patient
            in the names of NIfTI files.
        mrs_timing: sequence and echo time of the spectrum, where its file does not say them rightly.

    Raises:
        UsageError: several studies and none chosen, the chosen one not there, or nothing given at all.
        InputError: nothing readable, or several patients.
        GeometryError: the only image has no affine or a singular one, or too many slices are missing.
        NoStructuralImageError: images, but none of T1, T1c, T2 and FLAIR among them.
    """
    source = None if source is None else as_path(source)
    named = {sequence: as_path(file) for sequence, file in (files or {}).items()}
    if source is None and not named:
        raise UsageError("neither a study nor a file was given: name a folder, a zip, or files such as --t1c")
    with ExitStack() as stack:
        gathered = Gathered(str(source) if source is not None else "the named files")
        if Sequence.MRS in named:
            gathered.spectra += read_named(named[Sequence.MRS], mrs_timing)
        for sequence, path in named.items():
            if sequence is not Sequence.MRS:
                gathered.used[sequence] = _named(sequence, path, source, stack)
        if source is not None:
            found = stack.enter_context(open_source(source))
            gathered.not_read += _not_listed(source, found)
            taken = {path.resolve() for path in named.values()}
            images, spectra = separate_spectra(_outside(found, taken))
            stated = dict(sequences or {})
            excluded = {each.source for each in spectra if stated.get(each.source, each) is None}
            _gather(gathered, images, study_uid, {s: stated[s] for s in stated if s not in excluded})
            if Sequence.MRS not in named:
                _add_spectra(gathered, [each for each in spectra if each.source not in excluded], mrs_timing)
        return state_subject(make_study(gathered, subject.id), subject)


def _add_spectra(gathered: Gathered, sources: list[MrsSource], timing: Timing | None) -> None:
    """Read the spectra of the session whose images are used."""
    studies = frozenset(c.series.examination.study for c, _ in gathered.used.values()) - {""}
    chosen = read_spectra(sources, timing, studies)
    gathered.spectra += chosen.images
    gathered.warnings += [f"{error}." for error in chosen.errors]


def _not_listed(source: Path, found: tuple[Found, ...]) -> list[NotRead]:
    """List what lies in a folder, or in an unpacked zip, and is not among its files."""
    if not found or found[0].path == source:
        return []
    depth = len(PurePosixPath(found[0].relative).parts)
    return entries_not_listed(found[0].path.parents[depth - 1], found)


def _outside(found: Iterable[Found], taken: set[Path]) -> list[Found]:
    """Leave out the files that the caller named, or that lie in a folder that the caller named."""
    return [f for f in found if not taken.intersection((f.path.resolve(), *f.path.resolve().parents))]


def _read_headers(found: list[Found], *, single_slice: bool = False) -> tuple[list[Series], list[NotRead]]:
    """Read the header of every image file; and list the files that hold no image."""
    sidecars, offsets = sidecars_of(found), offset_files(found)
    nifti = [f for f in found if f.format is Format.NIFTI]
    series, passed_over = read_dicom(f for f in found if f.format is Format.DICOM)
    series += [read_nifti(f, sidecar_for(f.relative, sidecars), single_slice=single_slice) for f in nifti]
    series = with_offset_files(series, offsets)
    broken = broken_sidecars(found)
    used = [*(s.source for s in broken), *offsets]
    used += [name for name in sidecars if any(sidecar_for(f.relative, {name: sidecars[name]}) for f in nifti)]
    return [*series, *broken], [*passed_over, *files_not_read(found, used)]


def _gather(
    gathered: Gathered,
    found: list[Found],
    study_uid: str | None,
    stated: Mapping[str, Sequence | None],
) -> None:
    """Identify the images of a source, and load the best of each sequence that was not named or stated."""
    everything, not_read = _read_headers(found)
    gathered.not_read += not_read
    series = of_one_examination(everything, study_uid, gathered.source)
    offer = cest_offer([one for one in series if one.source not in stated])
    series = without_common_evidence([one for one in series if offer is None or one not in offer.parts])
    candidates = [_usable(Candidate(one, identify(one.info))) for one in series]
    candidates = _take_stated(gathered, candidates, stated)
    gathered.errors += [
        s.problem for s in series if s.problem and s.broken and not words.match_mask(s.info.name)
    ]
    if study_uid is None:
        refuse_folders_side_by_side(candidates, gathered.source)
    decision = decide_together(candidates, gathered.used)
    candidates = decision.candidates
    gathered.errors += decision.errors
    gathered.warnings += decision.warnings
    if study_uid is None:
        refuse_folders_side_by_side(candidates, gathered.source)
    if Sequence.ADC not in gathered.used and all(c.identity.sequence is not Sequence.ADC for c in candidates):
        candidates += [_computed(adc) for adc in computed_adc([c.series for c in candidates])]
    for sequence in Sequence:
        alike = ranked([c for c in candidates if c.identity.sequence is sequence])
        if sequence in gathered.used:
            gathered.unused += [
                c.dismissed(f"Not used: the caller named the {sequence.word}.") for c in alike
            ]
        else:
            _use_first_readable(gathered, sequence, alike, decision.loaded)
    gathered.unused += [c for c in candidates if c.identity.sequence is None]
    if offer is not None:
        _add_cest(gathered, offer)


def _add_cest(gathered: Gathered, offer: CestOffer) -> None:
    """Load the Z-spectra of a source, unless the caller named others, and list what belongs to them."""
    spectra = Candidate(offer.series, Identity(Sequence.CEST, 0.9, offer.reason))
    if Sequence.CEST in gathered.used:
        gathered.unused.append(spectra.dismissed("Not used: the caller named the CEST."))
    else:
        gathered.warnings += offer.remarks
        _use_first_readable(gathered, Sequence.CEST, [spectra], {})
    gathered.unused += _belonging(offer)


def _belonging(offer: CestOffer) -> list[Candidate]:
    """List the images that belong to Z-spectra, apart from the one after which they are named."""
    reason = f"Not used as an image of its own: it belongs to the Z-spectra of {offer.series.source}."
    others = [one for one in offer.parts if one.source != offer.series.source]
    return [Candidate(one, Identity(None, 0.95, reason)) for one in others]


def _take_stated(
    gathered: Gathered, candidates: list[Candidate], stated: Mapping[str, Sequence | None]
) -> list[Candidate]:
    """Load the images whose sequence the caller states, dismiss those that it excludes, and return all others."""
    remaining = list(candidates)
    for source, sequence in stated.items():
        alike = [c for c in remaining if c.series.source == source]
        if not alike:
            raise UsageError(f"the study has no image {source}: name one as prediction.json does")
        for candidate in alike:
            remaining.remove(candidate)
        if sequence is None:
            gathered.unused += [c.dismissed("Not used: the caller excluded it.") for c in alike]
            continue
        if sequence in gathered.used:
            raise UsageError(f"two images are stated to be the {sequence.word}: state one")
        series = alike[0].series
        if sequence is Sequence.CEST:
            series = (cest_offer([series]) or as_named(series)).series
        candidate = Candidate(series, Identity(sequence, 1.0, STATED))
        _require_frames(source, candidate.series.info.frames, sequence)
        gathered.used[sequence] = (candidate, _loaded(candidate.series))
    return remaining


def _computed(adc: ComputedAdc) -> Candidate:
    return Candidate(adc.series, Identity(Sequence.ADC, 0.9, adc.reason))


def _usable(candidate: Candidate) -> Candidate:
    """Dismiss a broken file, a time series where one image is due, one image where a time series is due."""
    if candidate.series.broken:
        return candidate.dismissed(f"Not used: {candidate.series.problem}.")
    sequence, frames = candidate.identity.sequence, candidate.series.info.frames
    if sequence is Sequence.DSC and frames == 1:
        return candidate.dismissed("Not used: a single image, where DSC perfusion is a time series.")
    if sequence is not Sequence.DSC and frames > 1 and (sequence or candidate.identity.open):
        return candidate.dismissed(f"Not used: it has {frames} time points, where one image is expected.")
    return candidate


def _use_first_readable(
    gathered: Gathered, sequence: Sequence, alike: list[Candidate], loaded: Mapping[Series, Loaded]
) -> None:
    """Load the best image of a sequence; if it cannot be read, the next one."""
    for number, candidate in enumerate(alike):
        series = candidate.series
        try:
            voxels = loaded.get(series) or _loaded(series)
        except InputError as error:
            gathered.errors.append(error)
            gathered.unused.append(candidate.dismissed(f"Not used: {error}."))
            continue
        others = alike[number + 1 :]
        if clause := preference(candidate, others):
            reason = f"{candidate.identity.reason.rstrip('.')}; {clause}."
            candidate = replace(candidate, identity=replace(candidate.identity, reason=reason))
        gathered.used[sequence] = (candidate, voxels)
        gathered.unused += others
        return


def _loaded(series: Series) -> Loaded:
    if series.problem is not None:
        raise series.problem
    return series.load()


def _named(sequence: Sequence, path: Path, source: Path | None, stack: ExitStack) -> tuple[Candidate, Loaded]:
    """Read the image that the caller named for a sequence; whatever is wrong with it is an error."""
    cest = sequence is Sequence.CEST
    neighbours = _cest_files_next_to(path) if cest else _sidecar_of(path)
    listed = [*stack.enter_context(open_source(path)), *neighbours]
    found = [replace(f, relative=_relative(f.path, path, source)) for f in listed]
    series, _ = _read_headers(found, single_slice=cest)
    usable = [s for s in series if s.problem is None and s.info.modality == "MR"]
    if not usable:
        problems = [s.problem for s in series if s.problem]
        kinds = ", ".join(sorted({modality_word(s.info.modality) for s in series})) or "no image"
        raise problems[0] if problems else InputError(f"{path} holds {kinds}, not MR: give MR")
    if cest:
        return _named_cest(path, usable, _relative(path, path, source) if path.is_file() else "")
    candidates = [Candidate(one, identify(one.info)) for one in usable]
    fitting = ranked([c for c in candidates if c.identity.sequence is sequence])
    if sequence is Sequence.ADC and not fitting and (computed := computed_adc(usable)):
        candidate = _computed(computed[0])
        reason = f"{STATED} {candidate.identity.reason}"
        return replace(candidate, identity=Identity(sequence, 1.0, reason)), candidate.series.load()
    if len(candidates) > 1 and not fitting:
        raise UsageError(
            f"{path} holds {len(candidates)} images: name the folder or file of the {sequence.word} alone"
        )
    chosen = fitting[0] if fitting else candidates[0]
    _require_frames(str(path), chosen.series.info.frames, sequence)
    identity = Identity(sequence, 1.0, STATED)
    return Candidate(chosen.series, identity), chosen.series.load()


def _named_cest(path: Path, series: list[Series], source: str) -> tuple[Candidate, Loaded]:
    """Read the Z-spectra that the caller named; `source` is the file itself, or empty for a folder or zip."""
    offer = cest_offer(series)
    if offer is None or (source and all(part.source != source for part in offer.parts)):
        named = [one for one in series if one.source == source or (not source and one.info.frames > 1)]
        if len(named) != 1:
            raise UsageError(f"{path} holds {len(series)} images: name the file of the Z-spectra alone")
        offer = as_named(named[0])
    _require_frames(str(path), offer.series.info.frames, Sequence.CEST)
    loaded = offer.series.load()
    warnings = (*loaded.warnings, *offer.remarks)
    reason = " ".join(filter(None, (STATED, offer.reason)))
    return Candidate(offer.series, Identity(Sequence.CEST, 1.0, reason)), replace(loaded, warnings=warnings)


def _require_frames(name: str, frames: int, sequence: Sequence) -> None:
    """Refuse a single image as DSC series or Z-spectra, and a series of frames as anything else."""
    if (frames > 1) == (sequence in (Sequence.DSC, Sequence.CEST)):
        return
    due = "a time series is expected" if sequence is Sequence.DSC else "one 3D image is expected: extract one"
    if sequence is Sequence.CEST:
        due = "one frame for each saturation offset is expected"
    if sequence is Sequence.ADC:
        due = f"an ADC map is expected, or diffusion-weighted images with b-values: {NEEDED}"
    raise InputError(f"{name} holds {frames} time point{'s' * (frames > 1)} where {due}")


def _sidecar_of(path: Path) -> list[Found]:
    """Return the JSON file and the list of b-values that belong to a NIfTI file, as far as they are there."""
    sidecars = [path.with_name(f"{stem_of(path.name)}{ending}") for ending in (".json", ".bval")]
    return [
        Found(sidecar, printable(sidecar.name), Format.OTHER)
        for sidecar in sidecars
        if path.is_file() and sidecar.is_file()
    ]


def _cest_files_next_to(path: Path) -> list[Found]:
    """Return what lies next to a file of Z-spectra and belongs to it: offsets, sidecars, M0, a map of the field."""
    if not path.is_file():
        return []
    stem = stem_of(path.name).lower()
    neighbours = [
        one
        for one in sorted(path.parent.iterdir())
        if one.is_file() and one != path and one.name.lower().startswith((stem, "offsets"))
    ]
    return [Found(one, printable(one.name), sniff(one)) for one in neighbours]


def _relative(file: Path, named: Path, source: Path | None) -> str:
    """Name a file by its path inside the study, or, outside of it, inside the folder that was named."""
    if (
        source is not None
        and file.resolve().is_relative_to(source.resolve())
        and file.resolve() != source.resolve()
    ):
        return file.resolve().relative_to(source.resolve()).as_posix()
    return file.relative_to(named.parent).as_posix() if file.is_relative_to(named) else file.name
