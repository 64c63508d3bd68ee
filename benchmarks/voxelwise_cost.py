"""What `yogananda2020` costs in full: seconds of a step and of a scored patient, added up over its folds.

    python benchmarks/voxelwise_cost.py [--steps N]

Training steps and the scoring of simulated patients are timed on one thread of this processor, on which each training
of an experiment computes. The sum over three folds is an estimate: it has not been run. A graphics card is used where
torch finds one, and is then what is timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from gliotype.experiment.protocol import read_protocol
from gliotype.networks.dense_unet import DenseUNet3d
from gliotype.predictors.voxelwise import CLASSES, T2_NET, TS_NET
from gliotype.train.common.threads import one_thread
from gliotype.train.data.examples import Example
from gliotype.train.voxelwise.cases import GridPatients
from gliotype.train.voxelwise.fit import Recipe, VoxelwiseModel, train

WAYS: dict[str, tuple[int, int | None]] = {"whole brains": (8, None), "around the tumour": (16, 8)}
"""Step and margin with which patients are scored: as the protocol has it, and as its comment says for two cores."""

SHORT = 300
"""Steps of the short form that the protocol's comment names."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a training step and of a scored patient, by way of scoring."""

    step: float
    patient: dict[str, float]


def seconds_of(recipe: Recipe, examples: list[Example], steps: int) -> Cost:
    """Time a few steps, the first of them not counted, and one patient in each way."""
    with tempfile.TemporaryDirectory() as folder:
        train(replace(recipe, steps=1), examples, Path(folder) / "first", lambda line: None)
        began = time.perf_counter()
        train(replace(recipe, steps=steps), examples, Path(folder) / "timed", lambda line: None)
        a_step = (time.perf_counter() - began) / steps
    network = DenseUNet3d(len(recipe.sequences), len(CLASSES), growth=recipe.growth, layers=recipe.layers)
    if torch.cuda.is_available():
        network = network.to("cuda")
    patient = {}
    for name, (step, margin) in WAYS.items():
        model = VoxelwiseModel(replace(recipe, step=step, margin=margin), network.eval())
        few = examples[:1] if margin is None else examples
        taken = []
        for each in few:
            began = time.perf_counter()
            model.vote(each)
            taken.append(time.perf_counter() - began)
        patient[name] = float(np.mean(taken))
    return Cost(a_step, patient)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    protocol = read_protocol("yogananda2020")
    assert protocol.cross_validation is not None
    folds, patients = protocol.cross_validation.folds, protocol.cross_validation.patients or 0
    scored = patients + patients  # each is tested once and tunes once
    full = Recipe().steps
    source = GridPatients(40, 1)
    by_class = [[s for s in source.subjects if source.mutant(s) is mutant][:2] for mutant in (True, False)]
    examples = [source.example(name) for names in by_class for name in names]
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "one thread"
    print(f"| {where} | s a step | way | s a patient | {full} steps, {folds} folds | {SHORT} steps |")
    print("| --- | --- | --- | --- | --- | --- |")
    with one_thread(), threadpool_limits(1):
        for name, sequences in (("t2net", T2_NET), ("tsnet", TS_NET)):
            cost = seconds_of(Recipe(sequences), examples, arguments.steps)
            for way, seconds in cost.patient.items():
                hours = [(folds * steps * cost.step + scored * seconds) / 3600 for steps in (full, SHORT)]
                print(
                    f"| {name} | {cost.step:.2f} | {way} | {seconds:.1f} | {hours[0]:.1f} h | {hours[1]:.1f} h |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
