from __future__ import annotations

import numpy as np
import pytest

from gliotype.predictors import fuse
from gliotype.study import Call, Finding, Tumour
from gliotype.volume import Volume


def tumour(voxels: int = 5) -> Tumour:
    labels = np.zeros((4, 4, 4), dtype=np.uint8)
    labels.flat[:voxels] = 1
    return Tumour(Volume(labels, np.eye(4)), "given")


@pytest.mark.parametrize(
    ("probability", "interval", "call"),
    [
        (0.9, (0.7, 0.95), Call.MUTANT),
        (0.1, (0.05, 0.2), Call.WILDTYPE),
        (0.6, (0.4, 0.8), Call.INDETERMINATE),
        (0.5, (0.5, 0.6), Call.INDETERMINATE),
    ],
)
def test_call_follows_the_interval(probability, interval, call):
    prediction = fuse([Finding("a", probability, interval)], tumour(), 0.3)
    assert (prediction.call, prediction.probability, prediction.interval) == (call, probability, interval)
    assert prediction.prevalence == 0.3


def test_first_finding_with_a_probability_answers():
    sign = Finding("sign", None, likelihood_ratio=12.0)
    findings = [sign, Finding("best", 0.2, (0.1, 0.3)), Finding("second", 0.9, (0.8, 0.95))]
    prediction = fuse(findings, tumour(), 0.3)
    assert prediction.method == "best"
    assert prediction.call is Call.WILDTYPE
    assert "best" in prediction.explanation


def test_no_tumour_has_no_probability():
    prediction = fuse([Finding("age", 0.9, (0.8, 0.95))], tumour(voxels=0), 0.3)
    assert prediction.call is Call.NO_TUMOUR
    assert prediction.probability is None
    assert prediction.interval is None


def test_nothing_known_is_the_prevalence_and_indeterminate():
    prediction = fuse([Finding("sign", None, likelihood_ratio=0.7)], tumour(), 0.2)
    assert prediction.call is Call.INDETERMINATE
    assert prediction.probability == 0.2
    assert prediction.interval == (0.0, 1.0)
    assert prediction.method is None
