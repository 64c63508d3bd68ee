from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.prepare import prepare, to_acquired
from gliotype.prepare.study import prepare_registered
from gliotype.study import Image, PreparedStudy, Sequence, Study
from gliotype.volume import Grid, Matrix, Volume
from support.template_head import AXIAL, brain_points, head, mean_distance, moved, study_of, tumour_in

pytestmark = pytest.mark.slow

TO_MNI = moved((-10.0, 3.0, 4.0), (2.0, -6.0, 8.0)) @ np.diag([1.1, 1.05, 1.07, 1.0])
MOVED = moved((5.0, -3.0, 6.0), (4.0, -6.0, 8.0))
TILTED = Grid(AXIAL.shape, MOVED @ moved((4.0, 2.0, 0.0), (0, 0, 0)) @ AXIAL.affine)
PLAIN = {Sequence.T1C: np.eye(4), Sequence.T2: MOVED}


@pytest.fixture(scope="module")
def prepared() -> PreparedStudy:
    """T1C and, after the patient moved, an oblique T2 and a repeated image of one patient."""
    t1c = head(Sequence.T1C, AXIAL, TO_MNI)
    t2 = head(Sequence.T2, TILTED, TO_MNI @ np.linalg.inv(MOVED), seed=1)
    frames = np.stack([np.asarray(t2.array) * k for k in (1.0, 0.6, 0.9)], axis=-1)
    return prepare(study_of({Sequence.T1C: t1c, Sequence.T2: t2, Sequence.DSC: Volume(frames, t2.affine)}))


def white(prepared: PreparedStudy) -> np.ndarray:
    fraction = atlas.tissue(atlas.Tissue.WHITE).resample(prepared.grid, TO_MNI)
    return (np.asarray(fraction.array) > 0.95) & ~tumour_in(prepared.grid, TO_MNI)


def test_images_lie_side_by_side_on_a_1_mm_ras_grid(prepared: PreparedStudy) -> None:
    assert prepared.grid.spacing == (1.0, 1.0, 1.0)
    assert prepared.grid.orientation == "RAS"
    assert set(prepared.images) == {Sequence.T1C, Sequence.T2}
    assert all(image.grid.same_as(prepared.grid) for image in prepared.images.values())
    assert all(np.asarray(image.array).dtype == np.float32 for image in prepared.images.values())
    assert prepared.reference is Sequence.T1C
    assert [w for w in prepared.warnings if "registration" in w or "brain" in w] == []
    assert prepared.warnings == (
        "Perfusion was not measured: DSC.nii.gz does not state its echo time: give a JSON sidecar with EchoTime.",
    )


def test_transforms_are_the_true_ones(prepared: PreparedStudy) -> None:
    points = brain_points() @ np.linalg.inv(TO_MNI)[:3, :3].T + np.linalg.inv(TO_MNI)[:3, 3]
    assert mean_distance(prepared.mni_from_prepared, TO_MNI, points) < 2.0
    assert np.array_equal(prepared.acquired_from_prepared[Sequence.T1C], np.eye(4))
    assert mean_distance(prepared.acquired_from_prepared[Sequence.T2], MOVED, points) < 1.5
    assert mean_distance(prepared.acquired_from_prepared[Sequence.DSC], MOVED, points) < 1.5
    assert prepared.acquired_grids[Sequence.T2].same_as(TILTED)


def test_the_unit_of_the_intensities_does_not_matter(prepared: PreparedStudy) -> None:
    t1c = head(Sequence.T1C, AXIAL, TO_MNI)
    t2 = head(Sequence.T2, TILTED, TO_MNI @ np.linalg.inv(MOVED), seed=1)
    units = {Sequence.T1C: 1e-4, Sequence.T2: 30.0}
    again = prepare(
        study_of(
            {
                s: image.with_array(np.asarray(image.array) * np.float32(units[s]))
                for s, image in {Sequence.T1C: t1c, Sequence.T2: t2}.items()
            }
        )
    )
    points = brain_points() @ np.linalg.inv(TO_MNI)[:3, :3].T + np.linalg.inv(TO_MNI)[:3, 3]
    t2_from_t1c = again.acquired_from_prepared[Sequence.T2]
    assert mean_distance(t2_from_t1c, prepared.acquired_from_prepared[Sequence.T2], points) < 0.1
    assert mean_distance(again.mni_from_prepared, prepared.mni_from_prepared, points) < 0.1
    assert [w for w in again.warnings if "registration" in w or "brain" in w] == []


