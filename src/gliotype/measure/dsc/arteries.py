"""The arterial input function: which voxels show the bolus as it arrives, and their mean curve.

Arterial voxels are sought among those whose bolus is highest. Curves of the same shape are put together by k-means
on the curves divided by their area, and the cluster with the earliest centre of mass is the arterial one (after
Mouridsen 2006), with the next where it is tiny. Voxels whose signal falls to the noise floor are left out, since
their peak is cut off; so are, of the cluster, those with less than half the height of its highest, which share their
volume with tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import ArterialInput, Bolus, Floats
from gliotype.measure.dsc.curves import full_width, mean_curve

Curves = NDArray[np.floating]
Mask = NDArray[np.bool_]

HIGHEST = 0.05
"""Fraction of the brain's voxels, those with the highest peak, among which arteries are sought."""

FEWEST_CANDIDATES = 30
MAX_ARTERIAL = 50
"""Arterial voxels whose mean is taken, at most: the highest and narrowest of the cluster."""

CLUSTERS = 5
FEWEST_ARTERIAL = 8
"""Voxels that the earliest clusters together have, at least."""

FLOOR = 3.0
"""A signal below so many standard deviations of the noise is at the floor."""

MIN_HEIGHT = 0.5
"""Height over that of the highest of the cluster below which a voxel shares its volume with tissue."""


@dataclass(frozen=True, eq=False)
class Arteries:
    """The arterial input, and how it was come by.

    Attributes:
        input: mean curve and voxels.
        saturated: fraction of the candidates whose signal fell to the noise floor.
    """

    input: ArterialInput
    saturated: float


def find_arteries(
    delta_r2: Curves, signal: Curves, times_s: Floats, bolus: Bolus, *, searched: Mask, noise: float
) -> Arteries:
    """Find arterial voxels and take their mean curve.

    Args:
        delta_r2: 1/s, (n, t).
        signal: scanner units, (n, t).
        times_s: (t,).
        bolus: when the bolus passes the brain.
        searched: voxels among which to look, (n,).
        noise: standard deviation of the signal's noise, scanner units.

    Returns:
        The arterial input; the same input gives the same voxels.
    """
    first_pass = slice(bolus.arrival, bolus.end + 1)
    where = np.flatnonzero(searched)
    heights = delta_r2[where, first_pass].max(axis=1)
    count = min(where.size, max(FEWEST_CANDIDATES, round(HIGHEST * where.size)))
    candidates = where[np.argsort(-heights, kind="stable")[:count]]
    floored = signal[candidates, first_pass].min(axis=1) <= FLOOR * noise
    saturated = float(floored.mean())
    usable = candidates[~floored] if (~floored).sum() >= CLUSTERS else candidates
    cluster = usable[_earliest(delta_r2[usable, first_pass], times_s[first_pass])]
    voxels = np.zeros(searched.size, dtype=np.bool_)
    voxels[_best(delta_r2, times_s, bolus, cluster)] = True
    return Arteries(ArterialInput(mean_curve(delta_r2, voxels), voxels), saturated)


def given_arteries(delta_r2: Curves, signal: Curves, bolus: Bolus, *, voxels: Mask, noise: float) -> Arteries:
    """Take the mean curve of the voxels that the caller names.

    Args:
        delta_r2: 1/s, (n, t).
        signal: scanner units, (n, t).
        bolus: when the bolus passes the brain.
        voxels: at least one, (n,).
        noise: standard deviation of the signal's noise, scanner units.
    """
    lowest = signal[voxels, bolus.arrival : bolus.end + 1].min(axis=1)
    return Arteries(
        ArterialInput(mean_curve(delta_r2, voxels), voxels, given=True),
        float((lowest <= FLOOR * noise).mean()),
    )


def _earliest(curves: Curves, times_s: Floats) -> Mask:
    """Cluster curves by shape and pick the clusters with the earliest centre of mass."""
    from sklearn.cluster import KMeans  # loads for longer than a study without DSC series is measured

    positive = np.maximum(curves, 0)
    shapes = positive / positive.sum(axis=1, keepdims=True)
    centre = shapes @ times_s
    clusters = min(CLUSTERS, len(np.unique(shapes, axis=0)))
    at = np.linspace(0, shapes.shape[0] - 1, clusters).round().astype(int)
    begin = shapes[np.argsort(centre, kind="stable")[at]]
    labels = KMeans(clusters, init=begin, n_init=1, random_state=0).fit_predict(shapes)
    means = [centre[labels == n].mean() if (labels == n).any() else np.inf for n in range(clusters)]
    order = np.argsort(means, kind="stable")
    counts = np.cumsum(np.bincount(labels, minlength=clusters)[order])
    taken = order[: 1 + int(np.searchsorted(counts, min(FEWEST_ARTERIAL, counts[-1])))]
    return np.asarray(np.isin(labels, taken))


def _best(delta_r2: Curves, times_s: Floats, bolus: Bolus, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of a cluster, take the voxels that are high and narrow."""
    curves = delta_r2[cluster]
    height = curves[:, bolus.arrival : bolus.end + 1].max(axis=1)
    width = full_width(curves, times_s, bolus)
    score = np.where(np.isfinite(width), height / np.maximum(width, 1e-6), 0.0)
    order = np.argsort(-score, kind="stable")
    high = height[order] >= MIN_HEIGHT * np.percentile(height, 90)
    return np.asarray(cluster[order[high][:MAX_ARTERIAL]])
