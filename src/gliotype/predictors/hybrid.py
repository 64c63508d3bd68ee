"""Model 2: slices seen by a residual network, combined with shape, location and age (Choi 2021).

The answer is a sum of log-odds: the mean of the network's map, and a weight times each standardised number. So
each position in the slices and each number has its own contribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from gliotype.explain import saliency_fractions
from gliotype.explain.saliency import AROUND_MM, SaliencyFractions
from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.predictors.ensemble import ensemble_answer, ensemble_sd
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.predictors.slices import IMAGES, Slices, numbers_of, slices_of
from gliotype.predictors.trained import Standardiser, TrainedEnsemble, load_ensemble
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour
from gliotype.volume import Volume

Floats = NDArray[np.float64]

SIMULATED = "Trained on simulated patients only."
"""Limit of a weight of simulated patients, such as the shipped one; that of a cohort names the cohort."""

INTERVAL = "Its interval is the spread of networks trained on resampled patients"


@dataclass(frozen=True, eq=False)
class Parameters:
    """What the file ``model2.json`` holds other than the calibration.

    Attributes:
        numbers: names, in order.
        standardiser: of the numbers.
        coefficients: (members, numbers): log-odds per standard deviation, before calibration.
        intercepts: of each member, before calibration.
    """

    numbers: tuple[str, ...]
    standardiser: Standardiser
    coefficients: Floats
    intercepts: Floats

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Parameters:
        """Read the content of ``model2.json``."""
        mean, sd, coefficients, intercepts = (
            np.array(document[key], dtype=np.float64) for key in ("mean", "sd", "coefficients", "intercepts")
        )
        return cls(tuple(document["numbers"]), Standardiser(mean, sd), coefficients, intercepts)


@cache
def load_model() -> TrainedEnsemble[Parameters]:
    """Load Model 2.

    Raises:
        WeightsError: if a file of its weights is missing or damaged.
    """
    return load_ensemble("model2", Parameters.from_json)


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each part adds to the log-odds of IDH mutation, after calibration.

    Attributes:
        maps: (members, slices, h, w) of the image; their mean is the image's contribution.
        numbers: (members, 20), in the order of `NUMBERS`; 0 for a missing one.
        intercept: (members,) log-odds of an empty map and average numbers, at a prevalence of one half.
        slices: the image input.
    """

    maps: Floats
    numbers: Floats
    intercept: Floats
    slices: Slices

    @property
    def image(self) -> Floats:
        """Contribution of the image, (members,)."""
        return np.asarray(self.maps.mean(axis=(1, 2, 3)))

    @property
    def log_odds(self) -> Floats:
        """The sum, (members,)."""
        return np.asarray(self.image + self.numbers.sum(axis=1) + self.intercept)


def compute_contributions(
    slices: Slices, numbers: Floats, model: TrainedEnsemble[Parameters] | None = None
) -> Contributions:
    """Run Model 2 and split its log-odds into contributions.

    Args:
        slices: of a patient, with any of T1c, T2 and FLAIR (`slices_of`).
        numbers: (20,), NaN where one is missing (`numbers_of`).
        model: the weight; the shipped one if None.
    """
    model = model or load_model()
    parameters, slope = model.parameters, model.calibration.slope
    return Contributions(
        maps=slope * np.moveaxis(np.asarray(model.network(slices.array), dtype=np.float64), 1, 0),
        numbers=np.asarray(slope * parameters.coefficients * parameters.standardiser(numbers)),
        intercept=model.calibration(parameters.intercepts),
        slices=slices,
    )


class HybridPredictor:
    """Model 2, the automated hybrid of image, shape, location and age."""

    name: ClassVar[str] = "hybrid"
    needs: ClassVar[Needs] = Needs(sequences=tuple(frozenset({s}) for s in IMAGES))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the probability from slices, shape, location and, if it is known, age."""
        used = tuple(s for s in IMAGES if s in prepared.images)
        if not used:
            return NotApplicable(self.name, "it needs at least one of T1c, T2 and FLAIR")
        numbers = numbers_of(measurements, subject)
        contributions = compute_contributions(slices_of(prepared, tumour), numbers)
        reasons_map = activation_map(contributions.maps.mean(axis=0), contributions.slices, prepared)
        probability, interval = ensemble_answer(contributions.log_odds + float(logit(self.prevalence)))
        return Finding(
            method=self.name,
            probability=probability,
            interval=interval,
            sequences=used,
            reasons=_reasons(contributions, numbers, measurements.units),
            limits=limits(),
            summary=f"{_summary(used, subject)} {_where(saliency_fractions(reasons_map, tumour))}",
            map=reasons_map,
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the log likelihood ratio of image, shape and location, age left out."""
        if not any(s in prepared.images for s in IMAGES):
            return None
        numbers = numbers_of(measurements, Subject(subject.id))
        members = compute_contributions(slices_of(prepared, tumour), numbers).log_odds
        return Statement(float(members.mean()), ensemble_sd(members))


