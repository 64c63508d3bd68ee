"""Outlines found in simulated patients against their truth, and local calibration in hospitals that scan differently.

    python benchmarks/simulated_hospitals.py RUN [--found N] [--known N]

SIMULATED patients: what is shown verifies software and is not evidence about patients.

Each hospital has one field strength, one slice thickness and one protocol for each sequence, drawn once; its patients
are those of the site `tcia`. N patients of each are taken through brain, outline and gate as any study is, but for the
registration and at 1.5 mm. These give the errors of found outlines, next to those of development patients that the
coefficients of `radiomics` carry. N more are measured on their true outlines, at 2 mm; each takes the errors of a
random patient of the same hospital whose outline was found, and the calibration of `gliotype calibrate` is fitted to
the answers on them.

RUN keeps a record of each patient, so that an interrupted run resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import logit

from gliotype.answer import Settings
from gliotype.answer.answer import answer_from
from gliotype.answer.model import answer_model
from gliotype.evaluate.roc import auroc
from gliotype.evaluate.site import cross_validated, line_of
from gliotype.evaluate.write import estimate_words
from gliotype.predictors import DEFAULT_PREVALENCE
from gliotype.predictors.logistic import load_models
from gliotype.prepare import prepare_registered
from gliotype.runtime import use_threads
from gliotype.segment import find_brain, segment
from gliotype.simulate.cohort.sites import SITES, draw_disease, draw_site_age
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import Protocol, draw_protocols
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Image, Sequence, Study, Subject, Tumour
from gliotype.train.answer.records import PatientRecord, read_record, record_prepared, write_record
from gliotype.train.answer.train import measurement_errors
from gliotype.train.radiomics.errors import MeasurementErrors, shipped_errors
from gliotype.volume import Volume

FOUND_MM, KNOWN_MM = 1.5, 2.0
"""Spacing of the patients' grid: where outlines are found it is that of the patients on whom Model 2 was trained."""

SITE = SITES["tcia"]
"""Whose case mix and ages all hospitals have, so that only the scanner differs."""


@dataclass(frozen=True)
class Hospital:
    """A scanner: field strength in tesla, slice thickness in mm, and the seed of its protocols."""

    name: str
    field_t: float
    thickness_mm: float
    seed: int

    @property
    def protocols(self) -> dict[Sequence, Protocol]:
        """One protocol for each sequence, FLAIR before contrast agent."""
        rng = np.random.default_rng([self.seed, 21])
        drawn = draw_protocols(rng, STRUCTURAL, (self.thickness_mm, self.thickness_mm))
        return {s: replace(p, slice_axis=2, contrast=s is Sequence.T1C) for s, p in drawn.items()}


HOSPITALS = (
    Hospital("3T-thin", 3.0, 1.5, 0),
    Hospital("1.5T-thick", 1.5, 6.0, 1),
    Hospital("3T-other", 3.0, 4.0, 2),
)


@dataclass(frozen=True, eq=False)
class Patient:
    """A digital patient as a hospital images it."""

    study: Study
    images: dict[Sequence, Volume]
    digital: DigitalPatient
    mutant: bool

    @property
    def truth(self) -> Tumour:
        """The true outline."""
        assert self.digital.tumour is not None
        return Tumour(Volume(self.digital.tumour.labels, self.digital.grid.affine), "given")


def imaged(hospital: Hospital, seed: int, spacing_mm: float) -> Patient:
    """Simulate the patient of a seed in a hospital; another hospital images another patient."""
    rng = np.random.default_rng([seed, hospital.seed, 22])
    disease = draw_disease(rng, SITE)
    assert isinstance(disease, GliomaType)
    anatomy = template_anatomy()
    grid = anatomy.tissue.grid.bounding(spacing_mm)
    digital = draw_patient(rng, anatomy, grid, disease, reshape_scale=0.04)
    arrays = acquire(rng, digital, draw_parameters(rng, hospital.field_t), hospital.protocols)
    images = {s: Volume(1000 * array, grid.affine) for s, array in arrays.items()}
    subject = Subject(f"{hospital.name}-{seed:03d}", draw_site_age(rng, SITE, disease))
    study = Study(subject, tuple(Image(v, s, 1.0, "simulated", str(s)) for s, v in images.items()))
    return Patient(study, images, digital, disease.idh_mutant)


def on_found_outline(hospital: Hospital, seed: int) -> PatientRecord:
    """Find brain and outline, and record both outlines; the answer's further outlines are left out."""
    patient = imaged(hospital, seed, FOUND_MM)
    prepared = prepare_registered(patient.images, np.eye(4), None, find_brain)
    tumour = replace(segment(prepared), outlines=())
    return record_prepared(patient.study, prepared, tumour, patient.truth, patient.mutant, hospital.name)


