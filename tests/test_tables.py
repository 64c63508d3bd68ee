from __future__ import annotations

import os
from pathlib import Path

import pytest

from gliotype.errors import InputError, UsageError
from gliotype.paths import as_path
from gliotype.seeds import MAX_SEED, check_seed
from gliotype.tables import MAX_TEXT_BYTES, cell, plain, read_text_file


def test_a_text_file_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfsubject\r\n")
    assert read_text_file(str(tmp_path / "a.csv")) == "subject\r\n"


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (os.mkfifo, "it is not a file"),
        (Path.mkdir, "it is not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a file"),
        (lambda path: path.symlink_to(path), "cannot read"),
        (huge, "are the most"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not text in UTF-8"),
        (lambda path: None, "cannot read"),
    ],
)
def test_what_is_not_a_text_file_is_refused_without_reading_it(
    make: object, sentence: str, tmp_path: Path
) -> None:
    make(tmp_path / "a.csv")  # type: ignore[operator]
    with pytest.raises(InputError, match=sentence):
        read_text_file(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text_and_comes_back(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert plain(f"'{text}") == text


@pytest.mark.parametrize("value", ["sub-1", "", "'quoted'", "-0.5", "+1e-5", -0.5, 3, None])
def test_any_other_cell_is_as_it_was(value: object) -> None:
    assert cell(value) == value


@pytest.mark.parametrize("path", ["a" * 10_000, "/".join(["a" * 100] * 100), "a" * 256, "a\0b"])
def test_a_path_that_no_system_opens_is_an_input_error(path: str) -> None:
    with pytest.raises(InputError) as caught:
        as_path(path)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 10**30, True, 1.5])
def test_a_seed_that_a_generator_cannot_take_is_refused(seed: int) -> None:
    with pytest.raises(UsageError, match=f"give a whole number from 0 to {MAX_SEED}"):
        check_seed(seed)
