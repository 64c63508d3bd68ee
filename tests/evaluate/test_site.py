from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedKFold

from gliotype.answer.site import SiteCalibration, read_site
from gliotype.errors import InputError
from gliotype.evaluate.site import calibrate_site, cross_validated, line_of, recalibrate, slope_widths
from gliotype.evaluate.site_report import report_lines, write_site
from gliotype.evaluate.table import Labels, Patients, Predictions, join, read_predictions
from gliotype.predictors.conformal import ConformalThresholds


def clinic(n: int, *, slope: float, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 3, n)
    return rng.random(n) < expit(slope * log_odds + shift), log_odds


def patients_of(mutant: np.ndarray, log_odds: np.ndarray, no_calls: int = 0) -> Patients:
    """Predictions at a prevalence of 0.3 of patients whose log-odds at one half are given."""
    probability = expit(log_odds + logit(0.3))
    found = {f"p{i}": None if i < no_calls else float(p) for i, p in enumerate(probability)}
    labels = Labels("labels.csv", {f"p{i}": bool(m) for i, m in enumerate(mutant)}, {}, {})
    return join(Predictions("predictions.csv", found), labels)


def test_few_patients_stay_near_the_prior_and_many_reach_the_truth() -> None:
    few, many = (recalibrate(*clinic(n, slope=0.4, shift=0.5, seed=3)) for n in (20, 4000))
    assert many.slope == pytest.approx(0.4, abs=0.03)
    assert logit(many.prevalence) + many.intercept == pytest.approx(0.5, abs=0.1)
    assert few.slope_sd > 5 * many.slope_sd


def test_mode_and_spread_are_those_of_the_stated_prior() -> None:
    """The same posterior written out, minimised without a gradient, its curvature by differences."""
    mutant, log_odds = clinic(30, slope=0.5, shift=-1.0, seed=6)
    found = recalibrate(mutant, log_odds)
    assert found.prevalence == (mutant.sum() + 0.5) / 31

    def minus_log_posterior(at: np.ndarray) -> float:
        p = expit(logit(found.prevalence) + at[0] + at[1] * log_odds)
        likelihood = np.where(mutant, np.log(p), np.log(1 - p)).sum()
        return float(-likelihood + at[0] ** 2 / 2 + (at[1] - 1) ** 2 / (2 * 0.5**2))

    best = minimize(
        minus_log_posterior, [0.3, 0.3], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}
    ).x
    assert (found.intercept, found.slope) == pytest.approx(best, abs=1e-4)
    step, e = 1e-3, np.eye(2)
    hessian = np.array(
        [
            [
                sum(
                    s * t * minus_log_posterior(best + step * (s * e[i] + t * e[j]))
                    for s in (1, -1)
                    for t in (1, -1)
                )
                / (4 * step**2)
                for j in range(2)
            ]
            for i in range(2)
        ]
    )
    spread = np.sqrt(np.diag(np.linalg.inv(hessian)))
    assert (found.intercept_sd, found.slope_sd) == pytest.approx(spread, rel=1e-3)


def test_calibration_of_patients_left_out_is_better_than_before() -> None:
    mutant, log_odds = clinic(300, slope=0.45, shift=0.8, seed=1)
    before = line_of(mutant, expit(log_odds + logit(0.3)))
    after = line_of(mutant, cross_validated(mutant, log_odds))
    assert before.slope is not None
    assert after.slope is not None
    assert before.slope.value < 0.6
    assert after.slope.low < 1 < after.slope.high
    assert after.brier.value < before.brier.value


def test_no_patient_is_calibrated_by_itself() -> None:
    mutant, log_odds = clinic(40, slope=1.0, shift=0.0, seed=4)
    found = cross_validated(mutant, log_odds, folds=5, seed=2)
    split = StratifiedKFold(5, shuffle=True, random_state=2).split(log_odds, mutant)
    others, left_out = next(split)
    expected = expit(recalibrate(mutant[others], log_odds[others]).apply(log_odds[left_out]))
    assert found[left_out] == pytest.approx(expected)
    assert found[left_out] != pytest.approx(expit(recalibrate(mutant, log_odds).apply(log_odds[left_out])))


def test_more_patients_narrow_the_interval_as_foretold() -> None:
    mutant, log_odds = clinic(4000, slope=0.5, shift=0.2, seed=9)
    widths = slope_widths(recalibrate(mutant[:50], log_odds[:50]), log_odds[:50])
    assert list(widths) == [50, 100, 200, 400, 800]
    assert list(widths.values()) == sorted(widths.values(), reverse=True)
    seen = 2 * 1.96 * recalibrate(mutant[:400], log_odds[:400]).slope_sd
    assert widths[400] == pytest.approx(seen, rel=0.35)