def test_the_tumour_is_on_the_right_in_every_image(prepared: PreparedStudy) -> None:
    tumour = tumour_in(prepared.grid, TO_MNI)
    mirror = tumour_in(prepared.grid, np.diag([-1.0, 1.0, 1.0, 1.0]) @ TO_MNI)
    for sequence, factor in ((Sequence.T1C, 0.8), (Sequence.T2, 1.9)):
        values = np.asarray(prepared.images[sequence].array)
        assert np.median(values[tumour]) == pytest.approx(factor, rel=0.08)
        assert abs(np.median(values[tumour]) - np.median(values[mirror])) > 0.1


def test_white_matter_is_1_and_air_stays_0(prepared: PreparedStudy) -> None:
    for sequence, image in prepared.images.items():
        values = np.asarray(image.array)
        assert np.median(values[white(prepared)]) == pytest.approx(1.0, rel=0.04)
        assert values.min() >= 0
        assert prepared.quality[f"{sequence}: white matter as acquired"] > 50


def test_the_brain_is_found_with_the_tumour(prepared: PreparedStudy) -> None:
    brain = np.asarray(prepared.brain.array)
    truth = np.asarray(atlas.brain().resample(prepared.grid, TO_MNI, order=0).array, dtype=bool)
    assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.94
    assert (tumour_in(prepared.grid, TO_MNI) & ~brain).sum() == 0
    assert not prepared.skull_stripped


@pytest.mark.parametrize("sequence", [Sequence.T1C, Sequence.T2])
def test_a_mask_keeps_its_place_and_volume_on_the_acquired_grid(
    prepared: PreparedStudy, sequence: Sequence
) -> None:
    mask = prepared.brain.with_array(tumour_in(prepared.grid, TO_MNI))
    back = to_acquired(mask, prepared, sequence)
    grid = prepared.acquired_grids[sequence]
    true_place: Matrix = TO_MNI @ np.linalg.inv(PLAIN[sequence])
    truth = tumour_in(grid, true_place)
    found = np.asarray(back.array)
    assert back.grid.same_as(grid)
    assert found.dtype == np.bool_
    assert found.sum() * grid.voxel_ml == pytest.approx(np.asarray(mask.array).sum() / 1000, rel=0.02)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.88
    flipped = tumour_in(grid, np.diag([-1.0, 1.0, 1.0, 1.0]) @ true_place)
    assert not (found & flipped).any()


