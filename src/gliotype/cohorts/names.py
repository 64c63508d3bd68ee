"""One way of writing a patient's name, so that the same patient is known under it everywhere."""

from __future__ import annotations

import re

_TCGA = re.compile(r"TCGA-\w{2}-\w{4}", re.IGNORECASE)


def canonical(name: str) -> str:
    """Write a patient's name in lower case, numbers without leading zeros, a TCGA name as its barcode.

    Example:
        >>> canonical("UCSF-PDGM-004") == canonical("ucsf-pdgm-0004")
        True
        >>> canonical("TCGA-02-0003_2001.01.01")
        'tcga-2-3'
    """
    barcode = _TCGA.search(name)
    text = barcode.group() if barcode else name.strip()
    return re.sub(r"\d+", lambda number: str(int(number.group())), text.lower())
