"""Read a study: find its images, say what each is, choose one of each kind, and load it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError, NoStructuralImageError, UsageError
from gliotype.paths import as_path
from gliotype.read.dicom.series import read_dicom
from gliotype.read.diffusion import NEEDED, ComputedAdc, computed_adc
from gliotype.read.examinations import by_format, of_one_examination, refuse_folders_side_by_side
from gliotype.read.files import Format, Found, open_source
from gliotype.read.identify import keywords as words
from gliotype.read.identify.by_header import (
    SURE,
    SURGERY_WARNING,
    Identity,
    after_contrast,
    identify,
    modality_word,
    surgery_words,
)
from gliotype.read.identify.choose import HEAD_MM, Candidate, preference, ranked, reach_mm
from gliotype.read.identify.context import without_common_evidence
from gliotype.read.identify.decide import decide_together
from gliotype.read.losses import entries_not_listed, files_not_read, loss_warning
from gliotype.read.nifti.bids import broken_sidecars, sidecar_for, sidecars_of, stem_of
from gliotype.read.nifti.image import read_nifti
from gliotype.read.series import Examination, Loaded, Series, unread_volume
from gliotype.study import STRUCTURAL, Image, NotRead, Sequence, Study, Subject
from gliotype.text import printable


def read_study(
    source: str | Path | None,
    *,
    files: Mapping[Sequence, str | Path] | None = None,
    subject: Subject,
    study_uid: str | None = None,
) -> Study:
    """Read the images of one examination and say which sequence each of them is.

    Only images that are used are read in full: the chosen one of each sequence. The others are listed in
    the study with the reason why they are not used, and with a volume of NaN in place of voxels.

    Args:
        source: a folder or zip of DICOM or NIfTI files, or one file; None where `files` are enough.
        files: images that the caller names; nothing else in `source` is taken as these sequences. Each
            is a NIfTI file, or a file, folder or zip of DICOM.
        subject: the patient. Age and sex are filled in from the headers where they are None.
        study_uid: which study, if `source` holds several: a StudyInstanceUID, or the session or patient
            in the names of NIfTI files.

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
        gathered = _Gathered(str(source) if source is not None else "the named files")
        for sequence, path in named.items():
            gathered.used[sequence] = _named(sequence, path, source, stack)
        if source is not None:
            found = stack.enter_context(open_source(source))
            gathered.not_read += _not_listed(source, found)
            taken = {path.resolve() for path in named.values()}
            _gather(gathered, _outside(found, taken), study_uid)
        return _study(gathered, subject)


_MAX_LISTED = 5


@dataclass(eq=False)
class _Gathered:
    """What has been read so far.

    Attributes:
        source: name of the study for messages.
        used: by sequence, the image in use, and its voxels.
        unused: images that are not used.
        errors: images that could not be read.
        warnings: about identification.
        not_read: what is not an image of the study.
    """

    source: str
    used: dict[Sequence, tuple[Candidate, Loaded]] = field(default_factory=dict)
    unused: list[Candidate] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    not_read: list[NotRead] = field(default_factory=list)


def _not_listed(source: Path, found: tuple[Found, ...]) -> list[NotRead]:
    """List what lies in a folder, or in an unpacked zip, and is not among its files."""
    if not found or found[0].path == source:
        return []
    depth = len(PurePosixPath(found[0].relative).parts)
    return entries_not_listed(found[0].path.parents[depth - 1], found)


def _outside(found: Iterable[Found], taken: set[Path]) -> list[Found]:
    """Leave out the files that the caller named, or that lie in a folder that the caller named."""
    return [f for f in found if not taken.intersection((f.path.resolve(), *f.path.resolve().parents))]


def _read_headers(found: list[Found]) -> tuple[list[Series], list[NotRead]]:
    """Read the header of every image file; and list the files that hold no image."""
    sidecars = sidecars_of(found)
    nifti = [f for f in found if f.format is Format.NIFTI]
    series, passed_over = read_dicom(f for f in found if f.format is Format.DICOM)
    series += [read_nifti(f, sidecar_for(f.relative, sidecars)) for f in nifti]
    broken = broken_sidecars(found)
    used = [s.source for s in broken]
    used += [name for name in sidecars if any(sidecar_for(f.relative, {name: sidecars[name]}) for f in nifti)]
    return [*series, *broken], [*passed_over, *files_not_read(found, used)]


