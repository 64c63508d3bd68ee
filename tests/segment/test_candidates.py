from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from gliotype.errors import WeightsError
from gliotype.segment.candidates import (
    DOUBTFUL,
    NUMBERS,
    CandidateFeatures,
    CandidateModel,
    candidate_features,
    candidate_model,
)
from gliotype.segment.model1 import CHANNELS, GRID, NetworkPass
from gliotype.segment.tumour import Candidate, TumourCandidates, select_candidates
from gliotype.study import Sequence

TUMOUR_LIKE = CandidateFeatures(4.0, 0.9, 0.85, 1.8, 20.0, 0.1)


def box(low: tuple[int, int, int], high: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(GRID.shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


BRAIN = box((10, 10, 10), (70, 86, 70))
PART = box((50, 40, 30), (60, 48, 36))


def look_at(
    images: dict[Sequence, np.ndarray], straight: float = 0.9, mirrored: float = 0.6, part: np.ndarray = PART
) -> NetworkPass:
    stack = np.zeros((8, *GRID.shape), np.float32)
    for sequence, image in images.items():
        stack[CHANNELS.index(sequence)] = image
    passes = []
    for value in (straight, mirrored):
        says = np.zeros((5, *GRID.shape), np.float32)
        says[2][part], says[3][part] = value / 3, 2 * value / 3
        passes.append(says)
    return NetworkPass(stack, BRAIN, passes[0], passes[1], frozenset(images))


def test_the_less_sure_side_of_the_mirror_counts_and_both_looks_are_told_apart() -> None:
    image = np.where(PART, 2.0, 0.0)
    all_, alone = look_at({Sequence.FLAIR: image}, 0.9, 0.6), look_at({Sequence.FLAIR: image}, 0.2, 0.7)
    found = candidate_features(PART, PART, 3.0, [all_, alone])
    assert found.surer_pass == pytest.approx(0.6)
    assert found.other_pass == pytest.approx(0.2)
    assert candidate_features(PART, PART, 3.0, [all_]).other_pass == pytest.approx(0.6)
    assert found.log_volume == pytest.approx(np.log(3.0))


def test_what_the_other_side_shows_as_well_is_no_contrast() -> None:
    one_side = np.where(PART, 2.0, 0.0)
    both_sides = np.where(PART | PART[::-1], 2.0, 0.0)
    assert candidate_features(PART, PART, 3.0, [look_at({Sequence.T2: one_side})]).contrast == pytest.approx(
        2.0
    )
    assert candidate_features(
        PART, PART, 3.0, [look_at({Sequence.T2: both_sides})]
    ).contrast == pytest.approx(0.0)


def test_a_whole_side_that_is_brighter_is_no_contrast() -> None:
    side = np.where(np.arange(GRID.shape[0])[:, None, None] >= 40, 1.5, 0.0) * np.ones(GRID.shape)
    assert candidate_features(PART, PART, 3.0, [look_at({Sequence.FLAIR: side})]).contrast == pytest.approx(
        0.0
    )


def test_tumour_is_dark_on_t1_and_bright_on_t2_and_flair_whatever_t1_shows() -> None:
    dark, bright = np.where(PART, -1.0, 0.0), np.where(PART, 2.0, 0.0)
    assert candidate_features(PART, PART, 3.0, [look_at({Sequence.T1: dark})]).contrast == pytest.approx(1.0)
    assert candidate_features(PART, PART, 3.0, [look_at({Sequence.T1: bright})]).contrast < 0
    three = look_at({Sequence.T1: bright, Sequence.T2: bright, Sequence.FLAIR: 0.5 * bright})
    assert candidate_features(PART, PART, 3.0, [three]).contrast == pytest.approx(1.5)


def test_another_component_is_no_surrounding() -> None:
    neighbour = box((50, 49, 30), (60, 52, 36))
    image = np.where(PART | neighbour, 2.0, 0.0)
    alone = candidate_features(PART, PART | neighbour, 3.0, [look_at({Sequence.FLAIR: image})])
    assert alone.contrast == pytest.approx(2.0)


def test_depth_is_in_millimetres_and_symmetry_is_the_share_that_mirrors_itself() -> None:
    column = box((12, 40, 30), (13, 41, 31))
    seen = look_at({Sequence.FLAIR: np.where(column, 1.0, 0.0)}, part=column)
    assert candidate_features(column, column, 1.0, [seen]).depth_mm == pytest.approx(6.0)
    middle = box((36, 40, 30), (46, 48, 36))  # mirrors voxels 36-43 onto each other
    seen = look_at({Sequence.FLAIR: np.where(middle, 1.0, 0.0)}, part=middle)
    assert candidate_features(middle, middle, 1.0, [seen]).symmetry == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "worse"),
    [
        ("log_volume", np.log(1.5)),
        ("surer_pass", 0.5),
        ("other_pass", 0.0),
        ("contrast", 0.1),
        ("depth_mm", 8.0),
    ],
)
def test_each_number_counts_in_the_shipped_model(name: str, worse: float) -> None:
    model = candidate_model()
    assert model.log_odds(replace(TUMOUR_LIKE, **{name: worse})) < model.log_odds(TUMOUR_LIKE)


