"""How this patient's tumour looks, learnt from where the network is sure, and used where it is not.

A network trained on many contrasts draws soft borders. Within one patient, tumour and healthy brain differ in a way
that the sure voxels show: two normal distributions of intensity are fitted to them (quadratic discriminant
analysis), and the ratio of their likelihoods moves the network's probability near the border it drew.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def sharpen(
    whole: NDArray[np.float32],
    images: Mapping[Sequence, NDArray[np.float32]],
    brain: NDArray[np.bool_],
    spacing_mm: float,
) -> NDArray[np.float32]:
    """Move a whole-tumour probability by how well each voxel fits this patient's tumour and healthy brain.

    Args:
        whole: whole-tumour probability of the network.
        images: on the same grid, on any scale.
        brain: where tumour can be.
        spacing_mm: isotropic voxel size.

    Returns:
        Sharpened probability; as it was where no set of `TELLING` is there or too little is sure.

    Example:
        >>> from scipy import ndimage
        >>> truth = np.zeros((32, 32, 32), bool); truth[8:22, 8:22, 8:22] = True
        >>> soft = ndimage.gaussian_filter(truth.astype(np.float32), 2.0)
        >>> image = np.random.default_rng(0).normal(100 + 60 * truth, 10).astype(np.float32)
        >>> sharp = sharpen(soft, {Sequence.FLAIR: image}, np.ones_like(truth), 1.0)
        >>> wrong = [int(((p > 0.5) != truth).sum()) for p in (soft, sharp)]
        >>> wrong[0] > 10 * wrong[1]
        True
    """
    chosen = next((names for names in TELLING if all(name in images for name in names)), ())
    tumour, healthy = brain & (whole >= SURE_TUMOUR), brain & (whole < SURE_HEALTHY)
    if not chosen or min(tumour.sum(), healthy.sum()) * spacing_mm**3 < MIN_ML * 1000:
        return whole
    near = brain & within_mm(whole >= BORDER, REACH_MM, (spacing_mm, spacing_mm, spacing_mm))
    spread = [max(float(images[name][healthy].std()), 1e-6) for name in chosen]

    def values(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.stack([images[name][mask] / s for name, s in zip(chosen, spread, strict=True)], axis=-1)

    ratio = _log_likelihood(values(near), values(tumour)) - _log_likelihood(values(near), values(healthy))
    p = np.clip(whole[near], 1e-4, 1 - 1e-4)
    odds = TRUST_NETWORK * np.log(p / (1 - p)) + TRUST_APPEARANCE * np.clip(ratio, -MOST, MOST)
    sharp = np.minimum(whole, SURE_HEALTHY)
    sharp[near] = 1 / (1 + np.exp(-odds))
    return sharp


def _log_likelihood(values: NDArray[np.float32], sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-density of values (n, channels) under a normal distribution fitted to a sample, up to a constant."""
    mean = sample.mean(axis=0)
    covariance = np.cov(sample.T).reshape(len(mean), len(mean)) + 0.05 * np.eye(len(mean))
    away = values - mean
    distance = np.einsum("na,ab,nb->n", away, np.linalg.inv(covariance), away)
    return np.asarray(-0.5 * distance - 0.5 * np.linalg.slogdet(covariance)[1], dtype=np.float32)
