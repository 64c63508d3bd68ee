"""The development patients: their files, what is known of them, and intervals over them.

Images are named as files, so that nothing that predicts can read the true masks that lie next to them. The folder DATA
of the scripts that take one holds ``brats/``, ``lgg/``, ``native/`` and ``gbm/`` (see docs/how-to/benchmarks.md).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import gliotype
from gliotype.study import Sequence

BRATS_IDH = {"00006": 0, "01476": 1, "01478": 1, "01479": 1, "01480": 0}
BRATS_PATIENT = {
    "00006": "UCSF-PDGM-116",
    "01476": "TCGA-CS-4942",
    "01478": "TCGA-CS-5393",
    "01479": "TCGA-CS-5396",
    "01480": "TCGA-CS-5397",
}
GBM = {"UCSF-PDGM-099": (48.0, 0), "BraTS20_Training_001": (60.0, None)}
"""Age and IDH status of the high-grade patients; the status of one is not known."""

BRATS_AGE = {"00006": 37.0, "01476": 44.0, "01478": 39.0, "01479": 53.0, "01480": 54.0}


@dataclass(frozen=True)
class Case:
    """One study of a real patient: files to read, truth to compare with; `patient` is the same in every cohort."""

    cohort: str
    name: str
    patient: str
    files: dict[Sequence, Path]
    truth: Path | None
    age: float | None
    idh: int | None


def brats(data: Path) -> Iterator[Case]:
    """The BraTS 2021 patients: four sequences, skull-stripped, expert sub-regions."""
    endings = {Sequence.T1: "t1", Sequence.T1C: "t1ce", Sequence.T2: "t2", Sequence.FLAIR: "flair"}
    for folder in sorted((data / "brats").glob("BraTS2021_*")):
        number = folder.name[-5:]
        files = {s: folder / f"{folder.name}_{ending}.nii.gz" for s, ending in endings.items()}
        truth = folder / f"{folder.name}_seg.nii.gz"
        yield Case(
            "brats", number, BRATS_PATIENT[number], files, truth, BRATS_AGE.get(number), BRATS_IDH.get(number)
        )


def lgg(data: Path) -> Iterator[Case]:
    """The TCGA-LGG patients: T1, T1c, FLAIR, skull on, thick slices, manual whole-tumour mask."""
    with (data / "lgg" / "labels.csv").open(newline="") as file:
        rows = {row["barcode"]: row for row in csv.DictReader(file)}
    names = {Sequence.T1: "T1", Sequence.T1C: "T1c", Sequence.FLAIR: "FLAIR"}
    for folder in sorted((data / "lgg").glob("TCGA-*")):
        row = rows[folder.name]
        files = {
            s: folder / f"{name}.nii.gz" for s, name in names.items() if (folder / f"{name}.nii.gz").exists()
        }
        yield Case(
            "lgg",
            folder.name,
            patient_of(folder.name),
            files,
            folder / "mask.nii.gz",
            float(row["age"]),
            int(row["IDH.status"] == "Mutant"),
        )


def with_truth(data: Path, limit: int | None) -> list[Case]:
    """The first patients of both cohorts that have an expert's mask; all when there is no limit."""
    return [case for cohort in (brats, lgg) for case in list(cohort(data))[:limit]]


def native(data: Path) -> Iterator[Case]:
    """The raw clinical study."""
    endings = {Sequence.T1: "*_t1.nii.gz", Sequence.T1C: "*_t1c.nii.gz", Sequence.T2: "*_t2.nii.gz"}
    for folder in sorted((data / "native").glob("TCGA-*")):
        files = {s: next(folder.glob(ending)) for s, ending in endings.items()}
        files[Sequence.FLAIR] = next(folder.glob("*_fla.nii.gz"))
        yield Case("native", folder.name, patient_of(folder.name), files, None, 63.0, 0)


def gbm(data: Path) -> Iterator[Case]:
    """The high-grade patients in the form of BraTS; the coefficients of `radiomics` have seen UCSF-PDGM-099."""
    names = {Sequence.T1: "T1", Sequence.T1C: "T1c", Sequence.T2: "T2", Sequence.FLAIR: "FLAIR"}
    for folder in sorted(each for each in (data / "gbm").glob("*") if each.is_dir()):
        files = {s: folder / f"{name}.nii.gz" for s, name in names.items()}
        truth = folder / "seg.nii.gz"
        age, idh = GBM[folder.name]
        yield Case("gbm", folder.name, folder.name, files, truth if truth.exists() else None, age, idh)


def patient_of(name: str) -> str:
    """The patient's barcode, the first three fields of a TCGA name."""
    return "-".join(name.split("_")[0].split("-")[:3])


SUBSETS: tuple[tuple[Sequence, ...], ...] = (
    (Sequence.T1, Sequence.T2, Sequence.FLAIR),
    (Sequence.T1, Sequence.T1C, Sequence.FLAIR),
    (Sequence.T1, Sequence.T1C, Sequence.T2),
    (Sequence.T2, Sequence.FLAIR),
    (Sequence.T1C, Sequence.T2),
    (Sequence.FLAIR,),
    (Sequence.T2,),
    (Sequence.T1C,),
    (Sequence.T1,),
)


def subsets(data: Path) -> Iterator[Case]:
    """The BraTS patients with sequences left out; the cohort's name lists those present."""
    for names in SUBSETS:
        for case in brats(data):
            yield replace(case, cohort="+".join(names), files={s: case.files[s] for s in names})


def prepared_once(case: Case, keep: Path) -> Path:
    """Prepare and segment a case, unless that was done before, and return the folder that keeps the study."""
    kept = keep / f"{case.cohort}-{case.name}"
    if not kept.exists():
        gliotype.predict(files=case.files, age=case.age, id=case.name, keep=kept)
    return kept


def interval(values: list[float], patients: list[str] | None = None, *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over cases; all cases of a resampled patient come together.

    Args:
        values: of the cases.
        patients: whose case each is; None if each is another patient's.
        seed: of the bootstrap.
    """
    _, index = np.unique(np.arange(len(values)) if patients is None else patients, return_inverse=True)
    sums, cases = np.bincount(index, weights=values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(cases), size=(4000, len(cases)))
    means = sums[drawn].sum(axis=1) / cases[drawn].sum(axis=1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def case_parser(about: str) -> argparse.ArgumentParser:
    """Parser of a benchmark on these patients; `about` is its module's docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, help="first N patients of each cohort")
    parser.add_argument("--jobs", type=int, default=1, help="patients at the same time")
    return parser
