"""What a run knows about itself, in sentences: for its checklists and for the methods section of a paper."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from gliotype._version import __version__
from gliotype.cohorts import IDH, Target
from gliotype.experiment.methods import Model
from gliotype.experiment.protocol import FULL, CohortSettings, Protocol
from gliotype.experiment.report.patients import Flow
from gliotype.experiment.splits import Split
from gliotype.train.data.voxels import VOXELS

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "SimpleITK", "openvino", "nibabel")
"""Packages whose versions decide the numbers."""


def versions() -> dict[str, str]:
    """Return the versions of everything that decides the numbers, by name."""
    found = {"Gliotype": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def facts_of(
    protocol: Protocol,
    models: tuple[Model, ...],
    flows: tuple[Flow, ...],
    splits: tuple[Split, ...],
    outlines: str = "",
) -> dict[str, str]:
    """Say what the run knows, by the names that checklists use; what it does not know is left out."""
    sets = [each for flow in flows for each in flow.sets]
    total = sum(each.patients for each in sets)
    positive = protocol.aim.word(positive=True)
    facts = {
        "goal": _goal(protocol.aim),
        "sources": "; ".join(f"{flow.cohort}: {flow.source}, {flow.patients} patients" for flow in flows)
        + ".",
        "excluded": _excluded(flows, protocol.aim),
        "preparation": f"{_registration(protocol)} The brain was outlined, N4 corrected the bias field, and Model 1 "
        "outlined the tumour; methods that read an outline got this one, never an expert's."
        + _learned_outlines(models),
        "predictors": f"Fixed by the protocol before the run: {', '.join(model.label for model in models)}.",
        "assessors": "None: all predictors but age are computed.",
        "sample_size": f"{total} patients, {sum(each.mutants for each in sets)} of them {positive}; no calculation of "
        "a sample size is part of the run.",
        "missing": "A missing sequence or number was replaced as each method states; a patient without a probability "
        "counted as a no-call and was scored at the prevalence of the tuning patients.",
        "partitions": _partitions(protocol, splits),
        "leakage": "No patient was in two sets, under any name.",
        "models": _models(protocol, models),
        "ensembling": _ensembling(protocol),
        "seeds": f"Random seed {protocol.seed}, for splits, initialisation and augmentation.",
        "threshold": f"Each method gave the probability that a glioma is {positive}; its threshold was Youden's on "
        "the tuning patients.",
        "predictions": "Each training answered for its test patients; several answers for one patient were averaged as "
        "log-odds (answers.csv).",
        "imbalance": "Classes were weighted evenly in training; probabilities refer to the prevalence of the tuning "
        "patients.",
        "updating": "None.",
        "measures": "AUROC, average precision, accuracy, sensitivity, specificity, Brier score, calibration slope, "
        "intercept and curve, net benefit, risk against coverage; age alone for comparison.",
        "uncertainty": "95 % intervals: DeLong's variance on the logit scale (AUROC), Wilson (proportions), bootstrap "
        "by patient (calibration curve); pairs by DeLong's paired test with Holm's correction.",
        "performance": "Tables and figures of this report; strata.csv for subgroups.",
        "heterogeneity": "By stratum in strata.csv, by training in trainings.csv.",
        "flow": "Flow of patients in this report.",
        "characteristics": "Table 1 of this report.",
        "failures": "Wrong calls and no-calls in this report and failures.csv.",
        "protocol": "protocol.json holds the protocol that was run.",
        "software": ", ".join(f"{name} {number}" for name, number in versions().items()) + ".",
    }
    if outlines:
        facts["outlines"] = facts["limits"] = outlines
    for fact, names in _tested(protocol).items():
        facts[fact] = (
            f"{'Set' if len(names) == 1 else 'Sets'} {', '.join(names)}: see the flow of patients and table 1."
        )
    if protocol.ablations or protocol.variants or protocol.learning_curve:
        facts["robustness"] = "Ablations, variants and learning curve, as far as the protocol has them."
    if (centres := _centres(protocol)) is not None:
        facts["centres"] = centres
    return facts


def methods_paragraph(
    protocol: Protocol,
    models: tuple[Model, ...],
    flows: tuple[Flow, ...],
    splits: tuple[Split, ...],
    outlines: str = "",
) -> str:
    """Write the paragraph for the methods section of a paper."""
    facts = facts_of(protocol, models, flows, splits, outlines)
    sets = [each for flow in flows for each in flow.sets]
    who = "; ".join(
        f"{each.name}: {each.patients} patients, {each.mutants} {protocol.aim.word(positive=True)}"
        for each in sets
    )
    sentences = [
        f"Methods were trained and tested with Gliotype {__version__} ({who}).",
        facts["partitions"],
        facts["leakage"],
        facts["preparation"],
        outlines,
        facts["models"],
        facts["threshold"],
        facts["missing"],
        facts["predictions"].replace(" (answers.csv)", ""),
        f"Measures were {facts['measures']}",
        facts["uncertainty"],
        f"Software: {facts['software']}",
    ]
    if any(cohort.simulated for cohort in protocol.cohorts.values()):
        sentences.insert(
            1,
            "Patients of simulated cohorts are computed, and results on them are no evidence about patients.",
        )
    return " ".join(filter(None, sentences))


def _registration(protocol: Protocol) -> str:
    """Say how images came to lie on one grid; those of simulated patients are computed there."""
    simulated = [cohort.path is None for cohort in protocol.cohorts.values()]
    if all(simulated):
        return "Images were simulated on one grid in MNI152 orientation."
    registered = "Images were registered to one another and to MNI152."
    return (
        f"{registered} Those of simulated cohorts lie on one grid already." if any(simulated) else registered
    )


def _tested(protocol: Protocol) -> dict[str, list[str]]:
    """Name the test sets: all of them, those of a cohort that was trained on, and those of other cohorts."""
    folds = protocol.cross_validation
    home = {protocol.sets[name].cohort for name in protocol.named("training")}
    if folds is not None and folds.leave_out is None:
        home.add(folds.cohort)
    inside = [name for name in protocol.tests if protocol.all_sets[name].cohort in home]
    outside = [name for name in protocol.tests if name not in inside]
    found = {"tests": list(protocol.tests), "internal": inside, "external": outside}
    return {fact: names for fact, names in found.items() if names}


def _learned_outlines(models: tuple[Model, ...]) -> str:
    """Say from which outlines the methods of voxels learned; nothing where there are none."""
    names = [model.label for model in models if VOXELS in model.method.inputs]
    if not names:
        return ""
    return f" {' and '.join(names)} learned from the voxels of experts' masks, or of Model 1's where there are none."


def _goal(target: Target) -> str:
    whose = "gliomas" if target == IDH else "IDH-mutant gliomas"
    classes = " or ".join(target.word(positive) for positive in (True, False))
    return f"Classification of {whose} as {classes}; comparison of methods."


def _excluded(flows: tuple[Flow, ...], target: Target) -> str:
    named = [f"{flow.cohort}: {', '.join(flow.excluded)}" for flow in flows if flow.excluded]
    rule = "Patients of unknown IDH status are not read."
    if target != IDH:
        rule += f" Those without IDH mutation or of unknown {target.status} are left out (left_out.csv)."
    return f"{rule} Excluded by name: {'; '.join(named)}." if named else f"{rule} Nobody is excluded by name."


def _partitions(protocol: Protocol, splits: tuple[Split, ...]) -> str:
    settings = protocol.cross_validation
    if settings is None:
        return "Patients were drawn at random into one set for training, one for tuning and the test sets."
    if settings.leave_out is not None:
        return (
            f"Each {settings.leave_out} was tested once by a training on the others ({len(splits)} trainings), of "
            "whose patients 18 % of each class tuned calibration and threshold."
        )
    repeats = "" if settings.repeats == 1 else f", dealt {settings.repeats} times"
    return (
        f"Patients were dealt at random into {settings.folds} folds, stratified by {protocol.aim.status}{repeats}; "
        "each fold was tested once while the next one tuned calibration and threshold and the others trained."
    )


def _models(protocol: Protocol, models: tuple[Model, ...]) -> str:
    methods = ", ".join(model.label for model in models if not model.ablation)
    text = f"Methods: {methods}."
    if FULL in protocol.methods:
        m = protocol.model
        text += f" Model 2 ({FULL}): {m.members} networks, {m.epochs} epochs, peak learning rate {m.learning_rate:g}."
    for name, values in protocol.parameters.items():
        text += (
            f" {name}: {', '.join(f'{key} {value}' for key, value in values.items())}, all else by default."
        )
    ablated = [model.label for model in models if model.ablation]
    if ablated:
        text += f" Ablations and variants: {', '.join(ablated)}."
    return text + _harmonisation(protocol)


def _harmonisation(protocol: Protocol) -> str:
    settings = protocol.harmonisation
    if settings is None:
        return ""
    unseen = (
        f"; a {settings.column} without training patients was adjusted by its own, without regard to class"
        if settings.unseen == "own patients"
        else ""
    )
    return (
        f" For {', '.join(protocol.harmonised.values())}, location and scale of the numbers were adjusted by "
        f"{settings.column} with empirical Bayes (ComBat), estimated on the training patients of each training with "
        f"regard to class and applied without it{unseen}."
    )


def _ensembling(protocol: Protocol) -> str:
    if FULL not in protocol.methods:
        return "By the methods' own parameters (protocol.json)."
    return (
        f"Mean of the log-odds of {protocol.model.members} networks of Model 2, each on a bootstrap sample."
    )


def _centres(protocol: Protocol) -> str | None:
    def name(cohort: CohortSettings) -> str:
        return f"simulated {cohort.simulated}" if cohort.path is None else cohort.path.name

    names: Mapping[str, str] = {key: name(cohort) for key, cohort in protocol.cohorts.items()}
    return f"{len(names)} cohorts ({', '.join(names.values())})." if len(names) > 1 else None
