"""Harmonisation on numbers with known shifts and scales of hospitals, and what it may not learn from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gliotype.errors import InputError
from gliotype.train.common.harmonise import FEWEST, fit_harmoniser

SHIFT = {"north": 0.0, "south": 3.0, "west": -2.0}
SCALE = {"north": 1.0, "south": 2.0, "west": 0.5}
CLASS_EFFECT = np.array([1.5, -1.0, 0.0, 0.5, 0.0])

Table = tuple[NDArray[np.float64], list[str], NDArray[np.bool_]]


def patients(seed: int, mutants: dict[str, tuple[int, int]]) -> Table:
    """Numbers of patients, their hospitals, and whether they are mutant: (mutant, wildtype) of each hospital."""
    rng = np.random.default_rng(seed)
    hospitals = [name for name, counts in mutants.items() for _ in range(sum(counts))]
    mutant = np.concatenate([np.arange(sum(counts)) < counts[0] for counts in mutants.values()])
    true = rng.normal(size=(len(hospitals), 5)) + CLASS_EFFECT * mutant[:, None]
    scale, shift = (np.array([of[name] for name in hospitals])[:, None] for of in (SCALE, SHIFT))
    return 10 + true * scale + shift, hospitals, mutant


def means(values: NDArray[np.float64], hospitals: list[str], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    names = np.array(hospitals)
    return np.array([values[(names == name) & of].mean(axis=0) for name in sorted(set(hospitals))])


def test_known_shifts_and_scales_are_removed_and_the_classes_stay_apart() -> None:
    mix = {"north": (600, 1400), "south": (1500, 500), "west": (1000, 1000)}
    values, hospitals, mutant = patients(1, mix)
    new, new_hospitals, new_mutant = patients(2, mix)
    assert np.ptp(means(new, new_hospitals, ~new_mutant), axis=0).min() > 3
    harmoniser = fit_harmoniser(values, hospitals, mutant)
    adjusted = harmoniser.adjust(new, new_hospitals)
    names = np.array(new_hospitals)
    spreads = np.array([adjusted[(names == name) & ~new_mutant].std(axis=0) for name in SHIFT])
    assert (spreads.max(axis=0) / spreads.min(axis=0)).max() < 1.4, "it was 4"
    unit = harmoniser.within
    for group in (new_mutant, ~new_mutant):
        assert (np.ptp(means(adjusted, new_hospitals, group), axis=0) / unit).max() < 0.75
    effect = (adjusted[new_mutant].mean(axis=0) - adjusted[~new_mutant].mean(axis=0)) / spreads.mean(axis=0)
    assert effect == pytest.approx(CLASS_EFFECT, abs=0.3), "more mutants are not taken for a shift"


def test_a_patient_of_a_known_hospital_is_adjusted_by_the_training_patients_alone() -> None:
    values, hospitals, mutant = patients(3, {"north": (8, 8), "south": (9, 7)})
    harmoniser = fit_harmoniser(values, hospitals, mutant)
    (alone,) = harmoniser.adjust(values[-1:], ["south"])
    together = harmoniser.adjust(np.concatenate([values[-1:], 1e3 + values]), ["south", *hospitals])
    assert np.array_equal(together[0], alone), "nobody else who is tested enters"
    assert not np.allclose(alone, values[-1])


def test_the_shift_and_scale_are_the_posterior_means_of_empirical_bayes() -> None:
    values, hospitals, mutant = patients(4, {"north": (4, 5), "south": (6, 3)})
    harmoniser = fit_harmoniser(values, hospitals, mutant)
    south = np.array(hospitals) == "south"
    for column in range(5):
        design = np.column_stack([~south, south, mutant - mutant.mean()])
        effects, *_ = np.linalg.lstsq(design, values[:, column], rcond=None)
        assert harmoniser.mean[column] == pytest.approx(effects[:2].mean()), "9 patients at each hospital"
        left = values[:, column] - design @ effects
        assert harmoniser.within[column] == pytest.approx(left.std())
    design = mutant - mutant.mean()
    effect = np.array(
        [np.linalg.lstsq(np.column_stack([~south, south, design]), v, rcond=None)[0][2] for v in values.T]
    )
    scores = ((values - harmoniser.mean - design[:, None] * effect) / harmoniser.within)[south]
    shift, scale = harmoniser.hospitals["south"]
    mean, variance, n = scores.mean(axis=0), scores.var(axis=0, ddof=1), len(scores)
    prior, width = mean.var(ddof=1), variance.var(ddof=1)
    middle = variance.mean()
    expected_shift = (n * prior * mean + scale**2 * mean.mean()) / (n * prior + scale**2)
    assert shift == pytest.approx(expected_shift, rel=1e-6)
    rate, shape = middle**3 / width + middle, middle**2 / width + 2
    squares = ((scores - shift) ** 2).sum(axis=0)
    assert scale**2 == pytest.approx((rate + squares / 2) / (n / 2 + shape - 1), rel=1e-6)


def test_an_unseen_hospital_is_refused_or_adjusted_by_its_own_patients() -> None:
    values, hospitals, mutant = patients(5, {"north": (40, 40), "south": (40, 40)})
    new, new_hospitals, _ = patients(6, {"west": (40, 40)})
    harmoniser = fit_harmoniser(values, hospitals, mutant)
    with pytest.raises(InputError, match=r"no training patient is of the hospital west.*'own patients'"):
        harmoniser.adjust(new, new_hospitals)
    adjusted = harmoniser.adjust(new, new_hospitals, unseen=True)
    assert np.abs(adjusted.mean(axis=0) - harmoniser.mean).max() < 0.35 * harmoniser.within.min()
    with pytest.raises(InputError, match="and 3 others with a tumour found"):
        harmoniser.adjust(new[:3], new_hospitals[:3], unseen=True)


def test_what_is_not_known_or_cannot_be_separated_is_left_as_it_is() -> None:
    values, hospitals, mutant = patients(7, {"north": (6, 6), "south": (6, 6)})
    values[:, 0] = 7.0
    values[mutant == (np.array(hospitals) == "north"), 1] = np.nan
    values[[2, 15], 2] = np.nan
    adjusted = fit_harmoniser(values, hospitals, mutant).adjust(values, hospitals)
    assert np.array_equal(adjusted[:, :2], values[:, :2], equal_nan=True), (
        "one value; and one class at each hospital"
    )
    assert np.array_equal(np.isnan(adjusted[:, 2]), np.isnan(values[:, 2]))
    assert not np.allclose(adjusted[:, 3], values[:, 3])


def test_a_hospital_of_few_training_patients_is_named() -> None:
    values, hospitals, mutant = patients(8, {"north": (6, 6), "south": (1, FEWEST - 2)})
    with pytest.raises(InputError, match=f"south has {FEWEST - 1} training patients .* needs {FEWEST}"):
        fit_harmoniser(values, hospitals, mutant)
