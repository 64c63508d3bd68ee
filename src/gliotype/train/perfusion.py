"""From simulated patients to the perfusion network's weight: the recipe ``perfusion``, after Choi 2019.

Patients of a hospital like the paper's are simulated as curves of voxels and measured as a real series is; the network and
its baselines are trained on some of them, tuned on others, and tested on others again and on another hospital's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.dsc import TUMOUR_REGIONS, Floats, Perfusion, Region, RegionCurve
from gliotype.measure.dsc.analyse import NoPerfusion, analyse
from gliotype.measure.dsc.bolus import relative_signal
from gliotype.measure.dsc.numbers import FEWEST_VOXELS, REGION_UNITS
from gliotype.predictors.curves import curves_of, lacking
from gliotype.train.curve_network import CurveExample

NUMBERS: tuple[str, ...] = tuple(f"{region}_{name}" for region in TUMOUR_REGIONS for name in REGION_UNITS)
"""Perfusion numbers that the baselines see, in order."""

VARIANTS = 6
"""Inputs of one patient: the whole regions, and random parts of them."""