def _gather(gathered: _Gathered, found: list[Found], study_uid: str | None) -> None:
    """Identify the images of a source, and load the best of each sequence that was not named."""
    everything, not_read = _read_headers(found)
    gathered.not_read += not_read
    series = of_one_examination(everything, study_uid, gathered.source)
    series = without_common_evidence(series)
    candidates = [_usable(Candidate(one, identify(one.info))) for one in series]
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
    gathered: _Gathered, sequence: Sequence, alike: list[Candidate], loaded: Mapping[Series, Loaded]
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
    listed = [*stack.enter_context(open_source(path)), *_sidecar_beside(path)]
    found = [replace(f, relative=_relative(f.path, path, source)) for f in listed]
    series, _ = _read_headers(found)
    usable = [s for s in series if s.problem is None and s.info.modality == "MR"]
    if not usable:
        problems = [s.problem for s in series if s.problem]
        kinds = {modality_word(s.info.modality) for s in series}
        raise (
            problems[0]
            if problems
            else InputError(f"{path} holds {', '.join(sorted(kinds))}, not MR: give MR")
        )
    candidates = [Candidate(one, identify(one.info)) for one in usable]
    fitting = ranked([c for c in candidates if c.identity.sequence is sequence])
    if sequence is Sequence.ADC and not fitting and (computed := computed_adc(usable)):
        candidate = _computed(computed[0])
        reason = f"Named by the caller. {candidate.identity.reason}"
        return replace(candidate, identity=Identity(sequence, 1.0, reason)), candidate.series.load()
    if len(candidates) > 1 and not fitting:
        raise UsageError(
            f"{path} holds {len(candidates)} images: name the folder or file of the {sequence.word} alone"
        )
    chosen = fitting[0] if fitting else candidates[0]
    frames = chosen.series.info.frames
    if (frames > 1) != (sequence is Sequence.DSC):
        due = (
            "a time series is expected"
            if sequence is Sequence.DSC
            else "one 3D image is expected: extract one"
        )
        if sequence is Sequence.ADC:
            due = f"an ADC map is expected, or diffusion-weighted images with b-values: {NEEDED}"
        raise InputError(f"{path} holds {frames} time point{'s' * (frames > 1)} where {due}")
    identity = Identity(sequence, 1.0, "Named by the caller.")
    return Candidate(chosen.series, identity), chosen.series.load()


def _sidecar_beside(path: Path) -> list[Found]:
    """Return the JSON file and the list of b-values that belong to a NIfTI file, as far as they are there."""
    sidecars = [path.with_name(f"{stem_of(path.name)}{ending}") for ending in (".json", ".bval")]
    return [
        Found(sidecar, printable(sidecar.name), Format.OTHER)
        for sidecar in sidecars
        if path.is_file() and sidecar.is_file()
    ]


def _relative(file: Path, named: Path, source: Path | None) -> str:
    """Name a file by its path inside the study, or, outside of it, inside the folder that was named."""
    if (
        source is not None
        and file.resolve().is_relative_to(source.resolve())
        and file.resolve() != source.resolve()
    ):
        return file.resolve().relative_to(source.resolve()).as_posix()
    return file.relative_to(named.parent).as_posix() if file.is_relative_to(named) else file.name


def _study(gathered: _Gathered, subject: Subject) -> Study:
    if not any(sequence in gathered.used for sequence in STRUCTURAL):
        raise _nothing_structural(gathered)
    ordered = {sequence: gathered.used[sequence] for sequence in Sequence if sequence in gathered.used}
    images = [_image(candidate, loaded) for candidate, loaded in ordered.values()]
    unused = sorted(gathered.unused, key=lambda c: (c.identity.sequence is None, c.series.source))
    warnings = [f"{error}." for error in gathered.errors[:_MAX_LISTED]]
    if (more := len(gathered.errors) - _MAX_LISTED) > 0:
        warnings.append(f"{more} more files could not be read.")
    for candidate, loaded in ordered.values():
        warnings += [*loaded.warnings, *_remarks(candidate)]
    warnings += [*gathered.warnings, *_different_patients(ordered.values())]
    if subject.age is None:
        warnings += _age_remark([c.series.examination for c, _ in ordered.values()])
    warnings += loss_warning(gathered.not_read, len(unused), _missed(gathered))
    everyone = [c.series.examination for c, _ in ordered.values()]
    surgeries = [surgery_words(c.series.info, c.series.examination.description) for c, _ in ordered.values()]
    return Study(
        subject=replace(
            subject,
            age=next((e.age for e in everyone if e.age is not None), None)
            if subject.age is None
            else subject.age,
            sex=subject.sex or next((e.sex for e in everyone if e.sex), None),
        ),
        images=(*images, *(_image(candidate, None) for candidate in unused)),
        warnings=tuple(dict.fromkeys(warnings)),
        not_read=tuple(gathered.not_read),
        surgery=next(filter(None, surgeries), None),
    )


def _age_remark(examinations: list[Examination]) -> list[str]:
    """Warn, in a list of one or none, if the age that is used was reckoned from dates."""
    known = next((e for e in examinations if e.age is not None), None)
    if known is None or not known.age_from_dates:
        return []
    return [
        f"The age ({known.age:.1f} years) was calculated from the dates of birth and examination in the headers, which "
        "anonymisers change: give it with --age."
    ]


