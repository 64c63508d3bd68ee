"""What patients' numbers and images look like to the methods, so that the gate can recognise what differs from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.predictors.hybrid import compute_contributions
from gliotype.predictors.slices import IMAGES, NUMBERS, Slices, slices_of
from gliotype.runtime import read_weights
from gliotype.study import PreparedStudy, Tumour

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unlikeness:
    """How far a tumour lies from those that a method was fitted on.

    Attributes:
        distance: squared Mahalanobis distance from the nearer class, of the logarithms of the features.
        limit: 99th percentile of it among these tumours.
        most: name of the feature that is farthest from that class's mean, in its standard deviations.
    """

    distance: float
    limit: float
    most: str


@dataclass(frozen=True, eq=False)
class FeatureDistribution:
    """Logarithms of the radiomics features of patients, by class, with the errors of found outlines added.

    Attributes:
        features: names, without age.
        mean: (2, features): of wildtypes, and of mutants.
        covariance: (2, features, features).
        limits: by the features that are known, in order, 99th percentile of the squared Mahalanobis distance from
            the nearer class.
    """

    features: tuple[str, ...]
    mean: Floats
    covariance: Floats
    limits: Mapping[tuple[str, ...], float]

    def distances(self, values: Mapping[str, NDArray[np.float64] | float]) -> Floats:
        """Return the squared Mahalanobis distance from each class, (2, ...), by the features that are given.

        Args:
            values: some of the features, each above 0.
        """
        known = [n for n, name in enumerate(self.features) if name in values]
        logs = np.stack(
            [np.log(np.asarray(values[self.features[n]], dtype=np.float64)) for n in known], axis=-1
        )
        each = []
        for mean, covariance in zip(self.mean, self.covariance, strict=True):
            away = logs - mean[known]
            each.append(
                (away * np.linalg.solve(covariance[np.ix_(known, known)], away[..., None])[..., 0]).sum(
                    axis=-1
                )
            )
        return np.stack(each)

    def unlikeness(self, values: Mapping[str, float]) -> Unlikeness | None:
        """Compare a tumour with the patients; None where no features are known for which there is a limit.

        Args:
            values: features that could be measured, each above 0; missing ones are marginalised.
        """
        known = tuple(name for name in self.features if name in values)
        if known not in self.limits:
            return None
        distances = self.distances(values)
        nearer = int(distances.argmin())
        columns = [self.features.index(name) for name in known]
        sd = np.sqrt(np.diag(self.covariance[nearer])[columns])
        scores = (np.log([values[name] for name in known]) - self.mean[nearer][columns]) / sd
        return Unlikeness(float(distances[nearer]), self.limits[known], known[int(np.abs(scores).argmax())])

    def to_json(self) -> dict[str, Any]:
        """Return plain values from which `from_json` makes the distribution again."""
        return {
            "features": list(self.features),
            "mean": self.mean.round(4).tolist(),
            "covariance": self.covariance.round(6).tolist(),
            "limits": {" ".join(names): round(limit, 2) for names, limit in self.limits.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FeatureDistribution:
        """Make a distribution from what `to_json` returned."""
        return cls(
            tuple(document["features"]),
            np.array(document["mean"], dtype=np.float64),
            np.array(document["covariance"], dtype=np.float64),
            {tuple(names.split()): float(limit) for names, limit in document["limits"].items()},
        )


@cache
def feature_distribution() -> FeatureDistribution:
    """Load the distribution of the patients on whom `radiomics` was fitted.

    Raises:
        WeightsError: if its file is missing or corrupt.
    """
    return read_weights("radiomics.json", lambda document: FeatureDistribution.from_json(document["typical"]))


def image_response(prepared: PreparedStudy, tumour: Tumour) -> float | None:
    """Measure how much the images, beyond the outline alone, move the maps of Model 2.

    The network gives maps of log-odds, no pooled features; the mean of the maps and their spread over the ensemble's
    members do not differ on white noise.

    Args:
        prepared: with any of T1c, T2 and FLAIR.
        tumour: not empty.

    Returns:
        Root mean square difference, in log-odds, of the maps from those without any image; None where the network
        does not apply.
    """
    if not any(sequence in prepared.images for sequence in IMAGES):
        return None
    slices = slices_of(prepared, tumour)
    outline_alone = slices.array.copy()
    outline_alone[:, : len(IMAGES)] = 0
    nothing = np.full(len(NUMBERS), np.nan)
    seen, blind = (
        compute_contributions(each, nothing).maps for each in (slices, Slices(outline_alone, slices.grid))
    )
    return float(np.sqrt(((seen - blind) ** 2).mean()))
