"""The caller overrules identification by naming images of the study as the results name them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from conftest import oblique_affine
from gliotype.errors import InputError, UsageError
from gliotype.read import read_study, state_subject
from gliotype.study import Sequence, Study, Subject


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """T1 and T1c under each other's names, a FLAIR, and a time series."""
    affine = oblique_affine((6.0, 7.0, 11.0), (8.0, -5.0, 12.0))
    voxels = np.arange(20 * 24 * 12, dtype=np.int16).reshape(20, 24, 12)
    for number, name in enumerate(("t1", "t1_post_gad", "flair")):
        nib.save(nib.Nifti1Image(voxels + number, affine), tmp_path / f"{name}.nii.gz")
    series = nib.Nifti1Image(np.stack([voxels] * 4, axis=-1), affine)
    nib.save(series, tmp_path / "series.nii.gz")
    return tmp_path


def read(folder: Path, stated: dict[str, Sequence | None]) -> Study:
    return read_study(folder, subject=Subject("case"), sequences=stated)


def test_two_images_change_places(folder: Path) -> None:
    stated = {"t1.nii.gz": Sequence.T1C, "t1_post_gad.nii.gz": Sequence.T1}
    chosen = read(folder, dict(stated)).chosen
    assert {image.source: sequence for sequence, image in chosen.items()} == {
        **stated,
        "flair.nii.gz": Sequence.FLAIR,
    }
    assert (chosen[Sequence.T1C].confidence, chosen[Sequence.T1C].reason) == (1.0, "Named by the caller.")
    assert int(np.asarray(chosen[Sequence.T1].volume.array)[0, 0, 0]) == 1


def test_an_image_is_left_out(folder: Path) -> None:
    study = read(folder, {"t1.nii.gz": None})
    assert Sequence.T1 not in study.chosen
    left_out = next(image for image in study.images if image.source == "t1.nii.gz")
    assert (left_out.sequence, left_out.reason) == (None, "Not used: the caller excluded it.")


def test_an_image_that_is_not_there_two_of_a_kind_and_a_wrong_number_of_frames_are_refused(
    folder: Path,
) -> None:
    with pytest.raises(UsageError, match=r"no image t9\.nii"):
        read(folder, {"t9.nii": Sequence.T1})
    with pytest.raises(UsageError, match="two images are stated to be the T1c"):
        read(folder, {"t1.nii.gz": Sequence.T1C, "t1_post_gad.nii.gz": Sequence.T1C})
    with pytest.raises(
        InputError, match=r"flair\.nii\.gz holds 1 time point where a time series is expected"
    ):
        read(folder, {"flair.nii.gz": Sequence.DSC})


def test_what_the_caller_states_of_the_subject_goes_before_the_headers() -> None:
    dated = (
        "The age (61.2 years) was calculated from the dates of birth and examination in the headers, which "
    )
    dated += "anonymisers change: give it with --age."
    study = Study(Subject("case", 61.2, "F"), (), ("odd", dated))
    assert state_subject(study, Subject("other")).subject == Subject("other", 61.2, "F")
    assert state_subject(study, Subject("other")).warnings == ("odd", dated)
    stated = state_subject(study, Subject("other", 44.0, "M"))
    assert (stated.subject, stated.warnings) == (Subject("other", 44.0, "M"), ("odd",))
