from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from gliotype.errors import InputError
from gliotype.evaluate.calibration import calibration
from gliotype.evaluate.decisions import at_threshold, net_benefit, probability_of_age, proportion, treat_all
from gliotype.evaluate.metrics import Metrics, average_precision, evaluate
from gliotype.evaluate.predictive import at_prevalence
from gliotype.evaluate.roc import Estimate, auroc, compare_aurocs
from gliotype.evaluate.table import Labels, Patients, Predictions, join

Row = tuple[str, float | None, bool]


def patients_of(
    rows: Iterable[Row],
    columns: Mapping[str, Mapping[str, str]] | None = None,
    age: Mapping[str, float] | None = None,
    name: str = "predictions.csv",
) -> Patients:
    known = {subject: mutant for subject, _, mutant in rows}
    labels = Labels("labels.csv", known, age or {}, columns or {})
    return join(Predictions(name, {subject: score for subject, score, _ in rows}), labels)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    rng = np.random.default_rng(4)
    log_odds = rng.normal(-0.5, 1.5, 120)
    mutant = rng.random(120) < expit(0.7 * log_odds + 0.3)
    return [(f"p{i:03}", float(expit(log_odds[i])), bool(mutant[i])) for i in range(120)]


def arrays(rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([mutant for _, _, mutant in rows]), np.array([score for _, score, _ in rows], dtype=float)


def numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def test_shares_have_wilsons_interval() -> None:
    # Newcombe (Stat Med 1998;17:857), table I, method 3.
    assert numbers(proportion(81, 263)) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert numbers(proportion(15, 148)) == pytest.approx((0.1014, 0.0624, 0.1605), abs=5e-5)
    assert numbers(proportion(0, 20)) == pytest.approx((0, 0, 0.1611), abs=5e-5)


def test_decisions_at_the_cut_by_hand() -> None:
    mutant = np.array([True, True, True, False, False, False, False])
    found = at_threshold(mutant, np.array([0.9, 0.5, 0.49, 0.8, 0.1, 0.2, 0.3]), 0.5)
    counts = (found.true_positives, found.false_positives, found.true_negatives, found.false_negatives)
    assert counts == (2, 1, 3, 1)
    assert found.accuracy == proportion(5, 7)
    assert found.sensitivity == proportion(2, 3)
    assert found.specificity == proportion(3, 4)
    assert found.ppv == proportion(2, 3)
    assert found.npv == proportion(3, 4)


def test_without_calls_of_a_kind_there_is_no_predictive_value() -> None:
    mutant = np.array([True, True, False, False])
    assert at_threshold(mutant, np.full(4, 0.1), 0.5).ppv is None
    assert at_threshold(mutant, np.full(4, 0.9), 0.5).npv is None


def test_average_precision_by_hand() -> None:
    # Mutants at ranks 1 and 3: (1/1 + 2/3) / 2; the interval is 1.96 / sqrt(2 (5/6) (1/6)) on the log-odds.
    found = average_precision(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]))
    half = 1.959964 / np.sqrt(2 * 5 / 36)
    assert numbers(found) == pytest.approx(
        (5 / 6, expit(np.log(5) - half), expit(np.log(5) + half)), abs=1e-6
    )
    assert numbers(average_precision(np.array([True, False]), np.array([0.9, 0.8]))) == (1, 1, 1)


def test_a_set_without_error_has_an_average_precision_of_one_whatever_is_rounded() -> None:
    rng = np.random.default_rng(1)
    for mutants in range(2, 60):
        mutant = np.arange(mutants + 5) < mutants
        score = np.where(mutant, 0.6 + 0.4 * rng.random(len(mutant)), 0.5 * rng.random(len(mutant)))
        assert numbers(average_precision(mutant, score)) == (1, 1, 1)


def test_interval_of_the_average_precision_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    mutant = rng.random(200_000) < 0.4
    truth = average_precision(mutant, rng.normal(size=200_000) + 1.5 * mutant).value
    covered = []
    for _ in range(400):
        mutant = rng.random(200) < 0.4
        found = average_precision(mutant, rng.normal(size=200) + 1.5 * mutant)
        covered.append(found.low <= truth <= found.high)
    assert 0.92 < np.mean(covered) < 0.985