def on_true_outline(hospital: Hospital, seed: int) -> PatientRecord:
    """Record the true outline in the true brain, and look for no other."""
    patient = imaged(hospital, seed, KNOWN_MM)
    grid = patient.digital.grid
    prepared = prepare_registered(patient.images, np.eye(4), Volume(patient.digital.brain, grid.affine))
    nothing = Tumour(Volume(np.zeros(grid.shape, np.uint8), grid.affine), "model1")
    return record_prepared(patient.study, prepared, nothing, patient.truth, patient.mutant, hospital.name)


def records(
    folder: Path,
    hospital: Hospital,
    seeds: range,
    record: Callable[[Hospital, int], PatientRecord],
) -> list[PatientRecord]:
    """Records of a hospital's patients, made where an earlier run did not."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in seeds:
        file = folder / f"{hospital.name}-{seed:03d}.json"
        if not file.exists():
            with use_threads(1):
                write_record(record(hospital, seed), file)
        found.append(read_record(file))
    return found


def print_errors(simulated: MeasurementErrors, development: MeasurementErrors) -> None:
    """Print mean and spread of each feature's error in simulated and development patients."""
    print("\nLogarithm of the number on the found outline over that on the true one (expert's), mean and SD")
    print("| feature | simulated n | simulated | development n | development |")
    print("| --- | --- | --- | --- | --- |")
    real = development.summary()
    for name, (n, mean, sd) in simulated.summary().items():
        patients, real_mean, real_sd = real.get(name, (0, float("nan"), float("nan")))
        print(f"| {name} | {n} | {mean:+.3f}, {sd:.3f} | {patients} | {real_mean:+.3f}, {real_sd:.3f} |")


def with_error(record: PatientRecord, like: list[PatientRecord], rng: np.random.Generator) -> PatientRecord:
    """Give a record the errors of a random patient whose outline was found: of its numbers, and of each method."""
    true, other = record.expert, like[rng.integers(len(like))]
    assert true is not None
    assert other.expert is not None
    drawn, expert = other.outlines[0], other.expert
    numbers = {
        name: value * drawn.numbers[name] / expert.numbers[name]
        for name, value in true.numbers.items()
        if drawn.numbers.get(name, 0) > 0 and expert.numbers.get(name, 0) > 0
    }
    statements = {
        method: (value + drawn.statements[method][0] - expert.statements[method][0], sd)
        for method, (value, sd) in true.statements.items()
        if method in drawn.statements and method in expert.statements
    }
    return replace(record, outlines=(replace(true, numbers=numbers, statements=statements),))


def probabilities(records: list[PatientRecord]) -> np.ndarray:
    """The answer on the drawn outline of each record, before any calibration."""
    models = load_models("radiomics.json")
    answers = [answer_from(record.statements(models), Settings(), answer_model()) for record in records]
    return np.array([each.probability for each in answers], dtype=np.float64)


def print_calibration(name: str, patients: list[PatientRecord]) -> None:
    """Print AUROC, and slope and Brier score before and after calibration, by cross-validation."""
    mutant = np.array([record.mutant for record in patients])
    before = probabilities(patients)
    log_odds = logit(before) - logit(DEFAULT_PREVALENCE)
    lines = [line_of(mutant, before), line_of(mutant, cross_validated(mutant, log_odds))]
    cells = [estimate_words(line.slope, ".2f") for line in lines]
    cells += [f"{line.brier.value:.3f}" for line in lines]
    print(f"| {name} | {len(mutant)} | {mutant.sum()} | {auroc(mutant, before)} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the records")
    parser.add_argument(
        "--found", type=int, default=20, help="patients of each hospital whose outline is found"
    )
    parser.add_argument(
        "--known", type=int, default=100, help="more patients of each, on their true outlines"
    )
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    found: list[PatientRecord] = []
    carried: dict[str, list[PatientRecord]] = {}
    for hospital in HOSPITALS:
        here = records(asked.run / "found", hospital, range(asked.found), on_found_outline)
        known = range(asked.found, asked.found + asked.known)
        true = records(asked.run / "known", hospital, known, on_true_outline)
        like = [each for each in here if each.outlines and each.expert is not None]
        carried[hospital.name] = [with_error(each, like, rng) for each in true]
        stopped = sum(bool(each.gate) for each in here)
        print(
            f"{hospital.name}: {len(here)} patients, tumour found in {len(like)}, stopped by the gate {stopped}"
        )
        found += here
    print_errors(measurement_errors(found), shipped_errors())
    columns = "hospital | n | mutant | AUROC | slope before | slope after | Brier before | after"
    print(f"\n| {columns} |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, patients in carried.items():
        print_calibration(name, patients)
    print_calibration("all", [each for patients in carried.values() for each in patients])


if __name__ == "__main__":
    main()
