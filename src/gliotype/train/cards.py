"""The model cards of the predictors fitted on tables, written from what was fitted."""

from __future__ import annotations

from typing import Any

_HEAD = """# Model card: {name}

{what}

**Intended use.** Research on adults with diffuse glioma before surgery. Not a medical device.

**Data.** {data}. {citation}. Licence: {licence}.{derived} Left out: {left_out}, whose image is one of
our development images. {grade_4:.0%} of the patients have a glioma of grade 4.

**Method.** Ridge logistic regression on standardised features; penalty by the log-loss of 5-fold
cross-validation; {resamples} bootstrap resamples within each class give the 95 % interval. Log-odds are stored for
a prevalence of one half, and shifted to the prevalence asked for. A value outside the range of the training
patients counts as the edge of that range. Fitted by `gliotype.train.radiomics.fit` with seed {seed}.
"""


def age_card(document: dict[str, Any]) -> str:
    """Write the card of the predictor `age`."""
    (model,) = document["models"]
    slope = model["coefficients"][0] / model["sd"][0]
    rows = "\n".join(
        f"| {each['cohort']} | {each['patients']} | {each['mutants']} | {_auroc(each['auroc'])} | "
        f"{each['brier']:.3f} | {each['calibration_slope']:.2f} | {each['calibration_intercept']:+.2f} |"
        for each in document["external"]
    )
    return (
        _head(
            document, "P(IDH mutation) from the patient's age alone: the yardstick beside every other method."
        )
        + f"""
**Model.** Log-odds change by {slope:+.4f} a year; even at a prevalence of one half at
{model["mean"][0] - model["intercept"] / slope:.1f} years.

**Results.** UCSF-PDGM, 5 x 5 cross-validation: AUROC {_auroc(model["auroc"])}, n = {model["patients"]},
{model["mutants"]} mutant. On patients of other hospitals, at their own prevalence:

| cohort | n | mutant | AUROC (95 %) | Brier | slope | intercept |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

**Limits.** A slope below 1 means that the probabilities are too extreme there: in gliomas of grade 2-3 age says
much less than in a cohort that mixes them with glioblastoma. Ages of TCGA are at diagnosis.
"""
    )


def radiomics_card(document: dict[str, Any]) -> str:
    """Write the card of the predictor `radiomics`."""
    rows = "\n".join(
        f"| {' + '.join(model['parts'])} | {model['patients']} | {model['mutants']} | {_auroc(model['auroc'])} | "
        f"{_auroc(model['strata']['grade 2-3']['auroc'])} | {_auroc(model['strata']['grade 4']['auroc'])} |"
        for model in document["models"]
    )
    full = document["models"][-1]
    weights = "\n".join(
        f"| {name} | {mean:.3g} | {sd:.2g} | {coefficient:+.2f} |"
        for name, mean, sd, coefficient in zip(
            full["features"], full["mean"], full["sd"], full["coefficients"], strict=True
        )
    )
    strata = full["strata"]
    return (
        _head(
            document,
            "P(IDH mutation) from the tumour's shape, its signal on T1c, T2 and FLAIR over its surroundings, and "
            "age; one model\nfor every subset of these parts, so that a missing input degrades the answer.",
        )
        + f"""
**Features.** Few, and chosen to survive a change of mask and scanner (docs/explanation/predictors.md): flatness
instead of sphericity, the ring's median instead of its mean. Definitions: docs/reference/measurements.md. The full
model (log-odds per standard deviation):

| feature | mean | SD | coefficient |
| --- | --- | --- | --- |
{weights}

**Results.** UCSF-PDGM, experts' masks, 5 x 5 cross-validation (95 % interval after DeLong); models are fitted on all
grades, and their AUROC within grades shown beside. Grade 2-3 has only {strata["grade 2-3"]["patients"]} patients
({strata["grade 2-3"]["mutants"]} mutant) with signal ratios.

| parts | n | mutant | AUROC | within grade 2-3 | within grade 4 |
| --- | --- | --- | --- | --- | --- |
{rows}

**Limits.** One hospital, one protocol, experts' masks at 1 mm. Predicted masks, thick slices and other protocols
shift the features; results through the whole pipeline stand in benchmarks/real_cases.py.
"""
    )


def _head(document: dict[str, Any], what: str) -> str:
    return _HEAD.format(
        name=document["name"],
        what=what,
        data=document["data"]["name"],
        citation=document["data"]["citation"],
        licence=document["data"]["licence"],
        derived=f" The {document['derived']}." if "derived" in document else "",
        left_out=", ".join(document["left_out"]),
        grade_4=document["grade_4"],
        resamples=len(document["models"][0]["bootstrap"]),
        seed=document["seed"],
    )


def _auroc(ends: list[float]) -> str:
    value, low, high = ends
    return f"{value:.3f} ({low:.3f}-{high:.3f})"
