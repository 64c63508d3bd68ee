from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gliotype.errors import UsageError
from gliotype.findings import Finding, NotApplicable
from gliotype.measure import measure
from gliotype.predictors import PREDICTORS, predict_all, subject_warnings
from gliotype.predictors.radiomics import ENHANCING, NOT_ENHANCING
from gliotype.study import Measurements, Sequence, Subject, Tumour
from support.head_phantom import head

WITHOUT_INTERVAL = {"t2net", "tsnet"}
"""Methods that are one network, whose spread is not known."""

MUTANT_LIKE = {"t1c": (0.8, 0.75), "t2": (2.4, 2.9), "flair": (1.9, 1.8)}
WILDTYPE_LIKE = {"t1c": (1.0, 2.4), "t2": (1.8, 2.0), "flair": (1.5, 1.5)}


def findings_of(subject: Subject, prevalence: float = 0.3, **signals) -> dict[str, Finding]:
    prepared, tumour = head(**signals)
    findings, _ = predict_all(prepared, tumour, measure(prepared, tumour), subject, prevalence)
    return {finding.method: finding for finding in findings}


@pytest.mark.slow
def test_names_are_unique_and_every_method_answers_or_says_why_not():
    prepared, tumour = head()
    findings, others = predict_all(prepared, tumour, measure(prepared, tumour), Subject("a", age=44))
    names = [predictor.name for predictor in PREDICTORS]
    assert len(set(names)) == len(names)
    assert sorted(each.method for each in (*findings, *others)) == sorted(names)
    for finding in findings:
        assert finding.summary.endswith(".")
        assert finding.limits
        assert finding.reasons
        if finding.probability is not None and finding.method not in WITHOUT_INTERVAL:
            low, high = finding.interval
            assert 0 < low <= finding.probability <= high < 1


def test_young_and_dull_is_mutant_and_old_and_enhancing_is_wildtype():
    mutant, wildtype = (
        findings_of(Subject("a", age=age), **signals)
        for age, signals in ((35, MUTANT_LIKE), (68, WILDTYPE_LIKE))
    )
    for method in ("age", "radiomics"):
        assert mutant[method].interval[0] > 0.5
        assert wildtype[method].interval[1] < 0.2
    assert mutant["radiomics"].probability > mutant["age"].probability


def test_prevalence_shifts_every_probability():
    subject = Subject("a", age=50)
    rare, common = (findings_of(subject, prevalence, **MUTANT_LIKE) for prevalence in (0.05, 0.6))
    for method in ("age", "radiomics"):
        odds = [f[method].probability / (1 - f[method].probability) for f in (common, rare)]
        assert odds[0] / odds[1] == pytest.approx((0.6 / 0.4) / (0.05 / 0.95))


@pytest.mark.parametrize("prevalence", [0.0, 1.0, 30.0, -0.1])
def test_impossible_prevalence_is_refused(prevalence):
    prepared, tumour = head()
    with pytest.raises(UsageError, match="between 0 and 1"):
        predict_all(prepared, tumour, Measurements(), Subject("a"), prevalence)


@pytest.mark.parametrize(
    ("sequences", "age", "used"),
    [
        ((Sequence.T1C, Sequence.T2, Sequence.FLAIR), 50, {Sequence.T1C, Sequence.T2, Sequence.FLAIR}),
        ((Sequence.T1C, Sequence.FLAIR), 50, {Sequence.T1C, Sequence.FLAIR}),
        ((Sequence.T2,), None, {Sequence.T2}),
        ((Sequence.FLAIR,), None, {Sequence.FLAIR}),
    ],
)
def test_radiomics_uses_what_is_there(sequences, age, used):
    finding = findings_of(Subject("a", age=age), sequences=sequences)["radiomics"]
    assert set(finding.sequences) == used
    named = {reason.name for reason in finding.reasons}
    assert ("age" in named) == (age is not None)
    assert {Sequence(name.split("_")[0]) for name in named if "_over_tissue" in name} == used
    assert ("without" in finding.summary) == (len(used) < 3 or age is None)


