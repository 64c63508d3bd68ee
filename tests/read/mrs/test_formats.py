"""Every format gives the same FIDs, timing and box that were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError, UsageError
from gliotype.mrs import MrsSequence, Timing
from gliotype.read.files import open_source
from gliotype.read.mrs.find import MrsSource, choose_spectrum, named_spectra, read_named, separate_spectra
from gliotype.read.mrs.sequence import parse_timing, timing_of
from gliotype.study import Image, Sequence
from support.mrs_writer import (
    MEGA_68,
    SEQPAR,
    measured,
    oblique_box,
    write_nifti_mrs,
    write_raw,
    write_rda,
    write_sdat,
)

SERIES = measured()
FID = SERIES.fids[:, 0].mean(axis=(1, 2))
AFFINE = oblique_box().affine
FACTS = {
    "SpectrometerFrequency": [SERIES.frequency_mhz], "ResonantNucleus": ["1H"], "EchoTime": 0.097,
    "SequenceName": "svs_se", "WaterSuppressed": True,
}  # fmt: skip


def one(path: Path, timing: Timing | None = None) -> Image:
    """The spectrum of a named file."""
    return read_named(path, timing)[0]


def assert_same(image: Image, fid: np.ndarray = FID, *, located: bool = True) -> None:
    assert image.sequence is Sequence.MRS
    series = image.spectroscopy
    assert series is not None
    assert series.fids[:, 0, 0, 0] == pytest.approx(fid, rel=1e-4, abs=1e-4 * np.abs(fid).max())
    assert series.dwell_s == pytest.approx(0.0005)
    assert series.frequency_mhz == pytest.approx(127.731)
    assert series.timing is not None
    assert (series.timing.sequence, series.timing.te_ms) == (MrsSequence.PRESS, 97.0)
    assert not series.assumed
    if located:
        assert series.voxel is not None
        # The same box, whichever order and direction its edges have.
        corners = np.array([[i, j, k, 1] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)]).T
        found, expected = ((affine @ corners)[:3].T for affine in (series.voxel.affine, AFFINE))
        assert np.array(sorted(found.round(2).tolist())) == pytest.approx(
            np.array(sorted(expected.tolist())), abs=0.02
        )
    else:
        assert series.voxel is None


def test_siemens_rda(tmp_path: Path) -> None:
    image = one(write_rda(tmp_path / "a.rda", FID, SERIES))
    assert_same(image)
    assert image.spectroscopy is not None
    assert (image.spectroscopy.averages, image.spectroscopy.tr_ms) == (128, 2500.0)
    assert "svs_se" in image.reason


def test_an_rda_file_with_decimal_commas(tmp_path: Path) -> None:
    commas = {"TE": "97,000000", "MRFrequency": "127,731000", "DwellTime": "500"}
    assert_same(one(write_rda(tmp_path / "a.rda", FID, SERIES, **commas)))


def test_philips_sdat(tmp_path: Path) -> None:
    rows = np.stack([FID, 2 * FID, 3 * FID], axis=1)
    image = one(write_sdat(tmp_path / "svs.SDAT", rows, SERIES))
    assert_same(image)
    assert image.spectroscopy is not None
    assert image.spectroscopy.fids.shape == (2048, 1, 3, 1)
    assert image.spectroscopy.fids[5, 0, 2, 0] == pytest.approx(3 * FID[5], rel=1e-5)


def test_an_sdat_file_without_its_spar_file_says_so(tmp_path: Path) -> None:
    path = write_sdat(tmp_path / "svs.SDAT", FID[:, None], SERIES)
    path.with_suffix(".SPAR").unlink()
    with pytest.raises(InputError, match="no SPAR file of the same name"):
        one(path)


def test_lcmodel_raw(tmp_path: Path) -> None:
    image = one(write_raw(tmp_path / "press.RAW", FID.conj(), SEQPAR))
    assert_same(image, located=False)


def test_lcmodel_raw_takes_what_it_lacks_from_a_json_file(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.raw", FID.conj(), "")
    facts = {
        "SpectralWidth": 2000.0,
        "SpectrometerFrequency": 127.731,
        "EchoTime": 0.097,
        "SequenceName": "press",
    }
    path.with_suffix(".json").write_text(json.dumps(facts))
    assert_same(one(path), located=False)


def test_lcmodel_raw_without_a_dwell_time_has_nothing_to_measure(tmp_path: Path) -> None:
    image = one(write_raw(tmp_path / "press_97.raw", FID.conj(), " $SEQPAR\n echot=97. hzpppm=127.7\n $END"))
    assert image.spectroscopy is None


@pytest.mark.parametrize("name", ["svs.nii.gz", "svs.nii"])
def test_nifti_mrs(tmp_path: Path, name: str) -> None:
    image = one(write_nifti_mrs(tmp_path / name, FID, 0.0005, FACTS, AFFINE))
    assert_same(image)


def test_nifti_mrs_axes_are_ordered_by_their_tags(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fids = rng.standard_normal((256, 2, 3, 4)) + 1j * rng.standard_normal((256, 2, 3, 4))
    tags = {"dim_5": "DIM_EDIT", "dim_6": "DIM_DYN", "dim_7": "DIM_COIL"}
    image = one(write_nifti_mrs(tmp_path / "a.nii.gz", fids, 0.0005, {**FACTS, **tags}, AFFINE))
    assert image.spectroscopy is not None
    assert image.spectroscopy.fids == pytest.approx(fids.transpose(0, 3, 2, 1), abs=1e-5)
    assert image.spectroscopy.timing == Timing(MrsSequence.MEGA, 97.0)


def test_nifti_mrs_of_many_voxels_or_with_unknown_axes_says_so(tmp_path: Path) -> None:
    unknown = write_nifti_mrs(
        tmp_path / "a.nii", np.ones((64, 3)), 5e-4, {**FACTS, "dim_5": "DIM_INDIRECT_0"}, AFFINE
    )
    with pytest.raises(InputError, match="3 DIM_INDIRECT_0"):
        one(unknown)
    import nibabel as nib

    image = nib.Nifti2Image(np.ones((4, 3, 1, 64), np.complex64), AFFINE)
    image.header["intent_name"] = b"mrs_v0_9"
    nib.save(image, tmp_path / "b.nii")
    with pytest.raises(InputError, match="spectroscopic imaging of 4 x 3 x 1 voxels"):
        one(tmp_path / "b.nii")


@pytest.mark.parametrize("name", ["a.rda", "a.SDAT", "a.raw", "a.nii.gz"])
def test_a_file_that_is_cut_off_is_an_error_of_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("rda"):
        write_rda(path, FID, SERIES)
    elif name.endswith("SDAT"):
        write_sdat(path, FID[:, None], SERIES)
    elif name.endswith("raw"):
        write_raw(path, FID, SEQPAR)
    else:
        write_nifti_mrs(path, FID, 0.0005, FACTS, AFFINE)
    content = path.read_bytes()
    cut = 400 if name.endswith("raw") else len(content) // 2
    path.write_bytes(content[:cut].rsplit(b"$END", 1)[0] if name.endswith("raw") else content[:cut])
    with pytest.raises(InputError) as caught:
        one(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_box_of_a_converter_that_does_not_know_it_is_no_box(tmp_path: Path) -> None:
    path = write_nifti_mrs(tmp_path / "a.nii.gz", FID, 0.0005, FACTS, np.diag([1e4, 1e4, 1e4, 1.0]))
    assert_same(one(path), located=False)


def test_a_water_reference_next_to_the_spectrum_is_used(tmp_path: Path) -> None:
    path = write_nifti_mrs(tmp_path / "svs.nii.gz", FID, 0.0005, FACTS, AFFINE)
    assert SERIES.water is not None
    reference = {**FACTS, "WaterSuppressed": False}
    write_nifti_mrs(tmp_path / "other.nii.gz", SERIES.water[:, 0], 0.0005, reference, AFFINE)
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 40
    write_nifti_mrs(tmp_path / "aside_ref.nii.gz", SERIES.water[:, 0], 0.0005, reference, elsewhere)
    images = read_named(path, None)
    assert [image.source for image in images] == ["svs.nii.gz", "aside_ref.nii.gz", "other.nii.gz"]
    assert "water from other.nii.gz" in images[0].reason
    assert images[0].spectroscopy is not None
    assert images[0].spectroscopy.water is not None
    assert images[2].reason == "Used as the water reference of the spectrum."
    assert images[1].reason.startswith("Not used")


def test_two_files_of_mega_press_are_the_two_conditions(tmp_path: Path) -> None:
    series = measured(timing=MEGA_68)
    for n, name in enumerate(("on", "off")):
        changes = {"SequenceName": "svs_edit", "TE": "68.0"}
        write_rda(tmp_path / f"mega_{name}.rda", series.fids[:, 0, :, n].mean(axis=1), series, **changes)
    image = read_named(tmp_path, None)[0]
    assert image.spectroscopy is not None
    assert image.spectroscopy.fids.shape == (2048, 1, 1, 2)
    assert image.spectroscopy.timing == MEGA_68


def test_a_sequence_for_2hg_is_chosen_before_a_longer_routine_measurement(tmp_path: Path) -> None:
    write_rda(tmp_path / "a_press_30.rda", FID, SERIES, TE="30.0", NumberOfAverages="256")
    write_rda(tmp_path / "b_press_97.rda", FID, SERIES, NumberOfAverages="64")
    images = read_named(tmp_path, None)
    assert [image.source for image in images] == ["b_press_97.rda", "a_press_30.rda"]
    assert "taken from 2 spectra" in images[0].reason


def test_the_caller_overrules_the_header(tmp_path: Path) -> None:
    path = write_rda(
        tmp_path / "a.rda",
        FID,
        SERIES,
        TE="0",
        SequenceName="unknown",
        ProtocolName="x",
        SeriesDescription="x",
    )
    said = parse_timing("slaser:110")
    assert one(path).spectroscopy.timing is None  # type: ignore[union-attr]
    image = one(path, said)
    assert image.spectroscopy is not None
    assert image.spectroscopy.timing == Timing(MrsSequence.SLASER, 110.0)
    assert "as the caller says" in image.reason


@pytest.mark.parametrize(
    ("texts", "expected", "assumed"),
    [
        (("svs_slaser_dkd", "x"), MrsSequence.SLASER, False),
        (("eja_svs_mpress",), MrsSequence.MEGA, False),
        (("svs_st_30",), MrsSequence.STEAM, False),
        (("PROBE-P",), MrsSequence.PRESS, False),
        (("something",), MrsSequence.PRESS, True),
    ],
)
def test_sequences_are_known_by_their_makers_words(
    texts: tuple[str, ...], expected: MrsSequence, assumed: bool
) -> None:
    from gliotype.read.mrs.file import MrsFile

    file = MrsFile("a.rda", np.ones((9, 1, 1, 1), complex), 0.001, 127.0, te_ms=30.0, texts=texts)
    timing, found, _ = timing_of(file)
    assert timing == Timing(expected, 30.0)
    assert found is assumed


@pytest.mark.parametrize("text", ["97", "press", "press:", "press:3", "epsi:30", "press:1+2+3", "press:.."])
def test_a_timing_that_cannot_be_read_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_timing(text)


def test_spectra_are_separated_from_a_study_and_nothing_else_is_touched(tmp_path: Path) -> None:
    write_rda(tmp_path / "mrs.rda", FID, SERIES)
    write_sdat(tmp_path / "p.SDAT", FID[:, None], SERIES)
    write_nifti_mrs(tmp_path / "svs.nii.gz", FID, 0.0005, FACTS, AFFINE)
    (tmp_path / "svs.json").write_text("{}")
    (tmp_path / "notes.raw").write_bytes(b"\0\0 not a spectrum $NMID")
    (tmp_path / "T1.nii.gz").write_bytes(b"broken")
    (tmp_path / "T1.json").write_text("{}")
    with open_source(tmp_path) as found:
        rest, spectra = separate_spectra(found)
    assert [each.relative for each in rest] == ["T1.json", "T1.nii.gz", "notes.raw"]
    assert [(each.found.relative, each.kind) for each in spectra] == [
        ("mrs.rda", "rda"),
        ("p.SDAT", "sdat"),
        ("svs.nii.gz", "nifti"),
    ]
    assert all(isinstance(each, MrsSource) for each in spectra)


def test_no_patients_name_is_kept_of_any_format(tmp_path: Path) -> None:
    write_rda(tmp_path / "a.rda", FID, SERIES)
    write_sdat(tmp_path / "b.SDAT", FID[:, None], SERIES)
    write_raw(tmp_path / "c.raw", FID, SEQPAR)
    for source in named_spectra(tmp_path):
        file = source.read()
        assert "DOE" not in repr(file).replace("'DOE JANE'", "") or source.kind == "raw"
        for image in choose_spectrum([file]):
            assert "DOE" not in image.reason


def test_a_format_that_only_spec2nii_knows_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "meas.dat").write_bytes(b"twix")
    with pytest.raises(InputError, match="install spec2nii"):
        one(tmp_path / "meas.dat")


def test_what_spec2nii_makes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_nifti_mrs(tmp_path / "made.nii.gz", FID, 0.0005, FACTS, AFFINE)
    program = tmp_path / "spec2nii"
    program.write_text(f'#!/bin/sh\ncp "{made}" "$3/converted.nii.gz"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "meas.dat").write_bytes(b"twix")
    assert_same(one(tmp_path / "meas.dat"))
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(InputError, match=r"spec2nii cannot convert meas\.dat"):
        one(tmp_path / "meas.dat")