def test_thin_labels_survive_thick_slices(prepared: PreparedStudy) -> None:
    labels = np.zeros(prepared.grid.shape, np.uint8)
    i, j, k = (int(n) // 2 for n in prepared.grid.shape)
    labels[i : i + 20, j : j + 20, k : k + 12] = 2
    labels[i + 5 : i + 15, j + 5 : j + 15, k + 30 : k + 32] = 3
    back = np.asarray(to_acquired(prepared.brain.with_array(labels), prepared).array)
    assert back.dtype == np.uint8
    assert set(np.unique(back)) == {0, 2, 3}
    assert (back > 0).sum() * prepared.acquired_grids[Sequence.T1C].voxel_ml == pytest.approx(5.0, rel=0.05)


def test_a_map_is_read_linearly_on_the_acquired_grid(prepared: PreparedStudy) -> None:
    x = prepared.grid.world()[..., 0].astype(np.float32)
    back = to_acquired(prepared.brain.with_array(x), prepared, Sequence.T2)
    inside = np.asarray(to_acquired(prepared.brain, prepared, Sequence.T2).array)
    world = back.grid.world() @ np.linalg.inv(MOVED)[:3, :3].T + np.linalg.inv(MOVED)[:3, 3]
    assert np.abs(np.asarray(back.array) - world[..., 0])[inside].max() < 2.0


@pytest.fixture(scope="module")
def brats_like() -> Study:
    """Two stripped images on one 2 mm LPS grid, as a challenge would hand them out."""
    grid = Grid(
        (100, 120, 90), np.array([[-2.0, 0, 0, 100], [0, -2.0, 0, 110], [0, 0, 2.0, -75], [0, 0, 0, 1.0]])
    )
    brain = np.asarray(atlas.brain().resample(grid, TO_MNI, order=0).array, dtype=bool)
    images = {s: head(s, grid, TO_MNI, seed=n) for n, s in enumerate((Sequence.T1C, Sequence.FLAIR))}
    return study_of({s: v.with_array(np.where(brain, np.asarray(v.array) + 1, 0)) for s, v in images.items()})


def test_stripped_and_registered_input_is_not_damaged(brats_like: Study) -> None:
    prepared = prepare(brats_like)
    assert prepared.skull_stripped
    assert not prepared.warnings
    for sequence, image in brats_like.chosen.items():
        assert np.array_equal(prepared.acquired_from_prepared[sequence], np.eye(4))
        there = image.volume.resample(prepared.grid)
        ratio = np.asarray(prepared.images[sequence].array) / np.maximum(np.asarray(there.array), 1e-6)
        inside = np.asarray(prepared.brain.array) & (np.asarray(there.array) > 20)
        assert ratio[inside].std() / ratio[inside].mean() < 0.06  # scaled, and only mildly corrected
        outside = ~np.asarray(prepared.brain.array)
        assert np.asarray(prepared.images[sequence].array)[outside].max() < 0.55  # half of a boundary voxel
    brain = np.asarray(atlas.brain().resample(prepared.grid, TO_MNI, order=0).array, dtype=bool)
    found = np.asarray(prepared.brain.array)
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.97


def test_noise_is_reported_and_does_not_stop() -> None:
    rng = np.random.default_rng(0)
    noise = Volume(rng.rayleigh(20, (64, 64, 20)).astype(np.float32), np.diag([3.5, 3.5, 7.0, 1.0]))
    prepared = prepare(study_of({Sequence.T1C: noise}))
    assert any("T1c to MNI152 is doubtful" in warning for warning in prepared.warnings)
    assert prepared.quality["T1C to MNI152: similarity"] < 0.4


def test_an_image_without_signal_is_not_scaled_and_named_as_readers_do() -> None:
    brain = atlas.brain()
    inside = np.asarray(brain.array, dtype=np.float32)
    images = {Sequence.T2: brain.with_array(inside), Sequence.T1C: brain.with_array(0 * inside)}
    prepared = prepare_registered(images, np.eye(4), support=brain)
    assert "T1c has no signal in the brain: it was not scaled" in prepared.warnings
    assert prepared.quality["T1C: white matter as acquired"] == 0


def load(path: Path, sequence: Sequence) -> Image:
    image = nib.nifti1.load(path)
    return Image(Volume(np.asanyarray(image.dataobj), image.affine), sequence, 1.0, "given", path.name)


def test_a_raw_clinical_study_is_prepared(shared_data: Path) -> None:
    folder = shared_data / "native" / "TCGA-FG-6692"
    ends = {Sequence.T1C: "t1c", Sequence.T1: "_t1", Sequence.T2: "_t2", Sequence.FLAIR: "_fla"}
    images = tuple(load(next(folder.glob(f"*{end}.nii.gz")), s) for s, end in ends.items())
    prepared = prepare(Study(study_of({}).subject, images))
    assert not prepared.warnings
    assert 1200 < prepared.quality["brain: ml"] < 1700
    assert prepared.quality["brain: agreement with the atlas"] > 0.9
    assert 10 < prepared.quality["FLAIR to T1C: turn (degrees)"] < 17  # the patient turned the head
    assert all(v > 0.7 for k, v in prepared.quality.items() if "T1C: similarity" in k)
