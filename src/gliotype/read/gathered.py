"""What was gathered of a source, and the `Study` made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gliotype.errors import InputError, NoStructuralImageError
from gliotype.read.examinations import by_format
from gliotype.read.identify.by_header import (
    SURE,
    SURGERY_WARNING,
    after_contrast,
    identify,
    modality_word,
    surgery_words,
)
from gliotype.read.identify.choose import HEAD_MM, Candidate, reach_mm
from gliotype.read.losses import loss_warning
from gliotype.read.series import Examination, Loaded, unread_volume
from gliotype.study import STRUCTURAL, Image, NotRead, Sequence, Study, Subject

_MAX_LISTED = 5

AGE_FROM_DATES = (
    "was calculated from the dates of birth and examination in the headers, which anonymisers change: "
    "give it with --age."
)
"""Ends the warning about an age that the caller did not state."""


@dataclass(eq=False)
class Gathered:
    """What has been read so far.

    Attributes:
        source: name of the study for messages.
        used: by sequence, the image in use, and its voxels.
        unused: images that are not used.
        errors: images that could not be read.
        warnings: about identification.
        not_read: what is not an image of the study.
        spectra: the chosen one first.
    """

    source: str
    used: dict[Sequence, tuple[Candidate, Loaded]] = field(default_factory=dict)
    unused: list[Candidate] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    not_read: list[NotRead] = field(default_factory=list)
    spectra: list[Image] = field(default_factory=list)


def make_study(gathered: Gathered, subject: str) -> Study:
    """Make the study of what was gathered, with age and sex as the headers have them.

    Args:
        gathered: from a source and from named files.
        subject: the caller's name for the patient.

    Raises:
        InputError: if nothing of it can be used.
        NoStructuralImageError: if there is none of T1, T1c, T2 and FLAIR.
    """
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
    warnings += _age_remark([c.series.examination for c, _ in ordered.values()])
    warnings += loss_warning(gathered.not_read, len(unused), _missed(gathered))
    everyone = [c.series.examination for c, _ in ordered.values()]
    surgeries = [surgery_words(c.series.info, c.series.examination.description) for c, _ in ordered.values()]
    return Study(
        subject=Subject(
            subject,
            age=next((e.age for e in everyone if e.age is not None), None),
            sex=next((e.sex for e in everyone if e.sex), None),
        ),
        images=(*images, *gathered.spectra, *(_image(candidate, None) for candidate in unused)),
        warnings=tuple(dict.fromkeys(warnings)),
        not_read=tuple(gathered.not_read),
        surgery=next(filter(None, surgeries), None),
    )


def state_subject(study: Study, subject: Subject) -> Study:
    """Give a study the name, age and sex that the caller states, and leave those of the headers where it states none.

    Args:
        study: with age and sex as its headers have them.
        subject: age and sex may be None.
    """
    known = study.subject
    stated = Subject(subject.id, known.age if subject.age is None else subject.age, subject.sex or known.sex)
    dated = [warning for warning in study.warnings if warning.endswith(AGE_FROM_DATES)]
    unneeded = [] if subject.age is None else dated
    warnings = tuple(warning for warning in study.warnings if warning not in unneeded)
    return replace(study, subject=stated, warnings=warnings)


def _age_remark(examinations: list[Examination]) -> list[str]:
    """Warn, in a list of one or none, if the age in the headers was calculated from dates."""
    known = next((e for e in examinations if e.age is not None), None)
    if known is None or not known.age_from_dates:
        return []
    return [f"The age ({known.age:.1f} years) {AGE_FROM_DATES}"]


def _missed(gathered: Gathered) -> list[str]:
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
        dicom=None if loaded is None else loaded.dicom,
        b0=None if loaded is None else loaded.b0,
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


def _nothing_structural(gathered: Gathered) -> InputError | NoStructuralImageError:
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
    if not everything:
        return InputError(
            f"{gathered.source} holds no image that can be read: give DICOM or NIfTI of an MR study"
        )
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
