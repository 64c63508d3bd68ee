from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.special import expit

from gliotype.errors import OutputError
from gliotype.evaluate.figures import draw_figures
from gliotype.evaluate.metrics import Metrics, evaluate
from gliotype.evaluate.table import Labels, Patients, Predictions, join
from gliotype.evaluate.write import OUTPUTS, metrics_csv, metrics_json, notes, render_html, write_evaluation

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "evaluate.md"


@pytest.fixture(scope="module")
def sets() -> tuple[Patients, Patients]:
    rng = np.random.default_rng(6)
    subjects = [f"secret-{i}" for i in range(80)]
    mutant = dict(zip(subjects, (rng.random(80) < 0.4).tolist(), strict=True))
    age = {subject: 60.0 - 10 * mutant[subject] + i % 17 for i, subject in enumerate(subjects[:70])}
    columns = {"site": {subject: "<b>north</b>" if i % 3 else "south" for i, subject in enumerate(subjects)}}
    labels = Labels("labels.csv", mutant, age, columns | {"empty": dict.fromkeys(subjects, "")})
    both = [
        join(Predictions(name, {s: float(expit(rng.normal(skill * mutant[s]))) for s in subjects}), labels)
        for name, skill in (("mine.csv", 2), ("theirs.csv", 1))
    ]
    return both[0], both[1]


@pytest.fixture(scope="module")
def metrics(sets: tuple[Patients, Patients]) -> Metrics:
    return evaluate(*sets, resamples=20)


@pytest.fixture(scope="module")
def figures(sets: tuple[Patients, Patients], metrics: Metrics) -> dict[str, str]:
    return draw_figures(*sets, metrics)


def least() -> Metrics:
    mutant = {"a": True, "b": True, "c": False, "d": False}
    predictions = Predictions("p.csv", {"a": 0.9, "b": None, "c": 0.1, "d": 0.2, "e": 0.3})
    return evaluate(
        join(predictions, Labels("l.csv", {**mutant, "f": True, "g": True}, {}, {})), resamples=20
    )


def test_the_contract_of_the_json(metrics: Metrics) -> None:
    found = json.loads(metrics_json(metrics))
    area = metrics.auroc
    assert found["n"] == 80
    assert found["auroc"] == {"value": area.value, "ci": [area.low, area.high]}
    assert found["schema"] == 1
    assert found["against"]["difference"]["p_value"] == metrics.against.difference.p_value
    assert found["calibration"]["reliability"][0]["observed"]["ci"][0] <= 1
    assert {field.name for field in fields(Metrics)} < set(found)


def test_every_key_of_the_json_is_documented(metrics: Metrics) -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(keys, value.values()))
        return set().union(*map(keys, value)) if isinstance(value, list) else set()

    assert sorted(key for key in keys(json.loads(metrics_json(metrics))) if f"`{key}`" not in text) == []
    assert sorted(name for name in OUTPUTS if f"`{name}`" not in text) == []


def test_the_table_has_every_number_with_its_interval(metrics: Metrics) -> None:
    rows = list(csv.DictReader(io.StringIO(metrics_csv(metrics))))
    found = {(row["metric"], row["group"]): row for row in rows}
    assert len(found) == len(rows)
    for row in rows:
        assert float(row["low"]) <= float(row["value"]) + 1e-12
        assert float(row["value"]) <= float(row["high"]) + 1e-12
    assert float(found["auroc", ""]["value"]) == metrics.auroc.value
    assert float(found["against_auroc", ""]["value"]) == metrics.against.other_auroc.value
    assert found["sensitivity", "cut=0.5"]["n"] == str(metrics.mutants)
    assert found["age_alone_auroc", ""]["n"] == "70"
    assert found["net_benefit_age_alone", "threshold=0.3"]["n"] == "70"
    assert ("calibration_curve", "predicted=0.5") in found
    assert ("auroc", "site=<b>north</b>") in found
    assert ("auroc_minus_age_alone", "site=south") in found


def test_what_is_missing_is_null_and_said() -> None:
    metrics = least()
    found = json.loads(metrics_json(metrics))
    assert found["age_alone"] is None
    assert found["against"] is None
    assert found["calibration"]["slope"] is None
    said = " ".join(notes(metrics))
    assert "1 of 4 patients" in said
    assert "scored as the stated prevalence; coverage 0.750" in said
    assert "subjects have no label: 1." in said
    assert "subjects have no prediction: 2." in said
    assert "Age alone cannot be compared" in said
    assert "slope is unbounded" in said
    assert ["calibration_slope", "", "4", "", "", ""] in list(csv.reader(io.StringIO(metrics_csv(metrics))))


def test_the_page_is_self_contained_and_escapes_names(metrics: Metrics, figures: dict[str, str]) -> None:
    page = render_html(metrics, figures)
    assert f"{metrics.auroc.value:.3f} ({metrics.auroc.low:.3f} to {metrics.auroc.high:.3f})" in page
    assert f"{metrics.age_alone.other_auroc.value:.3f}" in page
    assert "theirs.csv" in page
    assert "Research use only" in page
    assert "No strata by empty" in page
    assert "&lt;b&gt;north&lt;/b&gt;" in page
    assert "<b>north" not in page
    assert "secret" not in page
    assert page.count("data:image/svg+xml;base64,") == 5
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "<script" not in page


def test_the_page_of_the_least_evaluation(figures: dict[str, str]) -> None:
    page = render_html(least(), figures)
    assert "Compared with other scores" not in page
    assert "Within strata" not in page
    assert 'Calibration slope (ideal: 1)</td><td class="n">–' in page


@pytest.mark.slow
def test_figures_are_svg_that_does_not_change(
    sets: tuple[Patients, Patients], metrics: Metrics, figures: dict[str, str]
) -> None:
    assert set(figures) == {"roc", "precision_recall", "calibration", "reliability", "decision_curve"}
    for text in figures.values():
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert draw_figures(*sets, metrics) == figures
    assert draw_figures(sets[0], None, evaluate(sets[0], resamples=20))["roc"] != figures["roc"]


def test_files_appear_together_and_replace_an_earlier_run(
    metrics: Metrics, figures: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "metrics.csv").write_text("old")
    files = write_evaluation(metrics, figures, tmp_path)
    assert [path.name for path in files] == list(OUTPUTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(OUTPUTS)
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8") == metrics_csv(metrics)
    assert (tmp_path / "roc.svg").read_text(encoding="utf-8") == figures["roc"]


def test_a_failure_while_writing_leaves_nothing(
    metrics: Metrics, figures: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, *text: str, **options: str) -> int:
        if path.name == "metrics.json":
            raise OSError(28, "No space left on device")
        return write(path, *text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        write_evaluation(metrics, figures, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
