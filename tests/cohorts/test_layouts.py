"""Miniature copies of each layout, and tables as people have them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.cohorts import LAYOUTS, is_codeleted, is_mutant, read_cohort
from gliotype.cohorts.status import grade_of, idh_variant
from gliotype.errors import InputError, UsageError
from gliotype.study import Sequence

FOUR = {Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR}


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4)).to_filename(path)


def images(folder: Path, *names: str) -> None:
    for name in names:
        image(folder / f"{name}.nii.gz")


def bids(root: Path) -> None:
    for name in ("sub-01", "sub-02"):
        kinds = ("T1w", "ce-gadolinium_T1w", "T2w", "FLAIR")
        images(root / name / "anat", *(f"{name}_{kind}" for kind in kinds))
        image(root / "derivatives" / "truth" / name / "anat" / f"{name}_dseg.nii.gz")
    (root / "participants.tsv").write_text(
        "participant_id\tage\tsex\tidh\tgrade\nsub-01\t44.5\tM\tmutant\t2\nsub-02\tn/a\tF\twildtype\t4\n"
    )


def ucsf(root: Path) -> None:
    for number in (4, 5):
        name = f"UCSF-PDGM-{number:04d}"
        kinds = ("T1", "T1_bias", "T1gad", "T1gad_bias", "T2", "T2_bias", "FLAIR", "FLAIR_bias")
        images(root / f"{name}_nifti", *(f"{name}_{kind}" for kind in (*kinds, "tumor_segmentation")))
    (root / "UCSF-PDGM-metadata_v5.csv").write_text(
        "ID,Sex,Age at MRI,WHO CNS Grade,IDH,BraTS21 ID,1p/19q\n"
        "UCSF-PDGM-004,M,66,4,wildtype,BraTS2021_00097,unknown\nUCSF-PDGM-005,F,80,3,IDH1 p.R132H,,co-deletion\n"
    )


def upenn(root: Path) -> None:
    for name in ("UPENN-GBM-00001_11", "UPENN-GBM-00002_11"):
        for kind, file in (("DSC", "DSC"), ("DTI", "DTI_FA")):
            image(root / f"images_{kind}" / name / f"{name}_{file}.nii.gz")
    for name in ("UPENN-GBM-00001_11", "UPENN-GBM-00002_11", "UPENN-GBM-00002_21", "UPENN-GBM-00003_11"):
        images(root / "images_structural_unstripped" / name, f"{name}_T1_unstripped")
        folder = root / "images_structural" / name
        images(folder, *(f"{name}_{kind}" for kind in ("T1", "T1GD", "T2", "FLAIR")))
    image(root / "images_segm" / "UPENN-GBM-00001_11_segm.nii.gz")
    (root / "UPENN-GBM_clinical_info_v2.1.csv").write_text(
        "ID,Gender,Age_at_scan_years,IDH1\nUPENN-GBM-00001_11,F,52.16,Mutated\n"
        "UPENN-GBM-00002_11,M,61.3,Wildtype\nUPENN-GBM-00003_11,M,70,NOS/NEC\n"
    )


def egd(root: Path) -> None:
    for name in ("EGD-0001", "EGD-0002"):
        for kind, file in (("1_T1", "T1"), ("2_T1GD", "T1GD"), ("3_T2", "T2"), ("4_FLAIR", "FLAIR")):
            image(root / name / kind / "NIFTI" / f"{file}.nii.gz")
        image(root / name / "5_MASK" / "NIFTI" / "MASK.nii.gz")
    (root / "Genetic_data.csv").write_text("Subject,IDH,1p19q,Grade\nEGD-0001,1,0,2\nEGD-0002,0,-1,4\n")
    (root / "Clinical_data.csv").write_text("Subject,Age,Sex\nEGD-0001,39,M\nEGD-0002,71,F\n")


def brats(root: Path) -> None:
    for name in ("BraTS2021_00006", "BraTS2021_01476"):
        images(root / name, *(f"{name}_{kind}" for kind in ("t1", "t1ce", "t2", "flair", "seg")))
    (root / "labels.csv").write_text("subject,idh,age\nBraTS2021_00006,0,37\nBraTS2021_01476,1,44\n")
    (root / "BraTS2021_MappingToTCIA.csv").write_text(
        "Data Collection (as on TCIA+additional),PatientID on TCIA Radiology Portal,BraTS2021 ID\n"
        "Collection3,new-not-previously-in-TCIA,BraTS2021_00006\n"
        "UCSF-PDGM,00000057,BraTS2021_01476\n"
    )


MINIATURES = {"bids": bids, "ucsf-pdgm": ucsf, "upenn-gbm": upenn, "egd": egd, "brats": brats}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read(layout: str, tmp_path: Path) -> None:
    MINIATURES[layout](tmp_path)
    patients = read_cohort(tmp_path, layout)
    assert [set(p.files) for p in patients] == [FOUR, FOUR]
    assert sorted(p.mutant for p in patients) == [False, True]
    assert patients[0].mask is not None
    for patient in patients:
        t1, t1c = patient.files[Sequence.T1], patient.files[Sequence.T1C]
        assert t1 != t1c
        assert not any(word in t1.name for word in ("ce-", "GD", "gad", "bias"))


def test_facts_and_aliases_come_along(tmp_path: Path) -> None:
    bids(tmp_path / "bids")
    first, second = read_cohort(tmp_path / "bids", "bids")
    assert (first.subject.age, first.subject.sex, first.strata) == (44.5, "M", {"grade": "2"})
    assert second.subject.age is None
    ucsf(tmp_path / "ucsf")
    assert read_cohort(tmp_path / "ucsf", "ucsf-pdgm")[0].aliases == ("BraTS2021_00097",)
    brats(tmp_path / "brats")
    new, known = read_cohort(tmp_path / "brats", "brats")
    assert new.aliases == (), "a name that many patients share does not identify one"
    assert known.aliases == ("00000057", "UCSF-PDGM-00000057")
    egd(tmp_path / "egd")
    (mutant, _) = read_cohort(tmp_path / "egd", "egd")
    assert (mutant.mutant, mutant.subject.age, mutant.strata["grade"]) == (True, 39.0, "2")


def test_the_structural_images_are_taken_and_not_those_beside_them(tmp_path: Path) -> None:
    upenn(tmp_path)
    for patient in read_cohort(tmp_path, "upenn-gbm"):
        assert {file.parts[-3] for file in patient.files.values()} == {"images_structural"}


def test_a_patient_is_read_from_the_first_examination(tmp_path: Path) -> None:
    for name in ("BraTS-GLI-00017-001", "BraTS-GLI-00017-000", "BraTS-GLI-00639-000", "BraTS-GLI-00557-000"):
        images(tmp_path / name, f"{name}-t1n", f"{name}-t2f", f"{name}-seg")
    (tmp_path / "labels.csv").write_text(
        "Subject,IDH,Age\nBraTS-GLI-00017-000,1,41\nBraTS-GLI-00017-001,1,42\n"
        "BraTS-GLI-00557-000,0,58.5\nBraTS-GLI-00639-000,0,58\n"
    )
    first, second = read_cohort(tmp_path, "brats")
    assert (first.subject.id, first.subject.age, first.mutant) == ("BraTS-GLI-00017-000", 41.0, True)
    assert first.mask is not None
    assert {first.mask.parent.name, first.files[Sequence.FLAIR].parent.name} == {"BraTS-GLI-00017-000"}
    assert (second.subject.id, second.subject.age) == ("BraTS-GLI-00639-000", 58.0)


def test_the_follow_up_of_a_patient_names_the_twin(tmp_path: Path) -> None:
    ucsf(tmp_path)
    images(tmp_path / "UCSF-PDGM-0004_FU007d_nifti", "UCSF-PDGM-0004_FU007d_T1")
    with (tmp_path / "UCSF-PDGM-metadata_v5.csv").open("a") as table:
        table.write("UCSF-PDGM-0004_FU007d,M,67,4,wildtype,BraTS2021_00758\n")
    first, _ = read_cohort(tmp_path, "ucsf-pdgm")
    assert first.aliases == ("BraTS2021_00097", "BraTS2021_00758")
    assert first.subject.age == 66.0
    assert first.files[Sequence.T1].parent.name == "UCSF-PDGM-0004_nifti"


def test_two_examinations_of_one_patient_agree(tmp_path: Path) -> None:
    ucsf(tmp_path)
    with (tmp_path / "UCSF-PDGM-metadata_v5.csv").open("a") as table:
        table.write("UCSF-PDGM-0004_FU007d,M,67,4,IDH1 p.R132H,\n")
    with pytest.raises(InputError, match="UCSF-PDGM-0004 is labelled mutant and wildtype"):
        read_cohort(tmp_path, "ucsf-pdgm")


@pytest.mark.parametrize(("text", "age"), [("41.5", 41.5), ("041Y", 41.0), ("89+", 89.0), ("Unknown", None)])
def test_an_age_is_read_as_tables_write_it(tmp_path: Path, text: str, age: float | None) -> None:
    bids(tmp_path)
    table = tmp_path / "participants.tsv"
    table.write_text(table.read_text().replace("44.5", text).replace("\tage", "\tAge"))
    assert read_cohort(tmp_path, "bids")[0].subject.age == age


@pytest.mark.parametrize("text", ["41,5", "adult", "410"])
def test_an_age_is_never_dropped(tmp_path: Path, text: str) -> None:
    bids(tmp_path)
    table = tmp_path / "participants.tsv"
    table.write_text(table.read_text().replace("44.5", text))
    with pytest.raises(InputError, match=f"sub-01: the age is '{text}': write years"):
        read_cohort(tmp_path, "bids")


def test_the_tumour_is_not_taken_for_tissue(tmp_path: Path) -> None:
    bids(tmp_path)
    image(tmp_path / "derivatives" / "fmriprep" / "sub-01" / "anat" / "sub-01_dseg.nii.gz")
    first, _ = read_cohort(tmp_path, "bids")
    assert first.mask is not None
    assert "truth" in first.mask.parts
    image(tmp_path / "derivatives" / "z" / "sub-01" / "anat" / "sub-01_label-tumor_mask.nii.gz")
    first, _ = read_cohort(tmp_path, "bids")
    assert first.mask is not None
    assert "z" in first.mask.parts, "one that says what it is comes first"


def test_the_masks_of_the_tcga_collections_are_found(tmp_path: Path) -> None:
    for name in ("TCGA-02-0003", "TCGA-02-0006"):
        images(tmp_path / name, "x_t1", "x_GlistrBoost", "x_GlistrBoost_ManuallyCorrected")
    (tmp_path / "labels.csv").write_text("subject,idh\nTCGA-02-0003,0\nTCGA-02-0006,1\n")
    for patient in read_cohort(tmp_path, "brats"):
        assert patient.mask is not None
        assert patient.mask.name == "x_GlistrBoost_ManuallyCorrected.nii.gz"


def test_an_unknown_layout_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="upenn-gbm"):
        read_cohort(tmp_path, "nifti")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        read_cohort(tmp_path / "nowhere", "bids")


def test_a_cohort_without_table_says_which_it_wants(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").unlink()
    with pytest.raises(InputError, match=r"participants\.tsv"):
        read_cohort(tmp_path, "bids")


def test_a_table_without_the_status_names_the_column(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t44\n")
    with pytest.raises(InputError, match="'idh'"):
        read_cohort(tmp_path, "bids")


def test_a_status_without_meaning_names_the_patient(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\tidh\nsub-01\tmutant\nsub-02\tcodeleted\n")
    with pytest.raises(InputError, match=r"sub-02: the IDH status is 'codeleted': write 1 or mutant"):
        read_cohort(tmp_path, "bids")


def test_labels_that_match_nobody_are_refused(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\tidh\nsub-91\tmutant\n")
    with pytest.raises(InputError, match="no label matches"):
        read_cohort(tmp_path, "bids")


def test_a_patient_labelled_twice_is_refused(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\tidh\nsub-01\tmutant\nsub-01\twildtype\n")
    with pytest.raises(InputError, match="twice"):
        read_cohort(tmp_path, "bids")


def test_a_labelled_patient_without_images_is_named(tmp_path: Path) -> None:
    bids(tmp_path)
    for file in (tmp_path / "sub-02" / "anat").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"1 labelled patients .*sub-02"):
        read_cohort(tmp_path, "bids")


def test_a_missing_sequence_is_no_error(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").unlink()
    assert set(read_cohort(tmp_path, "bids")[1].files) == FOUR - {Sequence.FLAIR}


def test_perfusion_and_diffusion_are_found_beside_the_structural_images(tmp_path: Path) -> None:
    bids(tmp_path)
    image(tmp_path / "sub-01" / "perf" / "sub-01_dsc.nii.gz")
    image(tmp_path / "sub-01" / "dwi" / "sub-01_ADC.nii.gz")
    with_both, without = read_cohort(tmp_path, "bids")
    assert {str(s): file.name for s, file in with_both.functional.items()} == {
        "DSC": "sub-01_dsc.nii.gz",
        "ADC": "sub-01_ADC.nii.gz",
    }
    assert set(with_both.files) == FOUR
    assert not without.functional


def session(root: Path, name: str, *kinds: str) -> None:
    images(root / "sub-01" / name / "anat", *(f"sub-01_{name}_{kind}" for kind in kinds))


def test_a_bids_patient_is_read_from_one_session(tmp_path: Path) -> None:
    bids(tmp_path)
    for file in (tmp_path / "sub-01" / "anat").iterdir():
        file.unlink()
    session(tmp_path, "ses-1", "acq-mprage_ce-gd_T1w", "T2w")
    session(tmp_path, "ses-2", "T1w", "FLAIR")
    for name in ("ses-2", "ses-1"):
        image(tmp_path / "derivatives" / "a" / "sub-01" / name / "anat" / f"sub-01_{name}_dseg.nii.gz")
    for leftover in (tmp_path / "derivatives" / "truth" / "sub-01" / "anat").iterdir():
        leftover.unlink()
    (first, _) = read_cohort(tmp_path, "bids")
    assert {s: file.name for s, file in first.files.items()} == {
        Sequence.T1C: "sub-01_ses-1_acq-mprage_ce-gd_T1w.nii.gz",
        Sequence.T2: "sub-01_ses-1_T2w.nii.gz",
    }, "the image with contrast is not a T1, and later images belong to another examination"
    assert first.mask is not None
    assert first.mask.name == "sub-01_ses-1_dseg.nii.gz"


def test_a_bids_t1_may_name_its_acquisition(tmp_path: Path) -> None:
    bids(tmp_path)
    folder = tmp_path / "sub-02" / "anat"
    (folder / "sub-02_T1w.nii.gz").rename(folder / "sub-02_acq-mprage_T1w.nii.gz")
    assert read_cohort(tmp_path, "bids")[1].files[Sequence.T1].name == "sub-02_acq-mprage_T1w.nii.gz"


def test_a_cohort_may_lie_below_derivatives(tmp_path: Path) -> None:
    bids(tmp_path / "derivatives" / "cohort")
    assert len(read_cohort(tmp_path / "derivatives" / "cohort", "bids")) == 2


@pytest.mark.parametrize(
    ("text", "mutant"),
    [
        *[
            (text, True)
            for text in (
                "1",
                "1.0",
                "Mutant",
                "mutated (NOS)",
                "IDH1 p.R132H",
                "IDH2 p.Arg172Trp",
                "IDH-mutant",
            )
        ],
        *[
            (text, False)
            for text in ("0", "0.0", "WT", "wild-type", "Wildtype", "IDH-wildtype", "IDH1 wildtype", "IDHwt")
        ],
        *[(text, None) for text in ("", " ", "-1", "NOS/NEC", "unknown", "Not Available", "n/a")],
    ],
)
def test_the_status_is_read_as_public_tables_write_it(text: str, mutant: bool | None) -> None:
    assert is_mutant(text) is mutant


@pytest.mark.parametrize("text", ["codeleted", "2", "not mutant", "IDH1", "IDH1 p.", "mutant?"])
def test_a_status_is_never_guessed(text: str) -> None:
    with pytest.raises(InputError, match="write 1 or mutant"):
        is_mutant(text)


@pytest.mark.parametrize(
    ("text", "codeleted"),
    [
        *[(text, True) for text in ("1", "1.0", "yes", "codeleted", "Co-deletion", "codel", "IDHmut-codel")],
        *[
            (text, False)
            for text in ("0", "no", "intact", "non-codel", "not codeleted", "IDHmut-non-codel", "IDHwt")
        ],
        *[(text, None) for text in ("", "-1", "unknown", "n/a", "relative co-deletion")],
    ],
)
def test_the_1p19q_status_is_read_as_public_tables_write_it(text: str, codeleted: bool | None) -> None:
    assert is_codeleted(text) is codeleted


@pytest.mark.parametrize("text", ["deleted", "2", "1p loss", "intact?", "mutant"])
def test_a_1p19q_status_is_never_guessed(text: str) -> None:
    with pytest.raises(InputError, match=r"the 1p/19q status is .*: write 1 or codeleted, 0 or intact"):
        is_codeleted(text)


def test_sub_labels_are_written_alike_in_all_layouts(tmp_path: Path) -> None:
    """The columns of UCSF-PDGM, EGD, TCGA and of simulated cohorts, and a table without any."""
    known = {"codeletion": "codeleted", "grade": "3", "idh_variant": "IDH1 R132H"}
    ucsf(tmp_path / "ucsf")
    assert [p.strata for p in read_cohort(tmp_path / "ucsf", "ucsf-pdgm")] == [{"grade": "4"}, known]
    egd(tmp_path / "egd")
    first, second = read_cohort(tmp_path / "egd", "egd")
    assert (first.strata, second.strata) == ({"grade": "2", "codeletion": "intact"}, {"grade": "4"})
    bids(tmp_path / "bids")
    assert [p.strata for p in read_cohort(tmp_path / "bids", "bids")] == [{"grade": "2"}, {"grade": "4"}]
    for columns, of_mutant, of_wildtype in (
        ("Grade\tX1p.19q.codeletion\tidh_variant", "G3\tcodel\tIDH1 R132H", "G4\tnon-codel\tn/a"),
        ("grade\tIDH.codel.subtype\tIDH_mutation", "III\tIDHmut-codel\tIDH1 p.Arg132His", "iv\tIDHwt\t"),
        ("grade\tcodel_1p19q\tidh_variant", "3\tcodeleted\tIDH1 p.R132H", "4\tintact\tn/a"),
    ):
        (tmp_path / "bids" / "participants.tsv").write_text(
            f"participant_id\tidh\t{columns}\nsub-01\tmutant\t{of_mutant}\nsub-02\twildtype\t{of_wildtype}\n"
        )
        mutant, wildtype = read_cohort(tmp_path / "bids", "bids")
        assert mutant.strata == known
        assert wildtype.strata == {"grade": "4", "codeletion": "intact"}


def test_a_1p19q_status_without_meaning_does_not_keep_a_cohort_from_being_read(tmp_path: Path) -> None:
    bids(tmp_path)
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tidh\tcodeletion\t1p19q\nsub-01\t1\tcodeleted\t0\nsub-02\t0\t1p loss\tn/a\n"
    )
    first, second = read_cohort(tmp_path, "bids")
    assert first.strata == {"codeletion": "codeleted and intact"}
    assert second.strata == {"codeletion": "1p loss"}


def test_a_variant_and_a_grade_are_named_one_way() -> None:
    assert [idh_variant(text) for text in ("IDH2 p.Arg172Trp", "IDH1-R132C", "mutant")] == [
        "IDH2 R172W",
        "IDH1 R132C",
        None,
    ]
    assert [grade_of(text) for text in ("Grade 2", "IV", "CNS WHO grade 3", "1")] == ["2", "4", "3", "1"]
