"""What series descriptions and file names say: sequence, technique, mask, earlier surgery.

A text is first converted to lower-case words (`normalised`); each pattern must match whole words of it
(`gliotype.read.identify.vocabulary` lists them). What words say about contrast is in
`gliotype.read.identify.contrast_words`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from gliotype.read.identify import vocabulary
from gliotype.read.identify.kinds import Kind


@dataclass(frozen=True)
class KeywordMatch:
    """What a text says.

    Attributes:
        kind: the kind of image.
        word: the words of the vocabulary that say so.
        meaning: for `Kind.OTHER`, what it is.
    """

    kind: Kind
    word: str
    meaning: str = ""


_TRANSLATED = {
    "造影": " contrast ", "增强": " contrast ", "增強": " contrast ", "平扫": " plain ", "平掃": " plain ",
    "単純": " plain ", "单纯": " plain ", "비조영": " plain ", "조영": " contrast ", "без контраст": " ohne kontrast",
    "с контраст": " mit kontrast", "контраст": " kontrast ", "ı": "i", "ß": "ss", "ø": "o", "æ": "ae", "ł": "l",
}  # fmt: skip
_BOTH = (
    r"w ?/ ?w ?/? ?o|w wo|with wo|w ?/? ?(?:&|and|\+|,) ?w ?/ ?o|with ?(?:and|&|/|\+|or) ?without"
    r"|without ?(?:and|&|/|\+|or) ?with"
    r"|w ?/? ?(?:&|and) ?wo|c ?/? ?[ey&] ?s ?/|s ?/? ?[ey&] ?c ?/|(?:con|com) ?(?:y|e|/|&) ?(?:sin|sem|senza)"
    r"|(?:sin|sem|senza) ?(?:y|e|/|&) ?(?:con|com)|(?:mit|ohne) ?(?:und|u|/|&|\+) ?(?:ohne|mit)|avec ?(?:et|/|&) ?sans"
    r"|sans ?(?:et|/|&) ?avec|met ?(?:en|/|&) ?zonder|zonder ?(?:en|/|&) ?met|kontrastli ?(?:ve|/) ?kontrastsiz"
    r"|pre ?(?:and|&|/|\+|y|e|et|und|en) ?post|post ?(?:and|&|y|e|et|und|en) ?pre|vor ?(?:und|/) ?nach"
    r"|avant ?(?:et|/) ?apres|prima ?e ?dopo|c-? ?/ ?c?\+|[+-] ?/ ?[+-] ?(?:c|gd|gad|km|contrast)"
)
BOTH = "both"
"""Word of a normalised text that speaks of images before and after contrast at once."""

_AGENT_SIGN = r"(?:c|ce|gd|gad|gado|km|contrast)"
_CONNECTORS = (
    r"(?:co)?reg(?:istered)?2?|(?:co)?registrado|recale?|ricampionato|registriert|geregistreerd|registrada|align(?:ed)?|warp(?:ed)?|resampled?|resliced?|moved|match(?:ed)?"
    r"|to|2|on|onto|in|into|space|auf|zu|sur|vers|su|en|sobre|a|regto|reg2|alignedto"
)


def normalised(text: str) -> str:
    """Split a name into lower-case words between single spaces, without accents.

    BIDS entities that name a space, a subject or a session are left out, and so is what an image was
    registered to: they hold names of sequences that the image is not. Signs for an agent become ``+c``
    and ``-c``.

    Example:
        >>> normalised("MRHR_T1_AX_POST_GAD"), normalised("AxT1Post"), normalised("T2* tra")
        (' mrhr t1 ax post gad ', ' ax t1 post ', ' t2star tra ')
        >>> normalised("sub-01_space-T1w_FLAIR"), normalised("FLAIR_reg_T1c"), normalised("FLAIRtoT1c")
        (' flair ', ' flair ', ' flair ')
        >>> normalised("T1 (C+)"), normalised("T1 -C"), normalised("T1 s/c"), normalised("w/ & w/o contrast")
        (' t1 +c ', ' t1 -c ', ' t1 -c ', ' both contrast ')
    """
    return f" {' '.join(_without_target(_split(text)))} "


def _split(text: str) -> list[str]:
    """Split a text into words, what it was registered to among them."""
    text = _folded(text)
    text = re.sub(r"(?<![A-Za-z0-9])(?:sub|ses|space|task|run|dir|acq-dir)-[A-Za-z0-9]+", " ", text)
    text = re.sub(r"(?<![A-Za-z])sub[ _]?\d+", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z0-9])|(?<=[0-9])(?=[A-Z][a-z])", " ", text).lower()
    text = _split_compounds(_signs(text))
    words = re.sub(r"[^a-z0-9<>]+", " ", text).replace("<plus>", " +c ").replace("<minus>", " -c ")
    return words.replace("<", " ").replace(">", " ").split()


def _folded(text: str) -> str:
    """Replace accents and the words of other scripts that scanners write."""
    text = "".join(c.lower() if "А" <= c <= "Я" else c for c in text)
    text = re.sub(r"т(?=[12])", "t", text)
    for foreign, word in _TRANSLATED.items():
        text = text.replace(foreign, word)
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _signs(text: str) -> str:
    """Turn signs into words: ``T2*``, agent given or not, both at once."""
    text = re.sub(r"t2w? ?\*", " t2star ", text)
    text = re.sub(rf"(?<![a-z0-9])(?:{_BOTH})(?![a-z0-9])", f" {BOTH} ", text)
    text = re.sub(rf"(?<![a-z0-9])(?:t1)?{_AGENT_SIGN} ?\+(?![a-z0-9])", _plus, text)
    text = re.sub(rf"\+ ?{_AGENT_SIGN}(?![a-z])", " <plus> ", text)
    text = re.sub(r"(?<![a-z0-9])[cw]/ ?(?=c(?![a-z0-9])|contrast|cont(?![a-z])|gd|gad|km)", " with ", text)
    text = re.sub(r"(?<![a-z0-9])with +c(?![a-z0-9])", " <plus> ", text)
    text = re.sub(r"(?<![a-z0-9])(?:s/|w/o) ?c(?![a-z0-9])", " <minus> ", text)
    text = re.sub(r"(?<![a-z0-9])(?:s/|w/ ?o)(?![a-z0-9])", " without ", text)
    text = re.sub(r"(?<![a-z0-9])s/ ?(?=c|gd|gad|km)", " without ", text)
    text = re.sub(rf"(?<![a-z0-9-])(?:{_AGENT_SIGN})-(?![a-z0-9])", " <minus> ", text)
    return re.sub(r"(?:(?<=[\s(_])|^)- ?c(?![a-z0-9])", " <minus> ", text)


def _plus(match: re.Match[str]) -> str:
    return " t1 <plus> " if match.group().startswith("t1") else " <plus> "


def _split_compounds(text: str) -> str:
    """Split words that were written together, where a part of them is one of ours."""
    text = re.sub(
        r"(flair|t[12](?:ce|c|gd|w)?)(?:_|-)?(to|2|on|in|reg)(?=t[12]|flair|mni|sri)", r"\1 \2 ", text
    )
    text = re.sub(r"(?<![a-z0-9])([a-z0-9]*)flair([a-z0-9]*)", r" \1 flair \2 ", text)
    text = re.sub(r"(?<![a-z0-9])(me|ir|3d)?(mp2?rage)(?=[a-z0-9])", r" \1\2 ", text)
    text = re.sub(r"(?<![a-z0-9])(ax|axi|sag|cor|tra|[rwm])(t[12])(?![0-9])", r" \1 \2", text)
    text = re.sub(r"(?<![a-z0-9])([a-z]{2,10}?)(seg|mask)(?![a-z0-9])", _split_mask, text)
    return re.sub(r"(?<![a-z0-9])(t[12])([a-z]+)", _split_weighting, text)


def _split_mask(match: re.Match[str]) -> str:
    first, last = match.groups()
    known = ("brain", "tumor", "tumour", "lesion", "roi", "head", "skull", "bet", "gtv", "flair")
    return f" {first} {last} " if first in known else match.group()


def _split_weighting(match: re.Match[str]) -> str:
    """Split ``t1tse`` into ``t1 tse``, and keep words such as ``t1ce``."""
    weighting, rest = match.groups()
    if rest in ("w", "wi", "n", "c", "ce", "star", "starw", "s", "sw", "f", "rho"):
        return match.group()
    rest = re.sub(r"^wi?(?=gd|ce|c$|km|post|pre|fs|tse|se|ax|sag|cor|tra)", "", rest)
    return f"{weighting} {rest}"


def _without_target(words: list[str]) -> list[str]:
    """Leave out what an image was registered to: from the connecting word on, where a sequence or atlas follows."""
    for start in range(1, len(words)):
        if not re.fullmatch(_CONNECTORS, words[start]) or not _names_sequence(words[:start]):
            continue
        after = start
        while after < len(words) and (
            re.fullmatch(_CONNECTORS, words[after]) or words[after] in ("the", "with", "mit", "con", "brain")
        ):
            after += 1
        if after < len(words) and (
            _is_sequence(words[after]) or re.fullmatch(vocabulary.STANDARD_SPACES, words[after])
        ):
            return words[:start]
    if words[-1:] and len(words) > 2 and re.fullmatch(r"space|reg|coreg|registered|aligned", words[-1]):
        last = next((k for k in range(len(words) - 2, 0, -1) if _is_sequence(words[k])), 0)
        if last and _names_sequence(words[:last]) and len(words) - last <= 3:
            return words[:last]
    return words


def _is_sequence(word: str) -> bool:
    return bool(re.fullmatch(r"t[12]|t[12]wi?|t1n|t1c|t1ce|t2f|flair|adc|dwi|mprage|unit1", word))


def _names_sequence(words: list[str]) -> bool:
    return any(_is_sequence(word) or word in ("dsc", "perf", "swi", "pwi", "pd") for word in words)


def match_kind(text: str, *, described: bool = True, file_name: bool = False) -> KeywordMatch | None:
    """Determine which kind of image a description or file name names, or None if it names none.

    Techniques that share the weighting of a structural image (an angiogram is T1-weighted) go first.

    Args:
        text: a description, protocol, file name or folder name.
        described: whether it is the series' own; words that are surnames, places or codes as well never
            count in others.
        file_name: whether it is the name of a file, where such words count only if it names nothing else.

    Example:
        >>> match_kind("t2_tirm_tra_dark-fluid").kind, match_kind("AX T1 FLAIR").kind, match_kind("t1ce").kind
        (<Kind.FLAIR: 'FLAIR'>, <Kind.T1: 'T1'>, <Kind.T1: 'T1'>)
        >>> match_kind("ToF_3D_multi-slab").meaning, match_kind("AX SWAN").meaning
        ('an angiogram', 'a susceptibility-weighted image')
        >>> match_kind("img1") is None, match_kind("MD Anderson", described=False) is None
        (True, True)
    """
    words = normalised(text)
    for pattern, meaning in vocabulary.TECHNIQUES:
        if (word := find_words(pattern, words)) and not _is_suppression(word, words):
            return KeywordMatch(Kind.OTHER, word, meaning)
    if word := _mp2rage_map(words, words):
        return KeywordMatch(Kind.OTHER, word, "a parameter map")
    if word := find_words(vocabulary.ADC, words):
        return KeywordMatch(Kind.ADC, word)
    if word := find_words(vocabulary.DWI, words):
        return KeywordMatch(Kind.OTHER, word, "a diffusion-weighted image")
    if described and (ambiguous := _ambiguous_technique(words, file_name)):
        return ambiguous
    if word := find_words(vocabulary.DSC, words):
        return KeywordMatch(Kind.DSC, word)
    return _weighting(words)


def _weighting(words: str) -> KeywordMatch | None:
    flair, t1 = find_words(vocabulary.FLAIR, words), find_words(vocabulary.T1, words)
    t2, pd = find_words(vocabulary.T2, words), find_words(vocabulary.PD, words)
    if not t1 and not flair and not t2:
        t1 = find_words(vocabulary.T1_TECHNIQUES, words)
    if flair and not (t1 and not t2):
        return KeywordMatch(Kind.FLAIR, flair)
    if t1 and not t2:
        return KeywordMatch(Kind.T1, t1)
    if pd and not t2:
        return KeywordMatch(Kind.OTHER, pd, "a proton-density image")
    return KeywordMatch(Kind.T2, t2) if t2 and not t1 and not pd else None


def match_map(text: str, context: str = "") -> str | None:
    """Return the words that name a quantitative map, such as the T1 map that MP2RAGE gives along with its image.

    Args:
        text: the image's own description or file name.
        context: its other texts, which may say that the technique is MP2RAGE.

    Example:
        >>> match_map("T1 map"), match_map("T1_Images", "t1_mp2rage_sag"), match_map("T1_Images")
        ('t1 map', 't1 images', None)
    """
    words = normalised(text)
    return find_words(vocabulary.QUANTITATIVE_MAP, words) or _mp2rage_map(
        words, normalised(f"{text} {context}")
    )


def _mp2rage_map(words: str, all_words: str) -> str | None:
    """Find the words with which scanners name the T1 map of MP2RAGE."""
    if not find_words("mp2rage", all_words) or find_words("uni|unit1", all_words):
        return None
    return find_words("t1 images?", words)


def _is_suppression(word: str, words: str) -> bool:
    """Tell fat suppression (``fat sat``, ``without fat``) from the fat image of a Dixon series."""
    return word == "fat" and bool(re.search(r" fat (?:sat|satur\w*|sup|supp\w*) ", words))


def _ambiguous_technique(words: str, file_name: bool) -> KeywordMatch | None:
    """Take a word that may be a surname or code for a technique only where all around it is vocabulary.

    In a description that names a sequence as well it must not come first, where names stand; a file name
    must name nothing else.
    """
    listed = words.split()
    named = _weighting(words) is not None
    if named and file_name:
        return None
    for pattern, meaning in vocabulary.AMBIGUOUS_TECHNIQUES:
        if not (word := find_words(pattern, words)):
            continue
        first = listed.index(word.split()[0])
        rest = [w for n, w in enumerate(listed) if not first <= n < first + len(word.split())]
        coded = any(re.fullmatch(r"0\d+|\d{3,}", w) for w in rest[first : first + 1])
        if all(is_neutral(w) for w in rest) and not (named and first == 0) and not coded:
            return KeywordMatch(Kind.OTHER, word, meaning)
    return None


def is_neutral(word: str) -> bool:
    """Whether a word of a normalised text is of the field or a number, so that it is nobody's name."""
    return (
        word in vocabulary.NEUTRAL
        or word in ("+c", "-c", BOTH)
        or bool(re.fullmatch(r"[a-z]?\d+[a-z]{0,3}", word))
    )


