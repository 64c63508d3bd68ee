"""The words with which tables state the IDH status."""

from __future__ import annotations

import re

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
    word = text.strip()
    if _UNKNOWN.fullmatch(word):
        return None
    for pattern, mutant in ((_WILDTYPE, False), (_MUTANT, True)):
        if pattern.fullmatch(word):
            return mutant
    raise InputError(
        f"the IDH status is {word!r}: write 1 or mutant, 0 or wildtype, or leave it empty if not known"
    )
