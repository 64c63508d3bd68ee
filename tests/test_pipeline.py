"""The whole job on a simulated raw study: same patient, same answer, however the files are stored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import gliotype
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.pool import Pool
from gliotype.batch.run import run_batch
from gliotype.errors import InputError, UsageError
from gliotype.pipeline import OTHER_MODEL1
from gliotype.read import read_study
from gliotype.report import write_result
from gliotype.result import Call, Result
from gliotype.runtime import available_threads, checked_weights
from gliotype.simulate.cohort.raw_study import NAMES, raw_images, raw_patient, write_raw_study
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import STRUCTURAL, Sequence, Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series
from support.same_results import differing

AGE = 61.0
SEED = 4
STAGES = {"read", "prepare", "segment", "measure", "predict", "answer"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four raw, oblique, thick-sliced images of a simulated glioblastoma."""
    folder = tmp_path_factory.mktemp("raw")
    write_raw_study(raw_patient(SEED, GliomaType.GLIOBLASTOMA), folder, seed=SEED)
    return folder


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return gliotype.predict(study, age=AGE, id="simulated")


@pytest.fixture(scope="module")
def flair_alone(study: Path) -> Result:
    return gliotype.predict(files={Sequence.FLAIR: study / f"{NAMES[Sequence.FLAIR]}.nii.gz"}, age=AGE)


def centre_of(mask: np.ndarray, volume: Volume) -> np.ndarray:
    """Centre of mass of a mask in world coordinates, mm."""
    return np.asarray(volume.affine @ [*np.argwhere(mask).mean(axis=0), 1.0])[:3]


@pytest.mark.slow
def test_every_sequence_is_recognised_and_a_tumour_is_found(result: Result) -> None:
    assert OTHER_MODEL1 not in result.warnings
    assert set(result.prepared.images) == {Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR}
    assert result.tumour.found
    assert result.prediction.probability is not None
    assert result.prediction.interval is not None
    low, high = result.prediction.interval
    assert 0 <= low <= result.prediction.probability <= high <= 1
    assert {f.method for f in result.findings} >= {"radiomics", "age"}
    assert set(result.seconds) == STAGES


@pytest.mark.slow
def test_white_matter_is_one_and_the_brain_has_a_brains_volume(result: Result) -> None:
    brain = np.asarray(result.prepared.brain.array)
    assert 900 < brain.sum() * result.prepared.grid.voxel_ml < 2000
    for image in result.prepared.images.values():
        assert 0.6 < float(np.median(image.array[brain])) < 2.5


@pytest.mark.slow
def test_the_tumour_lies_where_the_simulation_put_it(result: Result) -> None:
    patient = raw_patient(SEED, GliomaType.GLIOBLASTOMA)
    assert patient.tumour is not None
    truth = Volume((patient.tumour.labels > 0).astype(np.uint8), patient.grid.affine)
    reference = raw_images(patient, seed=SEED)[result.prepared.reference]
    brought = truth.resample(result.prepared.grid, np.linalg.inv(reference.image_from_mni), order=0)
    inside, found = np.asarray(brought.array) > 0, result.tumour.mask
    assert 2 * (inside & found).sum() / (inside.sum() + found.sum()) > 0.6
    mirrored = inside[::-1]
    assert 2 * (mirrored & found).sum() / (inside.sum() + found.sum()) < 0.4


@pytest.mark.slow
def test_voxel_order_does_not_move_the_masks(flair_alone: Result, study: Path, tmp_path: Path) -> None:
    """The same image with axes flipped and permuted, and the affine changed to match."""
    file = study / f"{NAMES[Sequence.FLAIR]}.nii.gz"
    image = nib.load(file)
    target = nib.orientations.axcodes2ornt(("S", "R", "P"))
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), target)
    image.as_reoriented(turn).to_filename(tmp_path / file.name)
    turned = gliotype.predict(files={Sequence.FLAIR: tmp_path / file.name}, age=AGE)
    first, second = flair_alone.tumour, turned.tumour
    assert second.volume_ml == pytest.approx(first.volume_ml, rel=0.05)
    shift = centre_of(first.mask, first.labels) - centre_of(second.mask, second.labels)
    assert np.abs(shift).max() < 1.0
    assert turned.probability == pytest.approx(flair_alone.probability, abs=0.05)


