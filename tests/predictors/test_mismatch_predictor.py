from __future__ import annotations

import pytest

from gliotype.measure import measure
from gliotype.predictors.mismatch import STRATA, MismatchPredictor, likelihood_ratio
from gliotype.study import Finding, Label, NotApplicable, Sequence, Subject
from support.head_phantom import head

MISMATCHED = {"t2": (3.0, 3.3), "flair": (1.9, 1.0)}


def predicted(subject: Subject, **signals) -> Finding | NotApplicable:
    prepared, tumour = head(**signals)
    return MismatchPredictor().predict(prepared, tumour, measure(prepared, tumour), subject)


def test_counts_give_back_the_published_percentages():
    """AJNR 2024;45:188, TCIA and institution together: 46 + 19 astrocytomas, 25 + 15 others."""
    astrocytomas, others = (sum(getattr(s, key) for s in STRATA) for key in ("astrocytomas", "others"))
    assert (astrocytomas, others) == (65, 40)
    for cut, sensitivity, specificity in (
        (42, (0.196 * 46 + 0.316 * 19) / 65, 1.0),
        (25, (0.326 * 46 + 0.632 * 19) / 65, (0.920 * 25 + 15) / 40),
        (15, (0.391 * 46 + 0.790 * 19) / 65, (0.880 * 25 + 0.933 * 15) / 40),
    ):
        above = [stratum for stratum in STRATA if stratum.above >= cut]
        assert sum(s.astrocytomas for s in above) / 65 == pytest.approx(sensitivity, abs=0.001)
        assert 1 - sum(s.others for s in above) / 40 == pytest.approx(specificity, abs=0.001)


def test_likelihood_ratios_rise_with_the_fraction_and_stay_finite():
    ratios = [likelihood_ratio(stratum) for stratum in STRATA]
    values = [value for value, _ in ratios]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1 < values[-2]
    # By hand: (15.5 / 67) / (0.5 / 42) of astrocytoma, 70 % of the mutants; the others at 1.
    assert values[0] == pytest.approx(0.7 * (15.5 / 67) / (0.5 / 42) + 0.3)
    for value, (low, high) in ratios:
        assert low < value < high


def test_strong_mismatch_is_a_finding_without_a_probability():
    finding = predicted(Subject("a", age=35), **MISMATCHED)
    assert finding.probability is None
    assert finding.interval is None
    assert finding.likelihood_ratio == pytest.approx(likelihood_ratio(STRATA[0])[0])
    assert set(finding.sequences) == {Sequence.T2, Sequence.FLAIR}
    assert finding.reasons[0].name == "mismatch_fraction"
    assert finding.reasons[0].value > 42
    assert "would move 30 % to" in finding.summary


def test_no_mismatch_lowers_the_odds_a_little():
    finding = predicted(Subject("a", age=35), t2=(2.3, 2.3), flair=(1.8, 1.9))
    assert 0.5 < finding.likelihood_ratio < 1


@pytest.mark.parametrize(
    ("subject", "signals", "reason"),
    [
        (Subject("a", age=35), {"sequences": (Sequence.T2,)}, "FLAIR missing"),
        (Subject("a", age=35), {"sequences": (Sequence.T1C,)}, "T2 and FLAIR missing"),
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