def test_net_benefit_by_hand() -> None:
    mutant = np.array([True, True, False, False, False])
    score = np.array([0.9, 0.25, 0.3, 0.1, 0.2])
    found = net_benefit(mutant, score, 0.25)
    assert found.value == pytest.approx(2 / 5 - 1 / 5 * (0.25 / 0.75))
    gains = [1, 1, -1 / 3, 0, 0]
    assert found.high - found.value == pytest.approx(1.959964 * np.std(gains, ddof=1) / np.sqrt(5), rel=1e-6)
    assert treat_all(mutant, 0.25).value == pytest.approx(2 / 5 - 3 / 5 / 3)
    assert net_benefit(mutant, score, 0.95).value == 0


def test_calibration_errors_are_the_curvature_of_the_likelihood(rows: list[Row]) -> None:
    mutant, score = arrays(rows)
    log_odds, sign = logit(score), np.where(mutant, 1, -1)

    def loss(line: np.ndarray) -> float:
        return -float(log_expit(sign * (line[0] + line[1] * log_odds)).sum())

    best = minimize(loss, [0.0, 1.0], tol=1e-10).x
    steps = np.eye(2) * 1e-3
    curvature = [
        [
            (loss(best + a + b) - loss(best + a - b) - loss(best - a + b) + loss(best - a - b)) / 4e-6
            for b in steps
        ]
        for a in steps
    ]
    error = np.sqrt(np.linalg.inv(curvature)[1, 1])
    found = calibration(mutant, score, resamples=20)
    assert found.slope is not None
    assert numbers(found.slope) == pytest.approx(best[1] + 1.959964 * error * np.array([0, -1, 1]), rel=1e-3)
    shift = minimize(lambda a: loss(np.array([a[0], 1.0])), [0.0], tol=1e-10).x[0]
    at, around = loss(np.array([shift, 1])), (loss(np.array([shift + d, 1])) for d in (-1e-3, 1e-3))
    error = 1 / np.sqrt((sum(around) - 2 * at) / 1e-6)
    assert numbers(found.intercept) == pytest.approx(
        shift + 1.959964 * error * np.array([0, -1, 1]), abs=1e-3
    )


def test_reliability_bins_hold_every_patient_once(rows: list[Row]) -> None:
    mutant, score = arrays(rows)
    score[:3] = (0.0, 0.3, 1.0)
    bins = calibration(mutant, score, resamples=20).reliability
    assert sum(each.n for each in bins) == len(score)
    for each in bins:
        inside = (score >= each.low) & ((score < each.high) | (each.high == 1))
        assert each.n == inside.sum()
        assert each.mean_probability == pytest.approx(score[inside].mean())
        assert each.observed == proportion(mutant[inside].sum(), each.n)
    assert (bins[0].low, bins[-1].high) == (0, 1)


def test_an_empty_bin_is_left_out() -> None:
    bins = calibration(
        np.array([True, False, True, False]), np.array([0.1, 0.15, 0.9, 0.95]), resamples=20
    ).reliability
    assert [(each.low, each.n) for each in bins] == [(0.1, 2), (0.9, 2)]


@pytest.mark.parametrize("score", [[0.8, 0.9, 0.1, 0.2], [0.1, 0.2, 0.8, 0.9], [0.5, 0.5, 0.5, 0.5]])
def test_without_overlap_of_the_classes_there_is_no_slope(score: list[float]) -> None:
    assert calibration(np.array([True, True, False, False]), np.array(score), resamples=20).slope is None


def test_all_numbers_count_the_no_calls(rows: list[Row]) -> None:
    lost = {subject for subject, _, _ in rows[::10]}
    with_gaps = [(subject, None if subject in lost else score, mutant) for subject, score, mutant in rows]
    mutant, score = arrays(rows)
    score[::10] = 0.3
    metrics = evaluate(patients_of(with_gaps), resamples=20)
    assert (metrics.n, metrics.no_calls, metrics.mutants) == (120, 12, mutant.sum())
    assert metrics.coverage == proportion(108, 120)
    assert metrics.auroc == auroc(mutant, score)
    assert metrics.brier.value == pytest.approx(np.mean((mutant - score) ** 2))
    assert metrics.prevalence == proportion(mutant.sum(), 120)


