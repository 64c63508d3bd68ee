"""Lay out the labelled development patients as BIDS cohorts, by links, for `gliotype train answer` and experiments.

    python benchmarks/development_cohort.py DATA OUT

DATA holds ``lgg/``, ``brats/``, ``gbm/`` and ``native/`` (docs/how-to/benchmarks.md). OUT receives one cohort for each.
A patient has the same name in every cohort.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from development_patients import Case, brats, gbm, lgg, native

from gliotype.study import Sequence

SUFFIXES = {
    Sequence.T1: "T1w",
    Sequence.T1C: "ce-gadolinium_T1w",
    Sequence.T2: "T2w",
    Sequence.FLAIR: "FLAIR",
}


def name_of(case: Case) -> str:
    """BIDS name of the patient, which holds letters and digits only."""
    return "sub-" + "".join(character for character in case.patient if character.isalnum())


def codeletions(data: Path) -> dict[str, str]:
    """1p/19q status of the TCGA-LGG patients as their table states it, by patient; they are in other cohorts, too."""
    with (data / "lgg" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {row["barcode"]: row["X1p.19q.codeletion"] for row in csv.DictReader(file)}


def write_cohort(cases: list[Case], folder: Path, codeletion: dict[str, str]) -> None:
    """Link the images and masks of labelled patients, and write their table."""
    folder.mkdir(parents=True)
    with (folder / "participants.tsv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["participant_id", "idh", "age", "codeletion"])
        for case in cases:
            name = name_of(case)
            age = "n/a" if case.age is None else f"{case.age:g}"
            table.writerow([name, case.idh, age, codeletion.get(case.patient, "n/a")])
            images = folder / name / "anat"
            images.mkdir(parents=True)
            for sequence, path in case.files.items():
                (images / f"{name}_{SUFFIXES[sequence]}.nii.gz").symlink_to(path.resolve())
            if case.truth is not None:
                masks = folder / "derivatives" / "expert" / name / "anat"
                masks.mkdir(parents=True)
                (masks / f"{name}_label-tumour_mask.nii.gz").symlink_to(case.truth.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    codeletion = codeletions(arguments.data)
    for cohort in (lgg, brats, gbm, native):
        cases = [case for case in cohort(arguments.data) if case.idh is not None]
        write_cohort(cases, arguments.out / cohort.__name__, codeletion)
        print(f"{arguments.out / cohort.__name__}: {len(cases)} patients")


if __name__ == "__main__":
    main()
