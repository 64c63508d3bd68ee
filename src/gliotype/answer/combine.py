"""Evidence added up: log-odds = prior + sum of weight times log likelihood ratio; and how far that may be off.

Each method states its evidence once for every plausible outline. The answer takes the mean over the outlines, since
none of them is known to be right, and the range shows how much they, and all else that is uncertain, matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.answer.model import AnswerModel, Hospital
from gliotype.findings import Evidence

Floats = NDArray[np.float64]

DRAWS = 4000
"""Random draws from which the range is read."""

RANGE = (0.1, 0.9)
"""Quantiles of the draws at which the range ends."""


@dataclass(frozen=True, eq=False)
class Statements:
    """What the methods say of one patient, for each plausible outline.

    Attributes:
        outlines: names of the outlines, the drawn one first.
        log_likelihood_ratios: by method, (outlines,); NaN where the method does not apply to that outline.
        sd: by method, standard deviation from its own coefficients or ensemble.
    """

    outlines: tuple[str, ...]
    log_likelihood_ratios: Mapping[str, Floats]
    sd: Mapping[str, float]


def weigh(statements: Statements, model: AnswerModel) -> tuple[Evidence, ...]:
    """Turn statements into evidence, the largest contribution first; missing evidence adds nothing.

    Args:
        statements: of one patient.
        model: weights; a method without one is left out.
    """
    evidence = []
    for method, values in statements.log_likelihood_ratios.items():
        weight = model.weights.get(method)
        if weight is None or not np.isfinite(values).any():
            continue
        mean = float(np.mean([weight.limited(v) for v in values[np.isfinite(values)]]))
        evidence.append(Evidence(method, mean, statements.sd[method], weight.mean, weight.sd, weight.source))
    return tuple(sorted(evidence, key=lambda each: -abs(each.contribution)))


def total_evidence(evidence: tuple[Evidence, ...], hospital: Hospital) -> float:
    """Return what the evidence adds to the prior log-odds in a hospital.

    Example:
        >>> found = Evidence("adc", 1.0, 0.2, 0.5, 0.1, "literature")
        >>> total_evidence((found,), Hospital(2.0, 0.1, 0.0, 0.0))
        1.1
    """
    return hospital.offset + hospital.slope * sum(each.contribution for each in evidence)


def evidence_by_outline(statements: Statements, model: AnswerModel, hospital: Hospital) -> dict[str, float]:
    """What the evidence would add to the prior log-odds if an outline were the right one, by its name."""
    totals = hospital.offset + hospital.slope * _means(statements, model).sum(axis=0)
    return dict(zip(statements.outlines, totals.tolist(), strict=True))


def _means(statements: Statements, model: AnswerModel) -> Floats:
    """Contributions at the mean weights, (methods, outlines); inapplicable outlines take the method's mean."""
    rows = [np.zeros(len(statements.outlines))]
    for method, values in statements.log_likelihood_ratios.items():
        weight = model.weights.get(method)
        if weight is not None and np.isfinite(values).any():
            limited = np.clip(values, -weight.cap, weight.cap)
            rows.append(weight.mean * np.where(np.isfinite(limited), limited, np.nanmean(limited)))
    return np.array(rows)


@dataclass(frozen=True)
class Spread:
    """How far the evidence may be off.

    Attributes:
        low: lower end of the range of what the evidence adds to the prior log-odds.
        high: upper end.
        sources: standard deviation of the log-odds when one source alone varies.
    """

    low: float
    high: float
    sources: Mapping[str, float]

    @property
    def largest(self) -> str | None:
        """The source that matters most, or None where nothing varies."""
        largest = max(self.sources, key=lambda name: self.sources[name], default=None)
        return largest if largest is not None and self.sources[largest] > 0 else None


def spread(statements: Statements, model: AnswerModel, hospital: Hospital, *, seed: int = 0) -> Spread:
    """Vary outlines, coefficients, weights and hospital, together and one by one.

    Args:
        statements: of one patient.
        model: weights.
        hospital: how the evidence counts there.
        seed: random seed; the same seed gives the same range.
    """
    rng = np.random.default_rng(seed)
    methods = [
        m for m, v in statements.log_likelihood_ratios.items() if m in model.weights and np.isfinite(v).any()
    ]
    noise = _Noise.drawn(rng, methods, len(statements.outlines), model, hospital)
    everything = noise.log_odds(statements, model, frozenset(SOURCES))
    low, high = (float(end) for end in np.quantile(everything, RANGE))
    sources = {
        name: round(float(noise.log_odds(statements, model, frozenset({name})).std()), 6) for name in SOURCES
    }
    return Spread(low, high, sources)


SOURCES = ("coefficients", "weights", "hospital", "outline")
"""What the range covers."""


@dataclass(frozen=True, eq=False)
class _Noise:
    """One set of random draws, so that sources are compared on the same ones."""

    methods: list[str]
    outline: NDArray[np.int_]
    own: Floats
    weights: Floats
    slope: Floats
    offset: Floats
    hospital: Hospital

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        methods: list[str],
        outlines: int,
        model: AnswerModel,
        hospital: Hospital,
    ) -> _Noise:
        """Draw `DRAWS` times."""
        order = list(model.weights)
        varying = len(model.correlation)
        correlated = np.zeros((DRAWS, len(order)))
        correlated[:, :varying] = rng.multivariate_normal(
            np.zeros(varying), model.correlation, DRAWS, method="eigh"
        )
        return cls(
            methods=methods,
            outline=rng.integers(outlines, size=DRAWS),
            own=rng.standard_normal((len(methods), DRAWS)),
            weights=correlated[:, [order.index(m) for m in methods]].T.reshape(len(methods), DRAWS),
            slope=rng.normal(hospital.slope, hospital.slope_sd, DRAWS),
            offset=rng.normal(hospital.offset, hospital.offset_sd, DRAWS),
            hospital=hospital,
        )

    def log_odds(self, statements: Statements, model: AnswerModel, varying: frozenset[str]) -> Floats:
        """Sum of contributions of each draw, (draws,), when only some sources vary."""
        total = np.zeros(DRAWS)
        for n, method in enumerate(self.methods):
            weight, values = model.weights[method], statements.log_likelihood_ratios[method]
            values = np.where(np.isfinite(values), values, np.nanmean(values))
            limited = np.clip(values, -weight.cap, weight.cap)
            stated = limited[self.outline] if "outline" in varying else np.full(DRAWS, limited.mean())
            if "coefficients" in varying:
                stated = np.clip(stated + statements.sd[method] * self.own[n], -weight.cap, weight.cap)
            counts = weight.mean + (weight.sd * self.weights[n] if "weights" in varying else 0.0)
            total += np.maximum(counts, 0.0) * stated
        if "hospital" in varying:
            return self.offset + np.maximum(self.slope, 0.0) * total
        return self.hospital.offset + self.hospital.slope * total
