from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gliotype.atomic_files import atomic_write, atomic_write_set, check_writable, write_text
from gliotype.errors import OutputError
from gliotype.report import OUTPUTS, write_result
from gliotype.result import Result
from gliotype.study import Sequence
from support.factory import make_result
from support.permissions import permissions_that_hold

NAMES = ("a.txt", "b.txt", "last.txt")


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result((Sequence.FLAIR,))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few blocks, as on a disk that fills up while it is written.

    The limit holds for the whole process, the log of the tests included, so it ends with the block.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fail(out: Path, error: BaseException) -> None:
    """Write one file of a set, then fail."""
    with atomic_write_set(out, NAMES) as aside:
        (aside / "a.txt").write_text("new")
        raise error


def succeed(out: Path) -> None:
    with atomic_write_set(out, NAMES) as aside:
        (aside / "a.txt").write_text("new")
        (aside / "last.txt").write_text("new")


def test_files_appear_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with atomic_write_set(out, NAMES) as aside:
        (aside / "a.txt").write_text("one")
        (aside / "last.txt").write_text("two")
        assert not (out / "a.txt").exists()
    assert contents(out) == {"a.txt": b"one", "last.txt": b"two"}


def test_an_earlier_run_is_replaced_and_what_it_alone_had_is_removed(tmp_path: Path) -> None:
    for name in (*NAMES, "mine.txt"):
        (tmp_path / name).write_text("old")
    succeed(tmp_path)
    assert contents(tmp_path) == {"a.txt": b"new", "last.txt": b"new", "mine.txt": b"old"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_an_earlier_run_as_it_was(tmp_path: Path, error: BaseException) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")
    with pytest.raises((OutputError, KeyboardInterrupt)):
        fail(tmp_path, error)
    assert contents(tmp_path) == dict.fromkeys(NAMES, b"old")


def test_a_folder_made_for_a_run_that_failed_is_removed_with_its_parents(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"):
        fail(tmp_path / "deep" / "out", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_found_before_anything_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "last.txt").mkdir()
    with pytest.raises(OutputError, match=r"last\.txt is a folder"):
        succeed(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "last.txt"]


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "deep" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_found_by_checking(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OutputError, match=r"cannot write the results to .*file.* choose another folder"):
            check_writable(out)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_without_permission_is_found_by_checking(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with permissions_that_hold(), pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path)


def test_a_full_disk_leaves_nothing(result: Result, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OutputError, match="make room"):
        write_result(result, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_written_atomically(result: Result, tmp_path: Path) -> None:
    (tmp_path / "saliency.nii.gz").write_text("of another patient")
    files = write_result(result, tmp_path)
    assert files[-1].name == "prediction.json"
    without = {
        name
        for name in OUTPUTS
        if name.startswith(("saliency", "votes", "perfusion", "adc", "cest", "dicom/"))
    }
    assert {path.name for path in files} == set(OUTPUTS) - without
    assert sorted(files) == sorted(tmp_path.iterdir())


def test_a_set_that_cannot_move_in_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")
    move = os.replace

    def refuse_the_last(source: Path, target: Path) -> None:
        if Path(source).name == "last.txt" and Path(source).read_text() == "new":
            raise PermissionError(13, "no")
        move(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_last)
    with pytest.raises(OutputError):
        succeed(tmp_path)
    assert contents(tmp_path) == dict.fromkeys(NAMES, b"old")


def test_a_set_may_lie_in_folders_which_go_when_they_are_empty(tmp_path: Path) -> None:
    names = ("objects/a.dcm", "objects/b.dcm", "last.txt")
    for wanted in (names, ("objects/b.dcm", "last.txt"), ("last.txt",)):
        with atomic_write_set(tmp_path, names) as aside:
            (aside / "objects").mkdir()
            for name in wanted:
                (aside / name).write_text("new")
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
        assert found == set(wanted)
    assert not (tmp_path / "objects").exists()


def test_a_failure_leaves_files_in_folders_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("objects/a.dcm", "last.txt")
    (tmp_path / "objects").mkdir()
    for name in (*names, "objects/mine.dcm"):
        (tmp_path / name).write_text("old")
    move = os.replace

    def refuse_the_last(source: Path, target: Path) -> None:
        if Path(source).name == "last.txt" and Path(source).read_text() == "new":
            raise PermissionError(13, "no")
        move(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_last)

    def replace_all() -> None:
        with atomic_write_set(tmp_path, names) as aside:
            (aside / "objects").mkdir()
            for name in names:
                (aside / name).write_text("new")

    with pytest.raises(OutputError):
        replace_all()
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"old"}
    assert (tmp_path / "objects" / "mine.dcm").exists()


def write_half(file: Path) -> None:
    with atomic_write(file) as aside:
        aside.write_text("half")
        raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    file = write_text(tmp_path / "deep" / "a.txt", "old")
    with pytest.raises(RuntimeError):
        write_half(file)
    assert contents(file.parent) == {"a.txt": b"old"}
    with pytest.raises(OutputError, match="cannot write the results"), full_disk():
        write_text(file, 10_000 * "new")
    assert contents(file.parent) == {"a.txt": b"old"}
