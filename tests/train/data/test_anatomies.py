from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.head.template import template_anatomy
from gliotype.train.data import anatomies
from gliotype.train.data.anatomies import read_anatomies
from gliotype.volume import Volume


@pytest.fixture
def aligned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the label maps that are aligned from now on; the alignment itself is replaced."""
    names: list[str] = []

    def align(file: Path, white_matter: Volume) -> Anatomy:
        names.append(file.name)
        tissue = np.zeros((2, 3, 4), np.uint8)
        tissue[1, 2, 3] = len(file.read_bytes())
        return Anatomy(Volume(tissue, np.diag([1.0, 2.0, 3.0, 1.0])), np.diag([2.0, 1.0, 1.0, 1.0]))

    monkeypatch.setattr(anatomies, "read_label_map", align)
    read_anatomies.cache_clear()
    return names


def folder_of(parent: Path, **contents: str) -> Path:
    parent.mkdir()
    for name, content in contents.items():
        (parent / f"{name}.nii.gz").write_text(content)
    return parent


def test_label_maps_are_aligned_once_and_kept(tmp_path: Path, aligned: list[str]) -> None:
    maps = folder_of(tmp_path / "maps", first="a", second="bb")
    made = read_anatomies(maps, tmp_path)
    read_anatomies.cache_clear()  # as another process would
    cached = read_anatomies(maps, tmp_path)
    assert aligned == ["first.nii.gz", "second.nii.gz"]
    assert [int(np.asarray(head.tissue.array)[1, 2, 3]) for head in cached] == [1, 2]
    for one, other in zip(made, cached, strict=True):
        np.testing.assert_array_equal(one.tissue.array, other.tissue.array)
        np.testing.assert_array_equal(one.tissue.affine, other.tissue.affine)
        np.testing.assert_array_equal(one.mni_from_world, other.mni_from_world)
    assert not list(tmp_path.glob(".gliotype-*"))


def test_other_label_maps_are_not_mistaken_for_those_kept(tmp_path: Path, aligned: list[str]) -> None:
    maps, others = folder_of(tmp_path / "maps", head="a"), folder_of(tmp_path / "others", head="bbb")
    assert int(np.asarray(read_anatomies(maps, tmp_path)[0].tissue.array).max()) == 1
    assert int(np.asarray(read_anatomies(others, tmp_path)[0].tissue.array).max()) == 3
    (maps / "head.nii.gz").write_text("changed")
    read_anatomies.cache_clear()
    assert int(np.asarray(read_anatomies(maps, tmp_path)[0].tissue.array).max()) == len("changed")
    assert len(aligned) == 3


def test_nothing_is_written_beside_the_label_maps(tmp_path: Path, aligned: list[str]) -> None:
    maps = folder_of(tmp_path / "maps", head="a")
    assert len(read_anatomies(maps, None)) == 1
    assert [file.name for file in maps.iterdir()] == ["head.nii.gz"]


def test_without_label_maps_the_template_is_the_only_head(tmp_path: Path) -> None:
    (head,) = read_anatomies(None, tmp_path)
    assert head.tissue.grid.shape == template_anatomy().tissue.grid.shape
    with pytest.raises(InputError, match=r"no label map"):
        read_anatomies(tmp_path, None)
