"""Patients of an experiment made of random numbers, so that no image has to be simulated or prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gliotype.evaluate.metrics import evaluate
from gliotype.experiment import run as engine
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.train.data.examples import Example
from gliotype.train.data.inputs import CURVES, RADIOMICS
from gliotype.train.data.voxels import VOXELS, pack


@dataclass(frozen=True)
class Synthetic:
    """Patients made of random numbers, with an age that tells; every second one is mutant, and no tumour is found in
    the fourth."""

    name: str
    n: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{i:03d}" for i in range(self.n))

    def mutant(self, subject: str) -> bool:
        return int(subject[-3:]) % 2 == 0

    def strata(self, subject: str) -> Mapping[str, str]:
        i = int(subject[-3:])
        return {"grade": str(2 + i % 3), "site": ("north", "south", "west")[i % 5 // 2]}

    def key(self, subject: str) -> str:
        return subject

    def identities(self, subject: str) -> frozenset[str]:
        return frozenset({subject})

    def images(self, subject: str) -> tuple[Path, ...]:
        return ()

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        i = int(subject[-3:])
        rng = np.random.default_rng(i)
        numbers = rng.normal(size=20)
        numbers[-1] = 40 + 20 * (i % 2) + rng.normal(0, 12)
        slices = np.zeros((5, 4, 128, 128), np.float16)
        slices[..., 50:70, 60:75] = rng.normal(0, 0.2, (5, 4, 20, 15))
        arrays = {
            "radiomics": rng.normal(i % 2, 2.0, len(RADIOMICS)),
            "mismatch": np.array([-0.3]),
            "adc": np.array([np.nan]),
        }
        return Example(
            subject,
            self.mutant(subject),
            numbers[-1],
            slices,
            numbers,
            i != 3,
            0.7,
            self.strata(subject),
            {name: arrays[name] for name in inputs} if i != 3 else {},
        )


@dataclass(frozen=True)
class WithEveryInput(Synthetic):
    """The same with the arrays of T2-net, TS-net and the perfusion network."""

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        example = super().example(subject, inputs - {VOXELS, CURVES})
        if not example.found:
            return example
        rng = np.random.default_rng([int(subject[-3:]), 1])
        voxels = rng.normal(0, 0.2, (3, 32, 32, 32)).astype(np.float32)
        tumour = np.zeros(voxels.shape[1:], bool)
        tumour[4:16, 20:32, 8:18] = True
        voxels[:, tumour] += 3.0 if example.mutant else -3.0
        curves = rng.normal(2 if example.mutant else 4, 0.5, (1, len(CHANNELS), POINTS)).astype(np.float32)
        made: dict[str, NDArray[Any]] = {VOXELS: pack(voxels, tumour, np.ones_like(tumour)), CURVES: curves}
        further = {name: array for name, array in made.items() if name in inputs}
        return replace(example, inputs={**example.inputs, **further})


def synthetic_source(cohort: Any, out: Path) -> Synthetic:
    """Take the place of `gliotype.experiment.cohorts.source_of`."""
    return Synthetic(cohort.simulated, cohort.patients, {"name": cohort.simulated})


@dataclass(frozen=True)
class WithCodeletion(Synthetic):
    """The same with a 1p/19q status: every fourth patient is codeleted, and older."""

    unknown: tuple[int, ...] = ()

    def strata(self, subject: str) -> Mapping[str, str]:
        i = int(subject[-3:])
        status = "" if i in self.unknown else "codeleted" if i % 4 == 0 else "intact"
        return {**super().strata(subject), "codeletion": status}

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        example = super().example(subject, inputs)
        older = 15 * (int(subject[-3:]) % 4 == 0)
        numbers = example.numbers.copy()
        numbers[-1] += older
        return replace(example, numbers=numbers, age=example.age + older)


def use_synthetic_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let experiments read synthetic patients, resample little, and draw and write no evaluation of each method."""
    monkeypatch.setattr(engine, "source_of", synthetic_source)
    monkeypatch.setattr(engine, "write_evaluations", lambda scored, out: None)
    monkeypatch.setattr("gliotype.experiment.report.html.draw_curves", lambda curves, methods: {})
    monkeypatch.setattr("gliotype.experiment.score.evaluate", partial(evaluate, resamples=5))
