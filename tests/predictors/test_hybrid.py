"""Model 2 as shipped: a sum of contributions, with whatever the study has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from gliotype import runtime
from gliotype.errors import WeightsError
from gliotype.findings import Finding, NotApplicable
from gliotype.predictors.hybrid import HybridPredictor, compute_contributions, load_model
from gliotype.predictors.slices import IMAGES, NUMBERS, numbers_of, slices_of
from gliotype.study import PreparedStudy, Sequence, Subject
from gliotype.train.common.manifest import write_manifest
from support.factory import make_result


def ask(
    prevalence: float = 0.3, age: float | None = 44.0, sequences: tuple[Sequence, ...] | None = None
) -> Finding | NotApplicable:
    result = make_result()
    prepared = result.prepared if sequences is None else only(result.prepared, sequences)
    subject = Subject("a", age)
    return HybridPredictor(prevalence).predict(prepared, result.tumour, result.measurements, subject)


def only(prepared: PreparedStudy, sequences: tuple[Sequence, ...]) -> PreparedStudy:
    return replace(prepared, images={s: prepared.images[s] for s in sequences})


def found(answer: Finding | NotApplicable) -> Finding:
    assert isinstance(answer, Finding)
    return answer


def test_the_answer_is_the_sum_of_its_shares() -> None:
    result = make_result()
    finding = found(ask(0.3))
    slices = slices_of(result.prepared, result.tumour)
    contributions = compute_contributions(slices, numbers_of(result.measurements, Subject("a", 44.0)))
    assert finding.probability is not None
    assert logit(finding.probability) == pytest.approx(contributions.log_odds.mean() + logit(0.3))
    np.testing.assert_allclose(contributions.image, contributions.maps.mean(axis=(1, 2, 3)))
    named = {reason.name: reason for reason in finding.reasons}
    assert named["image"].contribution == pytest.approx(contributions.image.mean())
    assert named["age"].contribution == pytest.approx(contributions.numbers[:, NUMBERS.index("age")].mean())
    sizes = [abs(reason.contribution or 0) for reason in finding.reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert set(named) == {"image", *NUMBERS}
    listed = sum(reason.contribution or 0 for reason in finding.reasons)
    assert listed + contributions.intercept.mean() + logit(0.3) == pytest.approx(logit(finding.probability))


def test_the_interval_holds_the_probability() -> None:
    finding = found(ask())
    assert finding.interval is not None
    low, high = finding.interval
    assert 0 <= low < (finding.probability or 0) < high <= 1


def test_the_prevalence_shifts_the_odds() -> None:
    low, high = (found(ask(p)).probability for p in (0.2, 0.5))
    assert logit(high) - logit(low) == pytest.approx(logit(0.5) - logit(0.2))


def test_the_young_are_likelier_mutant() -> None:
    young, old = (found(ask(age=years)).probability or 0 for years in (30.0, 75.0))
    assert young > old


@pytest.mark.parametrize("sequences", [(s,) for s in IMAGES] + [(Sequence.T1C, Sequence.FLAIR)])
def test_missing_sequences_and_age_are_tolerated_and_said(sequences: tuple[Sequence, ...]) -> None:
    finding = found(ask(age=None, sequences=sequences))
    assert finding.sequences == sequences
    assert "without" in finding.summary
    assert "age" in finding.summary.partition("without")[2]
    assert np.isfinite(finding.probability or np.nan)


def test_without_any_of_its_images_it_does_not_apply() -> None:
    answer = ask(sequences=(Sequence.T1,))
    assert isinstance(answer, NotApplicable)
    assert "T1c, T2 and FLAIR" in answer.reason


def test_its_map_lies_in_the_brain_and_in_the_slices() -> None:
    result = make_result()
    finding = found(ask())
    assert finding.map is not None
    array = np.asarray(finding.map.array)
    assert np.abs(array).max() == pytest.approx(1.0)
    assert not array[~np.asarray(result.prepared.brain.array, dtype=bool)].any()
    assert finding.map.grid.same_as(result.prepared.grid)
    heights = np.flatnonzero(np.abs(array).sum(axis=(0, 1)))
    assert np.ptp(heights) < 40, "a slab about the largest section"


def test_the_same_study_gives_the_same_answer() -> None:
    assert found(ask()).probability == found(ask()).probability


def test_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model2.json").write_text("{}")
    write_manifest(tmp_path)
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    load_model.cache_clear()
    with pytest.raises(WeightsError, match="damaged"):
        load_model()
    load_model.cache_clear()
