"""Write a trained perfusion network as a weight: network, numbers, and its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gliotype.atomic_files import atomic_write_set
from gliotype.cohorts import IDH, target_of
from gliotype.networks.export import export_onnx
from gliotype.networks.recurrent import CurveEnsemble
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.train.perfusion.design import Design
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe

FILES = ("perfusion.onnx", "perfusion.md", "perfusion.json")


@dataclass(frozen=True)
class Cohort:
    """The patients of a training, as the weight and its card describe them.

    Attributes:
        facts: what the file of numbers says of them.
        status: what is predicted.
        data: paragraph with places for the number of ``patients`` and ``mutants``.
        command: that trains on them.
        variants: which curves of a patient the network sees.
        results: heading of the results.
        limits: list items.
    """

    facts: Mapping[str, Any]
    status: str
    data: str
    command: str
    variants: str
    results: str
    limits: str


def write_weight(
    model: CurveModel,
    folder: Path,
    *,
    about: Cohort,
    recipe: Recipe,
    training: list[CurveExample],
    results: str,
) -> tuple[Path, ...]:
    """Write ``perfusion.onnx``, ``perfusion.json`` and the card ``perfusion.md``: all of them, or none.

    Args:
        model: trained and calibrated.
        folder: created if missing.
        about: the patients on whom it was trained and tested.
        recipe: how it was trained.
        training: the training patients.
        results: Markdown of its tests, without a heading.

    Raises:
        OutputError: if the folder cannot be written.
    """
    document = {
        "schema": 1,
        "name": "perfusion",
        **about.facts,
        "patients": len(training),
        "mutants": sum(example.mutant for example in training),
        "recipe": vars(recipe),
        "channels": list(CHANNELS),
        "average": [[round(float(v), 3) for v in row] for row in model.average],
        "slope": round(model.calibration.slope, 5),
        "offset": round(model.calibration.offset, 5),
    }
    with atomic_write_set(folder, FILES) as aside:
        network = nn.Sequential(CurveEnsemble(list(model.members)))
        export_onnx(network, torch.ones(2, len(CHANNELS), POINTS), aside / FILES[0])
        (aside / "perfusion.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
        (aside / "perfusion.md").write_text(_card(about, recipe, training, results), encoding="utf-8")
    return tuple(folder / name for name in FILES)


def design_of(design: Design) -> Cohort:
    """Describe simulated patients for the card."""
    return Cohort(
        facts={"simulated": vars(design)},
        status=IDH.status,
        data=f"""Simulated patients only: {{patients}} ({{mutants}} IDH-mutant) as curves of voxels
(`gliotype.simulate`, site `snuh`, seed {design.seed}), measured as a real series is; {design.tuning} others for
stopping, calibration and threshold.""",
        command=f"`gliotype train perfusion --patients {design.training}`",
        variants="curves of random halves of each region",
        results="**Results on simulated patients**, which verify the software and are not evidence about patients.",
        limits="""- It has never seen a real patient, and no labelled real DSC series was available to test it on.
- The network cannot have learned what the simulator does not model about perfusion in IDH-mutant tumours.""",
    )


def cohort_of(data: Mapping[str, str]) -> Cohort:
    """Describe the patients of a user's cohort for the card.

    Args:
        data: what they are, and under which ``licence``.
    """
    target = target_of(data)
    listed = "; ".join(f"{key}: {value}" for key, value in data.items())
    named = listed.replace("{", "{{").replace("}", "}}")
    return Cohort(
        facts={"data": dict(data)},
        status=target.status,
        data=f"{{patients}} patients ({{mutants}} {target.word(True)}) with a DSC series that could be measured. "
        f"{named}.",
        command="`gliotype train perfusion --cohort`, or an experiment",
        variants="curves of whole regions",
        results="**Results.**",
        limits="- It was trained on the patients of one cohort, and with outlines that Model 1 found.",
    )


def _card(about: Cohort, recipe: Recipe, training: list[CurveExample], results: str) -> str:
    mutants = sum(example.mutant for example in training)
    data = about.data.format(patients=len(training), mutants=mutants)
    return f"""# Model card: perfusion

Predicts the {about.status} of a glioma from its DSC perfusion curves, after Choi 2019, and shows to
which part of the bolus it attended.

**Intended use.** Research on adults with an untreated glioma. Not a medical device.

**Network.** {recipe.members} recurrent networks (two convolutions of 32 and 64 channels, a bidirectional LSTM of
2 x 64 units, additive attention over time, one linear layer), each trained on a bootstrap sample of the
patients; their mean is the answer and their spread its interval. Input: dR2* of enhancing, non-enhancing,
oedematous and whole tumour and of white matter, in units of white matter's mean over the first pass, and the
arterial input function; {POINTS} points of 1.5 s aligned to the bolus' arrival. A missing region is 0, and marked as
missing. ONNX, weights in half precision, computed in single precision.

**Data.** {data}

**Training.** {about.command}: at most {recipe.epochs} epochs, stopped after
{recipe.patience} without a better tuning AUROC; batches of {recipe.batch}, Adam (rate {recipe.learning_rate:g}, weight
decay {recipe.weight_decay:g}); classes weighted evenly; {about.variants}, rescaled, shifted by
a point, roughened and shortened; each region left out in {recipe.drop_region:.0%}; seed {recipe.seed}.

{about.results}

{results}
**Limits.**

{about.limits}
- The interval is the spread of the networks; it does not cover an error of the outline or of the arterial input.
"""
