"""Words by which a series says that it belongs to CEST."""

from __future__ import annotations

from collections.abc import Iterator

from gliotype.read.identify import vocabulary
from gliotype.read.identify.keywords import find_words, normalised
from gliotype.read.series import SeriesInfo


def own_texts(info: SeriesInfo) -> Iterator[str]:
    """List what the series alone says of itself: file name, descriptions, protocol."""
    yield from filter(None, (info.name, *info.texts, info.protocol))


def names_cest(info: SeriesInfo) -> bool:
    """Whether a series calls itself CEST or APT-weighted.

    Example:
        >>> names_cest(SeriesInfo(name="sub-1_cest")), names_cest(SeriesInfo(name="t1_mprage"))
        (True, False)
    """
    return any(find_words(vocabulary.CEST, normalised(text)) for text in own_texts(info))


def names_wassr(info: SeriesInfo) -> bool:
    """Whether a series calls itself WASSR: saturation around water alone, at low power."""
    return any(find_words("wassr", normalised(text)) for text in own_texts(info))


def may_name_cest(info: SeriesInfo) -> bool:
    """Whether a series calls itself CEST, or APT, which may be a name or code as well."""
    return any(find_words(f"{vocabulary.CEST}|apt", normalised(text)) for text in own_texts(info))
