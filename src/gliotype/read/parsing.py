"""The one place that turns what third-party readers raise on odd files into an error with a sentence."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import nibabel as nib
import pydicom

from gliotype.errors import InputError

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    BufferError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    nib.filebasedimages.ImageFileError,
    nib.wrapstruct.WrapStructError,
    nib.spatialimages.HeaderDataError,
    nib.spatialimages.HeaderTypeError,
    pydicom.errors.InvalidDicomError,
    pydicom.errors.BytesLengthException,
)
"""What pydicom, nibabel and the standard library raise on damaged files."""


@contextmanager
def reading(sentence: str, *also: type[Exception]) -> Iterator[None]:
    """Raise an `InputError` with a sentence for whatever a reader raises on a damaged file.

    Errors of Gliotype pass as they are.

    Args:
        sentence: what was found and what to do; ``{reason}`` in it is replaced by the reader's own words.
        *also: further exceptions that the decoder at work raises.

    Example:
        >>> with reading("a.json is damaged: export it again"):
        ...     int("x")
        Traceback (most recent call last):
        gliotype.errors.InputError: a.json is damaged: export it again
    """
    try:
        yield
    except (*UNREADABLE, *also) as error:
        raise InputError(sentence.replace("{reason}", reason_of(error))) from error


def reason_of(error: Exception) -> str:
    r"""Return the first line of what a reader says, short and printable, or the name of its exception.

    Example:
        >>> reason_of(ValueError("no pixels\nat all")), reason_of(MemoryError())
        ('no pixels', 'MemoryError')
    """
    lines = str(error).strip().splitlines()
    line = lines[0] if lines else ""
    return "".join(c if c.isprintable() else " " for c in line)[:120].strip() or type(error).__name__