@pytest.fixture(scope="module")
def dicom(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study as a PACS exports it: nested folders of classic MR instances without endings."""
    folder = tmp_path_factory.mktemp("dicom")
    for number, sequence in enumerate(STRUCTURAL, start=1):
        image = nib.load(study / f"{NAMES[sequence]}.nii.gz")
        volume = Volume(np.asarray(image.dataobj), image.affine)
        headers = PROTOCOLS[sequence] | {"SeriesNumber": number, "PatientAge": "061Y"}
        write_dicom_series(volume, folder / "export" / f"series{number}", **headers)
    return folder


@pytest.mark.slow
def test_dicom_holds_the_images_that_nifti_holds(result: Result, dicom: Path) -> None:
    found = read_study(dicom, subject=Subject("simulated"))
    assert found.subject.age == AGE
    assert set(found.chosen) == set(STRUCTURAL)
    for sequence, image in found.chosen.items():
        stored = result.study.chosen[sequence].volume
        there = image.volume.resample(stored.grid, order=0)
        np.testing.assert_array_equal(there.array, stored.array)


@pytest.mark.slow
def test_dicom_gives_the_answer_that_nifti_gives(flair_alone: Result, dicom: Path) -> None:
    flair = dicom / "export" / f"series{STRUCTURAL.index(Sequence.FLAIR) + 1}"
    found = gliotype.predict(flair, age=AGE)
    # The affines differ in the sixth digit, so the registration may end a hundredth of a millimetre away.
    there = np.asarray(found.tumour.labels.resample(flair_alone.prepared.grid, order=0).array) > 0
    overlap = 2 * (there & flair_alone.tumour.mask).sum()
    assert overlap / (there.sum() + flair_alone.tumour.mask.sum()) > 0.97
    assert found.call == flair_alone.call
    assert found.probability == pytest.approx(flair_alone.probability, abs=0.02)


@pytest.mark.slow
def test_a_zip_holds_the_same_study_as_its_folder(dicom: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "export"), "zip", dicom)
    subject = Subject("simulated")
    folder, archive = (read_study(source, subject=subject).chosen for source in (dicom, Path(packed)))
    assert set(folder) == set(archive) == set(STRUCTURAL)
    for sequence, image in folder.items():
        np.testing.assert_array_equal(archive[sequence].volume.array, image.volume.array)
        np.testing.assert_array_equal(archive[sequence].volume.affine, image.volume.affine)
        assert archive[sequence].reason == image.reason


@pytest.mark.slow
def test_flair_alone_gives_an_answer(flair_alone: Result) -> None:
    assert set(flair_alone.prepared.images) == {Sequence.FLAIR}
    assert flair_alone.call in set(Call)


@pytest.mark.slow
def test_t1_alone_and_a_weight_of_the_caller_give_an_answer(study: Path, tmp_path: Path) -> None:
    weight, shipped = checked_weights("model1.onnx")
    own = shutil.copy(weight, tmp_path / "own.onnx")
    alone = gliotype.predict(files={Sequence.T1: study / f"{NAMES[Sequence.T1]}.nii.gz"}, model1=own)
    assert set(alone.prepared.images) == {Sequence.T1}
    assert alone.call in set(Call)
    assert alone.weights["model1.onnx"] == shipped
    assert OTHER_MODEL1 in alone.warnings


@pytest.mark.slow
def test_t2_alone_gives_an_answer_that_says_what_is_missing(study: Path) -> None:
    t2 = next(study.glob("*T2*.nii.gz"))
    alone = gliotype.predict(files={Sequence.T2: t2}, age=AGE)
    assert set(alone.prepared.images) == {Sequence.T2}
    assert alone.measurements.signal["T1C_mean_over_ring"] is None
    assert alone.measurements.mismatch["mismatch_fraction"] is None
    assert {n.method for n in alone.not_applicable} >= {"mismatch"}
    assert alone.call in set(Call)


@pytest.mark.slow
def test_the_files_hold_what_the_result_says(result: Result, study: Path, tmp_path: Path) -> None:
    write_result(result, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert document["call"] == result.call
    assert document["sequences"]["T1C"]["source"] == "AX_T1_SE_post_GAD.nii.gz"
    assert set(document["seconds"]) == STAGES | {"report", "total"}
    reference = nib.load(study / "AX_T1_SE_post_GAD.nii.gz")
    for name in ("tumour.nii.gz", "brain.nii.gz"):
        mask = nib.load(tmp_path / "out" / name)
        assert mask.shape == reference.shape
        np.testing.assert_allclose(mask.affine, reference.affine, atol=1e-4)
    labels = nib.load(tmp_path / "out" / "tumour.nii.gz")
    there = labels.affine @ [*np.argwhere(np.asarray(labels.dataobj) > 0).mean(axis=0), 1.0]
    here = centre_of(result.tumour.mask, result.tumour.labels)
    assert np.abs(there[:3] - here).max() < 3.0


@pytest.mark.slow
def test_a_batch_gives_every_bit_that_predict_gives(flair_alone: Result, study: Path, tmp_path: Path) -> None:
    subject = flair_alone.subject.id
    write_result(flair_alone, tmp_path / "predict")
    files = {Sequence.FLAIR: study / f"{NAMES[Sequence.FLAIR]}.nii.gz"}
    job = StudyJob(subject, "batch", files=files, age=AGE)
    settings = BatchSettings(tmp_path, threads=available_threads())
    assert run_batch([job], settings, Pool(1)).done == 1
    assert not differing(tmp_path / "predict", tmp_path / "batch")
    found = {file.name for file in (tmp_path / "batch").iterdir()}
    assert found >= {"prediction.json", "tumour.nii.gz", "brain.nii.gz", "votes_tsnet.nii.gz"}


@pytest.mark.slow
def test_a_given_mask_takes_the_place_of_model_1(flair_alone: Result, study: Path, tmp_path: Path) -> None:
    write_result(flair_alone, tmp_path)
    files = {Sequence.FLAIR: study / f"{NAMES[Sequence.FLAIR]}.nii.gz"}
    given = gliotype.predict(files=files, age=AGE, mask=tmp_path / "tumour.nii.gz").tumour
    drawn = flair_alone.tumour
    assert given.source == "given"
    assert 2 * (given.mask & drawn.mask).sum() / (given.mask.sum() + drawn.mask.sum()) > 0.7


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"age": -3}, "age is -3"),
        ({"age": 400}, "age is 400"),
        ({"age": float("nan")}, "age is nan"),
        ({"prevalence": 0}, "prevalence is 0"),
        ({"prevalence": 1.2}, "prevalence is 1.2"),
        ({"sex": "X"}, "sex is 'X'"),
        ({}, "neither a study nor a file"),
    ],
)
def test_arguments_out_of_range_are_refused_before_any_work(
    arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        gliotype.predict(**arguments)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["mask", "aif"])
def test_a_mask_that_cannot_be_read_is_refused_before_any_work(
    argument: str, study: Path, tmp_path: Path
) -> None:
    stages: list[str] = []
    wrong: dict[str, Any] = {argument: tmp_path / "nothing.nii.gz"}
    with pytest.raises(InputError, match=r"nothing\.nii\.gz"):
        gliotype.predict(study, progress=stages.append, **wrong)
    assert stages == ["read"]


@pytest.mark.slow
def test_a_real_raw_study_is_answered(shared_data: Path, tmp_path: Path) -> None:
    folder = next((shared_data / "native").iterdir())
    real = gliotype.predict(folder, age=63)
    kinds = {image.source: image.sequence for image in real.study.images}
    endings = {"_t1.nii.gz": Sequence.T1, "_t1c.nii.gz": Sequence.T1C, "_t2.nii.gz": Sequence.T2}
    for ending, sequence in (endings | {"_fla.nii.gz": Sequence.FLAIR}).items():
        assert [kind for source, kind in kinds.items() if source.endswith(ending)] == [sequence]
    assert real.call in (Call.WILDTYPE, Call.INDETERMINATE)
    assert real.probability is not None
    assert real.probability < 0.2
    assert real.measurements.loci["Frontal"] > 50
    x, _, _ = real.prepared.mni_from_prepared[:3] @ [*centre_of(real.tumour.mask, real.tumour.labels), 1.0]
    assert x > 15, "the tumour is on the patient's right"