def match_mask(name: str) -> str | None:
    """Return the word of a file name that says it is a mask or a segmentation, or None.

    Words that may be a surname or code as well (`match_possible_mask`) do not count where an image is named.

    Example:
        >>> match_mask("BraTS2021_00006_seg"), match_mask("brain_segmentation"), match_mask("T1_brain")
        ('seg', 'segmentation', None)
        >>> match_mask("GT-012_T1"), match_mask("Roi_FLAIR"), match_mask("T1_roi")
        (None, None, 'roi')
    """
    words = normalised(name)
    word = find_words(vocabulary.MASKS, words)
    if word is None:
        return None
    if re.fullmatch(r"rois?|labels?|masks?|masque|maske|seg", word) and words.split()[0] == word:
        return None if _weighting(words) else word
    return word


def match_possible_mask(text: str) -> str | None:
    """Return a word that may say that an image is a mask, or be part of a name; its voxels must decide.

    Example:
        >>> match_possible_mask("case -Seg"), match_possible_mask("GT-012"), match_possible_mask("images")
        ('seg', 'gt', None)
    """
    words = normalised(text)
    return find_words(vocabulary.MASKS, words) or find_words(vocabulary.AMBIGUOUS_MASKS, words)


def match_surgery(text: str) -> str | None:
    """Return the words that mention an earlier operation, or None.

    Example:
        >>> match_surgery("MRT Kopf post-OP"), match_surgery("T1 post Gd")
        ('post op', None)
    """
    return find_words(vocabulary.POST_OP, normalised(text))


def match_processed(text: str) -> bool:
    """Determine whether a text says that the image was computed from another: reformatted, corrected, moved.

    Example:
        >>> match_processed("T1_bias"), match_processed("t1_mpr_sag"), match_processed("FLAIR_reg_T1")
        (True, False, True)
    """
    return find_words(vocabulary.PROCESSED, f" {' '.join(_split(text))} ") is not None


def find_words(pattern: str, words: str) -> str | None:
    """Find the longest run of up to four whole words that the pattern matches.

    Example:
        >>> find_words("t1|t1 post", " ax t1 post ")
        't1 post'
    """
    listed = words.split()
    compiled = re.compile(pattern)
    for length in range(min(4, len(listed)), 0, -1):
        for start in range(len(listed) - length + 1):
            run = " ".join(listed[start : start + length])
            if compiled.fullmatch(run):
                return run
    return None
