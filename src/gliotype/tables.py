"""Text files and tables that users give and read: bounded, in UTF-8, and harmless in a spreadsheet."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from gliotype.errors import InputError

MAX_TEXT_BYTES = 100_000_000
"""A table or protocol larger than this is refused."""

_UNKNOWN = re.compile(r"(-1(\.0)?|n/?a|nan|none|null|unknown|not available|)", re.IGNORECASE)
_FORMULA = re.compile(r"[=+\-@\t\r]")


def read_text_file(path: str | Path, kind: str = "text") -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Args:
        path: of the file.
        kind: what it should hold, such as ``"CSV"``, for messages.

    Raises:
        InputError: if it is not there, not a regular file, larger than `MAX_TEXT_BYTES` or not UTF-8.
    """
    name = Path(path).name[:100]
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a file")
        if status.st_size > MAX_TEXT_BYTES:
            raise InputError(
                f"{name} has {status.st_size / 1e6:.0f} MB: {MAX_TEXT_BYTES / 1e6:.0f} MB are the most for such a file"
            )
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not {kind} in UTF-8 ({error.reason}): save it as that") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {name} ({why}): name a {kind} file that is there") from error


def is_unknown(text: str) -> bool:
    """Whether a cell of a table says that a fact is not known.

    Example:
        >>> [is_unknown(text) for text in ("", "NA", "n/a", "-1", "44")]
        [True, True, True, True, False]
    """
    return _UNKNOWN.fullmatch(text.strip()) is not None


def cell(value: object) -> object:
    """Return what to write into a cell of a CSV file: a text that a spreadsheet would compute gets an apostrophe.

    Example:
        >>> cell("=1+1"), cell("sub-1"), cell(-0.5), cell("-0.5")
        ("'=1+1", 'sub-1', -0.5, '-0.5')
    """
    if (
        not isinstance(value, str)
        or not _FORMULA.match(value)
        or re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", value)
    ):
        return value
    return f"'{value}"


def plain(text: str) -> str:
    """Undo `cell` in a field that was read, and remove blanks around it.

    Example:
        >>> plain("'=1+1 "), plain("'quoted'")
        ('=1+1', "'quoted'")
    """
    text = text.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text
