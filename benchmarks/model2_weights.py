"""The shipped weight of Model 2 and that of an experiment on the same patients, paired.

    gliotype experiment PROTOCOL -o RUN
    python benchmarks/model2_weights.py PROTOCOL RUN DATA [--keep FOLDER] [--label-maps FOLDER]

First the simulated test patients of RUN from other hospitals than the training patients, whom neither weight has seen;
then the real patients of DATA (see real_cases.py), each counted once. These are development patients: choices were made
while looking at them. FOLDER keeps the prepared studies, so that a later run need not prepare them again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from development_patients import Case, brats, gbm, lgg, native, prepared_once
from numpy.typing import NDArray
from scipy.special import expit, logit

from gliotype import __version__
from gliotype.cached_study import load_cached
from gliotype.evaluate.calibration import brier
from gliotype.evaluate.decisions import mean_of
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.experiment.cohorts import source_of
from gliotype.experiment.protocol import Protocol, read_protocol
from gliotype.predictors.hybrid import Parameters, compute_contributions, load_model
from gliotype.predictors.predictor import DEFAULT_PREVALENCE
from gliotype.predictors.slices import OFFSETS_MM, Slices, numbers_of, slices_of
from gliotype.predictors.trained import Calibration, TrainedEnsemble
from gliotype.runtime import compile_network
from gliotype.study import Subject
from gliotype.train.data.examples import make_examples
from gliotype.volume import Grid

Floats = NDArray[np.float64]
Model = TrainedEnsemble[Parameters]

WAYS = ("image alone", "without age", "all")
"""What of Model 2 is compared: the image's contribution, all contributions but age, and all."""

LISTED_CHANGE = 0.1
"""Change of a real patient's probability (all) from which the patient is listed."""


@dataclass(frozen=True)
class Patient:
    """What both weights say of one patient.

    Attributes:
        name: of the patient.
        mutant: whether IDH-mutant.
        age: years.
        shipped: log-odds at even odds, by `WAYS`.
        other: the same of the other weight.
    """

    name: str
    mutant: bool
    age: float
    shipped: Mapping[str, float]
    other: Mapping[str, float]


def load_other(run: Path) -> Model:
    """Load the weight that an experiment wrote."""
    document = json.loads((run / "weights" / "model2.json").read_text(encoding="utf-8"))
    return TrainedEnsemble(
        compile_network(run / "weights" / "model2.onnx"),
        Calibration(float(document["slope"]), float(document["offset"])),
        Parameters.from_json(document),
    )


def log_odds(model: Model, slices: Slices, numbers: Floats) -> dict[str, float]:
    """Return the log-odds at even odds, by `WAYS`."""
    said = compute_contributions(slices, numbers, model)
    age = said.numbers[:, model.parameters.numbers.index("age")]
    return dict(
        zip(
            WAYS,
            (
                float((said.image + said.intercept).mean()),
                float((said.log_odds - age).mean()),
                float(said.log_odds.mean()),
            ),
            strict=True,
        )
    )


NOTHING = dict.fromkeys(WAYS, 0.0)
"""What is said of a patient in whom no tumour was found."""


def simulated(protocol: Protocol, run: Path, models: tuple[Model, Model]) -> dict[str, list[Patient]]:
    """Ask both weights about the test sets of other cohorts than the training patients', by set."""
    of_training = {protocol.sets[name].cohort for name in protocol.named("training")}
    found: dict[str, list[Patient]] = {}
    for name in protocol.tests:
        cohort = protocol.sets[name].cohort
        if cohort not in of_training:
            examples = make_examples(source_of(protocol.cohorts[cohort], run), run / "cache")
            patients = []
            for each in examples:
                grid = Grid((*each.slices.shape[2:], len(OFFSETS_MM)), np.eye(4))
                slices = Slices(each.slices.astype(np.float32), grid)
                shipped, other = (
                    log_odds(model, slices, each.numbers) if each.found else NOTHING for model in models
                )
                patients.append(Patient(each.subject, each.mutant, each.age, shipped, other))
            found[name] = patients
    return found


