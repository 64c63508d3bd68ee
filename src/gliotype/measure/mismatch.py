"""The T2-FLAIR mismatch: bright and even on T2, yet dark on FLAIR except for a rim.

Everything is measured in the *assessed part*: the tumour without enhancing and without cystic voxels.
Subtraction after AJNR 2024;45:188 (percentage of the part where T2 minus FLAIR is positive); that paper's
abstract does not state how the images were scaled before the subtraction. Here each image is centred and scaled
by the median and the interquartile range of the normal-appearing tissue (grey and white matter away from the
tumour), so that "positive" means: further above normal tissue on T2 than on FLAIR, each in its own spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliotype.masks import box_around, within_city_block
from gliotype.study import Label, PreparedStudy, Sequence, Tumour

Mask = NDArray[np.bool_]
Floats = NDArray[np.floating]

MISMATCH_UNITS = MappingProxyType(
    {
        "mismatch_fraction": "%",
        "t2_flair_ratio_fraction": "%",
        "flair_centre_over_rim": "1",
        "flair_p5_over_white_matter": "1",
        "t2_cv": "1",
        "assessed_volume": "ml",
        "enhancing_fraction": "%",
        "cystic_fraction": "%",
        "mismatch_sign": "1",
    }
)
"""Names of all mismatch measurements, and the unit of each."""

RATIO = 1.5
"""A voxel counts for the ratio map where T2 over FLAIR, each over white matter, exceeds this."""

RIM_MM = 4.0
"""The rim is what lies within this distance of the tumour's edge."""

MAX_ENHANCING_PERCENT = 5.0
"""A tumour of which more than this enhances is not a candidate for the sign."""

MIN_ASSESSED_ML = 0.5
_MIN_VOXELS = 500
_TUMOUR_MARGIN_VOXELS = 5


@dataclass(frozen=True)
class _Contrast:
    """T2 and FLAIR over white matter in the voxels of brain and tumour (`within`), zero outside the brain.

    Quartiles are those of the normal-appearing tissue, NaN where there is none.
    """

    within: Mask
    t2: Floats
    flair: Floats
    normal: Mask
    csf: Mask
    t2_quartiles: Floats
    flair_quartiles: Floats


def mismatch(prepared: PreparedStudy, tumour: Tumour) -> dict[str, float | None]:
    """Measure the T2-FLAIR mismatch.

    Args:
        prepared: images on the 1 mm grid, scaled to white matter.
        tumour: label map on the same grid.

    Returns:
        The measurements of `MISMATCH_UNITS`: all None without T2 or FLAIR or tumour; those of the assessed part None
        where less than `MIN_ASSESSED_ML` is left or an image is blank; ``enhancing_fraction`` (and then the sign) None
        where enhancement is unknown: no T1c, or a given mask of a single label.
    """
    found: dict[str, float | None] = dict.fromkeys(MISMATCH_UNITS)
    if Sequence.T2 not in prepared.images or Sequence.FLAIR not in prepared.images or not tumour.found:
        return found
    contrast = _contrast(prepared, tumour.mask)
    labels = np.asarray(tumour.labels.array)[contrast.within]
    mask, enhancing = labels > 0, labels == Label.ENHANCING
    cystic = mask & ~enhancing & _cystic(contrast)
    assessed = mask & ~enhancing & ~cystic

    percent_per_voxel = 100 / float(mask.sum())
    assessed_ml = float(assessed.sum()) * prepared.grid.voxel_ml
    found |= {"cystic_fraction": percent_per_voxel * float(cystic.sum()), "assessed_volume": assessed_ml}
    if tumour.regions_known and Sequence.T1C in prepared.images:
        found["enhancing_fraction"] = percent_per_voxel * float(enhancing.sum())
    if assessed_ml >= MIN_ASSESSED_ML and _comparable(contrast):
        centre = _centre(tumour.mask, prepared.grid.spacing)[contrast.within]
        found |= _measure_assessed_part(contrast, assessed, centre)
        found["mismatch_sign"] = _sign(found)
    return found


def subtract_flair(prepared: PreparedStudy, tumour: Tumour) -> NDArray[np.float32] | None:
    """Map T2 minus FLAIR, each in standard deviations (from the interquartile range) of the normal-appearing tissue.

    Args:
        prepared: images on the 1 mm grid, scaled to white matter.
        tumour: label map on the same grid.

    Returns:
        The map on the prepared grid, positive where ``mismatch_fraction`` counts a voxel, zero outside the brain; None
        without T2, FLAIR, tumour or enough normal tissue.
    """
    if Sequence.T2 not in prepared.images or Sequence.FLAIR not in prepared.images or not tumour.found:
        return None
    contrast = _contrast(prepared, tumour.mask)
    if not _comparable(contrast):
        return None
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    difference = np.zeros(brain.shape, np.float32)
    t2, flair = (
        _above_normal(image, quartiles)[brain[contrast.within]]
        for image, quartiles in (
            (contrast.t2, contrast.t2_quartiles),
            (contrast.flair, contrast.flair_quartiles),
        )
    )
    difference[brain] = t2 - flair
    return difference


