"""The gate: reasons why no definite call may be made on a study, whatever its evidence says.

The methods were fitted and tested on pre-operative images of adults with diffuse glioma. They give a number for
anything, white noise included, so what they are given is checked first. Each check is one function that returns a
sentence, or an empty text where it finds nothing. A study that does not pass keeps its probability and gets no definite
call.
"""

from __future__ import annotations

from collections.abc import Mapping

from gliotype.answer.image_checks import (
    cavity_ml,
    edge_fraction,
    explained_by_anatomy,
    suppressed_fluid,
)
from gliotype.answer.typical import feature_distribution, image_response
from gliotype.read.identify.by_header import SURE
from gliotype.study import STRUCTURAL, Measurements, PreparedStudy, Sequence, Study, Subject, Tumour
from gliotype.text import percent

ADULT_YEARS = 18.0
"""Age below which the methods do not hold: gliomas of children are other tumours (WHO 2021, paediatric type)."""

FITTED_ON = frozenset({Sequence.T1C, Sequence.T2, Sequence.FLAIR})
"""Sequences from which the methods draw their evidence."""

FEWEST_IMAGES = 2
"""Of `FITTED_ON`; a single one led to a definite call on a stroke."""

MIN_SIMILARITY = 0.5
MIN_OVERLAP = 0.8
"""Similarity and overlap of a registration below which `prepare` warns, too; development patients: >= 0.59, >= 0.90."""

PLAUSIBLE_SCALES = (0.7, 1.65)
"""Scaling of a head to MNI152; a wrong slice distance in the header stretches 4 development patients, by up to 1.57."""

MIN_BRAIN_AGREEMENT = 0.75
"""Dice of the brain with the atlas's below which `prepare` does not believe it; development patients: >= 0.90."""

MIN_EXPLAINED = 0.01
"""Part of an image's variance that anatomy must explain in at least one image.

Development patients: at least 0.04, and 0.11 where there is more than a FLAIR. White noise at 1 mm: at most 0.002;
at 2 mm 49 of 50 studies lie below the limit.
"""

MIN_AGREEMENT = 0.6
"""Dice of the outline of a single network pass or mirror side with the drawn one; development patients: >= 0.74."""

MAX_AT_EDGE = 0.35
"""Fraction of the outline within 3 mm of the brain's surface; development patients: at most 0.18."""

RESPONSES = (0.5, 15.0)
"""How far images move the maps of Model 2; development patients: 1.9 to 10.4; white noise: 1.2 to 2.5."""

MAX_CAVITY_ML = 2.0
"""Volume of a cavity that is open to the brain's surface; development patients: at most 0.2 ml."""


MIN_SUPPRESSED_FLUID = 0.004
"""Fraction of the brain that is fluid dark on FLAIR; development patients: at least 0.009.

Below it, cysts and the cavities of old infarcts look like tumour with a T2-FLAIR mismatch: on two simulated infarcts
that led to the call "mutant".
"""


def gate(
    study: Study, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements
) -> tuple[str, ...]:
    """List the reasons why no definite call may be made.

    Args:
        study: as it was read.
        prepared: its images on the 1 mm grid.
        tumour: found or given, not empty.
        measurements: of the drawn outline.

    Returns:
        One sentence for each reason; none where the study passes.
    """
    mask = tumour.mask
    reasons = (
        under_age(study.subject),
        surgery(study),
        contrast_enhanced_flair(study),
        doubtful_identification(study),
        doubtful_registration(prepared),
        doubtful_brain(prepared),
        too_few_images(prepared),
        no_anatomy(explained_by_anatomy(prepared, mask)),
        passes_disagree(tumour.agreement),
        at_the_edge(edge_fraction(prepared, mask)),
        resection_cavity(cavity_ml(prepared, mask)),
        bright_fluid(suppressed_fluid(prepared, mask)),
        unlike_training(measurements),
        unread_images(prepared, tumour),
    )
    return tuple(filter(None, reasons))