def real(data: Path, keep: Path, models: tuple[Model, Model]) -> dict[str, list[Patient]]:
    """Ask both weights about TCGA-LGG, and about all distinct patients; of several studies the mean counts."""
    rows: list[tuple[Case, Patient]] = []
    for cohort in (brats, gbm, lgg, native):
        for case in cohort(data):
            if case.idh is not None:
                rows.append((case, _ask(case, keep, models)))
    names = dict.fromkeys(case.patient for case, _ in rows)
    together = [_mean([row for case, row in rows if case.patient == name]) for name in names]
    return {"TCGA-LGG": [row for case, row in rows if case.cohort == "lgg"], "all distinct": together}


def _ask(case: Case, keep: Path, models: tuple[Model, Model]) -> Patient:
    study = load_cached(prepared_once(case, keep), __version__)
    shipped = other = NOTHING
    if study.tumour.found:
        numbers = numbers_of(study.measurements, Subject(case.name, case.age))
        slices = slices_of(study.prepared, study.tumour)
        shipped, other = (log_odds(model, slices, numbers) for model in models)
    return Patient(case.patient, bool(case.idh), float(case.age or np.nan), shipped, other)


def _mean(rows: list[Patient]) -> Patient:
    means = (
        {way: float(np.mean([getattr(row, which)[way] for row in rows])) for way in WAYS}
        for which in ("shipped", "other")
    )
    return Patient(rows[0].name, rows[0].mutant, rows[0].age, *means)


def print_rows(name: str, patients: list[Patient]) -> None:
    """Print both weights on a set of patients, a row for each of `WAYS`."""
    mutant = np.array([each.mutant for each in patients])
    young = np.array([-each.age for each in patients])
    ages = auroc(mutant, young)
    for way in WAYS:
        shipped, other = (
            np.array([said[way] for said in column])
            for column in ([each.shipped for each in patients], [each.other for each in patients])
        )
        errors = [(expit(score + logit(DEFAULT_PREVALENCE)) - mutant) ** 2 for score in (shipped, other)]
        chances = [expit(score + logit(DEFAULT_PREVALENCE)) for score in (shipped, other)]
        briers = " | ".join(f"{brier(mutant, each).value:.3f}" for each in chances)
        difference, beyond_age = (
            compare_aurocs(mutant, other, reference).difference for reference in (shipped, young)
        )
        print(
            f"| {name}, {way} | {len(mutant)} ({mutant.sum()}) | {auroc(mutant, shipped)} | {auroc(mutant, other)} | "
            f"{estimate_words(difference, '+.3f')} | {ages} | {estimate_words(beyond_age, '+.3f')} | {briers} | "
            f"{estimate_words(mean_of(errors[1] - errors[0]), '+.3f')} |",
            flush=True,
        )


def print_changes(patients: list[Patient]) -> None:
    """List the patients whose probability the other weight changes by `LISTED_CHANGE` or more."""
    for each in patients:
        old, new = (
            float(expit(said["all"] + logit(DEFAULT_PREVALENCE))) for said in (each.shipped, each.other)
        )
        if abs(new - old) >= LISTED_CHANGE:
            status = "mutant" if each.mutant else "wildtype"
            print(f"{each.name} ({status}, {each.age:.0f} years): {old:.2f} to {new:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocol", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--label-maps", type=Path)
    arguments = parser.parse_args()
    protocol = read_protocol(arguments.protocol, arguments.label_maps)
    models = load_model(), load_other(arguments.run)
    print(
        "| patients | n (mutant) | AUROC, shipped | AUROC, other | other minus shipped | age alone | other minus age "
        "alone | Brier, shipped | other | other minus shipped |\n" + "| --- " * 10 + "|"
    )
    for name, patients in simulated(protocol, arguments.run, models).items():
        print_rows(f"simulated, {name}", patients)
    with TemporaryDirectory() as scratch:
        found = real(arguments.data, arguments.keep or Path(scratch), models)
    for name, patients in found.items():
        print_rows(f"development patients, {name}", patients)
    print_changes(found["all distinct"])


if __name__ == "__main__":
    main()
