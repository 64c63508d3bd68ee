from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from scipy.special import expit, logit

from gliotype.findings import Evidence, Finding
from gliotype.report.drawing import Box, Words
from gliotype.report.summary import summarise
from gliotype.report.waterfall import WIDTH, draw_waterfall, signed, waterfall
from gliotype.result import Prediction, Result
from gliotype.study import Sequence, Subject
from gliotype.text import percent
from support.factory import make_no_tumour, make_result


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result()


def predicting(result: Result, **changes: object) -> Result:
    return replace(result, prediction=replace(result.prediction, **changes))  # type: ignore[arg-type]


def test_the_bars_add_up_to_the_answer(result: Result) -> None:
    sums = waterfall(result.prediction)
    assert sums is not None
    assert sums.prior.end == pytest.approx(logit(0.3))
    steps = [sums.prior, *sums.steps]
    for before, after in pairwise(steps):
        assert after.start == before.end
    assert sums.prior.end + sum(step.value for step in sums.steps) == pytest.approx(logit(0.13), abs=0.005)
    assert sums.answer.end == pytest.approx(logit(0.13))
    assert [step.value for step in sums.steps] == pytest.approx(
        [each.contribution for each in result.prediction.evidence]
    )


def test_a_local_calibration_is_a_step_of_its_own(result: Result) -> None:
    sums = waterfall(predicting(result, probability=0.25, site="Rijeka").prediction)
    assert sums is not None
    assert (sums.steps[-1].name, sums.steps[-1].detail) == ("local calibration", "Rijeka")
    assert sums.steps[-1].end == pytest.approx(logit(0.25))
    assert sums.prior.end + sum(step.value for step in sums.steps) == pytest.approx(logit(0.25))


def test_words_keep_clear_of_the_bars(result: Result) -> None:
    many = tuple(Evidence(f"m{n}", (-1) ** n * 2.5, 0.1, 1.0, 0.0, "made up") for n in range(5))
    total = float(expit(logit(0.3) + sum(each.contribution for each in many)))
    for prediction in (result.prediction, replace(result.prediction, evidence=many, probability=total)):
        sums = waterfall(prediction)
        assert sums is not None
        drawing = draw_waterfall(sums)
        bars = [shape for shape in drawing.shapes if isinstance(shape, Box)]
        assert len(bars) == 2 + len(sums.steps)
        for text in (shape for shape in drawing.shapes if isinstance(shape, Words)):
            length = 0.62 * text.size * len(text.text)
            start = text.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * length
            assert start >= -1
            assert start + length <= WIDTH + 1
            for bar in bars:
                outside = start + length <= bar.x or start >= bar.x + bar.width
                assert outside or text.y <= bar.y or text.y - text.size >= bar.y + bar.height, text.text


def test_the_picture_has_its_values_in_words(result: Result) -> None:
    sums = waterfall(result.prediction)
    assert sums is not None
    drawing = draw_waterfall(sums)
    assert {"-0.85", "-1.14", "+0.49", "-0.40", signed(float(logit(0.13)))} <= set(drawing.texts)
    assert {"wildtype at or below 20 %", "mutant at or above 80 %", "50 %"} <= set(drawing.texts)
    assert "answer -1.90 (13 %, range -2.94 to -0.94)" in drawing.description
    assert f'aria-label="{drawing.description}"' in drawing.svg()


def test_no_evidence_has_a_waterfall_with_a_range_of_everything(result: Result) -> None:
    sums = waterfall(Prediction(result.call, 0.3, (0.0, 1.0), 0.3, "nothing"))
    assert sums is not None
    xs = [shape.x for shape in draw_waterfall(sums).shapes if isinstance(shape, Box)]
    assert all(0 <= x <= WIDTH for x in xs)


def test_what_would_change_the_answer_follows_from_the_values(result: Result) -> None:
    changes = summarise(result).changes
    assert changes[0].startswith(
        "The range comes mostly from differences between hospitals (standard deviation 0.70"
    )
    assert (
        f"Without radiomics the probability would be {percent(float(expit(logit(0.13) + 1.14)))} instead of 13 %."
        in changes
    )
    assert "Across 3 plausible outlines the probability ranges from 12 % to 16 %." in changes
    assert (
        f"At a prevalence of 50 % the same evidence would give {percent(float(expit(logit(0.13) - logit(0.3))))}."
        in changes
    )
    assert "Not given, but would add evidence: ADC, MRS." in changes


def test_after_a_local_calibration_nothing_is_recomputed_from_the_sum(result: Result) -> None:
    changes = " ".join(summarise(predicting(result, site="Rijeka")).changes)
    assert "Without" not in changes
    assert "the same evidence" not in changes


def test_the_outline_is_named_where_it_decides(result: Result) -> None:
    changes = summarise(predicting(result, range_sources={"hospital": 0.3, "outline": 0.9})).changes
    assert "uncertainty about the outline of the tumour" in changes[0]
    assert "--mask" in changes[0]


def test_what_is_missing_is_listed() -> None:
    result = make_result((Sequence.T1, Sequence.T2))
    study = replace(result.study, subject=Subject("n"))
    silent = Evidence("perfusion", 0.7, 0.1, 0.0, 0.0, "fixed at 0")
    prediction = replace(result.prediction, evidence=(*result.prediction.evidence, silent))
    summary = summarise(
        replace(result, study=study, prediction=prediction, findings=(Finding("bare", None),))
    )
    assert summary.missing == (
        "Not in the study: T1c, FLAIR, DSC, ADC, MRS, CEST, age.",
        "Perfusion network was not used: the study has no DSC series.",
        "Perfusion network was not counted: fixed at 0.",
    )
    assert summary.changes[-1] == "Not given, but would add evidence: T1c, FLAIR, ADC, MRS, age."
    assert summary.age_alone == "not known, as no age was given"


def test_without_a_tumour_there_is_nothing_to_add_up() -> None:
    summary = summarise(make_no_tumour())
    assert (summary.headline, summary.waterfall, summary.changes, summary.age_alone) == (None, None, (), None)
    assert summary.explanation.startswith("Model 1 marked no voxel")


def test_no_text_of_the_summary_holds_a_path(result: Result) -> None:
    source = result.study.images[0].source
    named = predicting(result, reasons=(f"{source} is in doubt.",), explanation=f"From {source}.")
    assert "doe" not in repr(summarise(named))
    assert summarise(named).reasons == ("image 1 is in doubt.",)
