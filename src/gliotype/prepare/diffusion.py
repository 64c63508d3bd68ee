"""An ADC map ready to measure: its unit found out by the patient's own white matter, everything else refused."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gliotype.atlas import atlas
from gliotype.errors import InputError
from gliotype.prepare.intensity import likely_white
from gliotype.study import Image
from gliotype.volume import Matrix, Volume

NORMAL_WHITE = (0.55, 1.15)
"""Plausible median ADC of white matter in 1e-3 mm2/s: 0.7 to 0.9 in healthy adults, wider for oedema and old age."""

TENSOR_TRACE = (1.8, 3.0)
"""Median of white matter in 1e-3 mm2/s that gives away the trace of the diffusion tensor, three times the ADC."""

MIN_FLUID_OVER_WHITE = 1.0
"""Median of the atlas's fluid spaces over that of white matter, below which a map is not of ADC.

It is about 3 to 4 in fluid itself; where the atlas lies a little off it is that of cortex, 1.1. In maps of anisotropy
and exponential ADC maps fluid is darker than white matter.
"""

BRIGHTEST_OVER_WHITE = (1.8, 6.5)
"""Plausible 98th percentile in the brain over the median of white matter: free water has about 4."""

_WHITE_FRACTION = 0.75
_FLUID = 0.8
_FEWEST = 50


def adc_map(image: Image, brain: Volume, mni_from_prepared: Matrix, adc_from_prepared: Matrix) -> Volume:
    """Scale an ADC map to 1e-3 mm2/s on its own grid.

    Makers store mm2/s, 1e-3 or 1e-6 mm2/s, m2/s or another decimal unit, and rarely say which. The decimal unit is
    taken that makes the patient's white matter plausible; no two do. A map that none makes plausible, or in which
    fluid is not as bright as it must be, is refused.

    Args:
        image: 3D, as acquired.
        brain: boolean mask on the prepared grid.
        mni_from_prepared: affine transform, world of the prepared grid to MNI152 (RAS mm).
        adc_from_prepared: rigid transform, world of the prepared grid to that of the map (RAS mm).

    Returns:
        float32; 0 where the map holds nothing.

    Raises:
        InputError: if the map cannot be one of ADC; it says why.
    """
    acquired = image.volume
    values = np.asarray(acquired.array, dtype=np.float64)
    white, fluid, inside = _tissues(acquired, brain, mni_from_prepared, adc_from_prepared)
    measured = values > 0
    if int((white & measured).sum()) < _FEWEST:
        raise InputError(f"{image.source} shows too little white matter to tell its unit")
    level = float(np.median(values[white & measured]))
    scale = decimal_scale(level)
    if scale is None:
        raise InputError(f"the values of {image.source} are not those of an ADC map: {_why_not(level)}")
    adc = np.where(measured, values * scale, 0.0).astype(np.float32)
    level *= scale
    wet = float(np.median(adc[fluid & measured])) if int((fluid & measured).sum()) >= _FEWEST else None
    if wet is not None and wet < MIN_FLUID_OVER_WHITE * level:
        raise InputError(
            f"{image.source} is not an ADC map: its fluid spaces are {wet / level:.2f} times as bright as white "
            "matter, where those of an ADC map are 2 to 4 times as bright (a map of anisotropy, or an exponential one?)"
        )
    brightest = float(np.percentile(adc[inside & measured], 98)) / level
    low, high = BRIGHTEST_OVER_WHITE
    if not low <= brightest <= high:
        raise InputError(
            f"{image.source} is not an ADC map: the brightest voxels of the brain have {brightest:.1f} times the "
            "value of white matter, where fluid in an ADC map has about 4 times (a diffusion-weighted image?)"
        )
    return acquired.with_array(adc)


def decimal_scale(level: float) -> float | None:
    """Return the power of ten that turns a median of white matter into 1e-3 mm2/s; None where none is plausible.

    Example:
        >>> decimal_scale(780.0), decimal_scale(0.78), decimal_scale(0.00078), decimal_scale(250.0)
        (0.001, 1.0, 1000.0, None)
    """
    if level <= 0:
        return None
    power = math.floor(math.log10(NORMAL_WHITE[1] / level))
    scale = float(f"1e{power}")
    return scale if NORMAL_WHITE[0] <= level * scale <= NORMAL_WHITE[1] else None


def _why_not(level: float) -> str:
    power = math.floor(math.log10(TENSOR_TRACE[1] / level)) if level > 0 else 0
    if TENSOR_TRACE[0] <= level * 10.0**power <= TENSOR_TRACE[1]:
        return f"white matter has {level:.3g}, as in the trace of a tensor, which is three times the ADC: divide by 3"
    return (
        f"white matter has {level:.3g}, and no decimal unit makes that 0.7 to 0.9e-3 mm2/s "
        "(stored values without their slope?): export it again"
    )


def _tissues(
    acquired: Volume, brain: Volume, mni_from_prepared: Matrix, adc_from_prepared: Matrix
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Bring likely white matter, likely fluid and the brain to the grid of the map."""
    prepared_from_adc = np.asarray(np.linalg.inv(adc_from_prepared))
    white = likely_white(brain.grid, mni_from_prepared)
    fluid = atlas.tissue(atlas.Tissue.CSF).resample(acquired.grid, mni_from_prepared @ prepared_from_adc)

    def fraction(mask: Volume) -> NDArray[np.float32]:
        inside = np.asarray(mask.array, dtype=np.bool_) & np.asarray(brain.array, dtype=np.bool_)
        return np.asarray(
            brain.with_array(inside.astype(np.float32)).resample(acquired.grid, prepared_from_adc).array
        )

    inside = fraction(brain) >= _WHITE_FRACTION
    return (
        np.asarray(fraction(white) >= _WHITE_FRACTION),
        np.asarray((np.asarray(fluid.array) >= _FLUID) & inside),
        np.asarray(inside),
    )
