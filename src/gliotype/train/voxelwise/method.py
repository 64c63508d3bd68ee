"""T2-net and TS-net as methods that an experiment trains."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from gliotype.atomic_files import atomic_write_set, write_text
from gliotype.cohorts import target_of
from gliotype.networks.export import export_onnx
from gliotype.predictors import Needs
from gliotype.predictors.voxelwise import PATCH, T2_NET, TS_NET, T2NetPredictor, TSNetPredictor
from gliotype.study import Sequence as ImageSequence
from gliotype.train.common.method import Progress, no_progress
from gliotype.train.data.examples import Example
from gliotype.train.data.voxels import VOXELS
from gliotype.train.voxelwise.fit import Recipe, VoxelwiseModel, fit


@dataclass(frozen=True)
class T2NetMethod:
    """T2-net: every voxel's class from T2 alone (Bangalore Yogananda 2020)."""

    name: ClassVar[str] = T2NetPredictor.name
    needs: ClassVar[Needs] = T2NetPredictor.needs
    inputs: ClassVar[frozenset[str]] = frozenset({VOXELS})
    sequences: ClassVar[tuple[ImageSequence, ...]] = T2_NET

    recipe: Recipe = field(default_factory=Recipe)

    def fit(
        self, training: list[Example], tuning: list[Example], folder: Path, progress: Progress = no_progress
    ) -> VoxelwiseModel:
        """Train the network and calibrate its vote."""
        return fit(replace(self.recipe, sequences=self.sequences), training, tuning, folder, progress)

    def export(
        self,
        trained: VoxelwiseModel,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write network, calibration and card."""
        return write_weight(self.name, trained, folder, training=training, data=data, results=results)


@dataclass(frozen=True)
class TSNetMethod(T2NetMethod):
    """TS-net: every voxel's class from T2, FLAIR and T1c, or some of them (Bangalore Yogananda 2020)."""

    name: ClassVar[str] = TSNetPredictor.name
    needs: ClassVar[Needs] = TSNetPredictor.needs
    sequences: ClassVar[tuple[ImageSequence, ...]] = TS_NET


def write_weight(
    name: str,
    model: VoxelwiseModel,
    folder: Path,
    *,
    training: Sequence[Example],
    data: Mapping[str, str],
    results: str,
) -> tuple[Path, ...]:
    """Write ``NAME.onnx``, ``NAME.json`` and the card ``NAME.md``: all of them, or none.

    Args:
        name: ``t2net`` or ``tsnet``.
        model: trained and calibrated.
        folder: created if missing.
        training: the patients it was trained on.
        data: what they are, and under which ``licence``.
        results: Markdown of its tests, without a heading.
    """
    recipe = model.recipe
    mutants = sum(each.mutant for each in training)
    document = {
        "schema": 1,
        "name": name,
        "sequences": [str(s) for s in recipe.sequences],
        "slope": round(model.calibration.slope, 5),
        "offset": round(model.calibration.offset, 5),
        "step": recipe.step,
        "patients": len(training),
        "mutants": mutants,
        "data": dict(data),
    }
    names = [f"{name}.{ending}" for ending in ("onnx", "json", "md")]
    with atomic_write_set(folder, names) as aside:
        example = torch.zeros(2, len(recipe.sequences), PATCH, PATCH, PATCH)
        export_onnx(nn.Sequential(model.network.cpu(), nn.Softmax(dim=1)), example, aside / names[0])
        write_text(aside / names[1], json.dumps(document, indent=1) + "\n")
        write_text(aside / names[2], _card(name, model, len(training), mutants, data, results))
    return tuple(folder / each for each in names)


def _card(
    name: str, model: VoxelwiseModel, patients: int, mutants: int, data: Mapping[str, str], results: str
) -> str:
    recipe = model.recipe
    target = target_of(data)
    listed = "\n".join(f"- {key}: {value}" for key, value in data.items())
    title, seen = {
        "t2net": ("T2-net", "T2 alone"),
        "tsnet": ("TS-net", "T2, FLAIR and T1c, or some of them"),
    }[name]
    dropped = (
        f"; each sequence is left out of a patch with a probability of {recipe.drop_sequence:g}, never all"
        if len(recipe.sequences) > 1
        else ""
    )
    start = recipe.settings["start"]
    begun = (
        "" if start is None else f"It began with the weights of an earlier training (SHA-256 {start}...).\n"
    )
    return f"""# Model card: {name}

{title} (Bangalore Yogananda 2020, Neuro-Oncology 22:402): predicts {target.status} from {seen}.
A network gives each voxel the probabilities of background, {target.word(True)} tumour and {target.word(False)} tumour.
The voxels of both tumour classes together vote.

**Intended use.** Research on adults with diffuse glioma before surgery. Not a medical device.

**Network.** 3D Dense-UNet with seven dense blocks, three transitions down and three up.
Each block has {recipe.layers} layers of growth rate {recipe.growth}; what the authors used was not published.
It has {sum(p.numel() for p in model.network.parameters()):,} parameters.
Patches have 32 voxels along each axis, on a grid of 2 mm in MNI152 orientation and position (affine); the published
grid has 1 mm.
ONNX, weights in half precision.

**Data.** {patients} patients, {mutants} of them {target.word(True)}.

{listed}

**Training.** {recipe.steps} steps of {recipe.batch} patches, half of them of {target.positives}, two thirds at tumour.
{begun}AdamW, peak rate {recipe.learning_rate:g}, cosine, running average of the weights.
Patches are flipped along each axis, blurred, rescaled and given noise{dropped}.
The published training had about 300,000 patches a fold.

**Vote.** Both tumour classes are fused, components below a tenth of the largest are dropped, and the remaining voxels
vote.
The logit of the share, calibrated on tuning patients (slope {model.calibration.slope:.3f}, offset
{model.calibration.offset:.3f}), is the log likelihood ratio.
A tie, or a map without tumour, is no call, and never {target.negative}.

**Results.** {results}
"""
