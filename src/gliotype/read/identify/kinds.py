"""Kinds of images that headers, names and voxels distinguish, before contrast agent is considered."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Weighting or technique of an image."""

    T1 = "T1"
    T2 = "T2"
    FLAIR = "FLAIR"
    DSC = "DSC"
    ADC = "ADC"
    OTHER = "other"
