"""Accept or reject a candidate component by five features.

In a healthy head the network sometimes marks tissue that the coils brighten on one side, or that only one network pass
shows. A tumour is seen in the image and in its mirror image, differs from its surroundings and from the other side, and
rarely lies at the brain's surface alone. The coefficients of these features were fitted on simulated patients
(``weights/model1.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.errors import WeightsError
from gliotype.runtime import read_weights
from gliotype.segment.model1 import CHANNELS, GRID, NetworkPass
from gliotype.study import Sequence

NUMBERS = ("log_volume", "surer_pass", "other_pass", "contrast", "depth_mm")
"""The features of `CandidateFeatures` that enter the log-odds, in order."""

SHOWS_AS: tuple[tuple[tuple[Sequence, ...], float], ...] = (
    ((Sequence.T2, Sequence.FLAIR), 1.0),
    ((Sequence.T1,), -1.0),
    ((Sequence.T1C,), -1.0),
)
"""Sequences of which the first available ones give the contrast, and its sign: tumour is bright or dark on them."""

DOUBTFUL = -3.0
"""Log-odds at or above which a component that is not accepted may be a tumour nevertheless.

Between this and the threshold lie 2 of the 106 tumours and 7 of the 33 other components that the model was fitted on.
"""

GAP_VOXELS, RING_VOXELS = 1, 4
"""Distances from a component at which its surroundings begin and end, in voxels of 2 mm."""


@dataclass(frozen=True)
class CandidateFeatures:
    """The features of one candidate component.

    Attributes:
        log_volume: natural logarithm of its volume in ml.
        surer_pass: whole-tumour probability within it on the less sure side of the mirror, mean over its voxels, of the
            pass that is surer.
        other_pass: the same of the pass that is less sure; of the same pass where there is only one.
        contrast: how much it is brighter (T1: darker) than its surroundings or than the mirror side, whichever differs
            less; mean over T2 and FLAIR, in units of `gliotype.segment.model1.scale`.
        depth_mm: mean distance of its voxels from the brain's surface.
        symmetry: fraction of it that is its own mirror image; a limit of its own (`CandidateModel.accepts`).
    """

    log_volume: float
    surer_pass: float
    other_pass: float
    contrast: float
    depth_mm: float
    symmetry: float

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers that enter the log-odds, in the order of `NUMBERS`."""
        return np.array([getattr(self, name) for name in NUMBERS])


def candidate_features(
    part: NDArray[np.bool_], others: NDArray[np.bool_], volume_ml: float, passes: list[NetworkPass]
) -> CandidateFeatures:
    """Measure the features of a component.

    Args:
        part: the component, on the network's grid; at least one voxel.
        others: all components, which do not count as surroundings.
        volume_ml: its volume on the grid on which it was drawn.
        passes: the network's, the one at all sequences first.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> part = np.zeros(GRID.shape, bool); part[20:28, 40:48, 40:48] = True
        >>> stack = rng.normal(0, 0.1, (8, *GRID.shape)).astype(np.float32); stack[3][part] += 2
        >>> says = np.zeros((5, *GRID.shape), np.float32); says[3][part] = 0.9
        >>> here = NetworkPass(stack, np.ones(GRID.shape, bool), says, says, frozenset({Sequence.FLAIR}))
        >>> found = candidate_features(part, part, 4.1, [here])
        >>> round(found.contrast, 1), round(found.surer_pass, 1), found.symmetry
        (2.0, 0.9, 0.0)
    """
    sure = [float(np.minimum(*(_whole(p)[part] for p in (a.straight, a.mirrored))).mean()) for a in passes]
    brain = passes[0].brain_region
    away = ndimage.distance_transform_edt(brain, sampling=GRID.spacing)
    return CandidateFeatures(
        log_volume=float(np.log(volume_ml)),
        surer_pass=max(sure),
        other_pass=min(sure),
        contrast=_contrast(part, others, passes[0]),
        depth_mm=float(away[part].mean()),
        symmetry=float((part & part[::-1]).sum() / part.sum()),
    )


def _whole(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(probabilities[2:].sum(axis=0))


def _contrast(part: NDArray[np.bool_], others: NDArray[np.bool_], seen: NetworkPass) -> float:
    """Contrast of a component; see `CandidateFeatures`."""
    within = ndimage.binary_dilation(part, iterations=RING_VOXELS)
    within &= ~ndimage.binary_dilation(part, iterations=GAP_VOXELS)
    ring = within & seen.brain_region & ~others
    both = part & seen.brain_region[::-1]
    names, sign = next(
        ([s for s in names if s in seen.sequences], sign)
        for names, sign in SHOWS_AS
        if seen.sequences.intersection(names)
    )
    contrasts = []
    for name in names:
        image = sign * seen.stack[CHANNELS.index(name)]
        around = float(np.median(image[ring])) if ring.any() else 0.0
        against_mirror = float((image - image[::-1])[both].mean()) if both.any() else 0.0
        contrasts.append(min(float(image[part].mean()) - around, against_mirror))
    return float(np.mean(contrasts))


@dataclass(frozen=True, eq=False)
class CandidateModel:
    """A logistic model that accepts or rejects a candidate by its features.

    Attributes:
        mean: of each of `NUMBERS` in the components that it was fitted on.
        sd: their standard deviations.
        coefficients: change of the log-odds of tumour per standard deviation.
        intercept: log-odds of the average component.
        threshold: log-odds at or above which a component counts as a tumour.
        max_symmetry: a component that is its own mirror image to a larger fraction counts as anatomy.
    """

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: float
    threshold: float
    max_symmetry: float

    def log_odds(self, features: CandidateFeatures) -> float:
        """Log-odds that a component is tumour, both kinds being equally frequent."""
        return self.intercept + float(self.coefficients @ ((features.numbers - self.mean) / self.sd))

    def accepts(self, features: CandidateFeatures) -> bool:
        """Whether a component is taken for a tumour."""
        return self._reaches(self.threshold, features)

    def is_doubtful(self, features: CandidateFeatures) -> bool:
        """Whether a component is not taken for a tumour, but may be one."""
        return not self.accepts(features) and self._reaches(DOUBTFUL, features)

    def _reaches(self, log_odds: float, features: CandidateFeatures) -> bool:
        return self.log_odds(features) >= log_odds and features.symmetry <= self.max_symmetry

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> CandidateModel:
        """Make a model from the content of ``model1.json``."""
        if tuple(document["numbers"]) != NUMBERS:
            raise WeightsError("model1.json weighs other numbers than this version: install gliotype again")
        mean, sd, coefficients = (
            np.array(document[key], dtype=np.float64) for key in ("mean", "sd", "coefficients")
        )
        intercept, threshold, symmetry = (
            float(document[key]) for key in ("intercept", "threshold", "most_symmetry")
        )
        return cls(mean, sd, coefficients, intercept, threshold, symmetry)


@cache
def candidate_model() -> CandidateModel:
    """Load the shipped model.

    Raises:
        WeightsError: if its file is missing or corrupt.
    """
    return read_weights("model1.json", CandidateModel.from_json)
