"""How much each method counts: what was known before, updated on labelled patients with found outlines.

With a handful of wildtypes nothing is fitted freely. Each weight has a prior that states what is known of it; the
posterior is approximated by a normal distribution around its mode (Laplace). Each cohort has an offset of its own,
since a cohort of lower grades is not the mix of patients to which the prevalence refers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from gliotype.answer.combine import Statements
from gliotype.predictors import DEFAULT_PREVALENCE

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Prior:
    """What is known of a weight before the patients are seen.

    Attributes:
        mean: of the weight.
        sd: standard deviation; 0 for a weight that is not fitted.
        cap: largest absolute log likelihood ratio that is believed.
        source: where it comes from, one clause.
    """

    mean: float
    sd: float
    cap: float
    source: str


PRIORS: Mapping[str, Prior] = MappingProxyType(
    {
        "age": Prior(
            0.7,
            0.15,
            4.0,
            "fitted on real patients; reduced to what it is worth in other hospitals "
            "(calibration slopes 0.41 to 0.88)",
        ),
        "radiomics": Prior(
            0.6,
            0.2,
            5.0,
            "fitted on real patients with the errors of found outlines; reduced for other hospitals and for what it "
            "has in common with hybrid",
        ),
        "hybrid": Prior(
            0.3,
            0.2,
            6.0,
            "trained on simulated patients; raised or lowered by real patients with found outlines",
        ),
        "mismatch": Prior(
            1.0, 0.0, log(20), "from the literature: published counts, limited to a factor of 20"
        ),
        "adc": Prior(
            1.0, 0.0, log(5), "from the literature: pooled discrimination, limited to a factor of 5"
        ),
        "perfusion": Prior(0.0, 0.0, 5.0, "fixed at 0: no labelled real perfusion data support it yet"),
        "mrs": Prior(
            1.0, 0.0, log(10), "from the literature: published counts of 2HG, limited to a factor of 10"
        ),
    }
)
"""Weights before any patient of the fit is seen."""

CORRELATED = ("radiomics", "hybrid")
"""Methods that look at the same images, so that their weights together are at most `MAX_COMBINED_WEIGHT`."""

MAX_COMBINED_WEIGHT = 1.0
OFFSET_SD = 1.0
"""Prior standard deviation of a cohort's offset."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Weights after the patients were seen.

    Attributes:
        methods: in the order of the other attributes.
        mean: (methods,).
        covariance: (methods, methods); 0 for a method that was not fitted.
    """

    methods: tuple[str, ...]
    mean: Floats
    covariance: Floats


def evidence_matrix(statements: list[Statements]) -> Floats:
    """Mean limited log likelihood ratio over the outlines, (patients, methods); 0 where it is missing."""
    rows = np.zeros((len(statements), len(PRIORS)))
    for row, said in enumerate(statements):
        for column, (method, prior) in enumerate(PRIORS.items()):
            values = said.log_likelihood_ratios.get(method, np.array([np.nan]))
            if np.isfinite(values).any():
                rows[row, column] = np.nanmean(np.clip(values, -prior.cap, prior.cap))
    return rows


def update_weights(evidence: Floats, mutant: Labels, cohorts: NDArray[np.int_]) -> Posterior:
    """Update the priors on labelled patients.

    Args:
        evidence: (patients, methods) as `evidence_matrix` returns it.
        mutant: whether each is IDH-mutant.
        cohorts: number of each patient's cohort, from 0.

    Returns:
        Weights of all methods of `PRIORS`. Weights are not negative, and those of `CORRELATED` add up to at most
        `MAX_COMBINED_WEIGHT`.
    """
    methods = tuple(PRIORS)
    mean = np.array([prior.mean for prior in PRIORS.values()])
    sd = np.array([prior.sd for prior in PRIORS.values()])
    fitted = np.flatnonzero(sd > 0)
    fixed = float(logit(DEFAULT_PREVALENCE)) + np.delete(evidence, fitted, 1) @ np.delete(mean, fitted)
    columns = evidence[:, fitted]
    groups = np.eye(int(cohorts.max(initial=0)) + 1)[cohorts]
    sign = np.where(mutant, 1.0, -1.0)

    def cost(parameters: Floats) -> float:
        weights, offsets = parameters[: len(fitted)], parameters[len(fitted) :]
        log_odds = fixed + columns @ weights + groups @ offsets
        prior = (((weights - mean[fitted]) / sd[fitted]) ** 2).sum() + ((offsets / OFFSET_SD) ** 2).sum()
        return float(np.logaddexp(0, -sign * log_odds).sum() + prior / 2)

    shared = np.array([float(methods[index] in CORRELATED) for index in fitted] + [0.0] * groups.shape[1])
    found = minimize(
        cost,
        np.concatenate([mean[fitted], np.zeros(groups.shape[1])]),
        method="SLSQP",
        bounds=[(0, None)] * len(fitted) + [(None, None)] * groups.shape[1],
        constraints={"type": "ineq", "fun": lambda parameters: MAX_COMBINED_WEIGHT - shared @ parameters},
    ).x
    log_odds = fixed + columns @ found[: len(fitted)] + groups @ found[len(fitted) :]
    design = np.hstack([columns, groups])
    spread = expit(log_odds) * (1 - expit(log_odds))
    precision = design.T @ (design * spread[:, None]) + np.diag(
        np.concatenate([1 / sd[fitted] ** 2, np.full(groups.shape[1], OFFSET_SD**-2)])
    )
    covariance = np.zeros((len(methods), len(methods)))
    covariance[np.ix_(fitted, fitted)] = np.linalg.inv(precision)[: len(fitted), : len(fitted)]
    updated = mean.copy()
    updated[fitted] = found[: len(fitted)]
    return Posterior(methods, updated, covariance)
