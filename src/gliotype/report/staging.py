"""Files that appear together, complete, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from gliotype.errors import OutputError


@contextmanager
def written_together(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Lend an empty folder to write in, and move its files into `folder` when the block ends well.

    Args:
        folder: where the files shall be in the end; made if it is not there.
        names: every file name that may be written, in the order in which they move in. The last is the
            one by which others tell that the set is complete: an earlier one is removed first. Files
            of these names that the block did not write are removed from `folder`.

    Yields:
        A folder on the same file system as `folder`.

    Raises:
        OutputError: on any `OSError`, inside the block too; `folder` is then as it was before, and is
            removed again if it was made here.
    """
    with output_errors(folder), _made(folder), TemporaryDirectory(prefix=".gliotype-", dir=folder) as aside:
        yield Path(aside)
        for name in names:
            if (folder / name).is_dir():
                raise IsADirectoryError(0, f"{name} is a folder there")
        (folder / names[-1]).unlink(missing_ok=True)
        for name in names:
            if (Path(aside) / name).exists():
                os.replace(Path(aside) / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Find out, before a minute of computing, whether files can be written into a folder.

    The folder need not exist; nothing is left behind.

    Raises:
        OutputError: if the folder cannot be made, or no file in it.
    """
    with output_errors(folder):
        made = _missing(folder)
        with _made(folder), TemporaryFile(dir=folder):
            pass
        for path in made:
            path.rmdir()


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn any `OSError` of the block into an `OutputError` that names the folder, the cause and a remedy."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise OutputError(
            f"cannot write the results to {folder} ({why}): make room or allow writing there, "
            "or choose another folder"
        ) from error


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and remove it and the parents made with it if the block fails."""
    missing = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


def _missing(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.parents) if not path.exists()]