def gate_without_tumour(study: Study, prepared: PreparedStudy, tumour: Tumour) -> tuple[str, ...]:
    """List the reasons why a study in which no tumour was found may hold one.

    Args:
        study: as it was read.
        prepared: its images on the 1 mm grid.
        tumour: empty, with what speaks for one nevertheless.

    Returns:
        One sentence for each reason; none where it may be said that there is no tumour.
    """
    reasons = (
        doubtful_identification(study),
        doubtful_registration(prepared),
        doubtful_brain(prepared),
        no_anatomy(explained_by_anatomy(prepared, tumour.mask)),
        *tumour.doubts,
    )
    return tuple(filter(None, reasons))


def under_age(subject: Subject) -> str:
    """Stop children.

    Example:
        >>> under_age(Subject("a", age=12.0))
        'The patient is under 18: all methods are for adults with diffuse glioma.'
        >>> under_age(Subject("a", age=18.0)), under_age(Subject("a"))
        ('', '')
    """
    if subject.age is None or subject.age >= ADULT_YEARS:
        return ""
    return f"The patient is under {ADULT_YEARS:.0f}: all methods are for adults with diffuse glioma."


def surgery(study: Study) -> str:
    """Stop examinations whose descriptions mention earlier surgery or biopsy."""
    if study.surgery is None:
        return ""
    return (
        f"A description in the study says '{study.surgery}': the methods are for tumours before any operation, "
        "and surgery or biopsy changes what they measure."
    )


def contrast_enhanced_flair(study: Study) -> str:
    """Stop examinations whose FLAIR was acquired after contrast agent: it no longer shows the T2-FLAIR relation."""
    flair = study.chosen.get(Sequence.FLAIR)
    if flair is None or not flair.acquisition.contrast:
        return ""
    return "The FLAIR was acquired after contrast agent was given, which brightens enhancing tumour on FLAIR, too."


def doubtful_identification(study: Study) -> str:
    """Stop examinations in which a structural image may be another one than it was taken for."""
    doubtful = [
        f"{sequence.word} ({image.confidence:.2f})"
        for sequence, image in study.chosen.items()
        if sequence in STRUCTURAL and image.confidence < SURE
    ]
    if not doubtful:
        return ""
    return (
        f"Some images were identified with low confidence, and may be of another sequence: {', '.join(doubtful)}; "
        "name the files (--t1, --t1c, --t2, --flair)."
    )


def doubtful_registration(prepared: PreparedStudy) -> str:
    """Stop studies whose structural images could not be registered to each other or to the atlas.

    Example:
        >>> from types import SimpleNamespace
        >>> quality = {"FLAIR to T1C: similarity": 0.31, "FLAIR to T1C: overlap": 0.9}
        >>> doubtful_registration(SimpleNamespace(quality=quality))
        'The registration of FLAIR to T1c is doubtful (similarity 0.31): look at the pictures.'
    """
    found: dict[str, list[str]] = {}
    for key, value in prepared.quality.items():
        pair, _, what = key.partition(": ")
        if pair.split(" to ")[0] in STRUCTURAL and _is_doubtful(what, value):
            found.setdefault(pair.replace(Sequence.T1C, Sequence.T1C.word), []).append(f"{what} {value:.2f}")
    if not found:
        return ""
    pairs = "; ".join(f"{pair} is doubtful ({', '.join(issues)})" for pair, issues in found.items())
    return f"The registration of {pairs}: look at the pictures."


def _is_doubtful(what: str, value: float) -> bool:
    least, most = PLAUSIBLE_SCALES
    return {
        "similarity": value < MIN_SIMILARITY,
        "overlap": value < MIN_OVERLAP,
        "smallest scale": value < least,
        "largest scale": value > most,
    }.get(what, False)


def doubtful_brain(prepared: PreparedStudy) -> str:
    """Stop studies whose brain was not found."""
    agreement = prepared.quality.get("brain: agreement with the atlas", 1.0)
    if agreement >= MIN_BRAIN_AGREEMENT:
        return ""
    return f"The brain was not found with certainty (overlap with the atlas {agreement:.2f})."


def too_few_images(prepared: PreparedStudy) -> str:
    """Stop studies that lack most of the sequences on which the methods rest."""
    there = [s.word for s in STRUCTURAL if s in FITTED_ON and s in prepared.images]
    if len(there) >= FEWEST_IMAGES:
        return ""
    return (
        f"Of T1c, T2 and FLAIR, the study has {f'only {there[0]}' if there else 'none'}: a definite call needs at "
        f"least {FEWEST_IMAGES} of them."
    )