def test_the_file_gives_back_the_calibration_and_no_patient(tmp_path: Path) -> None:
    mutant, log_odds = clinic(64, slope=0.5, shift=0.0, seed=2)
    site, report = calibrate_site(patients_of(mutant, log_odds, no_calls=4), name="North")
    assert (site.patients, report.n, report.no_calls) == (60, 60, 4)
    write_site(site, report, tmp_path / "site.json")
    text = (tmp_path / "site.json").read_text(encoding="utf-8")
    assert "p17" not in text
    again = read_site(tmp_path / "site.json")
    assert (again.name, again.patients, again.conformal.mutants) == ("North", 60, int(mutant[4:].sum()))
    assert again.apply(1.7) == pytest.approx(site.apply(1.7), abs=1e-4)
    assert json.loads(text)["report"]["before"]["slope"]["value"] == pytest.approx(
        report.before.slope.value, abs=1e-4
    )
    lines = "\n".join(report_lines(site, report))
    assert "cross-validated" in lines
    assert "(prior 1, SD 0.5)" in lines


def test_probability_at_another_prevalence_is_the_same_evidence() -> None:
    conformal = ConformalThresholds(0.9, 30, 10, 1.0, -1.0)
    site = SiteCalibration("A", "2026-11-02", 40, 10, 0.25, 0.6, -0.2, 0.1, 0.2, conformal)
    expected = logit(0.25) - 0.2 + 0.6 * 1.3
    for prevalence in (0.1, 0.5, 0.7):
        probability = float(expit(1.3 + logit(prevalence)))
        assert site.apply_probability(probability, prevalence) == pytest.approx(expected)
    assert site.apply(1.3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "mutants", "says"),
    [
        (19, 8, "19 labelled patients have a probability, 8 of them mutant: a calibration needs 20"),
        (30, 0, "0 mutant"),
    ],
)
def test_too_few_patients_or_one_class_are_refused(n: int, mutants: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        calibrate_site(patients_of(np.arange(n) < mutants, np.linspace(-1, 1, n)), name="North")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "schema 1"),
        ({"slope": "steep"}, "no number 'slope'"),
        ({"slope": -0.4}, "slope -0.4"),
        ({"prevalence": 1}, "prevalence 1"),
        ({"name": 3}, "no text 'name'"),
        ({"mutants": 90}, "how many patients"),
        ({"conformal": {"level": 0.9}}, "conformal thresholds lack"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    site = SiteCalibration(
        "A", "2026-11-02", 40, 10, 0.25, 0.6, -0.2, 0.1, 0.2, ConformalThresholds(0.9, 30, 10, 1.0, -1.0)
    )
    path = tmp_path / "site.json"
    path.write_text(json.dumps({**site.to_json(), **change}), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_site(path)


def test_a_missing_file_and_a_file_that_is_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_site(tmp_path / "none.json")
    (tmp_path / "site.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"site\.json is not JSON"):
        read_site(tmp_path / "site.json")


def results(folder: Path, **documents: dict[str, object]) -> Path:
    for name, document in documents.items():
        (folder / name).mkdir()
        (folder / name / "prediction.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_a_folder_of_results_is_read_with_the_prevalence_of_each(tmp_path: Path) -> None:
    found = read_predictions(
        results(
            tmp_path,
            one={"subject": "A", "probability": 0.8, "prevalence": 0.4},
            two={"subject": "B", "probability": None, "prevalence": 0.3},
        )
    )
    assert found.probability == {"A": 0.8, "B": None}
    assert found.prevalence == {"A": 0.4, "B": 0.3}


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"subject": "A", "probability": 0.1, "prevalence": 0.3}, "a second time"),
        (
            {"subject": "B", "probability": 0.1, "prevalence": 0.3, "site": "North"},
            "two/prediction.json was made with",
        ),
        ({"probability": 0.1}, "two/prediction.json is not a prediction"),
    ],
)
def test_results_that_cannot_be_used_are_refused(
    tmp_path: Path, second: dict[str, object], says: str
) -> None:
    first = {"subject": "A", "probability": 0.8, "prevalence": 0.4}
    with pytest.raises(InputError, match=says):
        read_predictions(results(tmp_path, one=first, two=second))


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no prediction\.json"):
        read_predictions(tmp_path)
