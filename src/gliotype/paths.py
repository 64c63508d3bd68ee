"""Paths that a caller names: converted to values, and hidden from what people read.

File and folder names often hold a patient's name. They appear only in ``prediction.json``; the report and the terminal
show ``image 3`` or ``a file of the study`` in their place.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from gliotype.errors import InputError
from gliotype.text import printable

MAX_PATH = 4095
"""Bytes of the longest path that systems open."""

A_FILE, A_FOLDER, THE_STUDY = "a file of the study", "a folder of the study", "the study"

_FIELD_WORD = re.compile(
    "t1(c|ce|gd|w|wce)?|t2(w|f|s)?|fla(ir)?|tirm|dsc|perf|pwi|adc|[dps]wi|dti|mprage|spgr|space|cube|f?se|tse|gre|vibe|bravo|epi?"
    "|ce|gd|gad|pre|post|contrast|brain|head|skull|mri?|dicom(dir)?|dcm|nifti|nii|study|images?|img|im|ser(ies)?|ses|sub|scans?"
    "|seg|masks?|anat|func|derivatives|raw|data|exam|files?|folder|zip|sag(ittal)?|cor(onal)?|ax(ial)?|tra|[a-z]|[0-9]{1,4}",
    re.IGNORECASE,
)
"""A file whose name holds nothing else does not reveal whose it is, and sentences are made of these words."""

_ADJECTIVES = frozenset(
    {"blank", "cut", "damaged", "empty", "flat", "incomplete", "missing", "short", "wrong"}
)
"""Names that sentences also use as words. They are nobody's, so that one which stays tells nothing of a patient."""


def as_path(path: str | os.PathLike[str]) -> Path:
    """Take a path as text or as a path.

    Raises:
        InputError: if it is longer than any system opens, or holds a zero byte.
    """
    text = os.fspath(path)
    if len(os.fsencode(text)) > MAX_PATH or any(len(os.fsencode(part)) > 255 for part in Path(text).parts):
        raise InputError(
            f"a path of {len(text)} characters ({text[:40]}...) is longer than any that can be opened"
        )
    if "\0" in text:
        raise InputError(f"the path {text!r} holds a zero byte: give the path of a file or folder")
    return Path(text)


def paths_within(source: Path) -> tuple[str, ...]:
    """List the paths of everything in a folder or zip, relative to it, and the name of `source` itself.

    What cannot be listed is left out.
    """
    found = [printable(source.name)]
    with suppress(OSError):
        found += _walk(source) if source.is_dir() else _members(source)
    return tuple(found)


def _walk(root: Path) -> Iterator[str]:
    """Yield everything below a folder, through links too, but each folder once."""
    seen = {os.path.realpath(root)}
    for folder, folders, files in os.walk(root, followlinks=True):
        for name in (*folders, *files):
            yield printable(Path(folder, name).relative_to(root).as_posix())
        real = {name: os.path.realpath(Path(folder, name)) for name in folders}
        folders[:] = [name for name in folders if real[name] not in seen]
        seen.update(real.values())


def _members(source: Path) -> list[str]:
    with suppress(OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                return [name.replace("\\", "/").strip("/") for name in archive.namelist()]
    return []


def without_paths(paths: Iterable[str], shown: Mapping[str, str]) -> Callable[[str], str]:
    """Make a filter that replaces what names a file or folder: its path, its name, and its name without ending.

    Args:
        paths: with ``/``; the folders in those that are relative count too.
        shown: what to put in the place of a file, by its path; of any other, `A_FILE` or `A_FOLDER`.

    Example:
        >>> hide = without_paths(["doe/doe_t1.nii", "doe/DOE12"], {"doe/doe_t1.nii": "image 1"})
        >>> hide("doe/doe_t1.nii is cut off; the name doe_t1.nii says T1; DOE12 and doe are not opened")
        'image 1 is cut off; the name image 1 says T1; a file of the study and a folder of the study are not opened'
    """
    names: dict[str, str] = {}
    for path in dict.fromkeys((*shown, *paths)):
        parts = PurePosixPath(path)
        for name in (path, parts.name, _stem(parts.name)):
            names.setdefault(name, shown.get(path, A_FILE))
    for path in dict.fromkeys((*shown, *paths)):
        for folder in [] if path.startswith("/") else PurePosixPath(path).parents:
            for name in (str(folder), folder.name):
                names.setdefault(name, A_FOLDER)
    telling = sorted((name for name in names if _tells(name)), key=len, reverse=True)

    def hide(text: str) -> str:
        found = [name for name in telling if name in text]
        if not found:
            return text
        pattern = "|".join(_pattern(name) for name in found)
        return re.sub(pattern, lambda match: names[match.group()], text)

    return hide


def _pattern(name: str) -> str:
    """Make a regular expression that finds a name, but not an adjective of the sentence that is spelt like it."""
    before = r"(?<!\bis )(?<!\bare )" if name in _ADJECTIVES else ""
    return rf"(?<!\w){before}{re.escape(name)}(?!\w)"


def without_sources(sentence: str, sources: Iterable[Path]) -> str:
    """Return a sentence without any path of some input: the files and folders named, and all within them.

    Example:
        >>> without_sources("empty is empty: give the folder that holds the images", [Path("exports/empty")])
        'the study is empty: give the folder that holds the images'
        >>> without_sources("the patient is smith", [Path("exports/smith")])
        'the patient is the study'
    """
    named = tuple(sources)
    names = {
        name: THE_STUDY for source in named for name in (str(source), os.path.abspath(source), source.name)
    }
    return without_paths([path for source in named for path in paths_within(source)], names)(sentence)


def _stem(name: str) -> str:
    return re.sub(r"(\.(nii|hdr|img|dcm|ima|zip|json|gz|bz2))+$", "", name, flags=re.IGNORECASE)


def _tells(name: str) -> bool:
    """Whether a name may reveal whose it is: a path, or a word that is neither of the field nor a short number."""
    if "/" in name:
        return True
    return any(not _FIELD_WORD.fullmatch(word) for word in re.split(r"[\W_]+", name) if word)