def _missed(gathered: _Gathered) -> list[str]:
    """Name the sequences of images that cannot be used and of which no other is there."""
    dismissed = [c.series.info for c in gathered.unused if c.identity.sequence is None]
    sequences = [identify(info).sequence for info in dismissed]
    return [s.word for s in sequences if s is not None and s not in gathered.used]


def _different_patients(used: Iterable[tuple[Candidate, Loaded]]) -> list[str]:
    """Warn if the caller named images of different patients, as their headers or file names have it."""
    series = [candidate.series for candidate, _ in used]
    for alike in by_format(series):
        if len({s.examination.patient for s in alike} - {""}) > 1:
            return ["The named images are of different patients by their headers or names: check the files."]
    return []


def _enhanced_flair(candidate: Candidate) -> bool:
    return candidate.identity.sequence is Sequence.FLAIR and after_contrast(candidate.series.info)


def _image(candidate: Candidate, loaded: Loaded | None) -> Image:
    series, identity = candidate.series, candidate.identity
    acquisition = replace(series.info.acquisition, spin_echo=_spin_echo(series.info.scanning))
    if loaded is not None:
        acquisition = replace(
            acquisition,
            frame_times_s=loaded.frame_times_s,
            contrast=identity.sequence is Sequence.T1C or _enhanced_flair(candidate) or acquisition.contrast,
        )
    return Image(
        volume=loaded.volume if loaded is not None else unread_volume(series),
        sequence=identity.sequence,
        confidence=round(identity.confidence, 3),
        reason=identity.reason,
        source=series.source,
        acquisition=acquisition,
    )


def _spin_echo(scanning: frozenset[str]) -> bool | None:
    """Tell a spin from a gradient echo by ScanningSequence; None where it says neither."""
    return "SE" in scanning and "GR" not in scanning if scanning & {"SE", "GR"} else None


def _remarks(candidate: Candidate) -> list[str]:
    """List what a referee should know about an image that is used."""
    series, identity, info = candidate.series, candidate.identity, candidate.series.info
    surgery = surgery_words(info, series.examination.description)
    remarks = [SURGERY_WARNING.format(surgery)] if surgery else []
    if _enhanced_flair(candidate):
        remarks.append(
            f"{series.source}: the FLAIR was acquired after contrast; its brightness may come from the contrast agent."
        )
    elif identity.sequence is Sequence.FLAIR and info.uncounted:
        remarks.append(
            f"{series.source}: the FLAIR may have been acquired after contrast ({info.uncounted}); "
            "its brightness may come from the contrast agent."
        )
    if identity.sequence in STRUCTURAL and reach_mm(series) < HEAD_MM:
        remarks.append(
            f"{series.source}: it covers only {reach_mm(series):.0f} mm along one of its axes, not the whole head."
        )
    if identity.sequence is not None and (identity.confidence < SURE or identity.rival is not None):
        rival = f", and may be {identity.rival.word} instead" if identity.rival else ""
        remarks.append(
            f"{series.source} was taken for {identity.sequence.word} with a confidence of only "
            f"{identity.confidence:.2f}{rival}: name the files (--t1, --t1c, --t2, --flair) if that is wrong."
        )
    return remarks


def _nothing_structural(gathered: _Gathered) -> InputError | NoStructuralImageError:
    """Say why there is nothing to work with: unreadable files, something else than MR, or other sequences."""
    if gathered.errors:
        first = gathered.errors[0]
        more = len(gathered.errors) - 1
        return type(first)(f"{first} ({more} more could not be read)") if more else first
    series = [c.series for c in gathered.unused]
    problem = next((s.problem for s in series if s.problem and not s.info.pictured), None)
    if problem is not None and all(s.problem for s in series):
        return problem
    everything = [*series, *(c.series for c, _ in gathered.used.values())]
    kinds = {"MR" if s.info.modality == "MR" else modality_word(s.info.modality) for s in everything}
    if "MR" not in kinds:
        return InputError(f"{gathered.source} holds {', '.join(sorted(kinds))}, not MR: give the MR study")
    held = [f"{c.series.source} ({c.identity.reason.rstrip('.')})" for c in gathered.unused]
    held += [f"{c.series.source} ({sequence})" for sequence, (c, _) in gathered.used.items()]
    listed = "; ".join(held[:5]) + (f"; and {len(held) - 5} more" if len(held) > 5 else "")
    return NoStructuralImageError(
        f"{gathered.source} holds no T1, T1c, T2 or FLAIR, only: {listed}; "
        "name the files (--t1, --t1c, --t2, --flair) if one of them is"
    )
