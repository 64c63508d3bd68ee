"""Concentrations of metabolites in a voxel, by class of tumour.

Orders of magnitude are those of published tumour spectra: 2HG of mutants has a median of 3.2 mM (Choi C 2012 and 2016;
PMID 28956184), NAA and creatine are lower and choline is higher than in healthy white matter; necrotic glioblastomas
have lipids and lactate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gliotype.measure.mrs.spins import TWO_HG
from gliotype.simulate.mrs.unmodelled import UNMODELLED_MM

MUTANT_MEDIAN_MM, MUTANT_LOG_SD = 3.2, 0.45
"""Of 2HG in pure tumour tissue of mutants, lognormal."""

HEALTHY_MM: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "Glu": (8.0, 1.2), "Gln": (2.5, 0.6), "GABA": (1.2, 0.4), "NAA": (10.0, 1.2), "NAAG": (2.0, 0.6),
        "Cr": (4.0, 0.7), "PCr": (3.0, 0.6), "GPC": (1.1, 0.25), "PCh": (0.6, 0.2), "Ins": (4.5, 0.9),
        "Gly": (0.6, 0.3), "Lac": (0.6, 0.3), "GSH": (1.2, 0.4),
    }
)  # fmt: skip
"""Mean and standard deviation in mM of healthy white matter."""

TUMOUR_MM: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "Glu": (3.5, 1.2), "Gln": (3.5, 1.2), "GABA": (0.8, 0.5), "NAA": (1.8, 1.0), "NAAG": (0.4, 0.3),
        "Cr": (3.0, 0.8), "PCr": (2.0, 0.6), "GPC": (1.4, 0.5), "PCh": (1.2, 0.5), "Ins": (4.5, 2.0),
        "Gly": (1.2, 0.7), "Lac": (2.0, 1.5), "GSH": (1.6, 0.7),
    }
)  # fmt: skip
"""The same of tumour tissue."""

MACROMOLECULES = (4.0, 1.0)
"""Mean and standard deviation of the amplitude of MM09; the others follow from it, each with 30 % spread."""

LIPIDS: Mapping[bool, float] = MappingProxyType({True: 1.5, False: 8.0})
"""Median amplitude of Lip13 in tumour tissue, lognormal with a spread of 1: mutant, wildtype."""

_MM_RATIOS = {"MM09": 1.0, "MM12": 0.3, "MM14": 0.75, "MM17": 0.4, "MM20": 1.5, "MM30": 0.15}
_LIPID_RATIOS = {"Lip09": 0.25, "Lip13": 1.0, "Lip20": 0.15}


def draw_two_hg(rng: np.random.Generator, mutant: bool) -> float:
    """Draw the concentration of 2HG in mM in pure tumour tissue; 0 for a wildtype.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> draw_two_hg(rng, False), bool(0.5 < draw_two_hg(rng, True) < 15)
        (0.0, True)
    """
    return float(MUTANT_MEDIAN_MM * np.exp(MUTANT_LOG_SD * rng.standard_normal())) if mutant else 0.0


def draw_concentrations(
    rng: np.random.Generator, two_hg_mm: float, tumour_fraction: float, *, mutant: bool
) -> dict[str, float]:
    """Draw what a voxel holds.

    Args:
        rng: source of randomness.
        two_hg_mm: in the voxel.
        tumour_fraction: part of the voxel that is tumour, the rest being healthy white matter.
        mutant: class of the tumour, which decides on its lipids.

    Returns:
        mM by name of the basis; macromolecules and lipids in the same unit.
    """
    found = {TWO_HG: two_hg_mm}
    for name, (mean, sd) in HEALTHY_MM.items():
        healthy = max(mean + sd * rng.standard_normal(), 0.1 * mean)
        tumour_mean, tumour_sd = TUMOUR_MM[name]
        tumour = max(tumour_mean + tumour_sd * rng.standard_normal(), 0.1 * tumour_mean)
        found[name] = tumour_fraction * tumour + (1 - tumour_fraction) * healthy
    found |= {
        name: max(mean + sd * rng.standard_normal(), 0.1 * mean) for name, (mean, sd) in UNMODELLED_MM.items()
    }
    mm = max(MACROMOLECULES[0] + MACROMOLECULES[1] * rng.standard_normal(), 1.0)
    found |= {
        name: mm * ratio * float(np.exp(0.3 * rng.standard_normal())) for name, ratio in _MM_RATIOS.items()
    }
    lipid = tumour_fraction * LIPIDS[mutant] * float(np.exp(rng.standard_normal()))
    return found | {name: lipid * ratio for name, ratio in _LIPID_RATIOS.items()}