def test_age_alone_is_the_younger_the_likelier_on_those_whose_age_is_known(rows: list[Row]) -> None:
    rng = np.random.default_rng(9)
    age = {subject: float(rng.normal(60 - 15 * mutant, 12)) for subject, _, mutant in rows[:90]}
    found = evaluate(patients_of(rows, age=age), resamples=20).age_alone
    assert found is not None
    mutant, score = arrays(rows[:90])
    years = np.array(list(age.values()))
    assert (found.n, found.mutants) == (90, mutant.sum())
    assert found.other_auroc.value > 0.7
    assert found.other_auroc == auroc(mutant, -years)
    assert found.auroc == auroc(mutant, score)
    assert found.difference == compare_aurocs(mutant, score, -years)


def test_the_decision_curve_stands_beside_age_alone_where_age_is_known(rows: list[Row]) -> None:
    rng = np.random.default_rng(9)
    age = {subject: float(rng.normal(60 - 15 * mutant, 12)) for subject, _, mutant in rows[:90]}
    mutant, _ = arrays(rows[:90])
    alone = probability_of_age(mutant, np.array(list(age.values())))
    assert alone.mean() == pytest.approx(mutant.mean(), abs=1e-3), "fitted on these patients"
    assert alone[np.argmin(list(age.values()))] == alone.max(), "the younger the likelier"
    for row in evaluate(patients_of(rows, age=age), resamples=20).net_benefit:
        assert row.age_alone == net_benefit(mutant, alone, row.threshold)
    assert all(row.age_alone is None for row in evaluate(patients_of(rows), resamples=20).net_benefit)


def test_strata_have_their_own_areas_and_the_small_ones_have_none(rows: list[Row]) -> None:
    column = {subject: "10" if i < 2 else "9" if i < 60 else "" for i, (subject, _, _) in enumerate(rows)}
    age = {subject: float(i) for i, (subject, _, _) in enumerate(rows[:80])}
    strata = [
        s
        for s in evaluate(patients_of(rows, {"site": column}, age), resamples=20).strata
        if s.column == "site"
    ]
    assert [(s.value, s.n) for s in strata] == [("9", 58), ("10", 2), ("not given", 60)]
    mutant, score = arrays(rows)
    assert strata[0].auroc == auroc(mutant[2:60], score[2:60])
    assert strata[1].auroc is None
    assert strata[1].age_alone is None
    assert strata[2].age_alone is not None
    assert strata[2].age_alone.n == 20
    assert strata[2].age_alone.other_auroc == auroc(mutant[60:80], -np.arange(60, 80))


def test_other_predictions_are_compared_on_the_patients_of_both(rows: list[Row]) -> None:
    rng = np.random.default_rng(1)
    other = [(subject, float(rng.random()), mutant) for subject, _, mutant in reversed(rows[20:])]
    metrics = evaluate(patients_of(rows), patients_of(other, name="other.csv"), resamples=20)
    mutant, score = arrays(rows[20:])
    theirs = arrays(other)[1][::-1]
    assert metrics.against is not None
    assert (metrics.n, metrics.against.n) == (120, 100)
    assert metrics.against.difference == compare_aurocs(mutant, score, theirs)
    assert metrics.against.other_auroc == auroc(mutant, theirs)
    assert metrics.sources["against"] == "other.csv"


def test_too_few_patients_of_both_are_refused(rows: list[Row]) -> None:
    mutants = [row for row in rows if row[2]]
    wildtypes = [row for row in rows if not row[2]]
    first = patients_of(mutants[:4] + wildtypes[:4])
    second = patients_of(mutants[:4] + wildtypes[3:8], name="other.csv")
    with pytest.raises(InputError, match=r"both predictions\.csv and other\.csv are 4 mutant and 1 wildtype"):
        evaluate(first, second, resamples=20)


