"""What words say about contrast agent: given, not given, both, or nothing.

A word for an agent is read together with the text before it ('sem contraste', 'post Gd', 'vor KM'), in the
languages that scanners write. Short words that may be a name ('post', 'gad', 'KM') count only where nothing but
words of the field stands between them and the name of a T1-weighted technique.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gliotype.read.identify.keywords import BOTH, is_neutral, normalised


@dataclass(frozen=True)
class ContrastMatch:
    """What a text says about contrast.

    Attributes:
        given: whether an agent was given.
        word: the words of the vocabulary that say so.
    """

    given: bool
    word: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AGENT = (
    r"contrast|contraste|contrasto|contrasted|contrastmiddel|contraststof|contrastvloeistof|contrastmittel|kontrast"
    r"|kontrastu|kontrastem|kontrastom|kontrastmittel|kontrastmedel|kontrastmiddel|kontras|kontrasta|kontraste|mdc|pdc|civ|ivkm|ivcm"
    r"|gadolinium|gadolinio|gadovist|gadavist|gadobutrol|gadoter(?:idol|ate|at|ic|ico)|gadobenate|gadopentetate"
    r"|gadodiamide|gadopiclenol|gadoversetamide|dotarem|dotagraf|clariscan|cyclolux|magnevist|magnograf|multihance"
    r"|prohance|omniscan|optimark|elucirem|vueway|ferumoxytol|feraheme"
)
"""Words for an agent that are nobody's name."""
_SHORT_AGENT = (
    r"gd|gad|gado|km|kmittel|ce|c|inj|injection|cont|con|cm|dtpa|[+]c|enh|enhancement|injektion|injecao"
)
_AGENT_SUFFIXES = (
    r"dtpa|bopta|bt|do3a|dota|iv|medium|media|agent|injection|mittel|em|enhanced|enhancement|wzm"
)
_FILLERS = _words(
    "medio mezzo meio produit medium agent agente mittel di de du do del della dello d of iv ev i v the "
    "el le la il o a von vom der dem any given gegeben administration application gabe "
)
_WITHOUT = _words(
    "no non not without wo sem sin sans senza ohne zonder utan uten uden bez ilman fara geen kein keine "
    "keinen nao minus nie ei o "
)
_BEFORE = _words("pre vor before avant antes prima voor fore innan przed oncesi pred v ")
_AFTER = _words(
    "post pos nach after apres dopo despues depois na efter etter po sonrasi p n ap with w con com avec "
    "mit met med m cum z s c plus "
)
_ALONE_WITHOUT = (
    r"pre|nativ|native|nativa|nativo|plain|unenhanced|simple|blanco|basale|basal|without|wo|sem|sin|sans|senza|ohne"
    r"|zonder|utan|uten|uden|t1n|noncontrast|noncon|nonenhanced|nongd|noncontrasted|unkontrastiert|nicht injiziert"
    r"|(?:nao|no|non|sin|sem) contrasta[dt][oa]"
    r"|precontrast|precontraste|precon|pregd|pregad|pregado|prekm|prekontrast|kontrastsiz|kontrastfrei|vorkm|[-]c"
    r"|non ?inj(?:ecte|ecte?e)?|non ?enhanced|non ?contrasted|non ?enh|not ?enhanced|w o"
)
_ALONE_GIVEN = (
    r"post|enhanced|injecte|injectee|injected|contrastad[oa]|contrastat[oa]|kontrastli|kontrastiert|postcontrast"
    r"|postcontraste|poscontraste|postcon|postgd|postgad|postgado|postkm|postkontrast|postinj|posgd|nachkm|t1c|t1ce"
    r"|c ?e ?mri?|pos|kmgabe"
)
_NAMES_NOBODY = (
    r"unenhanced|noncontrast|noncon|nonenhanced|nongd|precontraste?|precon|pregd|pregado?|prekm|prekontrast"
    r"|kontrastsiz|kontrastfrei|vorkm|[-]c|[+]c|t1n|t1c|t1ce|injecte|injectee|injected|contrastad[oa]|contrastat[oa]"
    r"|kontrastli|kontrastiert|postcontraste?|poscontraste|postcon|postgd|postgado?|postkm|postkontrast|postinj"
    r"|posgd|nachkm|non ?inj(?:ecte|ecte?e)?|non ?enhanced|non ?contrasted|non ?enh|not ?enhanced|kmgabe"
)
_EVENTS = (
    r"op|ops|operativ[eo]?|operation|operatoi?re|surg|surgery|surgical|treat|treatment|therap(?:y|ie|ia)|tx|rx|rt|xrt"
    r"|radio(?:therap(?:y|ie))?|radiation|chemo(?:therap(?:y|ie))?|crt|biops(?:y|ie|ia)|resection|resect|craniotomy|proc"
    r"|process|processed|processing|scan|scanned|hoc|med|medication|dose|steroid|ictal|natal|mortem|menarche|baseline"
    r"|tumou?r|stroke|intervention|implant(?:ation)?|transplant|avastin|bev|tmz|rct|rtx|trial|study|visit|reg"
    r"|registration|align|norm|normali[sz]ed|sat|saturation|qc|review|exam|mri|ct"
)
"""What comes after 'pre' or 'post' where they do not speak of contrast."""
_FAT = (
    r"fat|fs|fatsat|sat|fett|graisse|grasa|gordura|grasso|vet|supp?r?|suppression|saturation|supresion"
    r"|angio|sedation"
)
_SHORT_LEADS = _words("o v c p n m s z w na po ap med")
_OTHER_CONTRAST = _words("high low tissue image phase soft best good hi optimal optimised grey gray t1 t2 ")
_T1_LIKE = (
    r"t1|t1w|t1wi|t1c|t1ce|t1n|mprage|mp2rage|memprage|mpr|bravo|vibe|lava|thrive|f?spgr"
    r"|flair|tfe|tse|se|fse|flash|space|cube|vista|dixon"
)


