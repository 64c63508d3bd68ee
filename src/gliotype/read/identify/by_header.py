"""Say which sequence a series is, how surely, and why: headers first, then words.

Each piece of evidence (image type, header times, file name, series description) is an opinion: a
probability for each kind. Independent opinions are multiplied (naive Bayes), so two that agree raise the
confidence and two that conflict lower it; header times carry more weight than words. What remains open
after headers and words is decided by the voxels (`gliotype.read.identify.by_voxels`).

A reason quotes words of the vocabulary, never a text of the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gliotype.read.identify import keywords as words
from gliotype.read.identify.contrast_words import ContrastMatch, match_contrast
from gliotype.read.identify.kinds import Kind
from gliotype.read.identify.timing import Opinion, timing_opinion, weighting_opinion
from gliotype.read.series import SeriesInfo
from gliotype.study import Sequence

_NAME_STRENGTH = 0.9
_TECHNIQUE_STRENGTH = 0.95
_MAX_CONFIDENCE = 0.99
SURE = 0.6
"""A confidence below this is worth a warning."""

_IMAGE_TYPES: tuple[tuple[str, str], ...] = (
    ("LOCALIZER", "a localiser"),
    ("SUBTRACTION|SUBTRACT|SUB|DIFFERENCE", "a subtraction"),
    ("PROJECTION IMAGE|MIP|MAX_IP|MIN_IP|MNIP", "a projection"),
    ("SCREEN SAVE|CSA REPORT|CSAPARALLEL", "a screen capture"),
    ("P|PHASE|PHASE MAP|PHASE_MAP|VELOCITY", "a phase image"),
    ("IMAGINARY|I|R|REAL", "a real or imaginary image"),
    ("FA|TRACEW|TRACE|EADC|TENSOR|DIFFUSION", "a diffusion image"),
    ("R?CBV|R?CBF|R?MTT|R?TTP|TMAX|REL(?:CBV|CBF|MTT)|PBP|GBP", "a perfusion map"),
    ("(?:T1|T2|T2_STAR|T2STAR|T1RHO|PD|R1|R2|R2_STAR|FIELD|B0|B1)[ _]?MAP|QMAP", "a parameter map"),
    (
        "FAT|F|FF|FAT_FRACTION|OP|OPP|OPP_PHASE|OUT_PHASE|OUT_OF_PHASE|OUTPHASE|OPPOSED_PHASE",
        "the fat or opposed-phase image of a Dixon series",
    ),
    ("MOSAIC", "a Siemens mosaic that does not say how it is built (convert it with dcm2niix)"),
)

_MODALITIES = {
    "CT": "CT", "PT": "PET", "NM": "nuclear medicine", "CR": "radiography", "DX": "radiography", "US": "ultrasound",
    "XA": "angiography", "RF": "fluoroscopy", "MG": "mammography", "RTDOSE": "a radiotherapy dose",
    "RTPLAN": "a radiotherapy plan", "RTIMAGE": "a radiotherapy image", "REG": "a registration", "PR": "a presentation",
    "SR": "a report", "KO": "a selection", "DOC": "a document",
}  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """What a series is identified as.

    Attributes:
        sequence: the sequence, or None for something else.
        confidence: 0 to 1.
        reason: one sentence.
        open: what is not decided by header and name: the kinds that remain possible (empty when decided).
        contrast_open: the image is T1-weighted, and nothing says whether contrast was given.
        rival: what it may be instead, where the evidence is contradictory.
        possible_mask: a clause about a word that may name a mask, or a patient, place or code; the voxels decide.
    """

    sequence: Sequence | None
    confidence: float
    reason: str
    open: frozenset[Kind] = frozenset()
    contrast_open: bool = False
    rival: Sequence | None = None
    possible_mask: str = ""


def identify(info: SeriesInfo) -> Identity:
    """Identify one series from what its header and its name say.

    Example:
        >>> identity = identify(SeriesInfo(name="BraTS2021_00006_t1ce"))
        >>> identity.sequence, identity.reason
        (<Sequence.T1C: 'T1C'>, "The file name says 't1ce', and 't1ce' means after contrast.")
    """
    if excluded := _excluded(info):
        return Identity(None, 0.97, f"Not used: {excluded}.")
    possible_mask = _possible_mask(info)
    opinions = list(_opinions(info))
    if not opinions:
        return Identity(
            None,
            0.0,
            "Neither the header nor the name says what it is.",
            open=frozenset({*Kind} - {Kind.OTHER}),
            possible_mask=possible_mask,
        )
    weights = {kind: float(np.prod([o.probability(kind) for o in opinions])) for kind in Kind}
    kind = max(weights, key=lambda k: weights[k])
    confidence = min(weights[kind] / sum(weights.values()), _MAX_CONFIDENCE)
    reason = _because(kind, opinions)
    if confidence < SURE and kind is not Kind.OTHER:
        likely = frozenset(k for k in weights if weights[k] > 0.2 * weights[kind] and k is not Kind.OTHER)
        return Identity(_plain(kind), confidence, _sentence(reason), open=likely, possible_mask=possible_mask)
    if kind is Kind.T1:
        return _with_contrast(info, confidence, reason, possible_mask)
    if kind is Kind.OTHER:
        meaning = next(
            (o.meaning for o in reversed(opinions) if _speaks_for(o, kind) and o.meaning), "something else"
        )
        return Identity(None, confidence, f"Not used: {meaning}; {reason}.")
    return Identity(_plain(kind), confidence, _sentence(reason), possible_mask=possible_mask)


SURGERY_WARNING = (
    "A description says '{}': the methods are for tumours before any operation, "
    "so make sure that no surgery or biopsy came before this examination."
)
"""What is said of such words."""


def surgery_words(info: SeriesInfo, study_description: str) -> str | None:
    """Return the words of a description that mention an earlier operation or biopsy, or None."""
    texts = [*(text for _, text in info.all_texts), study_description]
    return next((found for text in texts if (found := words.match_surgery(text))), None)


def own_contrast(info: SeriesInfo) -> tuple[ContrastMatch, str] | None:
    """Return what the file name or the description says about contrast, and which of them says so."""
    return next(
        (
            (match, source)
            for source, text in info.all_texts
            if source in ("file name", "description") and (match := match_contrast(text))
        ),
        None,
    )


def after_contrast(info: SeriesInfo) -> bool:
    """Determine whether header, name or description say that an image was acquired after contrast agent."""
    said = own_contrast(info)
    return bool(info.acquisition.contrast or (said and said[0].given))


def modality_word(modality: str) -> str:
    """Name a modality; a header may hold any text there, which is not repeated.

    Example:
        >>> modality_word("CT"), modality_word("DOE^JOHN")
        ('CT', 'another modality')
    """
    return _MODALITIES.get(modality, "another modality")


def _excluded(info: SeriesInfo) -> str | None:
    """Say what in the header or the name rules the series out, or None."""
    if info.modality in ("SEG", "RTSTRUCT") or info.label_map:
        return "the header says that it is a segmentation, not an image"
    if info.modality != "MR" and info.modality not in ("OT", "SC"):
        return f"its modality is {modality_word(info.modality)}, not MR"
    if word := words.match_mask(info.name):
        return f"the file name says '{word}', a mask or segmentation, which is never read"
    if info.pictured or info.modality in ("OT", "SC"):
        return "a screen capture or picture without a place in the patient"
    if "ADC" in info.image_type:
        return None
    for pattern, meaning in _IMAGE_TYPES:
        if match := next((value for value in info.image_type if re.fullmatch(pattern, value)), None):
            return f"its image type holds {match}, {meaning}"
    if info.angiography:
        return "the header says that it is an angiogram"
    if named := _quantitative_map(info):
        return named
    if info.max_b_value > 0:
        return f"it is diffusion-weighted (b {info.max_b_value:.0f} s/mm2)"
    return None


def _quantitative_map(info: SeriesInfo) -> str | None:
    """Say which of an image's own words name a map of a tissue parameter; no folder makes it a weighted image."""
    context = " ".join(text for _, text in info.all_texts)
    own = (pair for pair in info.all_texts if pair[0] in ("file name", "description"))
    found = ((source, word) for source, text in own if (word := words.match_map(text, context)))
    return next((f"the {source} says '{word}', a parameter map" for source, word in found), None)


