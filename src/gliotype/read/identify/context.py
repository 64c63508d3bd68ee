"""What the images of a study have in common says nothing about any one of them.

A folder or protocol that holds several sequences, the words with which all file names begin (often the patient's
name), and a contrast agent that every header names are taken out before each image is identified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gliotype.read.identify import keywords as words
from gliotype.read.identify.by_header import identify
from gliotype.read.identify.contrast_words import match_contrast
from gliotype.read.identify.kinds import Kind
from gliotype.read.series import Series, SeriesInfo, group_by
from gliotype.study import Sequence


def without_common_evidence(series: list[Series]) -> list[Series]:
    """Take out of each image's header and name what it shares with images of other sequences.

    Args:
        series: all images of one examination.

    Returns:
        The same images in the same order, with `SeriesInfo` that holds what is their own; `SeriesInfo.uncounted`
        says what was taken out if it speaks for contrast.
    """
    images = [s for s in series if not s.broken and s.info.modality == "MR" and not s.info.pictured]
    infos = {id(s): s.info for s in series}
    _strip_common_beginnings(images, infos)
    _drop_shared(images, infos, "protocol", lambda s: s.info.protocol)
    _drop_shared(images, infos, "folder", lambda s: s.source.rpartition("/")[0])
    _drop_common_agent(images, infos)
    return [replace(s, info=infos[id(s)]) if infos[id(s)] is not s.info else s for s in series]


def own_kind(info: SeriesInfo) -> Kind | None:
    """Return the kind that an image's own header and name say, without protocol and folder; None if they do not."""
    identity = identify(replace(info, protocol="", folder=""))
    if identity.open:
        return None
    if identity.sequence is None:
        return Kind.OTHER
    return Kind.T1 if identity.sequence is Sequence.T1C else Kind(identity.sequence.value)


def _strip_common_beginnings(images: list[Series], infos: dict[int, SeriesInfo]) -> None:
    """Take from file names the words with which those of several sequences of a folder begin."""
    named = [s for s in images if s.info.name]
    listed = {id(s): words.normalised(s.info.name).split() for s in named}
    begun = [s for s in named if listed[id(s)]]
    for group in group_by(begun, lambda s: (s.source.rpartition("/")[0], listed[id(s)][0])):
        rows = [listed[id(s)] for s in group]
        length = 0
        while all(len(row) > length + 1 and row[length] == rows[0][length] for row in rows):
            if words.match_kind(rows[0][length], described=False):
                break
            length += 1
        rests = {id(s): " ".join(listed[id(s)][length:]) for s in group}
        meanings = {_meaning(rest) for rest in rests.values()} - {None}
        if length == 0 or len(meanings) < 2:
            continue
        uncounted = _contrast_clause(" ".join([*rows[0][:length], "t1"]), "file names")
        for one in group:
            info = infos[id(one)]
            infos[id(one)] = replace(info, name=rests[id(one)], uncounted=info.uncounted or uncounted)


def _meaning(name: str) -> tuple[Kind, bool | None] | None:
    kind, contrast = words.match_kind(name, file_name=True), match_contrast(name)
    return None if kind is None else (kind.kind, None if contrast is None else contrast.given)


def _drop_shared(
    images: list[Series], infos: dict[int, SeriesInfo], field: str, key: Callable[[Series], str]
) -> None:
    """Let a protocol or folder that images of several sequences share say nothing, and of several T1 no contrast."""
    for group in group_by((s for s in images if key(s)), key):
        if len(group) < 2:
            continue
        kinds = {kind for s in group if (kind := own_kind(infos[id(s)])) is not None}
        unknown = any(own_kind(infos[id(s)]) is None for s in group)
        for one in group:
            info = infos[id(one)]
            text = info.protocol if field == "protocol" else info.folder
            clause = _contrast_clause(text, f"{field} of several images")
            info = replace(info, shared=info.shared | {field}, uncounted=info.uncounted or clause)
            if len(kinds) > 1 or (kinds and unknown):
                info = replace(info, protocol="") if field == "protocol" else replace(info, folder="")
            infos[id(one)] = info


def _contrast_clause(text: str, where: str) -> str:
    match = match_contrast(text)
    return f"'{match.word}' in the {where}" if match is not None and match.given else ""


def _drop_common_agent(images: list[Series], infos: dict[int, SeriesInfo]) -> None:
    """Forget an agent that every header names: it was filled in for the examination.

    So it is where images of several kinds all carry it, or two or more T1-weighted images.
    """
    kinds = {id(s): own_kind(infos[id(s)]) for s in images}
    weighted = [s for s in images if kinds[id(s)] is Kind.T1]
    telling = [s for s in images if kinds[id(s)] is not None]
    everywhere = len(set(kinds.values()) - {None}) > 1 and all(
        infos[id(s)].acquisition.contrast for s in telling
    )
    every_t1 = len(weighted) > 1 and all(infos[id(s)].acquisition.contrast for s in weighted)
    if not everywhere and not every_t1:
        return
    where = "every image" if everywhere else "every T1-weighted image"
    for one in images:
        info = infos[id(one)]
        if info.acquisition.contrast and (everywhere or kinds[id(one)] is Kind.T1):
            infos[id(one)] = replace(
                info,
                acquisition=replace(info.acquisition, contrast=None),
                uncounted=f"a contrast agent in the header of {where}",
            )
