"""Files that appear complete or not at all, alone and together."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryFile
from zipfile import BadZipFile

from gliotype.errors import InputError, OutputError, UsageError
from gliotype.temporary import locked_folder, sweep

_BEFORE = ".before"
_JOURNAL = ".journal.json"


@contextmanager
def reading_cached(file: Path) -> Iterator[None]:
    """Report that a file cached by an earlier run is damaged if the block cannot read it.

    Raises:
        InputError: instead of whatever the reader of arrays or networks raises.
    """
    try:
        yield
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        RuntimeError,
        BadZipFile,
        UnpicklingError,
        zlib.error,
    ) as error:
        raise InputError(f"the cached file {file} is damaged ({error}): delete it and run again") from error


@contextmanager
def atomic_write_set(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Lend an empty folder to write in, and move its files into `folder` when the block ends well.

    Args:
        folder: final place of the files; created if missing.
        names: every file name that may be written, in the order in which they move in; a name may begin
            with a folder. The last is the one which marks the set as complete for others: an earlier one is
            removed first. Files of these names that the block did not write are removed from `folder`.

    Yields:
        A folder on the same file system as `folder`.

    Raises:
        OutputError: on any `OSError`, inside the block too; the files of `folder` are then what they were before,
            and it is removed again if it was made here.
    """
    with output_errors(folder), _made(folder), aside_folder(folder) as aside:
        yield aside
        _refuse_folders(folder, names)
        written = [name for name in names if (aside / name).exists()]
        (aside / _BEFORE).mkdir()
        (aside / _JOURNAL).write_text(
            json.dumps({"names": list(names), "written": written}), encoding="utf-8"
        )
        try:
            _move(reversed(names), folder, aside / _BEFORE)
            _move(names, aside, folder)
        except BaseException:
            _roll_back(aside)
            raise
        _remove_empty(folder, names)


def _remove_empty(folder: Path, names: Iterable[str]) -> None:
    """Remove the folders in names in which no file is left."""
    for parent in {(folder / name).parent for name in names} - {folder}:
        with suppress(OSError):
            parent.rmdir()


def aside_folder(folder: Path) -> AbstractContextManager[Path]:
    """Lend an empty folder within `folder` for files that are not complete yet.

    What a killed run left aside there is removed; if it was killed while its files moved in, the files that were
    there before come back.

    Raises:
        OSError: if it cannot be made.
    """
    return locked_folder(folder, _roll_back)


def _refuse_folders(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        if (folder / name).is_dir():
            raise IsADirectoryError(0, f"{name} is a folder there")


def _roll_back(aside: Path) -> None:
    """Bring back the files that a set was to replace, unless the set has moved in as a whole."""
    with suppress(OSError, ValueError):
        journal = json.loads((aside / _JOURNAL).read_text(encoding="utf-8"))
        written = journal["written"]
        if written and not (aside / written[-1]).exists():
            return
        for name in journal["names"]:
            if (aside / _BEFORE / name).exists():
                os.replace(aside / _BEFORE / name, aside.parent / name)
            elif name in written and not (aside / name).exists():
                (aside.parent / name).unlink(missing_ok=True)


def _move(names: Iterable[str], source: Path, target: Path) -> None:
    """Move those files that are there."""
    for name in names:
        if (source / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            os.replace(source / name, target / name)


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Lend a name to write under, and give the file its own name when the block ends well.

    Args:
        file: final path; an existing file is replaced. Its folder is created if it is not
            there.

    Yields:
        A path of the same name, on the same file system, that no other process uses.

    Raises:
        OutputError: on any `OSError`, inside the block too; `file` is then what it was before.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.txt") as aside:
        ...         _ = aside.write_text("whole")
        ...     [file.name for file in Path(folder).iterdir()]
        ['a.txt']
    """
    with output_errors(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside_folder(file.parent) as folder:
            yield folder / file.name
            os.replace(folder / file.name, file)


def write_text(file: Path, text: str) -> Path:
    """Write a text file in UTF-8 as `atomic_write` does; return it."""
    with atomic_write(file) as aside:
        aside.write_text(text, encoding="utf-8")
    return file


def check_run_settings(file: Path, what: str, asked: Mapping[str, object]) -> None:
    """Record the settings of a run in its folder, or check that a resumed run uses the same.

    Args:
        file: JSON file in that folder that holds the settings.
        what: the folder holds, such as "a run begun".
        asked: settings of this call, plain values.

    Raises:
        UsageError: if it was begun with other settings.
        OutputError: if the file cannot be written.
    """
    if file.exists():
        refuse_other_settings(file.parent, what, json.loads(file.read_text(encoding="utf-8")), asked)
    else:
        write_text(file, json.dumps(asked, indent=1) + "\n")


def refuse_other_settings(
    folder: Path, what: str, found: Mapping[str, object], asked: Mapping[str, object]
) -> None:
    """Check that a folder was begun with the settings with which it is resumed.

    Args:
        folder: that holds it.
        what: it is, such as "a cohort simulated".
        found: settings of what it holds.
        asked: settings of this call.

    Raises:
        UsageError: if they differ; it names both.
    """
    differing = [key for key in {**asked, **found} if found.get(key) != asked.get(key)]
    if differing:
        raise UsageError(
            f"{folder} holds {what} with {_describe_settings(found, differing)}, and this call asks for "
            f"{_describe_settings(asked, differing)}: repeat those settings to resume it, or choose another folder"
        )


def _describe_settings(settings: Mapping[str, object], keys: list[str]) -> str:
    def describe(value: object) -> str:
        return f"{len(value)} label maps" if isinstance(value, dict) else str(value)

    return ", ".join(f"{key} {describe(settings.get(key))}" for key in keys)


def check_writable(folder: Path, names: Sequence[str] = ()) -> None:
    """Find out, before a minute of computing, whether files can be written into a folder.

    The folder need not exist; nothing is left behind, and what a killed run left there is removed.

    Args:
        folder: for the results.
        names: of the files to be written.

    Raises:
        OutputError: if the folder cannot be made, or no file in it, or a folder has one of the names.
    """
    with output_errors(folder):
        made = _missing(folder)
        with _made(folder), TemporaryFile(dir=folder):
            sweep(folder, _roll_back)
            _refuse_folders(folder, names)
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
            f"cannot write the results to {str(folder)[:200]} ({why}): make room or allow writing there, "
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