def _possible_mask(info: SeriesInfo) -> str:
    """Say which word of the file name, or of its folder where the name says nothing, may mean a mask."""
    if not info.name:
        return ""
    if word := words.match_possible_mask(info.name):
        return f"the file name says '{word}'"
    word = None if words.match_kind(info.name) else words.match_possible_mask(info.folder)
    return f"the folder says '{word}'" if word else ""


def _opinions(info: SeriesInfo) -> Iterator[Opinion]:
    if "ADC" in info.image_type:
        yield Opinion({Kind.ADC: 0.97}, "its image type holds ADC")
    else:
        yield from (o for o in (weighting_opinion(info), timing_opinion(info)) if o is not None)
    seen: set[str] = set()
    for source, text in info.all_texts:
        own = source in ("file name", "description")
        said = words.match_kind(text, described=own, file_name=source == "file name")
        if said is None or source in seen or (source == "protocol" and "description" in seen):
            continue
        seen.add(source)
        strength = _TECHNIQUE_STRENGTH if said.kind is Kind.OTHER else _NAME_STRENGTH
        yield Opinion({said.kind: strength}, f"the {source} says '{said.word}'", said.meaning)


def _speaks_for(opinion: Opinion, kind: Kind) -> bool:
    return opinion.odds.get(kind, 0.0) >= 0.35


