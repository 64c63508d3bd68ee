"""List what a study holds that is not an image of it, each with the reason why it was not read."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from gliotype.read.files import Format, Found
from gliotype.read.nifti.bids import stem_of
from gliotype.study import NotRead
from gliotype.text import printable

_IMAGE_ENDINGS = (
    ".nii.bz2", ".nii.xz", ".nii.zst", ".nii.lzma", ".nii.zip", ".nii.7z", ".mgz", ".mgh", ".nrrd", ".nhdr", ".mha",
    ".mhd", ".mnc", ".mnc.gz", ".gipl", ".gipl.gz", ".par", ".rec", ".head", ".brik", ".brik.gz", ".img", ".img.gz",
    ".hdr", ".hdr.gz", ".vtk", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".minc", ".dcm.bz2", ".dcm.xz", ".raw",
)  # fmt: skip
_ARCHIVE_ENDINGS = (
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar", ".gz", ".bz2", ".xz",
    ".zst", ".iso",
)  # fmt: skip
_HARMLESS_ENDINGS = {
    (".bval", ".bvec", ".bvals", ".bvecs"): "a table of diffusion gradients",
    (
        ".txt",
        ".md",
        ".rst",
        ".csv",
        ".tsv",
        ".log",
        ".xml",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".rtf",
    ): "a text or table",
    (".html", ".htm", ".pdf", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ppt", ".pptx"): "a document",
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".svg",
        ".avi",
        ".mp4",
        ".mov",
    ): "a picture or film",
    (".exe", ".dll", ".bat", ".inf", ".py", ".m", ".sh", ".jar", ".js", ".css"): "a program",
}
_FORMAT = "image in a format that is not read"
_ARCHIVE = "archive inside the study"
_LINK = "link"
_UNREADABLE = "file or folder that cannot be opened"
_UNKNOWN = "file of unknown kind"


def files_not_read(found: Iterable[Found], sidecars: Iterable[str]) -> list[NotRead]:
    """List the files that are neither DICOM nor NIfTI nor belong to an image.

    Args:
        found: all files of the study.
        sidecars: paths of the JSON files that were read.
    """
    found, read = list(found), set(sidecars)
    nifti = {stem_of(f.relative) for f in found if f.format is Format.NIFTI}
    return [
        loss
        for f in found
        if f.format is Format.OTHER and f.relative not in read and (loss := _judge(f, nifti)) is not None
    ]


def entries_not_listed(root: Path, found: Iterable[Found]) -> list[NotRead]:
    """List what a folder holds that is not a file of the study: links, hidden files, what cannot be opened.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "T1.nii").symlink_to("nowhere")
        >>> [loss.reason for loss in entries_not_listed(folder, [])]
        ['a link that leads nowhere']
    """
    known = {f.relative for f in found}
    return sorted(_entries(root, known), key=lambda loss: loss.source)


def _entries(root: Path, known: set[str]) -> Iterator[NotRead]:
    closed: list[str] = []
    for folder, folders, files in os.walk(root, onerror=lambda error: closed.append(str(error.filename))):
        for name in list(folders):
            path = Path(folder, name)
            if path.is_symlink():
                yield NotRead(_relative(path, root), "a link to a folder, which is not followed", _LINK)
                folders.remove(name)
            elif name.startswith(".") or name == "__MACOSX":
                yield NotRead(_relative(path, root), "a hidden folder")
                folders.remove(name)
        for name in files:
            relative = _relative(Path(folder, name), root)
            if relative not in known:
                yield _unlisted(Path(folder, name), relative)
    for name in closed:
        yield NotRead(_relative(Path(name), root), "a folder that cannot be opened", _UNREADABLE)


def _unlisted(path: Path, relative: str) -> NotRead:
    """Say why a file is not among those of the study."""
    if path.is_symlink() and not path.exists():
        return NotRead(relative, "a link that leads nowhere", _LINK)
    if not path.is_file():
        return NotRead(relative, "neither a file nor a folder (a pipe, a socket or a device)", _UNREADABLE)
    return NotRead(relative, "a hidden file")


def _relative(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix())


def _judge(file: Found, nifti: set[str]) -> NotRead | None:
    """Say why a file was not read; None for the second half of an image that was."""
    name = PurePosixPath(file.relative).name.lower()
    if name.endswith((".img", ".img.gz")) and stem_of(file.relative) in nifti:
        return None
    try:
        with file.path.open("rb"):
            size = file.path.stat().st_size
    except OSError:
        return NotRead(file.relative, "it cannot be opened", _UNREADABLE)
    if ending := _ending(name, _IMAGE_ENDINGS):
        reason = f"an image in a format that is not read ({ending}): convert it to .nii.gz"
        return NotRead(file.relative, reason, _FORMAT)
    if ending := _ending(name, _ARCHIVE_ENDINGS):
        return NotRead(file.relative, f"an archive inside the study ({ending}): unpack it", _ARCHIVE)
    if name.endswith(".json"):
        return NotRead(file.relative, "a JSON file that belongs to no image")
    if name == "dicomdir":
        return NotRead(file.relative, "an index of DICOM files")
    for endings, meaning in _HARMLESS_ENDINGS.items():
        if name.endswith(endings):
            return NotRead(file.relative, f"{meaning}, no image")
    if size == 0:
        return NotRead(file.relative, "an empty file")
    return NotRead(file.relative, "neither DICOM nor NIfTI, by its first bytes", _UNKNOWN)


def _ending(name: str, endings: Iterable[str]) -> str:
    return next((e for e in sorted(endings, key=len, reverse=True) if name.endswith(e)), "")


def loss_warning(not_read: Iterable[NotRead], unused_images: int, missed: Iterable[str]) -> list[str]:
    """Count in one sentence what was not used, and name what may be important by its kind; none if nothing may be.

    Args:
        not_read: entries of the study that were not read.
        unused_images: how many images were read and not used.
        missed: sequences of images that cannot be used, and of which there is no other.

    Example:
        >>> loss_warning([NotRead("doe.mgz", "...", "image in a format that is not read")], 2, ["FLAIR"])[0][:54]
        '2 images and 1 other entry of the study were not used,'
    """
    entries = list(not_read)
    kinds = Counter([*(loss.kind for loss in entries if loss.kind), *missed])
    if not kinds:
        return []
    other = "other " if unused_images else ""
    counted = [
        _count(unused_images, "image", "images"),
        _count(len(entries), f"{other}entry", f"{other}entries"),
    ]
    important = ", ".join(f"{n} {_plural(kind) if n > 1 else kind}" for kind, n in kinds.most_common())
    return [
        f"{' and '.join(filter(None, counted))} of the study were not used, among them {important}; "
        "prediction.json lists each with its reason (other_images, not_read)."
    ]


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}" if number else ""


def _plural(kind: str) -> str:
    """Put the first noun of a kind into the plural.

    Example:
        >>> _plural("image in a format that is not read"), _plural("FLAIR")
        ('images in a format that is not read', 'FLAIR')
    """
    return re.sub(r"^(image|archive|link|file|slice)\b", r"\1s", kind)
