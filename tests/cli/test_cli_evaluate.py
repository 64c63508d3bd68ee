from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gliotype.evaluate.write import OUTPUTS
from support.command_line import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Predictions, other predictions and labels of 60 made-up patients."""
    rng = np.random.default_rng(2)
    mutant = rng.random(60) < 0.4
    age = rng.normal(62 - 18 * mutant, 10)
    for name, skill in (("predictions", 0.4), ("other", 0.1)):
        score = np.clip(0.3 + skill * mutant + rng.normal(0, 0.2, 60), 0, 1)
        lines = [f"s{i},{score[i]:.4f}" for i in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["subject,probability", *lines]), encoding="utf-8")
    lines = [f"s{i},{int(mutant[i])},{age[i]:.1f},{'west' if i % 2 else 'east'}" for i in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["subject,idh,age,site", *lines]), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_it_tells_the_area_beside_age_alone_and_writes_the_files(run: Run, folder: Path) -> None:
    code, out, err = run(
        "evaluate", folder / "predictions.csv", "--labels", folder / "labels.csv", "-o", folder / "out"
    )
    assert (code, err) == (0, "")
    metrics = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert f"{metrics['auroc']['value']:.3f} (" in out
    assert f"Age alone    {metrics['age_alone']['other_auroc']['value']:.3f} (" in out
    assert "Other" not in out
    assert {stratum["column"] for stratum in metrics["strata"]} == {"site", "age"}
    for name in OUTPUTS:
        assert str(folder / "out" / name) in out
        assert (folder / "out" / name).is_file()


@pytest.mark.slow
def test_against_other_predictions(run: Run, folder: Path) -> None:
    compare = ("--compare", folder / "other.csv")
    code, out, _ = run(
        "evaluate", folder / "predictions.csv", "--labels", folder / "labels.csv", *compare, "-o", folder
    )
    assert code == 0
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["against"]
    assert found["difference"]["value"] > 0.1
    assert f"difference {found['difference']['value']:+.3f} (" in out


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("predictions", "subject,score\ns1,0.1\n", "0 columns named 'probability'"),
        ("predictions", "subject,probability\ns1,0.1\ns1,0.1\n", "a second time"),
        ("predictions", "subject,probability\ns1,nan\n", "not a number from 0 to 1"),
        ("predictions", "", "no rows"),
        ("predictions", "subject,probability\nother,0.1\n", "no subject of predictions.csv"),
        ("labels", "subject,idh\ns1,1\ns2,1\n", "2 mutant and 0 wildtype"),
        ("labels", "subject,idh\ns1,perhaps\n", "the IDH status is 'perhaps'"),
        ("labels", None, "cannot read"),
        ("other", "subject,probability\ns1,2\n", "other.csv, line 2"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    run: Run, folder: Path, name: str, text: str | None, says: str
) -> None:
    path = folder / f"{name}.csv"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    before = sorted(folder.iterdir())
    compare = ("--compare", folder / "other.csv")
    paths = (folder / "predictions.csv", "--labels", folder / "labels.csv", *compare)
    code, out, err = run("evaluate", *paths, "-o", folder / "out")
    assert (code, out) == (3, "")
    assert err.startswith("gliotype: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_an_output_that_cannot_be_written_is_found_first(run: Run, folder: Path) -> None:
    code, _, err = run("evaluate", "missing.csv", "--labels", "missing.csv", "-o", folder / "labels.csv")
    assert code == 3
    assert err.startswith("gliotype: cannot write the results to")


def test_labels_are_needed(run: Run, folder: Path) -> None:
    code, _, err = run("evaluate", folder / "predictions.csv", "-o", folder)
    assert code == 2
    assert "--labels" in err
