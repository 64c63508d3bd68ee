"""Write a trained perfusion network as a weight: network, numbers, and its card."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from gliotype.atomic_files import atomic_write_set
from gliotype.networks.export import export_onnx
from gliotype.networks.recurrent import CurveEnsemble
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.train.perfusion.design import Design
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe

FILES = ("perfusion.onnx", "perfusion.md", "perfusion.json")


def write_weight(
    model: CurveModel,
    folder: Path,
    *,
    design: Design,
    recipe: Recipe,
    training: list[CurveExample],
    results: str,
) -> tuple[Path, ...]:
    """Write ``perfusion.onnx``, ``perfusion.json`` and the card ``perfusion.md``: all of them, or none.

    Args:
        model: trained and calibrated.
        folder: created if missing.
        design: which patients it was trained and tested on.
        recipe: how it was trained.
        training: the training patients.
        results: Markdown of its tests, without a heading.

    Raises:
        OutputError: if the folder cannot be written.
    """
    document = {
        "schema": 1,
        "name": "perfusion",
        "simulated": vars(design),
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
        (aside / "perfusion.md").write_text(_card(design, recipe, training, results), encoding="utf-8")
    return tuple(folder / name for name in FILES)


def _card(design: Design, recipe: Recipe, training: list[CurveExample], results: str) -> str:
    mutants = sum(example.mutant for example in training)
    return f"""# Model card: perfusion

Predicts the IDH status of a glioma from its DSC perfusion curves, after Choi 2019, and shows to
which part of the bolus it attended.

**Intended use.** Research on adults with an untreated glioma. Not a medical device.

**Network.** {recipe.members} recurrent networks (two convolutions of 32 and 64 channels, a bidirectional LSTM of
2 x 64 units, additive attention over time, one linear layer), each trained on a bootstrap sample of the
patients; their mean is the answer and their spread its interval. Input: dR2* of enhancing, non-enhancing,
oedematous and whole tumour and of white matter, in units of white matter's mean over the first pass, and the
arterial input function; {POINTS} points of 1.5 s aligned to the bolus' arrival. A missing region is 0, and marked as
missing. ONNX, weights in half precision, computed in single precision.

**Data.** Simulated patients only: {design.training} ({mutants} IDH-mutant) as curves of voxels
(`gliotype.simulate`, site `snuh`, seed {design.seed}), measured as a real series is; {design.tuning} others for
stopping, calibration and threshold.

**Training.** `gliotype train perfusion --patients {design.training}`: at most {recipe.epochs} epochs, stopped after
{recipe.patience} without a better tuning AUROC; batches of {recipe.batch}, Adam (rate {recipe.learning_rate:g}, weight
decay {recipe.weight_decay:g}); classes weighted evenly; curves of random halves of each region, rescaled, shifted by
a point, roughened and shortened; each region left out in {recipe.drop_region:.0%}; seed {recipe.seed}.

**Results on simulated patients**, which verify the software and are not evidence about patients.

{results}
**Limits.**

- It has never seen a real patient, and no labelled real DSC series was available to test it on.
- The network cannot have learned what the simulator does not model about perfusion in IDH-mutant tumours.
- The interval is the spread of the networks; it does not cover an error of the outline or of the arterial input.
"""
