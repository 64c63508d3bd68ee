"""What an experiment says of a full disk and of cohorts without masks or too small, and that nothing is lost."""

from __future__ import annotations

import csv
import errno
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import one_process
from gliotype.atomic_files import write_text
from gliotype.errors import InputError, OutputError
from gliotype.experiment.outlines import outlines_note
from gliotype.experiment.protocol import read_protocol
from gliotype.experiment.run import run_experiment
from gliotype.train.common.state import save_state
from gliotype.train.data.examples import Example
from gliotype.train.model2.method import HybridMethod
from gliotype.train.model2.model import Recipe
from gliotype.train.on_patients import outlines_words, train_on_patients
from gliotype.train.table.method import RadiomicsMethod
from gliotype.train.voxelwise.method import T2NetMethod, TSNetMethod
from support.experiments import Synthetic, use_synthetic_patients

PROTOCOL = """
title = "Folds"
note = "Synthetic patients."
methods = ["radiomics", "age"]
[cohorts.home]
simulated = "severance"
patients = 18
[cross_validation]
cohort = "home"
"""

FULL = r"^cannot write the results to .* \(No space left on device\): make room or allow writing there, or choose"


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Lend a function after which no file whose path fits a pattern can take its place; ``""`` makes room again."""
    full = [""]
    move = os.replace

    def replace_file(source: Any, target: Any) -> None:
        if full[0] and fnmatch(str(target), full[0]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        move(source, target)

    monkeypatch.setattr(os, "replace", replace_file)
    with one_process():
        yield lambda pattern: full.__setitem__(0, pattern)


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """Lend a function that runs an experiment on synthetic patients in a folder and returns its tables."""
    use_synthetic_patients(monkeypatch)
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    return lambda out: run_experiment(read_protocol(tmp_path / "protocol.toml"), tmp_path / out).markdown


@pytest.mark.slow
def test_an_experiment_goes_through_a_full_disk_at_any_file(
    experiment: Callable[[str], str],
    fill_disk: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    undisturbed = experiment("undisturbed")
    make, made = Synthetic.example, []

    def example(self: Synthetic, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        made.append(subject)
        return make(self, subject, inputs)

    monkeypatch.setattr(Synthetic, "example", example)
    for pattern in ("*/cache/*.npz", "*/answers/*.json", "*/splits.csv", "*/results.md", "*/report.html"):
        fill_disk(pattern)
        with pytest.raises(OutputError, match=FULL):
            experiment("out")
        assert not list((tmp_path / "out").rglob(".gliotype-*")), "nothing half-written stays"
    again = len(made)
    fill_disk("")
    assert experiment("out") == undisturbed
    assert len(made) == again, "nobody is prepared again"
    assert (tmp_path / "out" / "answers.csv").read_bytes() == (
        tmp_path / "undisturbed" / "answers.csv"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_goes_through_a_full_disk_at_any_file(
    fill_disk: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gliotype.train.model2.model.export_onnx",
        lambda network, example, file: write_text(file, "a network"),
    )
    patients = Synthetic("mine", 10, {"name": "mine"})
    method = HybridMethod(Recipe(members=2, epochs=1))
    lines: list[str] = []
    train = partial(
        train_on_patients, method, patients, tmp_path / "run", data={"cohort": "mine"}, progress=lines.append
    )
    for pattern in ("*/member-2.pt", "*/training_log.csv", "*/model2.onnx", "*/model2.json"):
        fill_disk(pattern)
        with pytest.raises(OutputError, match=FULL):
            train()
        assert not list((tmp_path / "run").rglob(".gliotype-*"))
        assert not (tmp_path / "run" / "model2.onnx").exists(), "no weight without its card"
    fill_disk("")
    lines.clear()
    assert [file.name for file in train()] == ["model2.onnx", "model2.md", "model2.json"]
    assert not any(line.startswith("example ") for line in lines), "nobody is prepared again"


def test_tensors_on_a_full_disk_are_a_sentence_and_the_file_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint.pt"
    save_state({"step": 1}, file)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match=FULL):
            save_state({"step": 2}, file)
    assert torch.load(file, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("patients", "complaint"),
    [
        (18, "9 mutant and 9 wildtype patients are too few for 5 folds"),
        (3, "2 mutant and 1 wildtype patients"),
    ],
)
def test_fewer_patients_than_folds_are_a_sentence(
    experiment: Callable[[str], str], tmp_path: Path, patients: int, complaint: str
) -> None:
    text = PROTOCOL.replace("patients = 18", f"patients = {patients}") + "folds = 5\n"
    (tmp_path / "protocol.toml").write_text(text)
    with pytest.raises(InputError, match=f"{complaint}.*have 10 of each class"):
        experiment("out")
    assert not (tmp_path / "out").exists(), "found out before an image is read"


class OnDisk(Synthetic):
    """Patients who have files."""

    def images(self, subject: str) -> tuple[Path, ...]:
        return (Path(f"{subject}_T2w.nii.gz"),)


def with_masks(count: int, known: int) -> list[Example]:
    """Patients of whom the last have no expert's mask."""
    examples = [Synthetic("x", count).example(f"x-{i:03d}") for i in range(count)]
    return [replace(e, dice=0.8 if i < known else float("nan")) for i, e in enumerate(examples)]