def test_published_scores_of_prognosais_give_the_known_answers(shared_data: Path) -> None:
    """van der Voort 2022 on TCGA; known answers from an independent computation on the released scores."""
    with (shared_data / "tables" / "prognosais_test_predictions.csv").open(encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row["IDH_mutated"] in ("0", "1")]
    rows = [
        (row["Patient"], float(row["Prediction_score_IDH_mutated"]), row["IDH_mutated"] == "1")
        for row in table
    ]
    metrics = evaluate(
        patients_of(rows, {"set": {row["Patient"]: row["Data_collection"] for row in table}}), resamples=20
    )
    assert (metrics.n, metrics.mutants) == (217, 88)
    assert metrics.auroc.value == pytest.approx(0.896, abs=0.0005)
    assert metrics.auroc == auroc([mutant for *_, mutant in rows], [score for _, score, _ in rows])
    assert metrics.average_precision.value == pytest.approx(0.890, abs=0.0005)
    assert metrics.brier.value == pytest.approx(0.131, abs=0.0005)
    assert metrics.at_threshold.accuracy.value == pytest.approx(0.843, abs=0.0005)
    assert metrics.at_threshold.sensitivity.value == pytest.approx(0.716, abs=0.0005)
    assert metrics.at_threshold.specificity.value == pytest.approx(0.930, abs=0.0005)
    assert metrics.calibration.slope is not None
    assert metrics.calibration.slope.value == pytest.approx(0.44, abs=0.005)
    assert metrics.calibration.intercept.value == pytest.approx(1.59, abs=0.005)
    bins = metrics.calibration.reliability
    expected_error = sum(each.n * abs(each.mean_probability - each.observed.value) for each in bins) / 217
    assert expected_error == pytest.approx(0.122, abs=0.0005)
    areas = {s.value: s.auroc.value for s in metrics.strata if s.auroc is not None}
    assert areas == pytest.approx({"TCGA-GBM": 0.637, "TCGA-LGG": 0.811}, abs=0.0005)
    assert benefit_at_30_percent(metrics) == pytest.approx((0.278, 0.151), abs=0.0005)


def test_published_scores_of_mri_gnp_give_the_known_answers(shared_data: Path) -> None:
    """The released file has the called class and the confidence in it; P(mutant) is rebuilt from both."""
    with (shared_data / "tables" / "mri_gnp_test_predictions.csv").open(encoding="utf-8-sig") as file:
        table = [
            row for row in csv.DictReader(file) if row["task"] == "IDH" and row["data_split"] == "External"
        ]
    rows = []
    for row in table:
        confidence = float(row["prediction_probability"])
        score = confidence if row["prediction"] == "yes" else 1 - confidence
        rows.append((row["case_id"], score, row["label"] == "yes"))
    metrics = evaluate(
        patients_of(rows, {"centre": {row["case_id"]: row["center_code"] for row in table}}), resamples=20
    )
    assert metrics.n == 1923
    assert metrics.auroc.value == pytest.approx(0.836, abs=0.0005)
    # 0.745 with the many ties in the order of the file; a tie is one step here, as in scikit-learn.
    assert metrics.average_precision.value == pytest.approx(0.747, abs=0.0005)
    assert metrics.brier.value == pytest.approx(0.156, abs=0.0005)
    assert metrics.calibration.slope is not None
    assert metrics.calibration.slope.value == pytest.approx(0.45, abs=0.005)
    assert metrics.calibration.intercept.value == pytest.approx(-0.13, abs=0.005)
    assert benefit_at_30_percent(metrics) == pytest.approx((0.228, 0.097), abs=0.0005)
    areas = {s.value: (s.n, s.auroc.value) for s in metrics.strata if s.auroc is not None}
    assert areas["TCGA"] == (182, pytest.approx(0.852, abs=0.0005))
    assert areas["UCSF-PDGM"] == (501, pytest.approx(0.814, abs=0.0005))
    assert areas["AUMC"] == (497, pytest.approx(0.829, abs=0.0005))


def benefit_at_30_percent(metrics: Metrics) -> tuple[float, float]:
    (row,) = (row for row in metrics.net_benefit if row.threshold == 0.3)
    return row.value.value, row.treat_all.value


def test_predictive_values_at_a_prevalence_are_those_of_the_decisions() -> None:
    perfect = at_prevalence(4, 4, 20, 20, 0.3)
    assert perfect.ppv is not None
    assert perfect.npv is not None
    assert (perfect.ppv.value, perfect.npv.value) == (1.0, 1.0)
    assert perfect.ppv.low < 0.9 < perfect.ppv.high == 1.0
    nobody = at_prevalence(0, 5, 20, 20, 0.3)
    assert nobody.ppv is None
    assert nobody.npv is not None
    assert nobody.npv.value == pytest.approx(0.7), (
        "who calls everybody wildtype is right as often as they are"
    )