def test_radiomics_explains_itself_largest_first():
    finding = findings_of(Subject("a", age=68), **WILDTYPE_LIKE)["radiomics"]
    contributions = [reason.contribution for reason in finding.reasons]
    assert contributions == sorted(contributions, key=lambda each: -abs(each))
    by_name = {reason.name: reason for reason in finding.reasons}
    assert by_name["age"].contribution < 0
    assert by_name["T1C_inner_p95_over_tissue"].contribution < 0
    assert by_name["T1C_inner_p95_over_tissue"].value > 2


def test_radiomics_names_what_lies_outside_its_experience():
    ordinary = findings_of(Subject("a", age=68), **WILDTYPE_LIKE)["radiomics"]
    strange = findings_of(Subject("a", age=68), t1c=(1.0, 30.0))["radiomics"]
    assert "T1C_inner_p95_over_tissue" in strange.limits
    assert "T1C_inner_p95_over_tissue" not in ordinary.limits


def test_without_age_and_measurements_nothing_applies():
    prepared, tumour = head()
    empty = Measurements(
        shape={"Flatness": None}, mismatch={"mismatch_fraction": None, "enhancing_fraction": 0.0}
    )
    findings, others = predict_all(replace(prepared, images={}), tumour, empty, Subject("a"))
    assert findings == ()
    assert {each.method for each in others} == {
        "age", "radiomics", "hybrid", "t2net", "tsnet", "perfusion", "mismatch", "adc", "mrs",
    }  # fmt: skip
    assert all(each.reason for each in others)


def test_without_tumour_nothing_applies_and_it_is_said():
    prepared, tumour = head()
    nothing = Tumour(tumour.labels.with_array(np.zeros_like(tumour.labels.array)), "model1")
    findings, others = predict_all(prepared, nothing, measure(prepared, nothing), Subject("a", age=50))
    assert findings == ()
    assert all("no tumour" in each.reason for each in others)


def test_subject_warnings():
    assert subject_warnings(Subject("a", age=25)) == ()
    assert "under 18" in subject_warnings(Subject("a", age=17.9))[0]
    assert "under 25" in subject_warnings(Subject("a", age=18))[0]
    assert "not known" in subject_warnings(Subject("a"))[0]


def test_method_without_its_sequences_is_named_with_what_is_missing():
    prepared, tumour = head(sequences=(Sequence.T1C, Sequence.T2))
    _, others = predict_all(prepared, tumour, measure(prepared, tumour), Subject("a", age=44))
    assert others == (
        NotApplicable("perfusion", "it needs a DSC perfusion series"),
        NotApplicable("mismatch", "it needs both T2 and FLAIR; FLAIR is missing"),
        NotApplicable("adc", "it needs an ADC map, or diffusion-weighted images with b-values"),
        NotApplicable("mrs", "it needs a single-voxel spectrum (MRS) that can be measured"),
    )


@pytest.mark.slow
def test_predicting_imports_neither_torch_nor_the_workshop():
    code = (
        "import sys, gliotype.predictors; "
        "print([m for m in sys.modules if m.startswith(('torch', 'gliotype.train', 'gliotype.evaluate'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_older_patients_are_less_often_mutant():
    probabilities = [findings_of(Subject("a", age=age))["age"].probability for age in (30, 45, 60)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > probabilities[2] + 0.3


def test_radiomics_says_which_classes_it_cannot_exclude() -> None:
    dark = findings_of(Subject("a", age=44), **MUTANT_LIKE)["radiomics"].prediction_set
    bright = findings_of(Subject("a", age=44), **WILDTYPE_LIKE)["radiomics"].prediction_set
    assert dark is not None
    assert bright is not None
    assert (dark.stratum, bright.stratum) == (NOT_ENHANCING, ENHANCING)
    assert "mutant" in dark.classes
    assert dark.too_few == ()
    assert bright.too_few == ("mutant",)
    assert "mutant" in bright.classes  # too few enhancing mutants to exclude them
