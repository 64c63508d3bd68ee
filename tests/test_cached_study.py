"""A cached study comes back to the last bit, and is answered again from what it holds."""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gliotype import archive
from gliotype.archive import load_values, save_values
from gliotype.cached_study import (
    CachedStudy,
    cached_image,
    cached_labels,
    cached_sequences,
    load_cached,
    save_cached,
)
from gliotype.errors import InputError
from gliotype.study import Outline, Sequence, Tumour
from support.factory import make_result_with_perfusion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cached() -> CachedStudy:
    result = make_result_with_perfusion()
    mask = result.tumour.mask
    tumour = Tumour(
        result.tumour.labels,
        "model1",
        confidence=0.93,
        outlines=(Outline("threshold 0.3", mask[::-1]),),
        agreement={"mirrored": 1 / 7},
        warnings=("odd",),
    )
    quality = {"similarity": 1 / 3, "missing": float("nan")}
    prepared = replace(result.prepared, quality=quality)
    return CachedStudy(
        result.study, prepared, tumour, result.measurements, None, ("exam/a.nii",), None, "9.9"
    )


@pytest.fixture(scope="module")
def folder(cached: CachedStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private") / "cached"
    save_cached(cached, folder)
    return folder


def test_every_value_comes_back_to_the_last_bit(cached: CachedStudy, folder: Path, tmp_path: Path) -> None:
    again = load_cached(folder, "9.9")
    save_cached(again, tmp_path / "again")
    for name in (archive.VALUES,):
        assert (tmp_path / "again" / name).read_text() == (folder / name).read_text()
    with (
        zipfile.ZipFile(folder / archive.ARRAYS) as one,
        zipfile.ZipFile(tmp_path / "again" / archive.ARRAYS) as two,
    ):
        assert one.namelist() == two.namelist()
        assert all(one.read(name) == two.read(name) for name in one.namelist())
    assert again.prepared.images.keys() == cached.prepared.images.keys()
    for sequence, image in cached.prepared.images.items():
        assert np.array_equal(again.prepared.images[sequence].array, image.array)
        assert np.array_equal(again.prepared.images[sequence].affine, image.affine)
    assert again.study.subject == cached.study.subject
    assert (again.tumour.agreement, again.tumour.warnings) == ({"mirrored": 1 / 7}, ("odd",))
    assert again.tumour.outlines[0].name == "threshold 0.3"
    assert np.array_equal(again.tumour.outlines[0].mask, cached.tumour.outlines[0].mask)
    assert again.measurements.shape == cached.measurements.shape
    assert again.prepared.quality["similarity"] == 1 / 3
    assert np.isnan(again.prepared.quality["missing"])
    assert again.prepared.dsc is not None
    assert np.array_equal(again.prepared.dsc.times_s, cached.prepared.dsc.times_s)  # type: ignore[union-attr]


def test_arrays_keep_the_order_in_which_they_lie_in_memory(tmp_path: Path) -> None:
    volume = replace(
        make_result_with_perfusion().tumour.labels,
        array=np.moveaxis(np.arange(24.0).reshape(2, 3, 4), 0, 2),
    )
    save_values(volume, tmp_path / "cached")
    again = load_values(type(volume), tmp_path / "cached")
    assert np.array_equal(again.array, volume.array)
    assert again.array.strides == volume.array.strides


def test_the_voxels_as_acquired_are_not_kept(folder: Path) -> None:
    with zipfile.ZipFile(folder / archive.ARRAYS) as arrays:
        assert not [name for name in arrays.namelist() if name.startswith("study/") and "affine" not in name]
    assert all(np.isnan(image.volume.array).all() for image in load_cached(folder, "9.9").study.images)


def test_parts_are_read_alone(cached: CachedStudy, folder: Path) -> None:
    assert cached_sequences(folder) == tuple(cached.prepared.images)
    assert np.array_equal(
        cached_image(folder, Sequence.FLAIR).array, cached.prepared.images[Sequence.FLAIR].array
    )
    assert np.array_equal(cached_labels(folder).array, cached.tumour.labels.array)


def test_only_this_user_may_enter_the_folder(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_version_a_missing_folder_and_a_damaged_one_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"written by Gliotype 9\.9, and this is 0\.1"):
        load_cached(folder, "0.1")
    with pytest.raises(InputError, match="holds no cached study"):
        load_cached(tmp_path, "9.9")
    (tmp_path / archive.VALUES).write_text((folder / archive.VALUES).read_text())
    (tmp_path / archive.ARRAYS).write_bytes((folder / archive.ARRAYS).read_bytes()[:-1000])
    with pytest.raises(InputError, match="is damaged"):
        load_cached(tmp_path, "9.9")


def test_no_pickle_is_ever_read(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / archive.VALUES).read_text())
    place = document["tumour"]["labels"]["array"]["array"]
    with zipfile.ZipFile(tmp_path / archive.ARRAYS, "w") as arrays, arrays.open(place, "w") as stream:
        np.lib.format.write_array(stream, np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / archive.VALUES).write_text(json.dumps(document))
    with pytest.raises(InputError, match="is damaged"):
        cached_labels(tmp_path)
