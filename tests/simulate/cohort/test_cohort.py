from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.errors import InputError, OutputError, UsageError
from gliotype.simulate.cohort import write as cohort_module
from gliotype.simulate.cohort.patient_record import PatientParameters, SimulatedPatient
from gliotype.simulate.cohort.sites import draw_disease
from gliotype.simulate.cohort.truth import COLUMNS
from gliotype.simulate.cohort.write import SITES, SUFFIXES, Cohort, write_cohort
from gliotype.simulate.dsc.protocols import DSC_SITES
from gliotype.simulate.head.label_maps import read_label_map
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.tissue import Tissue
from gliotype.study import Label, Sequence

COARSE_MM = 3.0


def write(n: int, out: Path, **settings: object) -> Cohort:
    return write_cohort(n, out, spacing_mm=COARSE_MM, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight patients, registered; not to be changed."""
    folder = tmp_path_factory.mktemp("cohort") / "registered"
    write(8, folder, seed=3)
    return folder


@pytest.fixture(scope="module")
def raw_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient as a scanner exports it; not to be changed."""
    folder = tmp_path_factory.mktemp("cohort") / "raw"
    write(1, folder, seed=3, raw=True)
    return folder


def participants(folder: Path) -> list[dict[str, str]]:
    with (folder / "participants.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def files_of(folder: Path, name: str) -> dict[str, bytes]:
    homes = (folder / name, folder / "derivatives" / "truth" / name)
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for home in homes
        for file in sorted(home.rglob("*"))
        if file.is_file()
    }


def truth_image(folder: Path, name: str, suffix: str) -> nib.Nifti1Image:
    return nib.load(folder / "derivatives" / "truth" / name / "anat" / f"{name}_{suffix}.nii.gz")


@pytest.mark.slow
def test_names_are_those_of_bids(cohort: Path) -> None:
    rows = participants(cohort)
    assert [row["participant_id"] for row in rows] == [f"sub-{i:04d}" for i in range(1, 9)]
    for row in rows:
        name = row["participant_id"]
        images = {f"{name}/anat/{name}_{SUFFIXES[Sequence(s)]}" for s in row["sequences"].split()}
        truth = {f"derivatives/truth/{name}/anat/{name}_{s}" for s in ("dseg", "desc-brain_mask")}
        expected = {stem + ending for stem in images | truth for ending in (".nii.gz", ".json")}
        assert set(files_of(cohort, name)) == expected | {f"derivatives/truth/{name}/{name}_truth.json"}
    assert f"{rows[0]['participant_id']}_ce-gadolinium_T1w.nii.gz" in {p.name for p in cohort.rglob("*")}


@pytest.mark.slow
def test_everything_says_that_it_is_simulated(cohort: Path) -> None:
    for folder in (cohort, cohort / "derivatives" / "truth"):
        described = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        assert described["Simulated"] is True
        assert "imulated" in described["Name"]
        assert "none is real" in described["GeneratedBy"][0]["Description"]


@pytest.mark.slow
def test_every_column_is_described(cohort: Path) -> None:
    described = json.loads((cohort / "participants.json").read_text(encoding="utf-8"))
    assert list(described) == list(COLUMNS) == list(participants(cohort)[0])


@pytest.mark.slow
def test_the_truth_agrees_with_itself(cohort: Path) -> None:
    for row in participants(cohort):
        labels = truth_image(cohort, row["participant_id"], "dseg")
        array = np.asarray(labels.dataobj)
        voxel_ml = COARSE_MM**3 / 1000
        assert float(row["whole_ml"]) == pytest.approx((array > 0).sum() * voxel_ml, abs=0.01)
        assert float(row["enhancing_ml"]) == pytest.approx(
            (array == Label.ENHANCING).sum() * voxel_ml, abs=0.01
        )
        assert row["enhancing"] == str(int((array == Label.ENHANCING).any()))
        glioma = GliomaType(row["disease"])
        assert (row["idh"] == "mutant") == glioma.idh_mutant
        assert (row["codel_1p19q"] == "codeleted") == (glioma is GliomaType.OLIGODENDROGLIOMA)
        assert 18 <= float(row["age"]) <= 90
        brain = np.asarray(truth_image(cohort, row["participant_id"], "desc-brain_mask").dataobj)
        assert brain[array > 0].all()


@pytest.mark.slow
def test_the_images_show_the_tumour_that_the_truth_tells(cohort: Path) -> None:
    ratios = []
    for row in participants(cohort):
        name = row["participant_id"]
        labels = truth_image(cohort, name, "dseg")
        tumour = np.asarray(labels.dataobj) > 0
        brain = np.asarray(truth_image(cohort, name, "desc-brain_mask").dataobj) > 0
        for file in (cohort / name / "anat").glob("*.nii.gz"):
            np.testing.assert_array_equal(nib.load(file).affine, labels.affine)
        if "FLAIR" in row["sequences"].split():
            flair = nib.load(cohort / name / "anat" / f"{name}_FLAIR.nii.gz").get_fdata()
            ratios.append(flair[tumour].mean() / np.median(flair[brain & ~tumour]))
    assert len(ratios) >= 5
    assert np.median(ratios) > 1.2
    assert np.mean(np.array(ratios) > 1) >= 0.75


@pytest.mark.slow
def test_the_same_call_gives_the_same_patients_and_a_smaller_cohort_their_beginning(
    cohort: Path, tmp_path: Path
) -> None:
    write(2, tmp_path / "two", seed=3)
    for name in ("sub-0001", "sub-0002"):
        assert files_of(tmp_path / "two", name) == files_of(cohort, name)
    assert participants(tmp_path / "two") == participants(cohort)[:2]


@pytest.mark.slow
def test_another_seed_gives_other_patients(cohort: Path, tmp_path: Path) -> None:
    write(1, tmp_path / "other", seed=4)
    assert participants(tmp_path / "other")[0]["seed"] != participants(cohort)[0]["seed"]
    assert files_of(tmp_path / "other", "sub-0001") != files_of(cohort, "sub-0001")


@pytest.fixture
def copy(cohort: Path, tmp_path: Path) -> Path:
    """A copy of the cohort, to be damaged."""
    return Path(shutil.copytree(cohort, tmp_path / "copy"))


@pytest.mark.slow
def test_an_interrupted_cohort_goes_on(cohort: Path, copy: Path) -> None:
    shutil.rmtree(copy / "sub-0002")
    (copy / "sub-0003" / "anat" / "sub-0003_T1w.nii.gz").unlink()
    half = copy / f".gliotype-{16 * '0'}" / "images" / "anat"
    half.mkdir(parents=True)
    (half / "sub-0002_T1w.nii.gz").write_bytes(b"half")
    (copy / "participants.tsv").unlink()
    lines: list[str] = []
    written = (copy / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").stat().st_mtime_ns
    done = write(8, copy, seed=3, progress=lines.append)
    assert (done.made, len(done.patients)) == (2, 8)
    assert lines == ["simulate sub-0002 of 8", "simulate sub-0003 of 8"]
    assert (copy / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz").stat().st_mtime_ns == written
    assert not list(copy.glob(".gliotype-*"))
    assert participants(copy) == participants(cohort)
    for name in ("sub-0002", "sub-0003"):
        assert files_of(copy, name) == files_of(cohort, name)


@pytest.mark.slow
def test_a_patient_that_fails_halfway_leaves_nothing(
    copy: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cohort_module, "_write_json", interrupt)
    shutil.rmtree(copy / "sub-0004")
    simulated = SimulatedPatient("sub-0004", {}, *[template_anatomy().tissue] * 2, {"truth_space": "T2"})
    with pytest.raises(KeyboardInterrupt):
        cohort_module._write_patient(copy, simulated)
    assert sorted(p.name for p in copy.iterdir()) == sorted(
        p.name for p in cohort.iterdir() if p.name != "sub-0004"
    )


@pytest.mark.slow
def test_fewer_patients_than_there_are_leaves_all(copy: Path) -> None:
    done = write(3, copy, seed=3)
    assert (done.made, len(done.patients)) == (0, 8)
    assert len(participants(copy)) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "both"),
    [
        ({"seed": 4}, ("seed 3", "seed 4")),
        ({"seed": 3, "site": "tcia"}, ("site severance", "site tcia")),
        ({"seed": 3, "raw": True}, ("raw False", "raw True")),
    ],
)
def test_a_cohort_of_other_settings_is_left_alone(
    cohort: Path, settings: dict[str, object], both: tuple[str, str]
) -> None:
    before = sorted(cohort.rglob("*"))
    with pytest.raises(UsageError) as raised:
        write(8, cohort, **settings)
    assert all(words in str(raised.value) for words in both)
    assert sorted(cohort.rglob("*")) == before


@pytest.mark.slow
def test_raw_images_lie_obliquely_each_in_its_own_space(raw_cohort: Path) -> None:
    for row in participants(raw_cohort):
        images = [nib.load(f) for f in sorted((raw_cohort / row["participant_id"] / "anat").glob("*.nii.gz"))]
        assert len(images) == len(row["sequences"].split())
        for one, other in pairwise(images):
            assert not np.allclose(one.affine, other.affine)
        assert all(image.header.get_zooms()[2] >= 3.0 for image in images)


@pytest.mark.slow
def test_raw_truth_lies_where_the_flair_shows_the_tumour(raw_cohort: Path) -> None:
    seen = 0
    for row in participants(raw_cohort):
        name = row["participant_id"]
        labels = truth_image(raw_cohort, name, "dseg")
        suffix = SUFFIXES[Sequence(row["truth_space"])]
        image = nib.load(raw_cohort / name / "anat" / f"{name}_{suffix}.nii.gz")
        np.testing.assert_allclose(labels.affine, image.affine, atol=1e-5)
        assert labels.shape == image.shape
        tumour = np.asarray(labels.dataobj) > 0
        volume_ml = tumour.sum() * abs(np.linalg.det(labels.affine[:3, :3])) / 1000
        assert volume_ml == pytest.approx(float(row["whole_ml"]), rel=0.03)
        brain = np.asarray(truth_image(raw_cohort, name, "desc-brain_mask").dataobj) > 0
        if row["truth_space"] == "FLAIR":
            flair = image.get_fdata()
            assert flair[tumour].mean() > 1.1 * np.median(flair[brain & ~tumour])
            seen += 1
    assert seen > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "labelled"), [("healthy", {"healthy"}), ("distractors", {"infarct", "metastases"})]
)
def test_heads_without_glioma_have_an_empty_truth(site: str, labelled: set[str], tmp_path: Path) -> None:
    write(1, tmp_path, site=site)
    row = participants(tmp_path)[0]
    assert row["idh"] == row["grade"] == row["mismatch"] == row["lobe"] == "n/a"
    assert row["disease"] in labelled | {"demyelinating plaques"}
    assert float(row["whole_ml"]) == 0
    assert not np.asarray(truth_image(tmp_path, "sub-0001", "dseg").dataobj).any()


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_site_draws_its_mix(site: object) -> None:
    site = SITES[site.name]  # type: ignore[attr-defined]
    assert sum(site.case_mix.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = [draw_disease(rng, site) for _ in range(2000)]
    for disease, fraction in site.case_mix.items():
        assert drawn.count(disease) / 2000 == pytest.approx(fraction, abs=0.05)


def test_one_in_ten_patients_lacks_a_sequence() -> None:
    draws = [PatientParameters.of(0, i, SITES["severance"]) for i in range(1, 801)]
    assert {len(draw.sequences) for draw in draws} == {3, 4}
    assert np.mean([len(draw.sequences) == 3 for draw in draws]) == pytest.approx(0.1, abs=0.04)
    assert len({draw.seed for draw in draws}) == 800
    assert np.mean([draw.field_t == 1.5 for draw in draws]) == pytest.approx(0.3, abs=0.06)


def not_a_folder(folder: Path) -> Path:
    (folder / "file").write_text("here")
    return folder / "file" / "cohort"


def something_else(folder: Path) -> Path:
    (folder / "thesis.txt").write_text("here")
    return folder


def other_data_set(folder: Path) -> Path:
    (folder / "dataset_description.json").write_text('{"Name": "Real patients"}')
    return folder


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (not_a_folder, OutputError, "cannot write"),
        (something_else, UsageError, "thesis.txt"),
        (other_data_set, UsageError, "something else than a simulated cohort"),
    ],
)
def test_folders_that_are_no_cohort(
    make: Callable[[Path], Path], error: type[Exception], says: str, tmp_path: Path
) -> None:
    out = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=says):
        write(1, out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"n": 0}, "of 0 patients"), ({"n": -2}, "of -2"), ({"seed": -1}, "seed"), ({"site": "mayo"}, "ucsf")],
)
def test_wrong_calls(settings: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        write(**{"n": 1, "out": tmp_path / "cohort", **settings})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_label_maps_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no label map"):
        write(1, tmp_path / "cohort", anatomies=tmp_path)
    assert not (tmp_path / "cohort").exists()
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    white = atlas.tissue(atlas.Tissue.WHITE)
    with pytest.raises(InputError, match=r"broken.nii.gz cannot be read"):
        read_label_map(tmp_path / "broken.nii.gz", white)
    nib.Nifti1Image(np.ones((8, 8, 8), np.uint8), np.eye(4)).to_filename(tmp_path / "ones.nii.gz")
    with pytest.raises(InputError, match=r"ones.nii.gz holds 0 ml of white matter"):
        read_label_map(tmp_path / "ones.nii.gz", white)


@pytest.mark.slow
def test_label_maps_take_the_place_of_the_template(tmp_path: Path) -> None:
    head = template_anatomy().tissue
    numbers = np.zeros(len(Tissue) + 30, np.int16)
    for tissue, number in (
        (Tissue.WHITE_MATTER, 2),
        (Tissue.GREY_MATTER, 3),
        (Tissue.DEEP_GREY, 10),
        (Tissue.BRAINSTEM, 16),
        (Tissue.VENTRICLE, 4),
        (Tissue.CSF, 24),
        (Tissue.SCALP, 511),
        (Tissue.BONE, 515),
    ):
        numbers[tissue] = number
    folder = tmp_path / "maps"
    folder.mkdir()
    every_second = head.array[::2, ::2, ::2]
    affine = head.affine @ np.diag([2, 2, 2, 1])
    nib.Nifti1Image(numbers[every_second], affine).to_filename(folder / "head.nii.gz")
    write(1, tmp_path / "cohort", anatomies=folder)
    described = json.loads((tmp_path / "cohort" / "dataset_description.json").read_text(encoding="utf-8"))
    assert list(described["Simulation"]["anatomies"]) == ["head.nii.gz"]
    brain = truth_image(tmp_path / "cohort", "sub-0001", "desc-brain_mask")
    assert 1000 < np.asarray(brain.dataobj).sum() * COARSE_MM**3 / 1000 < 2600
    with pytest.raises(UsageError, match=r"anatomies 1 label maps.*anatomies template"):
        write(1, tmp_path / "cohort")


def added_to(before: dict[str, bytes], there: dict[str, bytes]) -> set[str]:
    """Files that were added; all the others but the truth must be as before."""
    same = [file for file in before if not file.endswith("_truth.json")]
    assert {file: there[file] for file in same} == {file: before[file] for file in same}
    return set(there) - set(before)


@pytest.mark.slow
def test_a_cohort_with_perfusion_has_the_same_other_images_and_the_true_blood_volume(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_frames = replace(DSC_SITES["snuh"], tr_s=(5.0, 5.0), frames=(11, 11))
    monkeypatch.setattr(cohort_module, "find_dsc_site", {"snuh": few_frames}.__getitem__)
    folder = tmp_path / "perfusion"
    write(1, folder, seed=3, dsc=True)
    name = "sub-0001"
    added = added_to(files_of(cohort, name), files_of(folder, name))
    truth = f"derivatives/truth/{name}/perf/{name}_desc-true_cbv"
    assert added == {
        f"{stem}{ending}" for stem in (f"{name}/perf/{name}_dsc", truth) for ending in (".nii.gz", ".json")
    }
    assert participants(folder)[0]["sequences"].split()[-1] == "DSC"
    series, cbv = nib.load(folder / f"{name}/perf/{name}_dsc.nii.gz"), nib.load(folder / f"{truth}.nii.gz")
    assert series.shape[:3] == cbv.shape
    np.testing.assert_allclose(series.affine, cbv.affine)
    assert write(1, folder, seed=3, dsc=True).made == 0
    (folder / f"{name}/perf/{name}_dsc.nii.gz").unlink()
    assert write(1, folder, seed=3, dsc=True).made == 1
    with pytest.raises(UsageError, match="dsc snuh"):
        write(1, folder, seed=3)


@pytest.mark.slow
def test_a_cohort_with_adc_has_the_same_other_images(cohort: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adc"
    write(1, folder, seed=3, adc=True)
    name = "sub-0001"
    added = added_to(files_of(cohort, name), files_of(folder, name))
    assert added == {f"{name}/dwi/{name}_ADC{ending}" for ending in (".nii.gz", ".json")}
    row = participants(folder)[0]
    assert row["sequences"].split()[-1] == "ADC"
    assert 0.8 <= float(row["adc_ratio"]) <= 3.0
    assert participants(cohort)[0]["adc_ratio"] == "n/a"
    (folder / f"{name}/dwi/{name}_ADC.nii.gz").unlink()
    assert write(1, folder, seed=3, adc=True).made == 1
