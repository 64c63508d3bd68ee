"""One way of writing a patient's name, so that the same patient is known under it everywhere."""

from __future__ import annotations

import re

_TCGA = re.compile(r"TCGA-\w{2}-\w{4}", re.IGNORECASE)
_BRATS = re.compile(r"BraTS(?:2021_|-GLI-)(\d{5})(?:-\d{3})?", re.IGNORECASE)
_FOLLOW_UP = re.compile(r"_FU\d+d$", re.IGNORECASE)

_ALSO_BRATS = {"brats-557": "brats-639", "brats-758": "brats-626"}
"""Later examinations that BraTS counts as patients of their own; UCSF-PDGM's clinical table identifies the patients."""


def canonical(name: str) -> str:
    """Write a patient's name in lower case, numbers without leading zeros, and without the suffix of an examination.

    A TCGA name becomes its barcode, and the names of BraTS 2021 and of BraTS-GLI, which share
    their numbers, become one.

    Example:
        >>> canonical("UCSF-PDGM-004") == canonical("ucsf-pdgm-0004")
        True
        >>> canonical("TCGA-02-0003_2001.01.01")
        'tcga-2-3'
        >>> canonical("UCSF-PDGM-0429_FU003d"), canonical("BraTS-GLI-00017-001"), canonical("BraTS2021_00017")
        ('ucsf-pdgm-429', 'brats-17', 'brats-17')
    """
    text = name.strip()
    if barcode := _TCGA.search(text):
        text = barcode.group()
    elif brats := _BRATS.fullmatch(text):
        text = f"brats-{brats.group(1)}"
    plain = _without_zeros(_FOLLOW_UP.sub("", text))
    return _ALSO_BRATS.get(plain, plain)


def examination(name: str) -> tuple[str, bool, str]:
    """Return what sorts the examinations of all patients: patient, whether it is a later one by another number, name.

    Example:
        >>> sorted(map(examination, ["BraTS2021_00557", "BraTS2021_00639"]))[0]
        ('brats-639', False, 'brats2021_639')
    """
    patient = canonical(name)
    brats = _BRATS.fullmatch(name.strip())
    later = brats is not None and f"brats-{int(brats.group(1))}" != patient
    return patient, later, _without_zeros(name.strip())


def _without_zeros(text: str) -> str:
    return re.sub(r"\d+", lambda number: str(int(number.group())), text.lower())
