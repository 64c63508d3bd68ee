"""Lesions that are not glioma: infarcts, plaques and metastases, from which it must be distinguished."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.lesion.glioma import TumourMap
from gliotype.simulate.lesion.spread import arrival_time
from gliotype.simulate.tissue import PARENCHYMA, Tissue


class Distractor(StrEnum):
    """Lesions that a segmenter of glioma must not mark, or cannot distinguish from glioma."""

    INFARCT = "infarct"
    PLAQUES = "demyelinating plaques"
    METASTASES = "metastases"


_EVEN_SPEED = dict.fromkeys(PARENCHYMA, 1.0) | {Tissue.CSF: 0.5}
"""Ischaemia heeds vessels, not tissue."""


def draw_distractor(
    rng: np.random.Generator, tissue: NDArray[np.uint8], spacing_mm: float, kind: Distractor
) -> TumourMap:
    """Draw lesions of a kind in a head.

    Args:
        rng: source of randomness.
        tissue: healthy tissue codes.
        spacing_mm: isotropic voxel size.
        kind: of lesion.

    Returns:
        Their tissues and extent; the truth labels are 0 everywhere, since none of it is glioma.

    Example:
        >>> tissue = np.full((48, 48, 48), Tissue.WHITE_MATTER, np.uint8)
        >>> found = draw_distractor(np.random.default_rng(0), tissue, 2.0, Distractor.PLAQUES)
        >>> bool(found.infiltration.any()), bool(found.labels.any())
        (True, False)
    """
    draw = {
        Distractor.INFARCT: _infarct,
        Distractor.PLAQUES: _plaques,
        Distractor.METASTASES: _metastases,
    }[kind]
    compartment, infiltration = draw(rng, tissue, spacing_mm)
    infiltration = np.where(np.isin(tissue, [*PARENCHYMA, Tissue.CSF]), infiltration, 0).astype(np.float32)
    compartment = np.where(infiltration > 0.01, compartment, 0).astype(np.uint8)
    return TumourMap(compartment, infiltration, np.zeros(tissue.shape, np.uint8))


def _infarct(
    rng: np.random.Generator, tissue: NDArray[np.uint8], spacing_mm: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One territory from the cortex inwards, swollen when fresh, a cavity with a gliotic rim when old."""
    cortex = 2 * np.argwhere(tissue[::2, ::2, ::2] == Tissue.GREY_MATTER)
    if len(cortex) == 0:
        cortex = 2 * np.argwhere(np.isin(tissue[::2, ::2, ::2], PARENCHYMA))
    seed = cortex[rng.integers(len(cortex))][None]
    rough = (0.3 * smooth_noise(rng, tissue.shape, 8 / spacing_mm)).astype(np.float32)
    time = arrival_time(tissue, seed, spacing_mm, rough, _EVEN_SPEED)
    volume_ml = float(np.clip(np.exp(3.0 + rng.standard_normal()), 2.0, 150.0))
    reachable = np.sort(time[time < 150])
    edge = float(reachable[min(round(volume_ml * 1000 / spacing_mm**3), reachable.size) - 1])
    infiltration = 1 / (1 + np.exp(np.clip((time - edge) * 4 / rng.uniform(1.0, 3.0), -30, 30)))
    compartment = np.full(tissue.shape, Tissue.OEDEMA, np.uint8)
    if rng.random() < 0.8:
        compartment[time < edge * rng.uniform(0.5, 0.95)] = Tissue.CSF
    return compartment, infiltration.astype(np.float32)


def _plaques(
    rng: np.random.Generator, tissue: NDArray[np.uint8], spacing_mm: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Ovoid lesions of white matter, most of them next to the ventricles; some enhance."""
    white = np.argwhere(tissue == Tissue.WHITE_MATTER)
    ventricle = tissue == Tissue.VENTRICLE
    if ventricle.any():
        away = ndimage.distance_transform_edt(~ventricle)[tuple(white.T)] * spacing_mm
        weight = np.exp(-away / 12.0) + 0.02
    else:
        weight = np.ones(len(white))
    centres = white[rng.choice(len(white), size=int(rng.integers(3, 25)), p=weight / weight.sum())]
    compartment = np.zeros(tissue.shape, np.uint8)
    infiltration = np.zeros(tissue.shape, np.float32)
    for centre in centres:
        radii_mm = rng.uniform(1.5, 5.0) * rng.uniform(0.7, 1.6, 3)
        _place(compartment, infiltration, centre, radii_mm / spacing_mm, Tissue.WM_LESION)
        if rng.random() < 0.1:
            _place(compartment, infiltration, centre, 0.6 * radii_mm / spacing_mm, Tissue.ENHANCING)
    return compartment, infiltration


def _metastases(
    rng: np.random.Generator, tissue: NDArray[np.uint8], spacing_mm: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Round, enhancing, some of them necrotic foci where grey meets white matter, in a coat of oedema."""
    near_grey = ndimage.binary_dilation(tissue == Tissue.GREY_MATTER, iterations=2)
    border = np.argwhere((tissue == Tissue.WHITE_MATTER) & near_grey)
    if len(border) == 0:
        border = np.argwhere(np.isin(tissue, PARENCHYMA))
    compartment = np.zeros(tissue.shape, np.uint8)
    infiltration = np.zeros(tissue.shape, np.float32)
    for centre in border[rng.integers(len(border), size=int(rng.integers(1, 7)))]:
        radius = rng.uniform(3.0, 10.0) / spacing_mm * rng.uniform(0.85, 1.15, 3)
        coat = radius + rng.uniform(0.0, 15.0) / spacing_mm
        _place(compartment, infiltration, centre, coat, Tissue.OEDEMA)
        _place(compartment, infiltration, centre, radius, Tissue.ENHANCING)
        if rng.random() < 0.5:
            _place(compartment, infiltration, centre, rng.uniform(0.3, 0.75) * radius, Tissue.NECROSIS)
    return compartment, infiltration


def _place(
    compartment: NDArray[np.uint8],
    infiltration: NDArray[np.float32],
    centre: NDArray[np.intp],
    radii: NDArray[np.floating],
    tissue: Tissue,
) -> None:
    """Put an ellipsoid with a soft border into the maps."""
    low = np.maximum(np.floor(centre - radii - 3).astype(int), 0)
    high = np.minimum(np.ceil(centre + radii + 4).astype(int), compartment.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    at = [
        (np.arange(a, b) - c) / r
        for a, b, c, r in zip(low, high, centre, np.maximum(radii, 0.5), strict=True)
    ]
    distance = np.sqrt(sum(part**2 for part in np.meshgrid(*at, indexing="ij", sparse=True)))
    amount = np.clip(1.5 + (1 - distance) * float(np.mean(radii)), 0.0, 1.0).astype(np.float32)
    compartment[box] = np.where(amount > 0.5, tissue, compartment[box])
    fresh = (compartment[box] == 0) & (amount > 0)
    compartment[box] = np.where(fresh, tissue, compartment[box])
    infiltration[box] = np.maximum(infiltration[box], amount)
