from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gliotype.simulate.cohort import write as cohort
from gliotype.simulate.dsc.protocols import DSC_SITES
from support.command_line import Run


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let simulations lie on a coarse grid, for speed."""
    monkeypatch.setattr(cohort, "write_cohort", partial(cohort.write_cohort, spacing_mm=3.0))


@pytest.mark.slow
def test_it_writes_a_cohort_says_where_and_goes_on_with_it(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    code, out, err = run("simulate", "-n", 1, "-o", folder, "--site", "tcia", "--seed", 2)
    assert code == 0
    assert err.splitlines() == ["simulate sub-0001 of 1"]
    assert "1 simulated patients" in out
    assert str(folder / "participants.tsv") in out
    code, out, err = run("simulate", "-n", 2, "-o", folder, "--site", "tcia", "--seed", 2)
    assert (code, err.splitlines()) == (0, ["simulate sub-0002 of 2"])
    assert "2 simulated patients, 1 of them there already" in out
    with (folder / "participants.tsv").open(encoding="utf-8", newline="") as file:
        assert [row["site"] for row in csv.DictReader(file, delimiter="\t")] == ["tcia", "tcia"]
    code, _, err = run("simulate", "-n", 2, "-o", folder)
    assert code == 2
    assert "site tcia, seed 2" in err
    assert "site severance, seed 0" in err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (
            ("-n", 1, "--site", "mayo"),
            2,
            "choose one of severance, snuh, tcia, tcga-lgg, ucsf, healthy, distractors",
        ),
        (("-n", 0), 2, "give 1 or more"),
        (("-n", -3), 2, "give 1 or more"),
        (("-n", 1, "--label-maps", "nowhere"), 3, "no label map"),
    ],
)
def test_wrong_calls_end_with_a_sentence(
    run: Run, tmp_path: Path, arguments: tuple[object, ...], exit_code: int, says: str
) -> None:
    code, out, err = run("simulate", *arguments, "-o", tmp_path / "cohort")
    assert (code, out) == (exit_code, "")
    assert err.startswith("gliotype: ")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "cohort").exists()


def test_folders_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("here")
    code, _, err = run("simulate", "-n", 1, "-o", tmp_path)
    assert code == 2
    assert "choose an empty or a new folder" in err
    code, _, err = run("simulate", "-n", 1, "-o", tmp_path / "thesis.txt")
    assert code == 3
    assert "cannot write the results" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_it_adds_perfusion_on_demand(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_frames = replace(DSC_SITES["snuh"], tr_s=(5.0, 5.0), frames=(11, 11))
    monkeypatch.setattr(cohort, "find_dsc_site", {"snuh": few_frames}.__getitem__)
    folder = tmp_path / "perfusion"
    code, _, _ = run("simulate", "-n", 1, "-o", folder, "--raw", "--dsc", "--site", "snuh")
    assert code == 0
    assert (folder / "sub-0001" / "perf" / "sub-0001_dsc.nii.gz").is_file()
    assert (
        folder / "derivatives" / "truth" / "sub-0001" / "perf" / "sub-0001_desc-true_cbv.nii.gz"
    ).is_file()