def _measure_assessed_part(contrast: _Contrast, assessed: Mask, centre: Mask) -> dict[str, float | None]:
    t2, flair = contrast.t2[assessed], contrast.flair[assessed]
    t2_above = _above_normal(t2, contrast.t2_quartiles)
    flair_above = _above_normal(flair, contrast.flair_quartiles)
    inner = centre[assessed]
    both = inner.any() and not inner.all()
    return {
        "mismatch_fraction": 100 * float((t2_above > flair_above).mean()),
        "t2_flair_ratio_fraction": 100 * float((t2 > RATIO * flair).mean()),
        "flair_centre_over_rim": _ratio(np.median(flair[inner]), np.median(flair[~inner])) if both else None,
        "flair_p5_over_white_matter": float(np.percentile(flair, 5)),
        "t2_cv": _ratio(t2.std(), t2.mean()),
    }


def _ratio(part: np.floating, whole: np.floating) -> float | None:
    """Divide; None where an image is blank, so that there is nothing to divide by."""
    return float(part / whole) if whole > 0 else None


def _sign(found: dict[str, float | None]) -> float | None:
    """Call the sign strictly: hardly any enhancement, most of the part mismatched, even T2, FLAIR-bright rim.

    The mismatched majority follows the published operational rule (Pediatr Neurosurg 2021); the limits on
    evenness (coefficient of variation 0.25) and rim (centre darker than rim) are ours.
    """
    enhancing, fraction = found["enhancing_fraction"], found["mismatch_fraction"]
    evenness, centre_over_rim = found["t2_cv"], found["flair_centre_over_rim"]
    if enhancing is None or fraction is None or evenness is None or centre_over_rim is None:
        return None
    strict = (
        enhancing <= MAX_ENHANCING_PERCENT and fraction > 50 and evenness < 0.25 and centre_over_rim < 1.0
    )
    return float(strict)


def _contrast(prepared: PreparedStudy, tumour: Mask) -> _Contrast:
    brain = np.asarray(prepared.brain.array, dtype=np.bool_)
    within = brain | tumour
    inside = brain[within]
    t2, flair = (prepared.brain_values[s] for s in (Sequence.T2, Sequence.FLAIR))
    if not inside.all():
        t2, flair = (_at(inside, values) for values in (t2, flair))
    away = inside & ~within_city_block(tumour, _TUMOUR_MARGIN_VOXELS)[within]
    normal = away & (flair > 0.6) & (t2 > 0.3) & (t2 < 2.2)
    return _Contrast(
        within=within,
        t2=t2,
        flair=flair,
        normal=normal,
        csf=away & (flair < 0.5) & (t2 > 1.5),
        t2_quartiles=_quartiles(t2[normal]),
        flair_quartiles=_quartiles(flair[normal]),
    )


def _at(places: Mask, values: Floats) -> Floats:
    """Put values where a mask is true; the rest is 0."""
    put = np.zeros(places.shape, values.dtype)
    put[places] = values
    return put


def _quartiles(values: Floats) -> Floats:
    return np.asarray(np.percentile(values, (25, 50, 75)) if values.size else np.full(3, np.nan))


def _comparable(contrast: _Contrast) -> bool:
    """Whether there is enough normal tissue to scale by, and neither image has the same value in most of it."""
    if contrast.normal.sum() < _MIN_VOXELS:
        return False
    return all(high > low for low, _, high in (contrast.t2_quartiles, contrast.flair_quartiles))


def _cystic(contrast: _Contrast) -> Mask:
    """Return voxels like the patient's CSF: FLAIR below 1.2 and T2 above 0.9 times its median."""
    if contrast.csf.sum() < _MIN_VOXELS:
        return np.zeros(contrast.csf.shape, dtype=np.bool_)
    t2, flair = np.median(contrast.t2[contrast.csf]), np.median(contrast.flair[contrast.csf])
    return np.asarray((contrast.flair < 1.2 * flair) & (contrast.t2 > 0.9 * t2))


def _above_normal(values: Floats, quartiles: Floats) -> Floats:
    low, middle, high = quartiles
    return np.asarray((values - middle) / ((high - low) / 1.349))


def _centre(tumour: Mask, spacing: tuple[float, float, float]) -> Mask:
    box = box_around(tumour)
    depth = ndimage.distance_transform_edt(np.pad(tumour[box], 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    centre = np.zeros_like(tumour)
    centre[box] = depth > RIM_MM
    return centre
