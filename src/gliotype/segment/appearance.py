"""How this patient's tumour looks, learnt from where the network is sure, and used where it is not.

A network trained on many contrasts draws soft borders. Within one patient, tumour and healthy brain differ in a way
that the sure voxels show: two normal distributions of intensity are fitted to them (quadratic discriminant
analysis), and the ratio of their likelihoods moves the network's probability near the border it drew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.masks import within_mm
from gliotype.study import Sequence

SURE_TUMOUR, SURE_HEALTHY = 0.7, 0.1
"""Whole-tumour probabilities from and below which voxels teach."""

MIN_ML = 0.4
"""Less sure tumour than this teaches nothing."""

TRUST_NETWORK, TRUST_APPEARANCE = 0.4, 0.8
"""Weights of the network's log-odds and of the log-likelihood ratio; chosen on development patients."""

MOST = 6.0
"""The log-likelihood ratio is limited to this."""

BORDER = 0.4
"""Whole-tumour probability at which the network's border is taken to lie."""

REACH_MM = 25.0
"""How far from that border tumour may be added."""

TELLING: tuple[tuple[Sequence, ...], ...] = (
    (Sequence.T1, Sequence.FLAIR),
    (Sequence.FLAIR,),
    (Sequence.T1, Sequence.T2),
    (Sequence.T2,),
)
"""Sets of sequences to learn from; the first that the study has is taken.

T1c is in none: contrast agent separates the parts of a tumour, not tumour from brain.
"""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums from which a normal distribution of intensities is fitted.

    Attributes:
        count: number of voxels.
        total: (channels,) sum of their values.
        products: (channels, channels) sum of the products of their values.
    """

    count: int
    total: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Moments:
        """Sum up values, (n, channels)."""
        return cls(len(values), values.sum(axis=0), values.T @ values)

    def __sub__(self, part: Moments) -> Moments:
        """Leave out some of the voxels."""
        return Moments(self.count - part.count, self.total - part.total, self.products - part.products)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of each channel."""
        return np.asarray(self.total / self.count)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Unbiased covariance, (channels, channels)."""
        return np.asarray((self.products - np.outer(self.total, self.mean)) / max(self.count - 1, 1))

    def log_likelihood(self, values: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-density of values (n, channels), each channel in a unit of its own, up to a constant."""
        away = (values - self.mean) / unit
        covariance = self.covariance / np.outer(unit, unit) + 0.05 * np.eye(len(unit))
        distance = np.einsum("na,na->n", away @ np.linalg.inv(covariance), away)
        return np.asarray(-0.5 * distance - 0.5 * np.linalg.slogdet(covariance)[1])


@dataclass(frozen=True, eq=False)
class Appearance:
    """The images of a patient, to sharpen any number of probability maps by.

    Attributes:
        images: on one grid, on any scale; of them, those of the first set of `TELLING` that the patient has.
        brain: where tumour can be.
        whole_brain: moments of the values in it.
        spacing_mm: isotropic voxel size.
    """

    images: tuple[NDArray[np.float32], ...]
    brain: NDArray[np.bool_]
    whole_brain: Moments
    spacing_mm: float

    @classmethod
    def of(
        cls, images: Mapping[Sequence, NDArray[np.float32]], brain: NDArray[np.bool_], spacing_mm: float
    ) -> Appearance:
        """Choose the telling images."""
        names = next((names for names in TELLING if all(name in images for name in names)), ())
        chosen = tuple(images[name] for name in names)
        return cls(chosen, brain, Moments.of(_values(chosen, brain)), spacing_mm)

    def sharpen(self, whole: NDArray[np.float32]) -> NDArray[np.float32]:
        """Move a whole-tumour probability by how well each voxel fits this patient's tumour and healthy brain.

        Args:
            whole: whole-tumour probability of the network.

        Returns:
            Sharpened probability; as it was where no set of `TELLING` is there or too little is sure.

        Example:
            >>> from scipy import ndimage
            >>> truth = np.zeros((32, 32, 32), bool); truth[8:22, 8:22, 8:22] = True
            >>> soft = ndimage.gaussian_filter(truth.astype(np.float32), 2.0)
            >>> image = np.random.default_rng(0).normal(100 + 60 * truth, 10).astype(np.float32)
            >>> sharp = Appearance.of({Sequence.FLAIR: image}, np.ones_like(truth), 1.0).sharpen(soft)
            >>> wrong = [int(((p > 0.5) != truth).sum()) for p in (soft, sharp)]
            >>> wrong[0] > 10 * wrong[1]
            True
        """
        tumour, doubtful = self.brain & (whole >= SURE_TUMOUR), self.brain & (whole >= SURE_HEALTHY)
        healthy = self.whole_brain.count - int(doubtful.sum())
        if not self.images or min(int(tumour.sum()), healthy) * self.spacing_mm**3 < MIN_ML * 1000:
            return whole
        spacing = (self.spacing_mm, self.spacing_mm, self.spacing_mm)
        near = self.brain & within_mm(whole >= BORDER, REACH_MM, spacing)
        here = _values(self.images, near)
        of_tumour = Moments.of(_values(self.images, tumour))
        of_healthy = self.whole_brain - Moments.of(_values(self.images, doubtful))
        unit = np.maximum(np.sqrt(np.maximum(np.diag(of_healthy.covariance), 0.0)), 1e-6)
        ratio = of_tumour.log_likelihood(here, unit) - of_healthy.log_likelihood(here, unit)
        p = np.clip(whole[near], 1e-4, 1 - 1e-4)
        odds = TRUST_NETWORK * np.log(p / (1 - p)) + TRUST_APPEARANCE * np.clip(ratio, -MOST, MOST)
        sharp = np.minimum(whole, SURE_HEALTHY)
        sharp[near] = 1 / (1 + np.exp(-odds))
        return sharp


def _values(images: tuple[NDArray[np.float32], ...], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Read images in the voxels of a mask, (n, images)."""
    found = np.empty((int(mask.sum()), len(images)))
    for channel, image in enumerate(images):
        found[:, channel] = image[mask]
    return found