def match_contrast(text: str) -> ContrastMatch | None:
    """Determine whether a text says that contrast was given, and by which word; None if it says neither or both.

    Example:
        >>> match_contrast("MRHR_T1_AX_POST_GAD"), match_contrast("T1_pre"), match_contrast("T1w")
        (ContrastMatch(given=True, word='post gad'), ContrastMatch(given=False, word='pre'), None)
        >>> match_contrast("AX T1 SEM CONTRASTE"), match_contrast("BRAIN WITH AND WITHOUT CONTRAST")
        (ContrastMatch(given=False, word='sem contraste'), None)
        >>> match_contrast("Post_Anna_T1"), match_contrast("pre_treatment_T1"), match_contrast("Gadner_T1")
        (None, None, None)
    """
    words = normalised(text).split()
    if BOTH in words:
        return None
    cues = list(_cues(words))
    if not cues or len({cue.given for cue in cues}) > 1:
        return None
    return max(cues, key=lambda cue: len(cue.word.split()))


def _cues(words: list[str]) -> Iterator[ContrastMatch]:
    """Yield each statement about contrast, in the order of the words."""
    place = 0
    while place < len(words):
        cue, end = _with_agent(words, place) or _alone(words, place) or (None, place + 1)
        if cue is not None:
            yield cue
        place = end


def _with_agent(words: list[str], place: int) -> tuple[ContrastMatch | None, int] | None:
    """Read a statement that holds a word for an agent and begins at a place: 'post Gd', 'sem meio de contraste'."""
    end = place
    lead = words[place] if words[place] in _WITHOUT | _BEFORE | _AFTER else ""
    if lead:
        end += 1
        while end < len(words) and end - place < 4 and words[end] in _FILLERS:
            end += 1
    if end >= len(words) or not (_fits(_AGENT, words[end]) or _fits(_SHORT_AGENT, words[end])):
        return None
    short = words[end] != "+c" and not _fits(_AGENT, words[end])
    end += 1
    while end < len(words) and _fits(_AGENT_SUFFIXES, words[end]) and (not short or words[end - 1] != "c"):
        end += 1
    if end < len(words) and words[end] in ("oncesi", "sonrasi", "siz", "minus", "free"):
        lead, end = words[end], end + 1
    if not lead and short and words[end - 1] in ("con", "cont", "cm", "c"):
        return (ContrastMatch(True, words[end - 1]), end) if _stands_after_t1(words, place, end) else None
    if not lead and place and words[place - 1] in _OTHER_CONTRAST - {"t1"} and not short:
        return None, end
    if not lead and short and not _in_position(words, place, end):
        return None
    if lead in ("o", "v", "c", "p", "n", "m", "s", "z", "w", "na", "po", "ap", "med") and not _in_position(
        words, place, end
    ):
        return None
    return ContrastMatch(lead not in _WITHOUT | _BEFORE | {"siz", "free"}, " ".join(words[place:end])), end


def _alone(words: list[str], place: int) -> tuple[ContrastMatch | None, int] | None:
    """Read a statement that names no agent: 'post', 'nativ', 'T1 ohne'."""
    for length in (3, 2, 1):
        run = " ".join(words[place : place + length])
        end = place + length
        without, given = _fits(_ALONE_WITHOUT, run), _fits(_ALONE_GIVEN, run)
        if end > len(words) or not (without or given):
            continue
        following = words[end] if end < len(words) else ""
        if run in ("pre", "post", "pos") and (_fits(_EVENTS, following) or (run == "pos" and following)):
            return None, end
        if run in _WITHOUT and (_fits(_FAT, following) or (following and not is_neutral(following))):
            return None, end
        if not _fits(_NAMES_NOBODY, run) and not _in_position(words, place, end):
            return None
        return ContrastMatch(given, run), end
    return None


def _in_position(words: list[str], start: int, end: int) -> bool:
    """Whether only words of the field stand between a short word and a T1 technique, or in the whole text."""
    for step in (-1, 1):
        place = start - 1 if step < 0 else end
        while 0 <= place < len(words) and (is_neutral(words[place]) or _fits(_T1_LIKE, words[place])):
            if _fits(_T1_LIKE, words[place]):
                return True
            place += step
    return all(is_neutral(word) or start <= n < end for n, word in enumerate(words)) and end - start < len(
        words
    )


def _stands_after_t1(words: list[str], start: int, end: int) -> bool:
    """Whether a word that is a connecting word as well ends a text, or follows T1 directly: 'T1 C'."""
    before = words[start - 1] if start else ""
    return _fits(r"t1|t1w|t1wi", before) and (words[end - 1] == "c" or end == len(words))


def _fits(pattern: str, run: str) -> bool:
    return re.fullmatch(pattern, run) is not None
