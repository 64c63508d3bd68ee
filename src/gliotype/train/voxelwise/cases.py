"""Simulated patients for T2-net and TS-net alone, made on the networks' grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import within_mm
from gliotype.predictors.slices import IMAGES, NUMBERS, OFFSETS_MM, SIZE
from gliotype.predictors.voxelwise import TS_NET, scaled_images
from gliotype.segment.model1 import GRID
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Sequence
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.data.examples import NO_INPUTS, Example
from gliotype.train.data.voxels import VOXELS, pack

CASE_MIX: Mapping[GliomaType, float] = {
    GliomaType.GLIOBLASTOMA: 0.35,
    GliomaType.WILDTYPE_LOWER_GRADE: 0.17,
    GliomaType.ASTROCYTOMA: 0.30,
    GliomaType.OLIGODENDROGLIOMA: 0.18,
}
"""Proportions of the classes of patients simulated on the grid itself."""

RESIDUAL_BIAS = 0.3
"""Fraction of a coil's inhomogeneity that the correction of a prepared study leaves; a design value."""

RESHAPE_SCALE = 0.10
"""Standard deviation of the log-scale of a head's axes: more than among people, so that few heads stand for many."""

CONTRAST_SPREAD = 0.08
"""Largest standard deviation of an extra log-normal factor on each healthy tissue's signal."""


@dataclass(frozen=True)
class GridPatients:
    """Simulated patients on the networks' grid, with the true brain and tumour: a source of examples for them alone.

    Nothing is registered, and Model 1 is not asked, so that a patient takes less than a second.

    Attributes:
        patients: how many.
        seed: random seed.
        anatomies: folder of whole-head label maps; the shipped template alone when None.
        cache: folder in which the aligned label maps are cached.
    """

    patients: int
    seed: int
    anatomies: Path | None = None
    cache: Path | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, such as ``grid-00001``."""
        return tuple(f"grid-{number:05d}" for number in range(1, self.patients + 1))

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that the examples depend on."""
        heads = "template" if self.anatomies is None else label_map_hashes(self.anatomies)
        mix = {str(kind): share for kind, share in CASE_MIX.items()}
        spread = [RESHAPE_SCALE, CONTRAST_SPREAD]
        return {"grid": mix, "seed": self.seed, "anatomies": heads, "spread": spread}

    def key(self, subject: str) -> str:
        """Return the name: all else is in the settings."""
        return subject

    def _draw(self, subject: str) -> tuple[np.random.Generator, GliomaType]:
        rng = np.random.default_rng([self.seed, int(subject.rpartition("-")[2])])
        kinds = list(CASE_MIX)
        return rng, kinds[rng.choice(len(kinds), p=list(CASE_MIX.values()))]

    def mutant(self, subject: str) -> bool:
        """Determine whether a patient is IDH-mutant."""
        return self._draw(subject)[1].idh_mutant

    def strata(self, subject: str) -> Mapping[str, str]:
        """Return the class of glioma."""
        return {"class": str(self._draw(subject)[1])}

    def identities(self, subject: str) -> frozenset[str]:
        """Return number and seed."""
        return frozenset({f"simulated on the grid {subject.rpartition('-')[2]} of seed {self.seed}"})

    def images(self, subject: str) -> tuple[Path, ...]:
        """Return nothing: there are no files."""
        return ()

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Simulate a patient; the example has `VOXELS` and no slices or numbers."""
        rng, kind = self._draw(subject)
        heads = read_anatomies(self.anatomies, self.cache)
        head = heads[int(rng.integers(len(heads)))]
        patient = draw_patient(rng, head, GRID, kind, reshape_scale=RESHAPE_SCALE)
        protocols = draw_protocols(rng, STRUCTURAL, (1.0, 6.0))
        corrected = {s: replace(p, bias=RESIDUAL_BIAS * p.bias) for s, p in protocols.items()}
        field_t = 1.5 if rng.random() < 0.4 else 3.0
        images = acquire(
            rng,
            patient,
            draw_parameters(rng, field_t, spread=0.03),
            corrected,
            contrast_spread=float(rng.uniform(0, CONTRAST_SPREAD)),
        )
        assert patient.tumour is not None
        tumour = patient.tumour.labels > 0
        brain = within_mm(patient.brain, float(rng.uniform(0, 3)), GRID.spacing)
        stripped: dict[Sequence, NDArray[np.float32]] = {
            s: np.where(brain, image, 0).astype(np.float32) for s, image in images.items()
        }
        return Example(
            subject,
            kind.idh_mutant,
            patient.age,
            np.zeros((len(OFFSETS_MM), len(IMAGES) + 1, SIZE, SIZE), np.float16),
            np.full(len(NUMBERS), np.nan),
            True,
            np.nan,
            self.strata(subject),
            {VOXELS: pack(scaled_images(stripped, brain, TS_NET), tumour, brain)},
        )
