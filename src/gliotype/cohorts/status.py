"""The words with which tables state the IDH status and its variant, the 1p/19q status and the grade."""

from __future__ import annotations

import re

from gliotype.cohorts.target import CODELETION, IDH, Target
from gliotype.errors import InputError

_WILDTYPE = re.compile(r"0(\.0)?|no|((idh[12]?)?[ -])?(wild[ -]?type|wt)|idh[12]?wt", re.IGNORECASE)
_MUTANT = re.compile(
    r"1(\.0)?|yes|((idh[12]?)?[ -])?mut(ant|ated)?( \(.*\))?|idh[12]?mut|idh[12] p\.\w+", re.IGNORECASE
)
_UNKNOWN = re.compile(
    r"-1(\.0)?|n/?a|nan|none|unknown|not available|nos(/nec)?|indeterminate|", re.IGNORECASE
)


def is_mutant(text: str) -> bool | None:
    """Read an IDH status as the tables of public cohorts write it.

    Args:
        text: such as ``1``, ``mutant``, ``Mutated``, ``mutated (NOS)`` or ``IDH1 p.R132H``; ``0``, ``WT`` or
            ``IDH-wildtype``; or ``NOS/NEC``, ``-1``, ``unknown`` or nothing where it is not known.

    Returns:
        Whether IDH1 or IDH2 is mutated; None where it is not known.

    Raises:
        InputError: for any other text.

    Example:
        >>> is_mutant("IDH2 p.R172K"), is_mutant("Wildtype"), is_mutant("NOS/NEC")
        (True, False, None)
    """
    return _read_status(text, _MUTANT, _WILDTYPE, IDH)


_CODELETED = re.compile(r"1(\.0)?|yes|(1p/?19q[ -]?)?co-?del(eted|etion)?|idhmut-codel", re.IGNORECASE)
_INTACT = re.compile(
    r"0(\.0)?|no|(1p/?19q[ -]?)?intact|(non|not|no)[ -]?co-?del(eted|etion)?|idhmut-non-codel|idh-?wt",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"relative co-?deletion", re.IGNORECASE)
_VARIANT = re.compile(r"(IDH[12])[ :_-]*(?:p\.)?([A-Z][a-z]{2}|[A-Z])(\d{2,3})([A-Z][a-z]{2}|[A-Z])")
_GRADE = re.compile(r"(?:(?:who|cns|grade|g) *)*(?:([2-4])(?:\.0)?|(ii|iii|iv))", re.IGNORECASE)

_AMINO_ACIDS = {
    "Arg": "R",
    "Cys": "C",
    "Gly": "G",
    "His": "H",
    "Leu": "L",
    "Lys": "K",
    "Met": "M",
    "Ser": "S",
    "Trp": "W",
}


def is_codeleted(text: str) -> bool | None:
    """Read a 1p/19q status as the tables of public cohorts write it.

    Args:
        text: such as ``1``, ``codeleted``, ``co-deletion``, ``codel`` or ``IDHmut-codel``; ``0``, ``intact``,
            ``non-codel`` or ``IDHwt``; or nothing, ``-1`` or ``unknown`` where it is not known. The ``relative
            co-deletion`` of UCSF-PDGM counts as not known: of six such patients two are diagnosed as astrocytoma.

    Returns:
        Whether 1p and 19q are codeleted; None where it is not known.

    Raises:
        InputError: for any other text.

    Example:
        >>> is_codeleted("co-deletion"), is_codeleted("non-codel"), is_codeleted("relative co-deletion")
        (True, False, None)
    """
    if _RELATIVE.fullmatch(text.strip()):
        return None
    return _read_status(text, _CODELETED, _INTACT, CODELETION)


def _read_status(
    text: str, positive: re.Pattern[str], negative: re.Pattern[str], target: Target
) -> bool | None:
    """Read the status of a target by the words of its classes; None where it is not known."""
    word = text.strip()
    if _UNKNOWN.fullmatch(word):
        return None
    if positive.fullmatch(word) or negative.fullmatch(word):
        return positive.fullmatch(word) is not None
    raise InputError(
        f"the {target.status} is {word!r}: write 1 or {target.positive}, 0 or {target.negative}, or leave it empty if "
        "not known"
    )


def idh_variant(text: str) -> str | None:
    """Read which IDH mutation a text names; None where it names none.

    Example:
        >>> idh_variant("IDH1 p.Arg132His"), idh_variant("IDH2 R172K"), idh_variant("mutated (NOS)")
        ('IDH1 R132H', 'IDH2 R172K', None)
    """
    if (found := _VARIANT.search(text)) is None:
        return None
    gene, before, position, after = found.groups()
    return f"{gene} {_AMINO_ACIDS.get(before, before)}{position}{_AMINO_ACIDS.get(after, after)}"


def grade_of(text: str) -> str:
    """Write a WHO grade as ``2``, ``3`` or ``4``; any other text as it is.

    Example:
        >>> [grade_of(text) for text in ("G3", "WHO grade II", "4.0", "low")]
        ['3', '2', '4', 'low']
    """
    found = _GRADE.fullmatch(text.strip())
    if found is None:
        return text.strip()
    return found.group(1) or str(len(found.group(2)) if found.group(2).lower() != "iv" else 4)
