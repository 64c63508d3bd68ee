from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gliotype.findings import Finding, NotApplicable
from gliotype.measure import SPECTROSCOPY_UNITS
from gliotype.mrs import MrsSequence, Timing, is_dedicated
from gliotype.predictors.mrs import (
    COUNTS,
    LOG_SD_AGAINST,
    MOST_AGAINST,
    MOST_FOR,
    MrsPredictor,
    Outcome,
    likelihood_ratio,
    outcome_of,
)
from gliotype.study import Measurements, Sequence, Subject, Tumour
from gliotype.volume import Volume
from support.factory import make_spectrum
from support.head_phantom import head

NUMBERS = {
    **dict.fromkeys(SPECTROSCOPY_UNITS, 1.0),
    "2HG": 3.0, "2HG_sd": 0.4, "2HG_bound": 13.0, "box_tumour": 80.0, "box_brain": 100.0,
}  # fmt: skip


def large_tumour(millilitres: float = 30.0) -> Tumour:
    """A tumour of a given volume on a 1 mm grid."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels.reshape(-1)[: round(1000 * millilitres)] = 2
    return Tumour(Volume(labels, np.eye(4)), "model1")


def asked(
    numbers: dict[str, float | None] | None = None,
    *,
    timing: Timing | None = None,
    millilitres: float = 30.0,
    assumed: bool = False,
    fwhm_ppm: float = 0.05,
    snr: float = 25.0,
    frequency_mhz: float = 127.7,
) -> tuple[Finding | NotApplicable, float | None]:
    """What the predictor finds and states of a measurement."""
    spectrum, fitted = make_spectrum()
    fitted = replace(
        fitted, timing=timing or fitted.timing, fwhm_ppm=fwhm_ppm, snr=snr, frequency_mhz=frequency_mhz
    )
    prepared, _ = head()
    prepared = replace(prepared, mrs=replace(spectrum, assumed=assumed))
    measured = Measurements(
        spectroscopy={**NUMBERS, **(numbers or {})}, units=dict(SPECTROSCOPY_UNITS), mrs=fitted
    )
    arguments = (prepared, large_tumour(millilitres), measured, Subject("a"))
    predictor = MrsPredictor(0.3)
    statement = predictor.statement(*arguments)
    return predictor.predict(*arguments), None if statement is None else statement.log_likelihood_ratio


def test_the_ratios_are_those_of_the_counts_limited() -> None:
    mutants, detected = sum(c.mutants for c in COUNTS), sum(c.detected for c in COUNTS)
    wildtypes, false = sum(c.wildtypes for c in COUNTS), sum(c.false for c in COUNTS)
    assert (mutants, detected, wildtypes, false) == (17, 13, 11, 0)
    sensitivity, false_positive = 13.5 / 18, 0.5 / 12
    assert sensitivity / false_positive > MOST_FOR
    assert likelihood_ratio(Outcome.DETECTED) == MOST_FOR
    assert likelihood_ratio(Outcome.ABSENT) == pytest.approx((1 - sensitivity) / (1 - false_positive))
    assert likelihood_ratio(Outcome.ABSENT) > MOST_AGAINST
    missed, right = 4.5, 11.5
    assert pytest.approx(np.sqrt(1 / missed - 1 / 18 + 1 / right - 1 / 12), abs=0.05) == LOG_SD_AGAINST


def test_detected_2hg_speaks_for_mutation() -> None:
    finding, stated = asked()
    assert isinstance(finding, Finding)
    assert (finding.probability, finding.likelihood_ratio) == (None, 10.0)
    assert stated == pytest.approx(np.log(10))
    assert finding.sequences == (Sequence.MRS,)
    assert "detected: likelihood ratio 10, which alone would move 30 % to 81 %" in finding.summary
    assert "17 mutants and 11 wildtypes" in finding.limits


def test_absent_2hg_speaks_against_it() -> None:
    finding, stated = asked({"2HG": 0.2, "2HG_sd": 0.4, "2HG_bound": 200.0})
    assert isinstance(finding, Finding)
    assert finding.likelihood_ratio == pytest.approx(0.26, abs=0.01)
    assert stated is not None
    assert stated < 0
    assert "not detected" in finding.summary


@pytest.mark.parametrize(
    ("level", "sd", "outcome"),
    [
        (1.0, 0.3, Outcome.DETECTED),
        (0.99, 0.29, Outcome.ABSENT),
        (1.0, 0.31, Outcome.UNDECIDED),
        (0.0, 0.61, Outcome.UNDECIDED),
        (0.0, 0.6, Outcome.ABSENT),
        (4.0, 1.3, Outcome.UNDECIDED),
    ],
)
def test_what_counts_as_detected_and_as_absent(level: float, sd: float, outcome: Outcome) -> None:
    assert outcome_of({"2HG": level, "2HG_sd": sd}) is outcome


def test_what_is_neither_gives_no_evidence() -> None:
    finding, stated = asked({"2HG": 1.5, "2HG_sd": 0.9})
    assert isinstance(finding, Finding)
    assert finding.likelihood_ratio is None
    assert stated is None
    assert "neither detected nor absent" in finding.summary


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"timing": Timing(MrsSequence.PRESS, 30.0)}, "PRESS, TE 30 ms cannot tell 2HG from glutamate"),
        ({"timing": Timing(MrsSequence.PRESS, 144.0)}, "cannot tell 2HG"),
        ({"assumed": True}, "nothing names the sequence"),
        ({"numbers": {"box_tumour": None}}, "unknown how much tumour"),
        ({"numbers": {"box_tumour": 49.0}}, "only 49 % of the box are tumour"),
        ({"numbers": {"box_brain": 0.0}}, "only 0 % of the box lie within the brain"),
        ({"millilitres": 5.9}, "the tumour has only 5.9 ml"),
        ({"fwhm_ppm": 0.11}, "the lines are 0.11 ppm wide"),
        ({"snr": 9.9}, "the signal to noise is 9.9"),
        ({"frequency_mhz": 63.9}, "1.5 T separate the lines too little"),
    ],
)
def test_what_is_not_good_enough_is_shown_without_evidence(changes: dict, because: str) -> None:  # type: ignore[type-arg]
    finding, stated = asked(**changes)
    assert isinstance(finding, Finding)
    assert finding.likelihood_ratio is None
    assert stated is None
    assert because in finding.summary
    assert finding.summary.startswith("2HG is 3.0 mM")
    assert [reason.name for reason in finding.reasons][:2] == ["2HG", "2HG_bound"]


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (Timing(MrsSequence.PRESS, 97.0), True),
        (Timing(MrsSequence.PRESS, 98.4), True),
        (Timing(MrsSequence.PRESS, 110.0), False),
        (Timing(MrsSequence.SLASER, 110.0), True),
        (Timing(MrsSequence.MEGA, 68.0), True),
        (Timing(MrsSequence.MEGA, 97.0), False),
    ],
)
def test_the_sequences_for_2hg(timing: Timing, expected: bool) -> None:
    assert is_dedicated(timing) is expected


def test_without_a_spectrum_or_a_number_it_does_not_apply() -> None:
    prepared, tumour = head()
    nothing = (prepared, tumour, Measurements(), Subject("a"))
    assert isinstance(MrsPredictor().predict(*nothing), NotApplicable)
    assert MrsPredictor().statement(*nothing) is None
    finding, stated = asked({"2HG": None, "2HG_sd": None})
    assert isinstance(finding, NotApplicable)
    assert "could not be measured" in finding.reason
    assert stated is None