def limits() -> str:
    """Say on whom the weight was trained, and what its interval does not cover."""
    model = load_model()
    step = "to images of other scanners" if model.trained_on else "from simulated to real images"
    return f"{model.limits(SIMULATED)} {INTERVAL}; it does not cover the step {step}."


def _reasons(contributions: Contributions, numbers: Floats, units: Mapping[str, str]) -> tuple[Reason, ...]:
    """List the contribution of the image and of each known number, largest first.

    Together with `Contributions.intercept` and the prior log-odds they add up to the answer.
    """
    parameters = load_model().parameters
    reasons = [
        Reason("image", None, "", float(contributions.image.mean()), "mean of the map over five slices")
    ]
    columns = zip(
        parameters.numbers,
        numbers.tolist(),
        contributions.numbers.mean(axis=0).tolist(),
        parameters.standardiser.mean,
        parameters.standardiser.sd,
        strict=True,
    )
    for name, value, contribution, mean, sd in columns:
        if np.isfinite(value):
            unit = "years" if name == "age" else units.get(name, "")
            reasons.append(
                Reason(name, value, unit, contribution, f"training patients: {mean:.3g} ± {sd:.2g}")
            )
    return tuple(sorted(reasons, key=lambda reason: -abs(reason.contribution or 0.0)))


def activation_map(maps: Floats, slices: Slices, prepared: PreparedStudy) -> Volume:
    """Resample the maps of the slices to the prepared grid.

    Cell (i, j) of a map is centred on voxel (16 i, 16 j) of its slice, since each convolution of stride 2 pads evenly
    and begins at the first voxel; the last cells also stand for the rim beyond them.

    Args:
        maps: (5, h, w) log-odds of each position of each slice.
        slices: the input, with its grid in MNI152.
        prepared: gives the grid.

    Returns:
        float32 map on the prepared grid, scaled to a largest absolute value of 1: positive where the image favours
        IDH mutation. 0 outside the brain and beyond the slices.
    """
    arranged = np.moveaxis(maps, 0, -1)
    factor = slices.grid.shape[0] / arranged.shape[0]
    affine = slices.grid.affine @ np.diag([factor, factor, 1.0, 1.0])
    to_the_rim = np.pad(arranged, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(np.float32)
    volume = Volume(to_the_rim, affine).resample(prepared.grid, prepared.mni_from_prepared)
    array = np.where(np.asarray(prepared.brain.array, dtype=np.bool_), volume.array, 0)
    largest = float(np.abs(array).max())
    return volume.with_array((array / largest if largest > 0 else array).astype(np.float32))


def _where(fractions: SaliencyFractions) -> str:
    """Describe where the map lies.

    Example:
        >>> _where(SaliencyFractions(0.1, 0.2, 0.3, 0.4))
        'Its map lies 10 % in enhancing tumour, 20 % in other tumour, 30 % within 5 mm of the tumour, 40 % elsewhere.'
    """
    inside = (
        ((fractions.non_enhancing, "in the tumour"),)
        if fractions.enhancing is None
        else (
            (fractions.enhancing, "in enhancing tumour"),
            (fractions.non_enhancing, "in other tumour"),
        )
    )
    regions = (
        *inside,
        (fractions.around, f"within {AROUND_MM:.0f} mm of the tumour"),
        (fractions.elsewhere, "elsewhere"),
    )
    return f"Its map lies {', '.join(f'{100 * fraction:.0f} % {region}' for fraction, region in regions)}."


def _summary(used: tuple[Sequence, ...], subject: Subject) -> str:
    sentence = f"Slices of {', '.join(s.word for s in used)} with the tumour's outline, shape and location"
    missing = [s.word for s in IMAGES if s not in used] + (["age"] if subject.age is None else [])
    sentence += "" if subject.age is None else ", and age"
    return f"{sentence}; without {', '.join(missing)}." if missing else f"{sentence}."