def _because(kind: Kind, opinions: list[Opinion]) -> str:
    """Join the clauses for a kind, then those against it."""
    text = ", and ".join(o.because for o in opinions if _speaks_for(o, kind))
    against = [o.because for o in opinions if not _speaks_for(o, kind)]
    if against:
        text = f"{text or 'the likeliest by all evidence'}, although {' and '.join(against)}"
    return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _plain(kind: Kind) -> Sequence:
    return Sequence.T1 if kind is Kind.T1 else Sequence(kind.value)


def _contrast_words(info: SeriesInfo) -> tuple[ContrastMatch, str] | None:
    """Find what words say about contrast: the series' own first, then a protocol or folder that is its alone.

    A folder counts only if it names a T1-weighted image as well or consists of words of the field.
    """
    if own := own_contrast(info):
        return own
    for source, text in (("protocol", info.protocol), ("folder", info.folder)):
        if source in info.shared or not (match := match_contrast(text)):
            continue
        kind = words.match_kind(text, described=False)
        neutral = len(match.word.split()) > 1 and all(
            words.is_neutral(word) or word in match.word.split() for word in words.normalised(text).split()
        )
        if source == "protocol" or (kind is not None and kind.kind is Kind.T1) or neutral:
            return match, source
    return None


def _with_contrast(info: SeriesInfo, confidence: float, reason: str, possible_mask: str) -> Identity:
    """Decide between T1 and T1c by the header's contrast agent and by words."""
    agent = info.acquisition.contrast
    said = _contrast_words(info)

    def identity(given: bool, fraction: float, clause: str, doubtful: bool = False) -> Identity:
        sequence, other = (Sequence.T1C, Sequence.T1) if given else (Sequence.T1, Sequence.T1C)
        return Identity(
            sequence,
            fraction * confidence,
            _sentence(f"{reason}, {clause}"),
            rival=other if doubtful else None,
            possible_mask=possible_mask,
        )

    header = "the header names a contrast agent" if agent else "the header says that no contrast was given"
    if said is None:
        if agent is not None:
            return identity(agent, 0.93, f"and {header}")
        return Identity(
            Sequence.T1,
            0.8 * confidence,
            _sentence(f"{reason}, and nothing says that contrast was given"),
            contrast_open=True,
            possible_mask=possible_mask,
        )
    match, source = said
    wording = f"'{match.word}' means {'after' if match.given else 'before'} contrast"
    if f"the {source} says" not in reason:
        wording = f"in the {source} {wording}"
    if any(m.given != match.given for _, text in info.all_texts[:2] if (m := match_contrast(text))):
        return identity(
            match.given, 0.55, f"and {wording}, although its other description says the opposite", True
        )
    if agent is None:
        return identity(match.given, 0.95, f"and {wording}")
    if agent == match.given:
        return identity(agent, 1.0, f"{header}, and {wording}")
    if agent and source in ("file name", "description"):
        return identity(False, 0.6, f"and {wording}, although {header}", True)
    return identity(agent, 0.6, f"and {header}, although {wording}", True)