def no_anatomy(explained: float) -> str:
    """Stop images that do not show a brain, such as noise.

    Args:
        explained: see `explained_by_anatomy`.
    """
    if explained >= MIN_EXPLAINED:
        return ""
    return "No image shows the grey and white matter of a brain where they are expected."


def passes_disagree(agreement: Mapping[str, float]) -> str:
    """Stop tumours that a single network pass or mirror side draws quite differently.

    Args:
        agreement: see `Tumour`; none for a given mask.

    Example:
        >>> passes_disagree({"as seen": 0.97, "mirrored": 0.93})
        ''
        >>> passes_disagree({"as seen": 0.97, "mirrored": 0.0})[:52]
        "The network's outlines disagree: the one named 'mirr"
    """
    name, dice = min(agreement.items(), key=lambda item: item[1], default=("", 1.0))
    if dice >= MIN_AGREEMENT:
        return ""
    return (
        f"The network's outlines disagree: the one named '{name}' has a Dice overlap of only {dice:.2f} with the drawn "
        "one; look at the outline, and give a corrected one with --mask."
    )


def at_the_edge(fraction: float) -> str:
    """Stop outlines of which too much lies at the brain's surface, where orbits and venous sinuses are.

    Args:
        fraction: see `edge_fraction`.
    """
    if fraction <= MAX_AT_EDGE:
        return ""
    return (
        f"{percent(fraction)} of the outline lies at the brain's surface, where it may include orbit, dura or vessels: "
        "look at it, and give a corrected one with --mask."
    )


def resection_cavity(volume_ml: float) -> str:
    """Stop heads with a cavity like that of a resection.

    Args:
        volume_ml: see `cavity_ml`.
    """
    if volume_ml <= MAX_CAVITY_ML:
        return ""
    return (
        f"A fluid-filled cavity of {volume_ml:.0f} ml reaches from the outline to the brain's surface, as after a "
        "resection: the methods are for tumours before any operation."
    )


def bright_fluid(suppressed: float | None) -> str:
    """Stop studies whose FLAIR does not suppress fluid, so that a cavity looks like a T2-FLAIR mismatch.

    Args:
        suppressed: see `suppressed_fluid`.

    Example:
        >>> bright_fluid(0.02), bright_fluid(None)
        ('', '')
        >>> bright_fluid(0.001)[:39]
        'FLAIR hardly shows any fluid as dark: c'
    """
    if suppressed is None or suppressed >= MIN_SUPPRESSED_FLUID:
        return ""
    return (
        "FLAIR hardly shows any fluid as dark: cysts and cavities cannot be distinguished from tumour with a T2-FLAIR "
        "mismatch."
    )


def unlike_training(measurements: Measurements) -> str:
    """Stop tumours whose radiomics features are unlike those of mutants and of wildtypes alike."""
    known = feature_distribution()
    values = {
        name: value
        for name in known.features
        if (value := {**measurements.shape, **measurements.signal}.get(name)) is not None and value > 0
    }
    unlikeness = known.unlikeness(values)
    if unlikeness is None or unlikeness.distance <= unlikeness.limit:
        return ""
    return (
        "Shape and signal are unlike those of the patients on whom the methods were fitted "
        f"(squared Mahalanobis distance {unlikeness.distance:.1f}; 99 % of them lie below {unlikeness.limit:.1f}), "
        f"most of all in {unlikeness.most}."
    )


def unread_images(prepared: PreparedStudy, tumour: Tumour) -> str:
    """Stop images that Model 2 sees nothing in, and those that move it as no patient's did."""
    response = image_response(prepared, tumour)
    least, most = RESPONSES
    if response is None or least <= response <= most:
        return ""
    how = "hardly change the map of Model 2" if response < least else "change the map of Model 2 too much"
    return (
        f"The images are unlike those of patients: they {how} ({response:.1f} log-odds against the outline alone; "
        f"{least:g} to {most:g} is plausible)."
    )
