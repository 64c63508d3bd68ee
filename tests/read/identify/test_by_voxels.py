"""Identification by voxels alone, on a head whose tissues have the signals of each weighting."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from gliotype.read import read_study
from gliotype.read.identify.by_voxels import appearance_of, correlation, enhancement
from gliotype.read.identify.voxel_access import coarse
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume

SIGNALS = {
    "T1": {"scalp": 1.8, "white": 1.0, "grey": 0.75, "fluid": 0.3, "tumour": 0.65, "vessel": 0.6},
    "T1C": {"scalp": 1.8, "white": 1.0, "grey": 0.76, "fluid": 0.3, "tumour": 0.7, "vessel": 2.2},
    "T2": {"scalp": 1.0, "white": 1.0, "grey": 1.4, "fluid": 3.2, "tumour": 2.2, "vessel": 0.3},
    "FLAIR": {"scalp": 0.9, "white": 1.0, "grey": 1.25, "fluid": 0.2, "tumour": 2.0, "vessel": 0.3},
}


Tissues = tuple[dict[str, np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def tissues() -> Tissues:
    """Fraction of each tissue in the voxels of a 3 mm head, and its affine.

    Grey and white matter are folded into each other; there are ventricles, fluid under the skull, a vessel
    and an off-centre tumour.
    """
    shape = (56, 68, 56)
    x, y, z = (np.indices(shape).T * 3.0 - (np.array(shape) - 1) * 1.5).T
    radius = np.sqrt((x / 68) ** 2 + (y / 86) ** 2 + (z / 68) ** 2)
    brain = radius + 0.04 * np.sin(x / 5) * np.sin(y / 6) * np.sin(z / 5.5) < 0.85
    ventricles = ((np.abs(x) - 11) / 8) ** 2 + (y / 32) ** 2 + ((z - 5) / 12) ** 2 < 1
    tumour = ((x + 30) ** 2 + (y - 25) ** 2 + (z - 12) ** 2 < 20**2) & ~ventricles
    vessel = (np.abs(x) < 4) & (np.abs(y + 20) < 14) & (np.abs(z + 20) < 10)
    grey = np.clip(0.2 + 0.9 * np.sin(x / 8) * np.sin(y / 9) * np.sin(z / 8.5) + 0.4 * (radius > 0.7), 0, 1)
    parenchyma = brain & ~ventricles & ~tumour & ~vessel
    fractions = {
        "scalp": (radius < 1) & (radius > 0.93),
        "fluid": (radius <= 0.93) & ~brain | ventricles,
        "grey": parenchyma * grey,
        "white": parenchyma * (1 - grey),
        "tumour": tumour,
        "vessel": vessel,
    }
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-84, -100, -80)
    return {name: fraction.astype(float) for name, fraction in fractions.items()}, affine


def head(tissues: Tissues, weighting: str, stripped: bool = False) -> Volume:
    fractions, affine = tissues
    clean = sum(SIGNALS[weighting][tissue] * fraction for tissue, fraction in fractions.items())
    image = ndimage.gaussian_filter(np.asarray(clean), 0.5)
    noise = np.random.default_rng(list(SIGNALS).index(weighting)).normal(0, 0.02, image.shape)
    image = np.abs(image + noise * (image > 0.01))
    if stripped:
        image *= ndimage.binary_fill_holes(fractions["white"] + fractions["grey"] + fractions["tumour"] > 0)
    return Volume((300 * image).astype(np.float32), affine)


@pytest.mark.parametrize("stripped", [False, True])
def test_nameless_images_are_told_apart(tissues: Tissues, stripped: bool, tmp_path: Path) -> None:
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = 55
    for number, weighting in enumerate(SIGNALS):
        volume = head(tissues, weighting, stripped)
        array, affine = (
            (volume.array[::-1], volume.affine @ flip) if number % 2 else (volume.array, volume.affine)
        )
        nib.save(nib.Nifti1Image(np.ascontiguousarray(array), affine), tmp_path / f"img{number}.nii.gz")
    label_map = np.zeros(tissues[0]["white"].shape, np.uint8)
    label_map[tissues[0]["tumour"] > 0] = 2
    nib.save(nib.Nifti1Image(label_map, tissues[1]), tmp_path / "img9.nii.gz")
    study = read_study(tmp_path, subject=Subject("case"))
    found = {image.source: image.sequence for image in study.images}
    assert found == {
        "img0.nii.gz": Sequence.T1,
        "img1.nii.gz": Sequence.T1C,
        "img2.nii.gz": Sequence.T2,
        "img3.nii.gz": Sequence.FLAIR,
        "img9.nii.gz": None,
    }
    for image in study.chosen.values():
        assert image.confidence <= 0.8
        assert "By its voxels" in image.reason
    assert any("2 different values, as a label map" in image.reason for image in study.images)


def test_a_nameless_image_beside_named_ones(tissues: Tissues, tmp_path: Path) -> None:
    for name, weighting in (("T1", "T1"), ("T2", "T2"), ("scan7", "FLAIR")):
        volume = head(tissues, weighting)
        nib.save(nib.Nifti1Image(np.asarray(volume.array), volume.affine), tmp_path / f"{name}.nii.gz")
    study = read_study(tmp_path, subject=Subject("case"))
    assert study.chosen[Sequence.FLAIR].source == "scan7.nii.gz"


def save(volume: Volume, file: Path) -> None:
    nib.save(nib.Nifti1Image(np.asarray(volume.array), volume.affine), file)


def test_an_image_without_a_head_is_not_used(tissues: Tissues, tmp_path: Path) -> None:
    save(head(tissues, "FLAIR"), tmp_path / "flair.nii.gz")
    shell = 1000 * tissues[0]["scalp"] + np.random.default_rng(0).normal(0, 5, tissues[0]["scalp"].shape)
    save(Volume(shell.astype(np.float32), tissues[1]), tmp_path / "scan1.nii.gz")
    dark = -np.random.default_rng(1).random(tissues[0]["scalp"].shape)
    save(Volume(dark.astype(np.float32), tissues[1]), tmp_path / "scan2.nii.gz")
    study = read_study(tmp_path, subject=Subject("case"))
    assert set(study.chosen) == {Sequence.FLAIR}
    reasons = {image.source: image.reason for image in study.images}
    assert "shows no head" in reasons["scan1.nii.gz"]
    assert "shows no head" in reasons["scan2.nii.gz"]


def test_a_t1_that_the_caller_names_tells_which_other_is_the_t1c(tissues: Tissues, tmp_path: Path) -> None:
    plain = tmp_path / "t1_first.nii.gz"
    save(head(tissues, "T1"), plain)
    save(head(tissues, "T1C"), tmp_path / "t1_second.nii.gz")
    study = read_study(tmp_path, files={Sequence.T1: plain}, subject=Subject("case"))
    chosen = {sequence: image.source for sequence, image in study.chosen.items()}
    assert chosen[Sequence.T1].endswith("t1_first.nii.gz")
    assert chosen[Sequence.T1C].endswith("t1_second.nii.gz")


def test_a_flair_that_the_caller_names_anchors_the_nameless(tissues: Tissues, tmp_path: Path) -> None:
    named = tmp_path / "scan1.nii.gz"
    save(head(tissues, "FLAIR"), named)
    save(head(tissues, "T2"), tmp_path / "scan2.nii.gz")
    study = read_study(tmp_path, files={Sequence.FLAIR: named}, subject=Subject("case"))
    assert study.chosen[Sequence.T2].source.endswith("scan2.nii.gz")
    assert "correlation with the other images" in study.chosen[Sequence.T2].reason


def test_fluid_and_brightness_are_measured(tissues: Tissues) -> None:
    appearances = {weighting: appearance_of(coarse(head(tissues, weighting))) for weighting in SIGNALS}
    assert appearances["T1"] is not None
    assert appearances["T2"] is not None
    assert appearances["FLAIR"] is not None
    assert appearances["T2"].fluid > 0 > max(appearances["T1"].fluid, appearances["FLAIR"].fluid)
    assert appearances["T2"].bright > 1.5 > appearances["T1"].bright


def test_correlation_tells_families(tissues: Tissues) -> None:
    images = {weighting: coarse(head(tissues, weighting)) for weighting in SIGNALS}
    within = correlation(images["T1"], images["T1C"])
    across = correlation(images["T1"], images["T2"])
    assert within is not None
    assert across is not None
    assert within > 0.3 > across
    far = np.eye(4)
    far[0, 3] = 500.0
    assert correlation(images["T1"], Volume(images["T1"].array, far @ images["T1"].affine)) is None


def test_enhancement_has_a_direction(tissues: Tissues) -> None:
    before, after = coarse(head(tissues, "T1")), coarse(head(tissues, "T1C"))
    assert enhancement(before, after) > 0.2
    assert enhancement(after, before) < -0.2
    assert abs(enhancement(before, before)) < 1e-6


def test_two_plain_t1_images_are_not_taken_for_contrast(tissues: Tissues, tmp_path: Path) -> None:
    volume = head(tissues, "T1")
    for number in range(2):
        noise = np.random.default_rng(number).normal(0, 5, volume.array.shape)
        nib.save(
            nib.Nifti1Image(volume.array + noise * (volume.array > 0), volume.affine),
            tmp_path / f"{number}_T1.nii",
        )
    assert set(read_study(tmp_path, subject=Subject("case")).chosen) == {Sequence.T1}


def test_one_of_two_t1_images_enhances(tissues: Tissues, tmp_path: Path) -> None:
    for name, weighting in (("a_T1", "T1C"), ("b_T1", "T1")):
        volume = head(tissues, weighting)
        nib.save(nib.Nifti1Image(np.asarray(volume.array), volume.affine), tmp_path / f"{name}.nii")
    chosen = read_study(tmp_path, subject=Subject("case")).chosen
    assert {s: i.source for s, i in chosen.items()} == {Sequence.T1: "b_T1.nii", Sequence.T1C: "a_T1.nii"}
    assert "brighter than in the other T1" in chosen[Sequence.T1C].reason


@pytest.mark.slow
def test_real_brains_without_names_are_told_apart(shared_data: Path, tmp_path: Path) -> None:
    case = shared_data / "brats" / "BraTS2021_01478"
    kinds = {"0": "t2", "1": "flair", "2": "t1ce", "3": "t1"}
    for number, kind in kinds.items():
        (tmp_path / f"img{number}.nii.gz").symlink_to(case / f"{case.name}_{kind}.nii.gz")
    chosen = read_study(tmp_path, subject=Subject("case")).chosen
    assert {s: i.source[3] for s, i in chosen.items()} == {
        Sequence.T2: "0", Sequence.FLAIR: "1", Sequence.T1C: "2", Sequence.T1: "3",
    }  # fmt: skip
