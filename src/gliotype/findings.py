"""What the methods say: each one's finding, its reasons, and the evidence that it adds to the answer; all frozen."""

from __future__ import annotations

from dataclasses import dataclass

from gliotype.dsc import Attention
from gliotype.study import Sequence
from gliotype.volume import Volume


@dataclass(frozen=True)
class Reason:
    """One number that moved an answer.

    Attributes:
        name: of the measurement, or ``"age"``.
        value: as measured.
        unit: of the value.
        contribution: change of the log-odds of IDH mutation against the number's average in the training patients, an
            empty map, or the average course of a phase of the bolus; None for a sign, and for a number
            that does not enter the answer.
        note: one short sentence for the reader.
    """

    name: str
    value: float | None
    unit: str
    contribution: float | None = None
    note: str = ""


@dataclass(frozen=True)
class PredictionSet:
    """The classes that a method cannot exclude at a stated level (conformal prediction).

    Attributes:
        classes: ``"mutant"``, ``"wildtype"``, both or neither.
        level: proportion of patients of each class whose set holds their class.
        stratum: the patients among whom this holds.
        patients: calibration patients of the stratum.
        too_few: classes of which the stratum had too few calibration patients to tell; they are never excluded.
    """

    classes: tuple[str, ...]
    level: float
    stratum: str
    patients: int
    too_few: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Finding:
    """One method's opinion.

    Attributes:
        method: name of the predictor.
        probability: P(IDH-mutant), or None where the method does not give one.
        interval: 95 % interval of the probability, or None.
        likelihood_ratio: of IDH mutation, for a sign, or None.
        sequences: images used.
        reasons: numbers that moved the answer, largest first, then those without a contribution.
        limits: one or two sentences, what the method cannot know.
        summary: one sentence for the reader.
        map: where in the images the reasons lie, or None.
        attention: when in the bolus the reasons lie, or None.
        prediction_set: which classes the method cannot exclude, or None.
    """

    method: str
    probability: float | None
    interval: tuple[float, float] | None = None
    likelihood_ratio: float | None = None
    sequences: tuple[Sequence, ...] = ()
    reasons: tuple[Reason, ...] = ()
    limits: str = ""
    summary: str = ""
    map: Volume | None = None
    attention: Attention | None = None
    prediction_set: PredictionSet | None = None


@dataclass(frozen=True)
class NotApplicable:
    """A method that has no opinion on this study, and why."""

    method: str
    reason: str


@dataclass(frozen=True)
class Statement:
    """What one method says about IDH mutation for one outline, without the prevalence.

    Attributes:
        log_likelihood_ratio: natural logarithm; positive for IDH mutation.
        sd: its standard deviation from the method's own coefficients or ensemble.
    """

    log_likelihood_ratio: float
    sd: float


@dataclass(frozen=True)
class Evidence:
    """What one finding says about IDH mutation, without the prevalence.

    Attributes:
        method: name of the predictor; ``"age"`` for age, which counts once.
        log_likelihood_ratio: natural logarithm, mean over the plausible outlines; positive for IDH mutation.
        sd: its standard deviation from the method's own coefficients or ensemble.
        weight: by which it is multiplied in the answer.
        weight_sd: standard deviation of the weight.
        source: where the weight comes from, one clause.
    """

    method: str
    log_likelihood_ratio: float
    sd: float
    weight: float
    weight_sd: float
    source: str

    @property
    def contribution(self) -> float:
        """What it adds to the log-odds of IDH mutation."""
        return self.weight * self.log_likelihood_ratio
