"""T2-net and TS-net learn from patches, resume, vote without flips, and say the same without torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gliotype.errors import GliotypeError, InputError
from gliotype.predictors.voxelwise import PATCH, T2_NET, TS_NET, scaled_images
from gliotype.runtime import import_openvino
from gliotype.segment.model1 import GRID
from gliotype.study import Sequence
from gliotype.train.common.threads import one_thread
from gliotype.train.data.examples import Example, read_example, write_example
from gliotype.train.data.voxels import VOXELS, pack, unpack, voxels_of
from gliotype.train.voxelwise.cases import GridPatients
from gliotype.train.voxelwise.fit import (
    Recipe,
    VoxelwiseModel,
    accuracy,
    draw_patch,
    fit,
    loss,
    packed_of,
    train,
)
from gliotype.train.voxelwise.method import T2NetMethod, TSNetMethod, write_weight
from support.factory import make_result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
TINY = Recipe(growth=4, layers=1, steps=40, batch=2, learning_rate=2e-2, average=0.8, step=32)


def patients(n: int, seed: int = 0) -> list[Example]:
    """Patients with an off-centre tumour that is bright on T2 in mutants and dark in wildtypes."""
    made = []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        mutant = i % 2 == 0
        images = rng.normal(0, 0.2, (3, 34, 40, 36)).astype(np.float32)
        tumour = np.zeros(images.shape[1:], bool)
        tumour[4:16, 20:34, 8:18] = True
        images[:, tumour] += 3.0 if mutant else -3.0
        everywhere = np.ones_like(tumour)
        made.append(
            Example(
                f"p{i:02d}",
                mutant,
                50.0,
                np.zeros((5, 4, 128, 128), np.float16),
                np.full(20, np.nan),
                True,
                np.nan,
                inputs={VOXELS: pack(images, tumour, everywhere)},
            )
        )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voxelwise")


@pytest.fixture(scope="module")
def model(folder: Path) -> VoxelwiseModel:
    return fit(replace(TINY, sequences=T2_NET), patients(8), patients(6, 1), folder / "t2net")


def test_it_learns_the_class_and_where_the_tumour_is(model: VoxelwiseModel) -> None:
    test = patients(6, 2)
    probability = model.probabilities(test, 0.3)
    truth = np.array([each.mutant for each in test])
    assert probability[truth].min() > probability[~truth].max()
    tumour = unpack(packed_of(test[0]))[1]
    voted = model.vote(test[0]).tumour
    assert (voted & tumour).sum() > 0.7 * tumour.sum()
    assert (voted & tumour[::-1]).sum() < 0.1 * tumour.sum()


def test_patients_are_scored_in_the_whole_brain_or_around_the_tumour(model: VoxelwiseModel) -> None:
    (example,) = patients(1, 2)
    far = replace(example, inputs={VOXELS: np.concatenate([packed_of(example)] * 3, axis=1)})
    packed_of(far)[-1, 34:] = 0  # the same tumour three times, only one of them known
    around = replace(model, recipe=replace(model.recipe, margin=0)).vote(far)
    assert model.vote(far).tumour[60:].any()
    assert around.tumour.any()
    assert not around.tumour[60:].any()


def test_a_finished_training_is_loaded_and_gives_the_same(folder: Path, model: VoxelwiseModel) -> None:
    lines: list[str] = []
    recipe = replace(TINY, sequences=T2_NET)
    again = fit(recipe, patients(8), patients(6, 1), folder / "t2net", lines.append)
    assert not any(line.startswith("step") for line in lines)
    np.testing.assert_array_equal(again.log_odds(patients(2, 3)), model.log_odds(patients(2, 3)))
    assert again.calibration == model.calibration


def test_a_training_begins_with_the_weights_of_an_earlier_one(
    folder: Path, model: VoxelwiseModel, tmp_path: Path
) -> None:
    (network, *_) = write_weight(
        "t2net", model, tmp_path, training=patients(8), data={"licence": "none"}, results="none"
    )
    still = replace(model.recipe, start=network, steps=1, learning_rate=0.0)
    again = fit(still, patients(8), patients(6, 1), folder / "again")
    test = patients(4, 2)
    np.testing.assert_allclose(again.log_odds(test), model.log_odds(test), rtol=0.05)
    fresh = fit(replace(still, start=None), patients(8), patients(6, 1), folder / "again")
    assert np.abs(np.nan_to_num(fresh.log_odds(test)) - model.log_odds(test)).min() > 0.5
    with pytest.raises(InputError, match=r"t2net\.onnx are not of this network"):
        fit(replace(still, growth=5), patients(8), patients(6, 1), folder / "again")


def test_a_killed_training_resumes_with_the_same_weights(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(line: str) -> None:
        if line.startswith("step 100 "):
            raise Killed

    recipe = replace(TINY, sequences=T2_NET, steps=102, batch=1)
    training = patients(4)
    with one_thread():
        whole = train(recipe, training, tmp_path / "whole", lambda line: None)
        with pytest.raises(Killed):
            train(recipe, training, tmp_path / "killed", kill)
        resumed = train(recipe, training, tmp_path / "killed", lambda line: None)
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_dice_is_that_of_the_voxels_that_vote(model: VoxelwiseModel) -> None:
    known, unknown = replace(patients(1, 4)[0], dice=0.5), patients(2, 4)[1]
    mask = unpack(packed_of(known))[1]
    voted = model.vote(known).tumour
    dice, none = model.dices([known, unknown])
    assert dice == pytest.approx(2 * (voted & mask).sum() / (voted.sum() + mask.sum()))
    assert dice > 0.7
    assert np.isnan(none), "the true tumour is not known"


def test_trainings_of_other_parameters_or_patients_share_a_folder(
    folder: Path, model: VoxelwiseModel
) -> None:
    brief = replace(TINY, sequences=T2_NET, steps=1)
    others = [patients(8, 4), [replace(each, mutant=not each.mutant) for each in patients(8)]]
    trained = [fit(brief, training, patients(6, 1), folder / "brief") for training in (patients(8), *others)]
    assert len(list((folder / "brief").iterdir())) == 3
    assert len({float(next(each.network.parameters()).detach().double().sum()) for each in trained}) == 3


def test_a_folder_of_another_training_is_refused(folder: Path, model: VoxelwiseModel) -> None:
    (own,) = (folder / "t2net").iterdir()
    with pytest.raises(GliotypeError, match="seed"):
        train(replace(TINY, sequences=T2_NET, seed=9), patients(8), own, lambda line: None)


def test_a_patient_without_the_input_gets_no_answer(model: VoxelwiseModel) -> None:
    bare = replace(patients(1)[0], inputs={})
    assert np.isnan(model.probabilities([bare], 0.3)).all()


def test_the_weight_says_the_same_as_the_network(model: VoxelwiseModel, tmp_path: Path) -> None:
    files = T2NetMethod().export(
        model, tmp_path, training=patients(8), data={"cohort": "phantoms"}, results=""
    )
    assert {file.name for file in files} == {"t2net.onnx", "t2net.json", "t2net.md"}
    batch = np.random.default_rng(0).normal(0, 1, (1, 1, PATCH, PATCH, PATCH)).astype(np.float32)
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    served = import_openvino().Core().compile_model(str(tmp_path / "t2net.onnx"), "CPU", settings)(batch)[0]
    with torch.inference_mode():
        trained = model.network(torch.from_numpy(batch)).softmax(dim=1).numpy()
    np.testing.assert_allclose(served, trained, atol=5e-3)  # weights in half precision


def test_images_and_tumour_are_cut_to_the_brain_and_stay_where_they_are() -> None:
    rng = np.random.default_rng(0)
    brain = np.zeros(GRID.shape, bool)
    brain[10:70, 12:30, 20:60] = True
    images = {Sequence.T2: np.where(brain, rng.uniform(1, 2, GRID.shape), 0).astype(np.float32)}
    tumour = np.zeros_like(brain)
    tumour[12:20, 14:20, 50:58] = True
    packed = pack(scaled_images(images, brain, TS_NET), tumour, brain)
    assert packed.shape == (4, 60, PATCH, 40), "the thin axis is widened to a patch"
    back, mask = unpack(packed)
    assert mask.sum() == tumour.sum()
    assert mask[2:10, :, 30:38].any()
    assert not back[1:].any(), "missing sequences are 0"
    widest = scaled_images(images, brain, T2_NET)[0][tumour]
    np.testing.assert_allclose(back[0][mask], widest, atol=0.021)


def test_patches_hold_the_class_where_the_tumour_is() -> None:
    mutant, wildtype = patients(2)
    quiet = replace(TINY, sequences=TS_NET, drop_sequence=0.0)
    for example, number in ((mutant, 1), (wildtype, 2)):
        drawn = [draw_patch(np.random.default_rng(n), example, quiet) for n in range(12)]
        assert all(image.shape == (3, PATCH, PATCH, PATCH) for image, _ in drawn)
        assert {int(value) for _, labels in drawn for value in np.unique(labels)} == {0, number}
        image, labels = drawn[0]
        assert (np.sign(image[0][labels > 0].mean()) > 0) == example.mutant


def test_sequences_are_left_out_but_never_all() -> None:
    (example,) = patients(1)
    recipe = replace(TINY, sequences=TS_NET, drop_sequence=0.9)
    present = [
        (np.abs(draw_patch(np.random.default_rng(n), example, recipe)[0]).sum(axis=(1, 2, 3)) > 0).sum()
        for n in range(30)
    ]
    assert min(present) == 1
    assert np.mean(present) < 1.5


def test_the_loss_falls_with_the_right_class_and_rises_with_the_wrong_one() -> None:
    labels = torch.zeros(1, 4, 4, 4, dtype=torch.long)
    labels[0, :2] = 1
    unsure = torch.zeros(1, 3, 4, 4, 4)
    right = 4.0 * torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    wrong = right[:, [0, 2, 1]]
    assert loss(right, labels) < loss(unsure, labels) < loss(wrong, labels)
    assert accuracy(right, labels) == 1.0
    assert accuracy(wrong, labels) == 0.0
    assert np.isnan(accuracy(unsure, torch.zeros_like(labels)))


def test_simulated_patients_of_the_grid_are_reproducible_and_survive_the_disk(tmp_path: Path) -> None:
    source = GridPatients(4, seed=5)
    first = source.example("grid-00002", frozenset({VOXELS}))
    again = GridPatients(9, seed=5).example("grid-00002")
    np.testing.assert_array_equal(first.inputs[VOXELS], again.inputs[VOXELS])
    assert first.mutant == source.mutant("grid-00002")
    assert packed_of(first)[-1].sum() > 100
    write_example(first, tmp_path / "a.npz")
    np.testing.assert_array_equal(read_example(tmp_path / "a.npz").inputs[VOXELS], first.inputs[VOXELS])
    assert len({source.mutant(name) for name in GridPatients(30, 5).subjects}) == 2


def test_both_methods_train_their_own_sequences() -> None:
    assert T2NetMethod().sequences == T2_NET
    assert TSNetMethod().sequences == TS_NET
    assert TSNetMethod().name == "tsnet"


def test_a_prepared_study_becomes_images_and_tumour_on_the_grid() -> None:
    result = make_result()
    mask = result.tumour.mask
    packed = voxels_of(result.prepared, mask)
    images, tumour = unpack(packed)
    to_mni = abs(float(np.linalg.det(result.prepared.mni_from_prepared[:3, :3])))
    expected_ml = mask.sum() * result.prepared.grid.voxel_ml * to_mni
    assert tumour.sum() * GRID.voxel_ml == pytest.approx(expected_ml, rel=0.15)
    there = [s in result.prepared.images for s in TS_NET]
    assert [bool(image.any()) for image in images] == there
