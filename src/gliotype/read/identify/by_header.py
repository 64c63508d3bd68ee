"""Say which sequence a series is, how surely, and why: headers first, then words.

Each piece of evidence (image type, header times, file name, series description) is an opinion: a
probability for each kind. Independent opinions are multiplied (naive Bayes), so two that agree raise the
confidence and two that conflict lower it; header times carry more weight than words. What remains open
after headers and words is decided by the voxels (`gliotype.read.identify.by_voxels`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gliotype.read.identify import keywords as words
from gliotype.read.identify.kinds import Kind
from gliotype.read.identify.timing import Opinion, timing_opinion, weighting_opinion
from gliotype.read.series import SeriesInfo
from gliotype.study import Sequence

_NAME_STRENGTH = 0.9
_TECHNIQUE_STRENGTH = 0.95
_MAX_CONFIDENCE = 0.99

_IMAGE_TYPES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"LOCALIZER"}), "a localiser"),
    (frozenset({"SUBTRACTION", "SUB"}), "a subtraction"),
    (frozenset({"PROJECTION IMAGE", "MIP", "MAX_IP", "MIN_IP", "MNIP"}), "a projection"),
    (frozenset({"SCREEN SAVE", "CSA REPORT", "CSAPARALLEL"}), "a screen capture"),
    (frozenset({"P", "PHASE", "PHASE MAP", "VELOCITY", "IMAGINARY", "I"}), "a phase image"),
    (frozenset({"FA", "TRACEW", "TRACE", "EADC", "TENSOR", "DIFFUSION"}), "a diffusion image"),
    (
        frozenset(
            {"CBV", "CBF", "MTT", "TTP", "TMAX", "RCBV", "RCBF", "RELCBV", "RELCBF", "RELMTT", "PBP", "GBP"}
        ),
        "a perfusion map",
    ),
    (frozenset({"T1 MAP", "T2 MAP", "T2_STAR MAP", "FIELD_MAP", "B0 MAP", "B1 MAP"}), "a parameter map"),
    (frozenset({"MOSAIC"}), "a Siemens mosaic that does not say how it is built (convert it with dcm2niix)"),
)


@dataclass(frozen=True)
class Identity:
    """What a series is taken for.

    Attributes:
        sequence: the sequence, or None for something else.
        confidence: 0 to 1.
        reason: one sentence.
        open: what is not decided by header and name: the kinds that remain possible (empty when decided).
        contrast_open: the image is T1-weighted, and nothing says whether contrast was given.
    """

    sequence: Sequence | None
    confidence: float
    reason: str
    open: frozenset[Kind] = frozenset()
    contrast_open: bool = False


def identify(info: SeriesInfo) -> Identity:
    """Identify one series from what its header and its name say.

    Example:
        >>> identity = identify(SeriesInfo(name="BraTS2021_00006_t1ce"))
        >>> identity.sequence, identity.reason
        (<Sequence.T1C: 'T1C'>, "The file name says 't1ce', and 't1ce' means after contrast.")
    """
    if excluded := _excluded(info):
        return Identity(None, 0.97, f"Not used: {excluded}.")
    opinions = list(_opinions(info))
    if not opinions:
        return Identity(
            None,
            0.0,
            "Neither the header nor the name says what it is.",
            open=frozenset({*Kind} - {Kind.OTHER}),
        )
    weights = {kind: float(np.prod([o.probability(kind) for o in opinions])) for kind in Kind}
    kind = max(weights, key=lambda k: weights[k])
    confidence = min(weights[kind] / sum(weights.values()), _MAX_CONFIDENCE)
    reason = _because(kind, opinions)
    if confidence < 0.6 and kind is not Kind.OTHER:
        likely = frozenset(k for k in weights if weights[k] > 0.2 * weights[kind] and k is not Kind.OTHER)
        return Identity(_plain(kind), confidence, _sentence(reason), open=likely)
    if kind is Kind.T1:
        return _with_contrast(info, confidence, reason)
    if kind is Kind.OTHER:
        meaning = next(
            (o.meaning for o in reversed(opinions) if _speaks_for(o, kind) and o.meaning), "something else"
        )
        return Identity(None, confidence, f"Not used: {meaning}; {reason}.")
    return Identity(_plain(kind), confidence, _sentence(reason))


def surgery_remark(info: SeriesInfo, study_description: str) -> list[str]:
    """Warn, in a list of one or none, if a description tells of an earlier operation."""
    texts = [*(text for _, text in info.all_texts), study_description]
    word = next((word for text in texts if (word := words.match_surgery(text))), None)
    if word is None:
        return []
    return [
        f"A description says '{word}': the methods are for tumours before any operation, "
        "so make sure that no surgery or biopsy came before this examination."
    ]


def _excluded(info: SeriesInfo) -> str | None:
    """Say what in the header or the name rules the series out, or None."""
    if info.modality in ("SEG", "RTSTRUCT") or info.label_map:
        return "the header says that it is a segmentation, not an image"
    if info.modality != "MR" and info.modality not in ("OT", "SC"):
        return f"its modality is {info.modality}, not MR"
    if word := words.match_mask(info.name):
        return f"the file name says '{word}', a mask or segmentation, which is never read"
    if info.name and not words.match_kind(info.name) and (word := words.match_mask(info.folder)):
        return f"the folder says '{word}', a mask or segmentation, which is never read"
    if info.pictured or info.modality in ("OT", "SC"):
        return "a screen capture or picture without a place in the patient"
    if "ADC" in info.image_type:
        return None
    for values, meaning in _IMAGE_TYPES:
        if match := values.intersection(info.image_type):
            return f"its image type holds {min(match)}, {meaning}"
    if info.angiography:
        return "the header says that it is an angiogram"
    if info.max_b_value > 0:
        return f"it is diffusion-weighted (b {info.max_b_value:.0f} s/mm2)"
    return None


def _opinions(info: SeriesInfo) -> Iterator[Opinion]:
    if "ADC" in info.image_type:
        yield Opinion({Kind.ADC: 0.97}, "its image type holds ADC")
    else:
        yield from (o for o in (weighting_opinion(info), timing_opinion(info)) if o is not None)
    seen: set[str] = set()
    for source, text in info.all_texts:
        said = words.match_kind(text)
        if said is not None and source not in seen:
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
        text = f"{text or 'the likeliest by the sum of info'}, although {' and '.join(against)}"
    return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _plain(kind: Kind) -> Sequence:
    return Sequence.T1 if kind is Kind.T1 else Sequence(kind.value)


def _with_contrast(info: SeriesInfo, confidence: float, reason: str) -> Identity:
    """Decide between T1 and T1c by the header's contrast agent and by words."""
    agent = info.acquisition.contrast
    said = next(((w, s) for s, t in info.all_texts if (w := words.match_contrast(t))), None)
    if said is None and agent is None:
        reason = f"{reason}, and nothing says that contrast was given"
        return Identity(Sequence.T1, 0.8 * confidence, _sentence(reason), contrast_open=True)
    header = "the header names a contrast agent" if agent else "the header says that no contrast was given"
    if said is None:
        sequence = Sequence.T1C if agent else Sequence.T1
        return Identity(sequence, 0.93 * confidence, _sentence(f"{reason}, and {header}"))
    (given, word), source = said
    wording = f"'{word}' means {'after' if given else 'before'} contrast"
    if f"the {source} says" not in reason:
        wording = f"in the {source} {wording}"
    if agent is None:
        sequence = Sequence.T1C if given else Sequence.T1
        return Identity(sequence, 0.95 * confidence, _sentence(f"{reason}, and {wording}"))
    sequence = Sequence.T1C if agent else Sequence.T1
    if agent == given:
        return Identity(sequence, confidence, _sentence(f"{reason}, {header}, and {wording}"))
    return Identity(sequence, 0.6 * confidence, _sentence(f"{reason}, and {header}, although {wording}"))
