from __future__ import annotations

import numpy as np
import pytest

from gliotype.findings import Finding, NotApplicable
from gliotype.measure import measure
from gliotype.predictors.mismatch import STRATA, MismatchPredictor, likelihood_ratio
from gliotype.study import Label, Sequence, Subject
from support.head_phantom import head

MISMATCHED = {"t2": (3.0, 3.3), "flair": (1.9, 1.0)}


def predicted(subject: Subject, **signals) -> Finding | NotApplicable:
    prepared, tumour = head(**signals)
    return MismatchPredictor().predict(prepared, tumour, measure(prepared, tumour), subject)


def test_counts_give_back_the_published_percentages():
    """AJNR 2024;45:188, TCIA and institution together: 46 + 19 astrocytomas, 25 + 15 others."""
    astrocytomas, others = (sum(getattr(s, key) for s in STRATA) for key in ("astrocytomas", "others"))
    assert (astrocytomas, others) == (65, 40)
    for threshold, sensitivity, specificity in (
        (42, (0.196 * 46 + 0.316 * 19) / 65, 1.0),
        (15, (0.391 * 46 + 0.790 * 19) / 65, (0.880 * 25 + 0.933 * 15) / 40),
    ):
        above = [stratum for stratum in STRATA if stratum.above >= threshold]
        assert sum(s.astrocytomas for s in above) / 65 == pytest.approx(sensitivity, abs=0.001)
        assert 1 - sum(s.others for s in above) / 40 == pytest.approx(specificity, abs=0.001)


def test_likelihood_ratios_are_the_pooled_ones_for_idh_shrunk_and_limited():
    """29 % sensitivity and 99 % specificity; half a patient among 40 others makes the latter 1 - 0.5 / 41."""
    (present, (low, high)), (partial, ends), (absent, _) = (likelihood_ratio(stratum) for stratum in STRATA)
    assert 0.29 / (0.5 / 41) > present == 20.0
    # By hand: log-ratio 3.170, variance 1/15.5 - 1/66.5 + 1/0.5 - 1/41.5.
    half = 1.96 * (1 / 15.5 - 1 / 66.5 + 2 - 1 / 41.5) ** 0.5
    assert (np.log(low), np.log(high)) == pytest.approx((3.169 - half, 3.169 + half), abs=0.002)
    assert partial == 1.0
    assert ends[0] < 1 < ends[1]
    assert absent == pytest.approx(0.71 / (1 - 0.5 / 41), abs=1e-9)


@pytest.mark.parametrize(
    ("signals", "name", "ratio"),
    [
        (MISMATCHED, "present", 20.0),
        ({"t2": (2.3, 2.3), "flair": (1.8, 1.9)}, "absent", 0.72),
    ],
)
def test_a_finding_without_a_probability_says_what_stands_behind_it(signals, name, ratio):
    finding = predicted(Subject("a", age=35), **signals)
    assert finding.probability is None
    assert finding.interval is None
    assert finding.likelihood_ratio == pytest.approx(ratio, abs=0.005)
    assert set(finding.sequences) == {Sequence.T2, Sequence.FLAIR}
    assert finding.reasons[0].name == "mismatch_fraction"
    assert f"the sign is {name}" in finding.summary
    assert "of 40 non-enhancing gliomas other than IDH-mutant astrocytoma" in finding.summary
    assert "30 %" not in finding.summary
    assert "how many of these were wildtype is not published" in finding.limits


def test_no_bound_is_claimed_where_no_other_glioma_showed_the_sign():
    assert "(95 % interval 1.5 to unbounded)" in predicted(Subject("a", age=35), **MISMATCHED).summary


@pytest.mark.parametrize(
    ("subject", "signals", "reason"),
    [
        (Subject("a", age=35), {"sequences": (Sequence.T2,)}, "FLAIR is missing"),
        (Subject("a", age=35), {"sequences": (Sequence.T1C,)}, "T2 and FLAIR are missing"),
        (Subject("a", age=12), MISMATCHED, "under 18"),
        (Subject("a", age=35), {**MISMATCHED, "core_label": Label.ENHANCING}, "enhances"),
    ],
)
def test_where_the_sign_is_not_defined(subject, signals, reason):
    answer = predicted(subject, **signals)
    assert isinstance(answer, NotApplicable)
    assert reason in answer.reason


def test_limits_say_what_is_unknown():
    assert "Under 25" in predicted(Subject("a", age=22), **MISMATCHED).limits
    assert "Under 25" not in predicted(Subject("a", age=35), **MISMATCHED).limits
    no_t1c = predicted(Subject("a"), **MISMATCHED, sequences=(Sequence.T2, Sequence.FLAIR))
    assert "enhances is not known" in no_t1c.limits