def test_patients_without_masks_are_counted() -> None:
    sets = {"home": with_masks(5, 3), "abroad": with_masks(4, 4)}
    voxelwise = [T2NetMethod(), RadiomicsMethod(), TSNetMethod()]
    note = outlines_note(sets, voxelwise)
    assert note.startswith(
        "2 of 9 patients have no expert's mask (home 2 of 5): their outlines are Model 1's."
    )
    assert "t2net and tsnet learned from these outlines" in note
    assert note.endswith("Dice is measured on the other 7.")
    assert outlines_note({"home": with_masks(2, 2)}, voxelwise) == ""
    assert "learned" not in outlines_note(sets, [RadiomicsMethod()])
    assert outlines_note({"home": with_masks(2, 0)}, voxelwise).endswith("No Dice is known.")
    simulated, on_disk = Synthetic("x", 5), OnDisk("x", 5)
    assert outlines_words(T2NetMethod(), on_disk, sets["home"]) == (
        "those of Model 1 for 2 of 5 patients, who have no expert's mask"
    )
    assert outlines_words(T2NetMethod(), on_disk, sets["abroad"]) == ""
    assert outlines_words(RadiomicsMethod(), on_disk, sets["home"]) == ""
    assert outlines_words(T2NetMethod(), simulated, sets["home"]) == "", "simulated outlines are known"


def test_a_training_refuses_a_patient_who_is_there_twice(tmp_path: Path) -> None:
    for name in ("twin-a", "twin-b"):
        (tmp_path / f"{name}.nii.gz").write_bytes(gzip.compress(b"1" * 999, mtime=len(name)))

    class Twins(Synthetic):
        def images(self, subject: str) -> tuple[Path, ...]:
            twins = {"twin-002": "twin-a", "twin-007": "twin-b"}
            return (tmp_path / f"{twins[subject]}.nii.gz",) if subject in twins else ()

    class Namesakes(Synthetic):
        def identities(self, subject: str) -> frozenset[str]:
            return frozenset({subject, "tcga-2-3"} if subject in ("name-001", "name-004") else {subject})

    train = partial(train_on_patients, RadiomicsMethod(), run=tmp_path / "run", data={})
    with pytest.raises(
        InputError, match=r"1 patient is there twice \(twin-002 is twin-007, both have the image"
    ):
        train(Twins("twin", 10))
    with pytest.raises(
        InputError, match=r"\(name-001 is name-004, both are tcga-2-3\): leave one of the two out"
    ):
        train(Namesakes("name", 10))
    assert not (tmp_path / "run").exists(), "found out before an image is read"


@pytest.mark.slow
def test_the_report_and_its_limits_say_whose_outlines_they_are(
    experiment: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make = Synthetic.example

    def example(self: Synthetic, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        made = make(self, subject, inputs)
        return replace(made, dice=float("nan")) if int(subject[-3:]) < 6 else made

    monkeypatch.setattr(Synthetic, "example", example)
    note = "6 of 18 patients have no expert's mask (cross-validation 6 of 18): their outlines are Model 1's."
    with one_process():
        assert note in experiment("out")
    out = tmp_path / "out"
    assert note.replace("'", "&#39;") in (out / "report.html").read_text()
    assert note in (out / "methods.txt").read_text()
    with (out / "checklists.csv").open() as file:
        answers = {(row["checklist"], row["item"]): row["answer"] for row in csv.DictReader(file)}
    for item in (("TRIPOD+AI (2024)", "26"), ("CLAIM (2024)", "40"), ("CLAIM (2024)", "16")):
        assert answers[item].startswith(note)
