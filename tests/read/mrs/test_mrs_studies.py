"""Spectra within a study: found by themselves, listed, and never in the way of the images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import oblique_affine
from gliotype.errors import InputError
from gliotype.prepare.study import _mrs
from gliotype.read import read_study
from gliotype.read.mrs.sequence import parse_timing
from gliotype.study import Sequence, Study, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.mrs_writer import measured, oblique_box, write_nifti_mrs, write_rda

SERIES = measured()
FID = SERIES.fids[:, 0].mean(axis=(1, 2))
FACTS = {
    "SpectrometerFrequency": [SERIES.frequency_mhz], "ResonantNucleus": ["1H"], "EchoTime": 0.097,
    "SequenceName": "svs_se", "WaterSuppressed": True,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study with a T1."""
    i, j, k = np.indices((24, 28, 12))
    head = ((i - 12) / 9) ** 2 + ((j - 14) / 11) ** 2 + ((k - 6) / 8) ** 2 < 1
    image = Volume(
        (np.where(head, 400, 0) + 20).astype(np.int16), oblique_affine((2.0, 2.2, 5.0), (6.0, -4.0, 9.0))
    )
    write_dicom_series(image, tmp_path / "study" / "t1", **PROTOCOLS["T1"])
    return tmp_path / "study"


def read(folder: Path, **options: object) -> Study:
    return read_study(folder, subject=Subject("case"), **options)  # type: ignore[arg-type]


def nifti(path: Path, fid: np.ndarray = FID, **facts: object) -> Path:
    return write_nifti_mrs(path, fid, 0.0005, {**FACTS, **facts}, oblique_box().affine)


def test_a_spectrum_is_found_by_itself_with_its_water(folder: Path) -> None:
    assert SERIES.water is not None
    (folder / "mrs").mkdir()
    nifti(folder / "mrs" / "svs.nii.gz")
    nifti(folder / "mrs" / "svs_ref.nii.gz", SERIES.water[:, 0], WaterSuppressed=False)
    study = read(folder)
    image = study.chosen[Sequence.MRS]
    assert image.source == "mrs/svs.nii.gz"
    assert image.volume.array.shape == (1, 1, 1)
    np.testing.assert_allclose(image.volume.affine, oblique_box().affine, atol=1e-4)
    assert image.spectroscopy is not None
    assert image.spectroscopy.water is not None
    assert (image.acquisition.te_ms, image.acquisition.field_t) == (97.0, 3.0)
    assert [one.source for one in study.images if one.sequence is Sequence.MRS] == [
        "mrs/svs.nii.gz",
        "mrs/svs_ref.nii.gz",
    ]
    assert study.reference is Sequence.T1
    assert [warning for warning in study.warnings if "svs" in warning] == []
    assert study.not_read == ()


def test_a_study_without_a_spectrum_is_as_it_was(folder: Path) -> None:
    study = read(folder)
    assert Sequence.MRS not in study.chosen
    assert _mrs(study) == (None, ())


def test_a_named_spectrum_is_used_and_others_of_the_study_are_not_read(folder: Path, tmp_path: Path) -> None:
    nifti(folder / "svs.nii.gz")
    named = write_rda(tmp_path / "mine.rda", FID, SERIES)
    study = read(folder, files={Sequence.MRS: named})
    assert [one.source for one in study.images if one.sequence is Sequence.MRS] == ["mine.rda"]
    assert study.chosen[Sequence.MRS].reason.startswith("Named by the caller: PRESS, TE 97 ms")
    assert study.chosen[Sequence.MRS].confidence == 1.0


def test_the_timing_that_the_caller_gives_is_used(folder: Path) -> None:
    nifti(folder / "svs.nii.gz", EchoTime=0, SequenceName="x")
    without, given = read(folder), read(folder, mrs_timing=parse_timing("press:32+65"))
    spectrum, warnings = _mrs(without)
    assert spectrum is None
    assert warnings == (
        "2HG was not measured: the file of the spectrum does not say its echo time: give it with --mrs-timing.",
    )
    spectrum, warnings = _mrs(given)
    assert spectrum is not None
    assert (spectrum.timing.te_ms, spectrum.timing.te1_ms, warnings) == (97.0, 32.0, ())


def test_a_broken_spectrum_is_a_warning_where_found_and_an_error_where_named(folder: Path) -> None:
    path = write_rda(folder / "a.rda", FID, SERIES)
    path.write_bytes(path.read_bytes()[:2000])
    study = read(folder)
    assert Sequence.T1 in study.chosen
    assert Sequence.MRS not in study.chosen
    assert any("a.rda holds" in warning and "incomplete" in warning for warning in study.warnings)
    with pytest.raises(InputError, match="incomplete"):
        read(folder, files={Sequence.MRS: path})


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"ResonantNucleus": ["31P"]}, "is of 31P, not of protons"),
        ({"EchoTime": None}, "does not say its echo time"),
        ({"SpectrometerFrequency": []}, "the scanner's frequency"),
    ],
)
def test_what_cannot_be_measured_costs_the_study_one_sentence(
    folder: Path, facts: dict, sentence: str
) -> None:  # type: ignore[type-arg]
    nifti(folder / "svs.nii.gz", **facts)
    study = read(folder)
    assert Sequence.T1 in study.chosen
    spectrum, warnings = _mrs(study)
    assert spectrum is None
    assert len(warnings) == 1
    assert warnings[0].startswith("2HG was not measured: ")
    assert sentence in warnings[0]


def test_unsuppressed_water_alone_is_no_spectrum(folder: Path) -> None:
    assert SERIES.water is not None
    nifti(folder / "svs_ref.nii.gz", SERIES.water[:, 0], WaterSuppressed=False)
    spectrum, warnings = _mrs(read(folder))
    assert spectrum is None
    assert "unsuppressed water only" in warnings[0]


def test_a_spectrum_of_another_session_is_left_out(folder: Path, tmp_path: Path) -> None:
    import nibabel as nib

    root = tmp_path / "bids"
    for session in ("pre", "post"):
        anat = root / "sub-1" / f"ses-{session}" / "anat"
        anat.mkdir(parents=True)
        image = read(folder).chosen[Sequence.T1].volume
        nib.save(
            nib.Nifti1Image(np.asarray(image.array), image.affine), anat / f"sub-1_ses-{session}_T1w.nii.gz"
        )
    (root / "sub-1" / "ses-post" / "mrs").mkdir()
    nifti(root / "sub-1" / "ses-post" / "mrs" / "sub-1_ses-post_svs.nii.gz")
    assert Sequence.MRS not in read(root, study_uid="ses-pre").chosen
    assert Sequence.MRS in read(root, study_uid="ses-post").chosen


def test_the_series_that_is_read_is_the_one_that_was_written(folder: Path) -> None:
    series = replace(SERIES, fids=SERIES.fids[:, 0, :, 0])
    nifti(folder / "svs.nii.gz", series.fids, dim_5="DIM_DYN")
    found = read(folder).chosen[Sequence.MRS].spectroscopy
    assert found is not None
    assert found.fids[:, 0, :, 0] == pytest.approx(series.fids, abs=1e-4 * np.abs(series.fids).max())
