"""Adjust numbers for the hospital where they were measured: location and scale with empirical Bayes (ComBat).

After Johnson 2007 (Biostatistics 8:118) and Fortin 2018 (NeuroImage 167:104), written so that no class of a tested
patient is needed. The class of the training patients enters the estimation, so that a hospital with more mutants is not
taken for one that measures higher; it does not enter the adjustment, which is the same formula for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import InputError

Floats = NDArray[np.float64]

FEWEST = 4
"""Patients of a hospital from whom its shift and scale are estimated."""

OWN_DIFFERENCE = 8
"""Patients of each class from whom a hospital's own difference between the classes is estimated.

With fewer, the difference common to all hospitals is taken away. A hospital of another gain shows another difference,
and what is left of it would count as scatter.
"""


@dataclass(frozen=True, eq=False)
class Harmoniser:
    """How the hospitals of some training patients differ.

    Attributes:
        mean: of each number over the training patients, (numbers,).
        within: SD within hospital and class, (numbers,); 0 of a number that is left as it is.
        total: the same without regard to class, by which patients of unknown class are compared.
        hospitals: shift, in units of `within`, and scale of each hospital, (2, numbers).
    """

    mean: Floats
    within: Floats
    total: Floats
    hospitals: Mapping[str, Floats]

    def adjust(self, values: Floats, hospitals: list[str], *, unseen: bool = False) -> Floats:
        """Bring numbers to the scale of the training patients together.

        Args:
            values: (patients, numbers), NaN where not known, which stays.
            hospitals: of each patient.
            unseen: whether a hospital without training patients is adjusted by the patients given here, whose classes
                nobody needs to know; all of these must be given together.

        Raises:
            InputError: if there is such a hospital and `unseen` is false, or it has fewer than `FEWEST` patients here.
        """
        adjusted = values.copy()
        names = np.array(hospitals)
        for hospital in dict.fromkeys(hospitals):
            own = names == hospital
            if hospital in self.hospitals:
                unit, (shift, scale) = self.within, self.hospitals[hospital]
            else:
                _check_unseen(hospital, int(own.sum()), unseen)
                unit, (shift, scale) = self.total, _shrink(_in_units(values[own] - self.mean, self.total))
            moved = self.mean + (values[own] - self.mean - unit * shift) / scale
            adjusted[own] = np.where(unit > 0, moved, values[own])
        return adjusted


def fit_harmoniser(values: Floats, hospitals: list[str], mutant: NDArray[np.bool_]) -> Harmoniser:
    """Estimate how hospitals differ, with regard to class.

    A number whose differences between hospitals cannot be separated from those between classes, or that does not vary,
    is left as it is.

    Args:
        values: of the training patients, (patients, numbers), NaN where not known.
        hospitals: of each.
        mutant: whether each is IDH-mutant.

    Raises:
        InputError: if a hospital has fewer than `FEWEST` of them.
    """
    names = sorted(set(hospitals))
    where = np.array(hospitals)
    for name in names:
        if (count := int((where == name).sum())) < FEWEST:
            raise InputError(
                f"the hospital {name} has {count} training patients in whom a tumour was found, and harmonisation "
                f"needs {FEWEST}: add patients, or leave the hospital out"
            )
    mean, within, total = (np.zeros(values.shape[1]) for _ in range(3))
    residual = np.full_like(values, np.nan)
    for column, number in enumerate(values.T):
        known = np.isfinite(number)
        if (found := _fit_number(number[known], where[known], mutant[known])) is not None:
            mean[column], within[column], total[column], residual[known, column] = found
    return Harmoniser(
        mean,
        within,
        total,
        {name: _shrink(_in_units(residual[where == name], within)) for name in names},
    )


def _fit_number(
    number: Floats, where: NDArray[np.str_], mutant: NDArray[np.bool_]
) -> tuple[float, float, float, Floats] | None:
    """Fit hospitals and class to one number by least squares, the class by hospital where there are patients enough.

    Returns:
        Mean, SD within hospital and class, SD within hospital, and what is left when mean and class are taken away;
        None where hospital and class cannot be separated, or nothing varies.
    """
    names, hospital = np.unique(where, return_inverse=True)
    if not names.size:
        return None
    centred = mutant - mutant.mean()
    design = np.eye(len(names))[hospital]
    if centred.any():
        design = np.column_stack([design, centred])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    effects, *_ = np.linalg.lstsq(design, number, rcond=None)
    levels, slope = effects[: len(names)], effects[len(names)] if centred.any() else 0.0
    slopes = np.full(len(names), slope)
    for own in range(len(names)):
        here = hospital == own
        if min(int(mutant[here].sum()), int((~mutant[here]).sum())) >= OWN_DIFFERENCE:
            slopes[own] = number[here & mutant].mean() - number[here & ~mutant].mean()
            levels[own] = number[here].mean() - slopes[own] * centred[here].mean()
    class_effect = slopes[hospital] * centred
    within = float(np.sqrt(np.mean((number - levels[hospital] - class_effect) ** 2)))
    if within <= 1e-9 * max(1.0, float(np.abs(number).max())):
        return None
    mean = float(levels @ np.bincount(hospital)) / len(number)
    return mean, within, float(np.hypot(within, class_effect.std())), number - mean - class_effect


def _in_units(values: Floats, unit: Floats) -> Floats:
    """Divide by a unit; NaN where it is 0."""
    return values / np.where(unit > 0, unit, np.nan)


def _shrink(scores: Floats) -> Floats:
    """Estimate shift and scale of a hospital's standardised numbers, each drawn towards those of the other numbers.

    Returns:
        (2, numbers); 0 and 1 of a number that fewer than two of the patients have.
    """
    count = np.isfinite(scores).sum(axis=0)
    able = count >= 2
    result = np.stack([np.zeros(count.size), np.ones(count.size)])
    if able.any():
        n, own = count[able], scores[:, able]
        shift, variance = np.nanmean(own, axis=0), np.nanvar(own, axis=0, ddof=1)
        for shift_now, variance_now in _posterior(n, shift, variance):
            result[:, able] = shift_now, np.sqrt(np.where(variance_now > 0, variance_now, 1.0))
    return result


def _posterior(n: NDArray[np.int_], shift: Floats, variance: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield shift and variance as they are, and then the steps of their conditional posterior means (Johnson 2007)."""
    yield shift, variance
    if n.size < 2:
        return
    spread, width = shift.var(ddof=1), variance.var(ddof=1)
    if spread <= 0 or width <= 0:
        return
    middle = variance.mean()
    shape, rate = 2 + middle**2 / width, middle + middle**3 / width
    now = variance
    for _ in range(200):
        drawn = (n * spread * shift + now * shift.mean()) / (n * spread + now)
        squares = (n - 1) * variance + n * (shift - drawn) ** 2
        after = (rate + squares / 2) / (n / 2 + shape - 1)
        yield drawn, after
        if np.allclose(after, now, rtol=1e-8, atol=0):
            return
        now = after


def _check_unseen(hospital: str, patients: int, unseen: bool) -> None:
    """Refuse a hospital without training patients that cannot be adjusted."""
    if not unseen:
        raise InputError(
            f"no training patient is of the hospital {hospital}: leave it out, or set harmonisation.unseen to "
            "'own patients', which adjusts it by its own unlabelled patients"
        )
    if patients < FEWEST:
        raise InputError(
            f"the hospital {hospital} has no training patient and {patients} others with a tumour found, and "
            f"harmonisation by its own patients needs {FEWEST}: add patients, or leave the hospital out"
        )