def test_the_shipped_model_believes_a_small_clear_tumour_and_no_mirror_image() -> None:
    model = candidate_model()
    assert model.accepts(TUMOUR_LIKE)
    assert model.accepts(replace(TUMOUR_LIKE, log_volume=float(np.log(1.5)), depth_mm=12.0))
    assert not model.accepts(replace(TUMOUR_LIKE, symmetry=0.95))
    assert not model.accepts(CandidateFeatures(3.5, 0.4, 0.0, 0.3, 12.0, 0.0))


def test_a_model_of_other_numbers_is_refused() -> None:
    document = json.loads((files("gliotype.weights") / "model1.json").read_text())
    assert tuple(document["numbers"]) == NUMBERS
    with pytest.raises(WeightsError, match="install gliotype again"):
        CandidateModel.from_json({**document, "numbers": list(NUMBERS[:-1])})


def candidates(*candidates: tuple[int, float, CandidateFeatures]) -> TumourCandidates:
    parts = np.zeros((20, 20, 20), np.int32)
    parts[2:8, 2:8, 2:8], parts[12:16, 12:16, 12:16], parts[2:4, 15:17, 3:5] = 1, 2, 3
    empty = np.zeros((3, 20, 20, 20), np.float32)
    found = tuple(Candidate(*candidate) for candidate in candidates)
    return TumourCandidates(empty, empty[0], empty[0], {}, parts, 21.6, found)


def test_a_second_focus_is_kept_and_a_doubtful_or_much_smaller_one_is_not() -> None:
    model = candidate_model()
    doubtful = CandidateFeatures(2.0, 0.3, 0.0, 0.1, 10.0, 0.0)
    selection = select_candidates(
        candidates((1, 50.0, TUMOUR_LIKE), (2, 20.0, TUMOUR_LIKE), (3, 4.0, TUMOUR_LIKE)), model
    )
    assert set(np.unique(candidates().parts[selection.mask])) == {1, 2}
    assert selection.warnings == ("The tumour has 2 separate parts.",)
    touching = candidates((1, 50.0, TUMOUR_LIKE), (2, 20.0, TUMOUR_LIKE))
    touching.parts[2:8, 8:12, 2:8] = 2
    touching.parts[12:16, 12:16, 12:16] = 0
    assert select_candidates(touching, model).warnings == (), "parted at a neck, but not separate"
    selection = select_candidates(candidates((1, 50.0, doubtful), (2, 20.0, TUMOUR_LIKE)), model)
    assert set(np.unique(candidates().parts[selection.mask])) == {2}
    assert selection.warnings == ()


def test_no_tumour_mentions_what_was_not_taken_for_one() -> None:
    doubtful = CandidateFeatures(2.0, 0.3, 0.0, 0.1, 10.0, 0.0)
    selection = select_candidates(candidates((1, 50.0, doubtful)), candidate_model())
    assert not selection.mask.any()
    assert selection.warnings == ("A faint or small region of 21.6 ml was not taken for a tumour.",)
    assert selection.doubts == ()
    nothing = replace(candidates(), parts=np.zeros((20, 20, 20), np.int32), largest_ml=0.0)
    assert select_candidates(nothing, candidate_model()).warnings == ()


def test_no_tumour_is_in_doubt_where_a_region_nearly_counts_as_one() -> None:
    model = candidate_model()
    doubtful = CandidateFeatures(2.0, 0.55, 0.3, 0.6, 15.0, 0.0)
    assert DOUBTFUL <= model.log_odds(doubtful) < model.threshold
    selection = select_candidates(candidates((1, 50.0, doubtful)), model)
    assert not selection.mask.any()
    assert selection.doubts[0].startswith("A doubtful region of 7.4 ml may be a tumour")
    assert selection.warnings == ()
    mirrored = replace(doubtful, symmetry=0.9)
    assert select_candidates(candidates((1, 50.0, mirrored)), model).doubts == (), "anatomy"
    assert select_candidates(candidates((1, 50.0, doubtful), (2, 20.0, TUMOUR_LIKE)), model).doubts == ()
