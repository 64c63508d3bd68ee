"""What series descriptions and file names say: sequence, contrast, technique, earlier surgery.

A text is first brought to lower case words (`normalised`); each pattern must match whole words of it.
The lists hold what scanners of the large makers, PACS users (English, German, French) and public cohorts
write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gliotype.read.identify.kinds import Kind


@dataclass(frozen=True)
class KeywordMatch:
    """What a text says.

    Attributes:
        kind: the kind of image.
        word: the words that say so.
        meaning: for `Kind.OTHER`, what it is.
    """

    kind: Kind
    word: str
    meaning: str = ""


_CONTRAST = (
    r"c\+|\+c|\+ ?gd|\+ ?gad|\+ ?km|gd|gad\w*|dotarem|magnevist|multihance|prohance|omniscan|clariscan"
    r"|ce|contrast\w*|km|post|post ?c|post ?con\w*|post ?gd|post ?gad\w*|post ?km|enhanced|inj\w*|mit km"
)
_NO_CONTRAST = (
    r"pre|pre ?c|pre ?con\w*|pre ?gd|pre ?gad\w*|vor km|ohne|ohne km|sans|nativ|native|plain|unenhanced"
    r"|no contrast|no gd|no gad|non ?con\w*|non ?enhanced|without|without contrast|w o|wo|w o contrast"
)

_MASK = (
    r"seg|segm|segs|dseg|probseg|segmentation\w*|mask\w*|\w*mask|label|labels|labelmap|roi|rois|annotation\w*"
    r"|contour\w*|ground ?truth|gt|aparc\w*|aseg|tissue\w*|tumou?rseg|lesion ?mask"
)

_TECHNIQUES: tuple[tuple[str, str], ...] = (
    (r"loc|locali[sz]er\w*|scouts?|aahead\w*|aahscout|survey|surview|3 ?plane|plane loc", "a localiser"),
    (r"subs?|subtra\w*|soustraction", "a subtraction"),
    (r"mip|mips|minip|mnip", "a projection"),
    (r"\w*cbv|\w*cbf|\w*mtt|\w*ttp|tmax|pbp|gbp|ktrans|leakage|k2|rel ?cbv|perf\w* ?map", "a perfusion map"),
    (r"asl|pcasl|pasl|casl", "arterial spin labelling"),
    (r"tof|angio\w*|mra|mrv|venogra\w*|pca|phase ?contrast|pc ?mra", "an angiogram"),
    (
        r"swi|swan|swip|qsm|suscept\w*|hemo|haemo|medic|merge|t2 ?star\w*|t2s|t2sw|gre ?t2|t2 ?gre"
        r"|t2 ?ffe|t2 ?fl2d|fl2d ?t2",
        "a susceptibility-weighted image",
    ),
    (r"spectro\w*|mrs|mrsi|svs|csi|press|semi ?laser", "spectroscopy"),
    (r"bold|fmri|resting|resting ?state|rs ?fmri", "functional MRI"),
    (r"dce|twist|vibe ?dyn|tricks", "a dynamic T1 series"),
    (r"ciss\w*|fiesta\w*|drive|trufi|b ?ffe|true ?fisp", "a steady-state image"),
    (r"stir|t2 ?stir", "a STIR image"),
    (r"double ?ir|dir", "a double inversion recovery image"),
    (r"field ?map\w*|gre ?field|b0 ?map|b1 ?map|tfl ?b1", "a field map"),
    (r"mtr?|mt ?on|mt ?off|cest|apt\w*", "a magnetisation transfer image"),
    (r"e ?adc|exp ?adc|exponential", "an exponential ADC map"),
    (
        r"fa|fa ?map|col ?fa|colfa|md|rd|tensor|eigen\w*|l[123]|fractional anisotropy",
        "a diffusion tensor map",
    ),
    (r"phase|pha|phasemap", "a phase image"),
    (r"t[12] ?map\w*|t1 ?rho|synthetic|r2 ?star", "a parameter map"),
    (
        r"c ?spine|t ?spine|l ?spine|spine|cervical|thoracic|lumbar|hws|bws|lws|rachis",
        "an image of the spine",
    ),
)

_ADC = r"d?adc\w*|adc ?map|apparent diffusion\w*"
_DWI = r"dwi|dti|dsi|hardi|diff|diffusion\w*|trace\w*|b ?0|b ?\d{3,4}|resolve|ep2d ?diff\w*"
_DSC = r"dsc\w*|perf|perfusion|pwi|perfu\w*|ep2d ?perf|fe ?epi"
_FLAIR = (
    r"\w*flair\w*|t2f|fla|tir2d\w*|tirm\w*|dark ?fluid\w*|spcir\w*|space ?ir|fluid attenuated\w*|tirm ?tra\w*"
)
_T1_WORD = r"t1(?:w|wi|weighted)?"
_T1 = (
    rf"{_T1_WORD}|{_T1_WORD}\w*|t1n|mp ?rage\w*|memp ?rage\w*|mp2rage\w*|f?spgr\w*|bravo|tfl3d\w*|thrive|vibe"
)
_T1C = rf"{_T1_WORD} ?(?:c|ce|c\+|gd|gad\w*|post\w*|km|con|contrast\w*|enh\w*|\+ ?c|\+ ?gd|\+ ?km|\+)"
_T2 = r"t2|t2w|t2wi|t2 ?(?:tse|fse|weighted)|t2\w*|(?:fr)?fse ?t2|cube ?t2"
_PD = r"pd|pdw|proton\w*"
_POST_OP = (
    r"post ?op|post ?ops|post ?operat\w*|post ?surg\w*|s p resection|status post|intra ?op\w*|imri"
    r"|after (?:surgery|resection)|post ?resect\w*|post ?biops\w*"
)
_PROCESSED = (
    r"reformat\w*|recon|rfmt|reconst\w*|bias|bias ?corr\w*|n4|stripped|skull ?stripped|bet"
    r"|registered|coreg\w*|resampled?|warped|derivatives?"
)


def normalised(text: str) -> str:
    """Split a name into lower-case words between single spaces.

    BIDS entities that name a space, a subject or a session are left out, and so is what an image was
    registered to: they hold names of sequences that the image is not.

    Example:
        >>> normalised("MRHR_T1_AX_POST_GAD"), normalised("AxT1Post"), normalised("T2* tra")
        (' mrhr t1 ax post gad ', ' ax t1 post ', ' t2star tra ')
        >>> normalised("sub-01_space-T1w_FLAIR"), normalised("FLAIR_to_T1")
        (' flair ', ' flair ')
    """
    text = re.sub(r"(?<![A-Za-z0-9])(?:sub|ses|space|task|run|dir|acq-dir)-[A-Za-z0-9]+", " ", text)
    text = re.sub(r"(?<![A-Za-z])sub[ _]?\d+", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z0-9])|(?<=[0-9])(?=[A-Z][a-z])", " ", text)
    text = re.sub(r"t2 ?\*", " t2star ", text.lower())
    text = re.sub(r"(?<![a-z0-9-])c-(?![a-z0-9])", " without ", text)
    text = re.sub(r"(?<=[a-z0-9])\+(?=[a-z])", " +", text)
    text = " " + re.sub(r"[^a-z0-9+]+", " ", text).strip() + " "
    return re.sub(r" (?:in|to|on|space) (?:t1\w*|t2\w*|flair|mni\w*|sri\w*) ", " ", text)


def match_kind(text: str) -> KeywordMatch | None:
    """Tell which kind of image a description or file name names, or None if it names none.

    Techniques that share the weighting of a structural image (an angiogram is T1-weighted) go first.

    Example:
        >>> match_kind("t2_tirm_tra_dark-fluid").kind, match_kind("AX T1 FLAIR").kind, match_kind("t1ce").kind
        (<Kind.FLAIR: 'FLAIR'>, <Kind.T1: 'T1'>, <Kind.T1: 'T1'>)
        >>> match_kind("ToF_3D_multi-slab").meaning
        'an angiogram'
        >>> match_kind("img1") is None
        True
    """
    words = normalised(text)
    for pattern, meaning in _TECHNIQUES:
        if word := _found(pattern, words):
            return KeywordMatch(Kind.OTHER, word, meaning)
    if word := _found(_ADC, words):
        return KeywordMatch(Kind.ADC, word)
    if word := _found(_DWI, words):
        return KeywordMatch(Kind.OTHER, word, "a diffusion-weighted image")
    if word := _found(_DSC, words):
        return KeywordMatch(Kind.DSC, word)
    flair, t1, t2, pd = _found(_FLAIR, words), _found(_T1, words), _found(_T2, words), _found(_PD, words)
    if flair and not (t1 and not t2):
        return KeywordMatch(Kind.FLAIR, flair)
    if t1 and not t2:
        return KeywordMatch(Kind.T1, t1)
    if pd and not t2:
        return KeywordMatch(Kind.OTHER, pd, "a proton-density image")
    return KeywordMatch(Kind.T2, t2) if t2 and not t1 and not pd else None


def match_mask(name: str) -> str | None:
    """Return the word of a file name that says it is a mask or a segmentation, or None.

    Example:
        >>> match_mask("BraTS2021_00006_seg"), match_mask("brain_segmentation"), match_mask("T1_brain")
        ('seg', 'segmentation', None)
    """
    return _found(_MASK, normalised(name))


def match_contrast(text: str) -> tuple[bool, str] | None:
    """Tell whether a text says that contrast was given, and by which word; None if it says neither or both.

    Example:
        >>> match_contrast("MRHR_T1_AX_POST_GAD"), match_contrast("T1_pre"), match_contrast("T1w")
        ((True, 'post gad'), (False, 'pre'), None)
        >>> match_contrast("BraTS2021_00006_t1ce"), match_contrast("BraTS-GLI-00005-000-t1n")
        ((True, 't1ce'), (False, 't1n'))
    """
    words = re.sub(r" (?:pre|post) ?(?:op\w*|surg\w*|proc\w*) ", " ", normalised(text))
    without = _found(rf"{_NO_CONTRAST}|t1n", words)
    if without:
        words = words.replace(f" {without} ", " ")
    given = _found(_T1C, words) or _found(_CONTRAST, words)
    if without and not given:
        return False, without
    return (True, given) if given and not without else None


def match_surgery(text: str) -> str | None:
    """Return the words that tell of an earlier operation, or None.

    Example:
        >>> match_surgery("MRT Kopf post-OP"), match_surgery("T1 post Gd")
        ('post op', None)
    """
    return _found(_POST_OP, normalised(text))


def match_processed(text: str) -> bool:
    """Tell whether a text says that the image was computed from another: reformatted, corrected, moved.

    Example:
        >>> match_processed("T1_bias"), match_processed("t1_mpr_sag"), match_processed("T1 reformatted")
        (True, False, True)
    """
    return _found(_PROCESSED, normalised(text)) is not None


def _found(pattern: str, words: str) -> str | None:
    """Find the longest run of up to four whole words that the pattern matches."""
    listed = words.split()
    for length in range(min(4, len(listed)), 0, -1):
        for start in range(len(listed) - length + 1):
            run = " ".join(listed[start : start + length])
            if re.fullmatch(pattern, run):
                return run
    return None
