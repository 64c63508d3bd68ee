"""NIfTI under any name: affines, units, scaling, sidecars, BIDS; masks are never images."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from conftest import oblique_affine
from gliotype.errors import InputError, NoStructuralImageError, UsageError
from gliotype.read import read_mask, read_study
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Volume, volume_from_sitk

SUBJECT = Subject("case")


def read(source: Path | None, **options: object) -> Study:
    return read_study(source, subject=SUBJECT, **options)  # type: ignore[arg-type]


@pytest.fixture
def small() -> Volume:
    """An asymmetric block, every voxel different, oblique and anisotropic."""
    affine = oblique_affine((6.0, 7.0, 11.0), (8.0, -5.0, 12.0))
    affine[:3, 3] = (-60.0, -80.0, -50.0)
    return Volume(np.arange(20 * 24 * 12, dtype=np.int16).reshape(20, 24, 12), affine)


def save(volume: Volume, path: Path, *, sform: int = 1, qform: int = 1, unit: str = "mm") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.asarray(volume.array), volume.affine)
    image.header.set_xyzt_units(unit, "sec")
    image.set_sform(volume.affine, sform)
    image.set_qform(volume.affine, qform)
    nib.save(image, path)
    return path


def assert_same_place(found: Volume, expected: Volume, tolerance_mm: float = 1e-2) -> None:
    found, expected = found.as_ras(), expected.as_ras()
    assert found.grid.same_as(expected.grid, tolerance_mm)
    np.testing.assert_array_equal(found.array, expected.array)


@pytest.mark.parametrize(
    "flip", [np.diag([1.0, 1, 1, 1]), np.diag([-1.0, 1, 1, 1]), np.diag([1.0, -1, -1, 1])]
)
def test_voxels_keep_their_place(small: Volume, flip: np.ndarray, tmp_path: Path) -> None:
    volume = Volume(small.array, flip @ small.affine)
    save(volume, tmp_path / "T2.nii.gz")
    image = read(tmp_path).chosen[Sequence.T2]
    assert_same_place(image.volume, volume)
    assert (image.source, image.volume.array.dtype) == ("T2.nii.gz", np.int16)


def test_sform_counts_before_qform(small: Volume, tmp_path: Path) -> None:
    moved = small.affine.copy()
    moved[0, 3] += 30.0
    image = nib.Nifti1Image(np.asarray(small.array), small.affine)
    image.set_sform(small.affine, 1)
    image.set_qform(moved, 1)
    nib.save(image, tmp_path / "T1.nii.gz")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)
    image.set_sform(None, 0)
    nib.save(image, tmp_path / "T1.nii.gz")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, Volume(small.array, moved))


@pytest.mark.parametrize(("unit", "per_mm"), [("meter", 0.001), ("micron", 1000.0), ("unknown", 1.0)])
def test_other_units_become_millimetres(small: Volume, unit: str, per_mm: float, tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.asarray(small.array), np.diag([per_mm, per_mm, per_mm, 1.0]) @ small.affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "T1.nii.gz")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)


def test_slope_and_intercept_are_applied(small: Volume, tmp_path: Path) -> None:
    path = save(small, tmp_path / "FLAIR.nii")
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.5, 3.0], "<f4").tobytes()
    path.write_bytes(content)
    found = read(tmp_path).chosen[Sequence.FLAIR].volume
    assert found.array.dtype == np.float32
    np.testing.assert_allclose(found.array, small.array * 0.5 + 3.0)


def test_a_skewed_affine_is_resampled(small: Volume, tmp_path: Path) -> None:
    skewed = small.affine.copy()
    skewed[:3, 2] += 0.2 * skewed[:3, 0]
    save(Volume(small.array, skewed), tmp_path / "T1.nii.gz", qform=0)
    study = read(tmp_path)
    axes = study.chosen[Sequence.T1].volume.affine[:3, :3]
    cosines = (axes.T @ axes) / np.outer(np.linalg.norm(axes, axis=0), np.linalg.norm(axes, axis=0))
    np.testing.assert_allclose(cosines, np.eye(3), atol=1e-6)
    assert any("right angles" in warning for warning in study.warnings)


@pytest.mark.parametrize("frames", [(), (1,), (1, 1)])
def test_single_frames_are_squeezed(small: Volume, frames: tuple[int, ...], tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.asarray(small.array).reshape(*small.array.shape, *frames), small.affine)
    nib.save(image, tmp_path / "T1.nii.gz")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)


def test_misnamed_compression_is_read(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "a" / "T1.nii.gz")
    shutil.move(tmp_path / "a" / "T1.nii.gz", tmp_path / "a" / "T1.nii")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)
    raw = gzip.decompress((tmp_path / "a" / "T1.nii").read_bytes())
    (tmp_path / "a" / "T1.nii").unlink()
    (tmp_path / "a" / "T1.nii.gz").write_bytes(raw)
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)


def test_image_pairs_are_read(small: Volume, tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(np.asarray(small.array), small.affine), tmp_path / "T1.hdr")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, small)


COHORTS = {
    "BraTS 2021": ("BraTS2021_00006/BraTS2021_00006_{}.nii.gz", "t1", "t1ce", "t2", "flair", "seg"),
    "BraTS 2023": ("BraTS-GLI-00005-000/BraTS-GLI-00005-000-{}.nii.gz", "t1n", "t1c", "t2w", "t2f", "seg"),
    "UCSF-PDGM": (
        "UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_{}.nii.gz", "T1", "T1c", "T2", "FLAIR", "tumor_segmentation"
    ),
    "UPENN-GBM": ("UPENN-GBM-00001_11_{}.nii.gz", "T1", "T1GD", "T2", "FLAIR", "automated_approx_segm"),
    "EGD": ("EGD-0001/{}.nii.gz", "T1", "T1GD", "T2", "FLAIR", "MASK"),
    "BIDS": (
        "sub-01/anat/sub-01_{}.nii.gz", "T1w", "ce-gadolinium_T1w", "T2w", "FLAIR", "label-lesion_mask"
    ),
    "BIDS in T1 space": (
        "sub-01/ses-1/anat/sub-01_ses-1_{}.nii.gz", "T1w", "space-T1w_ce-gd_T1w", "space-T1w_T2w",
        "space-T1w_FLAIR", "space-T1w_dseg",
    ),
    "plain": ("{}.nii.gz", "T1", "T1_post", "T2", "FLAIR", "mask"),
    "camel case": ("AxT1 {}.nii.gz", "Pre", "Post", "x/T2", "x/T2Flair", "x/labels"),
}  # fmt: skip


@pytest.mark.parametrize("names", COHORTS.values(), ids=COHORTS.keys())
def test_names_of_public_cohorts_are_known(small: Volume, names: tuple[str, ...], tmp_path: Path) -> None:
    template, *kinds = names
    for kind in kinds:
        name = f"{kind}.nii.gz" if "/" in kind else template.format(kind)
        save(small, tmp_path / name)
    study = read(tmp_path)
    expected = [Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR]
    for sequence, kind in zip(expected, kinds, strict=False):
        assert Path(study.chosen[sequence].source).name.endswith(f"{Path(kind).name}.nii.gz")
        assert study.chosen[sequence].confidence > 0.6
    masks = [image for image in study.images if image.sequence is None]
    assert len(masks) == 1
    assert "a mask or segmentation, which is never read" in masks[0].reason
    assert np.isnan(masks[0].volume.array).all()


def test_a_bias_corrected_copy_is_second_choice(small: Volume, tmp_path: Path) -> None:
    for name in ("UCSF-PDGM-0004_T1_bias", "UCSF-PDGM-0004_T1", "UCSF-PDGM-0004_ADC"):
        save(small, tmp_path / f"{name}.nii.gz")
    chosen = read(tmp_path).chosen
    assert chosen[Sequence.T1].source == "UCSF-PDGM-0004_T1.nii.gz"
    assert chosen[Sequence.ADC].source == "UCSF-PDGM-0004_ADC.nii.gz"


def test_sidecars_say_what_names_do_not(small: Volume, tmp_path: Path) -> None:
    sidecars = {
        "a": {"EchoTime": 0.11, "RepetitionTime": 9.0, "InversionTime": 2.5, "SeriesDescription": "series 1"},
        "b": {
            "EchoTime": 0.012, "RepetitionTime": 0.55, "ScanningSequence": "SE", "ContrastBolusAgent": "Gadovist",
            "PatientAge": "044Y", "PatientSex": "M",
        },
    }  # fmt: skip
    for name, content in sidecars.items():
        save(small, tmp_path / f"{name}.nii.gz")
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    study = read(tmp_path)
    flair = study.chosen[Sequence.FLAIR]
    assert (flair.acquisition.te_ms, flair.acquisition.ti_ms) == (110.0, 2500.0)
    assert "TE 110 ms, TR 9000 ms and TI 2500 ms" in flair.reason
    assert study.chosen[Sequence.T1C].acquisition.contrast is True
    assert (study.subject.age, study.subject.sex) == (44.0, "M")


def test_header_numbers_outrank_words(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "T2.nii.gz")
    content = {"EchoTime": 0.012, "RepetitionTime": 0.55, "ScanningSequence": "SE"}
    (tmp_path / "T2.json").write_text(json.dumps(content))
    image = read(tmp_path).images[0]
    assert image.sequence is Sequence.T1
    assert image.confidence < 0.7
    assert "although the file name says 't2'" in image.reason


def test_bids_sessions_are_studies(small: Volume, tmp_path: Path) -> None:
    for session in ("pre", "post"):
        save(small, tmp_path / f"sub-1/ses-{session}/anat/sub-1_ses-{session}_T1w.nii.gz")
    with pytest.raises(UsageError, match=r"--study: 1 \(ses-post, 1 image\); 2 \(ses-pre,") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 2
    for name in ("ses-pre", "2", "sub-1/ses-pre"):
        assert read(tmp_path, study_uid=name).chosen[Sequence.T1].source.startswith("sub-1/ses-pre/")


def test_two_patients_are_refused(small: Volume, tmp_path: Path) -> None:
    for patient in ("BraTS2021_00006", "BraTS2021_01478"):
        save(small, tmp_path / f"{patient}/{patient}_t1.nii.gz")
    with pytest.raises(InputError, match=r"several patients: give one patient's folder") as caught:
        read(tmp_path)
    assert caught.value.exit_code == 3
    chosen = read(tmp_path, study_uid="BraTS2021_01478").chosen
    assert chosen[Sequence.T1].source.startswith("BraTS2021_01478/")


def test_two_unnamed_folders_with_the_same_sequences_are_two_studies(small: Volume, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        for name in ("T1", "FLAIR"):
            save(small, tmp_path / folder / f"{name}.nii.gz")
    with pytest.raises(UsageError, match="folders a and b hold the same sequences"):
        read(tmp_path)


def test_a_perfusion_series_has_times(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "T1.nii.gz")
    image = nib.Nifti1Image(np.stack([small.array] * 20, axis=-1), small.affine)
    image.header.set_zooms((6.0, 7.0, 11.0, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "dsc_perfusion.nii.gz")
    dsc = read(tmp_path).chosen[Sequence.DSC]
    assert dsc.volume.array.shape[3] == 20
    assert dsc.acquisition.frame_times_s == pytest.approx([1.5 * t for t in range(20)])


def test_a_zip_is_read_like_its_folder(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "study" / "T1c.nii.gz")
    save(small, tmp_path / "study" / "FLAIR.nii.gz")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "study"))
    study = read(archive)
    assert [image.source for image in study.images] == ["study/T1c.nii.gz", "study/FLAIR.nii.gz"]
    assert_same_place(study.chosen[Sequence.T1C].volume, small)


def test_mac_os_leftovers_are_ignored(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "T1.nii.gz")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "T1.nii.gz", "T1.nii.gz")
        archive.writestr("__MACOSX/._T1.nii.gz", b"junk")
        archive.writestr("._T1.nii.gz", b"junk")
    study = read(tmp_path / "a.zip")
    assert len(study.images) == 1
    assert study.warnings == ()


def test_a_single_file_is_a_study(small: Volume, tmp_path: Path) -> None:
    path = save(small, tmp_path / "T2.nii.gz")
    assert read(path).chosen[Sequence.T2].source == "T2.nii.gz"


def test_named_files_override_identification(small: Volume, tmp_path: Path) -> None:
    other = Volume(small.array[::-1].copy(), small.affine)
    save(small, tmp_path / "T1c.nii.gz")
    save(other, tmp_path / "T2.nii.gz")
    study = read(tmp_path, files={Sequence.T1C: tmp_path / "T2.nii.gz"})
    assert set(study.chosen) == {Sequence.T1C}
    image = study.chosen[Sequence.T1C]
    assert (image.source, image.confidence, image.reason) == ("T2.nii.gz", 1.0, "Named by the caller.")
    assert_same_place(image.volume, other)
    reasons = {image.source: image.reason for image in study.images[1:]}
    assert reasons["T1c.nii.gz"] == "Not used: the caller named the T1c."


def test_named_files_need_no_study(small: Volume, tmp_path: Path) -> None:
    flair = save(small, tmp_path / "anything.nii.gz")
    (tmp_path / "anything.json").write_text(json.dumps({"EchoTime": 0.1}))
    study = read(None, files={Sequence.FLAIR: flair})
    assert study.chosen[Sequence.FLAIR].source == "anything.nii.gz"
    assert study.chosen[Sequence.FLAIR].acquisition.te_ms == 100.0
    assert study.reference is Sequence.FLAIR


def test_named_files_of_two_patients_are_warned_about(small: Volume, tmp_path: Path) -> None:
    one = save(small, tmp_path / "TCGA-CS-4942_t1.nii.gz")
    two = save(small, tmp_path / "TCGA-CS-5393_flair.nii.gz")
    assert "of different patients" in read(None, files={Sequence.T1: one, Sequence.FLAIR: two}).warnings[-1]
    assert not any(
        "patients" in w for w in read(None, files={Sequence.T1: one, Sequence.FLAIR: one}).warnings
    )


def test_an_image_of_a_part_of_the_head_is_warned_about(small: Volume, tmp_path: Path) -> None:
    save(Volume(small.array[:, :, :4].copy(), small.affine), tmp_path / "T2.nii.gz")
    assert read(tmp_path).warnings == (
        "T2.nii.gz: it covers only 44 mm along one of its axes, not the whole head.",
    )


def test_other_sequences_alone_are_listed(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "ADC.nii.gz")
    save(small, tmp_path / "seg.nii.gz")
    with pytest.raises(
        NoStructuralImageError, match=r"holds no T1, T1c, T2 or FLAIR.*ADC.nii.gz \(ADC\)"
    ) as caught:
        read(tmp_path)
    assert caught.value.exit_code == 4


def test_a_folder_of_masks_is_never_read(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "images" / "T2.nii.gz")
    save(
        small.with_array((small.array > small.array.mean()).astype(np.uint8)),
        tmp_path / "labels" / "case1.nii.gz",
    )
    study = read(tmp_path)
    assert [image.sequence for image in study.images] == [Sequence.T2, None]
    assert "the folder says 'labels'" in study.images[1].reason


def test_folders_may_name_the_sequence(small: Volume, tmp_path: Path) -> None:
    save(small, tmp_path / "T1 post Gd" / "0001.nii.gz")
    save(small, tmp_path / "T1" / "0001.nii.gz")
    chosen = read(tmp_path).chosen
    assert chosen[Sequence.T1C].source == "T1 post Gd/0001.nii.gz"
    assert chosen[Sequence.T1].source == "T1/0001.nii.gz"


def test_simpleitk_sees_the_same_places(small: Volume, tmp_path: Path) -> None:
    path = save(small, tmp_path / "T1.nii.gz")
    assert_same_place(read(tmp_path).chosen[Sequence.T1].volume, volume_from_sitk(sitk.ReadImage(path)))


def test_real_names_are_identified(shared_data: Path) -> None:
    native = read(shared_data / "native" / "TCGA-FG-6692")
    assert {s: i.source.rsplit("_", 1)[-1] for s, i in native.chosen.items()} == {
        Sequence.T1: "t1.nii.gz", Sequence.T1C: "t1c.nii.gz", Sequence.T2: "t2.nii.gz", Sequence.FLAIR: "fla.nii.gz",
    }  # fmt: skip
    assert native.warnings == ()
    for folder in sorted((shared_data / "lgg").glob("TCGA-DU-585*")):
        study = read(folder)
        assert {s: i.source for s, i in study.chosen.items()} == {
            Sequence.T1: "T1.nii.gz", Sequence.T1C: "T1c.nii.gz", Sequence.FLAIR: "FLAIR.nii.gz",
        }  # fmt: skip
        assert [i.source for i in study.images if i.sequence is None] == ["mask.nii.gz"]


def test_masks_are_read_as_labels(small: Volume, tmp_path: Path) -> None:
    labels = (small.array % 4).astype(np.uint8)
    path = save(Volume(labels, small.affine), tmp_path / "mask.nii.gz")
    assert_same_place(read_mask(path), Volume(labels, small.affine))
    fractions = save(small.with_array(small.array / np.float32(7)), tmp_path / "soft.nii.gz")
    with pytest.raises(InputError, match=r"soft.nii.gz holds fractions: give whole numbers"):
        read_mask(fractions)
    with pytest.raises(InputError, match=r"does not exist: check the path"):
        read_mask(tmp_path / "none.nii.gz")


def test_names_that_are_no_utf8_are_written_as_text(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller"))
    folder.mkdir()
    array = np.random.default_rng(0).integers(0, 500, (12, 14, 10)).astype(np.int16)
    nib.Nifti1Image(array, np.diag([3.0, 3.0, 3.0, 1.0])).to_filename(folder / "T2.nii.gz")
    (image,) = read_study(tmp_path, subject=Subject("case")).images
    assert image.source == "M\ufffdller/T2.nii.gz"
    assert json.dumps(image.source, ensure_ascii=False).encode("utf-8")
