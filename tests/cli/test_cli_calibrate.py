from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from gliotype.answer.site import read_site
from support.command_line import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Too extreme predictions and labels of 80 made-up patients."""
    rng = np.random.default_rng(12)
    log_odds = rng.normal(0, 4, 80)
    mutant = rng.random(80) < expit(0.45 * log_odds)
    lines = [f"s{i},{expit(value):.6f}" for i, value in enumerate(log_odds)]
    (tmp_path / "predictions.csv").write_text("\n".join(["subject,probability", *lines]), encoding="utf-8")
    lines = [f"s{i},{int(value)}" for i, value in enumerate(mutant)]
    (tmp_path / "labels.csv").write_text("\n".join(["subject,idh", *lines]), encoding="utf-8")
    return tmp_path


def test_it_writes_a_calibration_and_says_what_it_gains(run: Run, folder: Path) -> None:
    files = (folder / "predictions.csv", "--labels", folder / "labels.csv", "--prevalence", "0.5")
    code, out, err = run("calibrate", *files, "--name", "North", "-o", folder / "site.json")
    assert (code, err) == (0, "")
    site = read_site(folder / "site.json")
    assert site.name == "North"
    assert site.slope == pytest.approx(0.45, abs=0.2)
    assert f"Slope        {site.slope:.2f}" in out
    assert "After        slope" in out
    assert "s17" not in (folder / "site.json").read_text(encoding="utf-8")


def test_too_few_patients_are_one_sentence_and_no_file(run: Run, folder: Path) -> None:
    labels = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()[:19]
    (folder / "labels.csv").write_text("\n".join(labels), encoding="utf-8")
    code, out, err = run(
        "calibrate", folder / "predictions.csv", "--labels", folder / "labels.csv", "-o", folder / "site.json"
    )
    assert (code, out) == (3, "")
    assert "a calibration needs 20" in err
    assert not (folder / "site.json").exists()
