"""Blood volume, transit, permeability and space between cells of each tissue, by class of tumour.

Normal tissue: CBV of white matter 2 ml/100 ml and of grey matter about twice that, MTT 4 to 5 s (Leenders 1990, Rempp
1994). Tumours: the highest rCBV by class and grade is chosen so that what is *measured* has the published
distributions: 3.47 +- 1.62 in high and 1.43 +- 0.47 in low grade, IDH-wildtype of grade 2-3 about 2.7 and IDH-mutant
about 1.4 (Xing), oligodendroglioma above astrocytoma (Neuroradiology 2019), and an AUROC for IDH of about 0.85 by the
number alone (pooled over 5 papers); in grade 4, IDH-mutants have more blood in their non-enhancing part
(PMC11246293). Permeability and extracellular space of enhancing tissue follow Skinner 2016 (Ktrans about 0.1 /min, ve
0.29); packing gives the published recovery (73 +- 6 % in high, 88 +- 6 % in low grade). Differences between classes in
transit, its dispersion, permeability and vessel size are modest design values in the direction that
publications report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gliotype.simulate.dsc.kinetics import Haemodynamics
from gliotype.simulate.lesion.glioma import GliomaType, TumourPlan, solid_tissue
from gliotype.simulate.tissue import Tissue, TissueParameters

LogNormal = tuple[float, float]
"""Median, and standard deviation of the logarithm."""


@dataclass(frozen=True)
class PerfusionRange:
    """Distributions from which one patient's tissue is drawn, each log-normal between patients.

    Attributes:
        cbv: blood volume, ml/ml; of tumour tissue, over that of white matter.
        mtt_s: mean transit time.
        ps_per_s: permeability-surface product, ml/ml/s.
        ve: extravascular extracellular volume, ml/ml.
        dispersion: of transit times over their mean.
        packing: see `Haemodynamics`.
        vessel_um: mean vessel radius.
        delay_s: range of the arrival after the arteries.
        uneven: range of the standard deviation of log CBV within the tissue.
    """

    cbv: LogNormal
    mtt_s: LogNormal
    ps_per_s: LogNormal = (0.0, 0.0)
    ve: LogNormal = (0.2, 0.1)
    dispersion: LogNormal = (0.85, 0.1)
    packing: LogNormal = (0.6, 0.3)
    vessel_um: LogNormal = (7.0, 0.15)
    delay_s: tuple[float, float] = (0.2, 0.8)
    uneven: tuple[float, float] = (0.15, 0.25)


NORMAL: Mapping[Tissue, PerfusionRange] = MappingProxyType(
    {
        Tissue.WHITE_MATTER: PerfusionRange((0.020, 0.12), (4.8, 0.12), delay_s=(0.6, 1.4)),
        Tissue.GREY_MATTER: PerfusionRange((0.042, 0.12), (4.0, 0.12), uneven=(0.25, 0.4)),
        Tissue.DEEP_GREY: PerfusionRange((0.036, 0.12), (4.0, 0.12)),
        Tissue.BRAINSTEM: PerfusionRange((0.025, 0.15), (4.5, 0.12)),
        Tissue.WM_LESION: PerfusionRange((0.015, 0.2), (5.6, 0.15), delay_s=(0.8, 1.8)),
        Tissue.VENTRICLE: PerfusionRange((0.001, 0.3), (5.0, 0.1), ve=(0.9, 0.02)),
        Tissue.CSF: PerfusionRange((0.006, 0.3), (4.5, 0.1), ve=(0.9, 0.02), uneven=(0.5, 0.9)),
        Tissue.MUSCLE: PerfusionRange(
            (0.025, 0.2), (9.0, 0.2), (0.003, 0.3), (0.12, 0.2), delay_s=(1.0, 4.0)
        ),
        Tissue.SCALP: PerfusionRange((0.015, 0.2), (9.0, 0.2), (0.001, 0.3), (0.15, 0.2), delay_s=(1.0, 4.0)),
        Tissue.MARROW: PerfusionRange((0.03, 0.3), (8.0, 0.2), (0.002, 0.3), (0.15, 0.2), delay_s=(1.0, 4.0)),
        Tissue.MUCOSA: PerfusionRange((0.08, 0.2), (6.0, 0.2), (0.006, 0.3), (0.35, 0.2), delay_s=(0.5, 2.0)),
        Tissue.EYE: PerfusionRange((0.002, 0.3), (5.0, 0.1)),
        Tissue.BONE: PerfusionRange((0.003, 0.3), (8.0, 0.2)),
        Tissue.AIR: PerfusionRange((0.001, 0.0), (5.0, 0.0)),
        Tissue.VESSEL: PerfusionRange((0.5, 0.1), (3.0, 0.1), vessel_um=(300.0, 0.3)),
    }
)
"""Tissues outside the tumour."""

HOT_SPOT: Mapping[tuple[GliomaType, int], LogNormal] = MappingProxyType(
    {
        (GliomaType.GLIOBLASTOMA, 4): (3.45, 0.44),
        (GliomaType.WILDTYPE_LOWER_GRADE, 2): (2.5, 0.5),
        (GliomaType.WILDTYPE_LOWER_GRADE, 3): (3.0, 0.5),
        (GliomaType.ASTROCYTOMA, 2): (1.2, 0.23),
        (GliomaType.ASTROCYTOMA, 3): (1.5, 0.3),
        (GliomaType.ASTROCYTOMA, 4): (2.2, 0.38),
        (GliomaType.OLIGODENDROGLIOMA, 2): (1.55, 0.32),
        (GliomaType.OLIGODENDROGLIOMA, 3): (2.0, 0.38),
    }
)
"""True rCBV of the most vascular part (half a standard deviation above its tissue's median), by class and grade."""

_MISMATCH_CORE = PerfusionRange(
    (0.5, 0.2),
    (5.3, 0.2),
    (0.00003, 0.7),
    (0.5, 0.15),
    (0.9, 0.15),
    (0.4, 0.3),
    (9.0, 0.25),
    (0.2, 1.6),
    (0.2, 0.45),
)
_WILDTYPE: Mapping[Tissue, PerfusionRange] = MappingProxyType(
    {
        Tissue.ENHANCING: PerfusionRange(
            (1.0, 0.0), (6.0, 0.25), (0.0012, 0.4), (0.27, 0.2), (1.05, 0.15), (0.7, 0.15), (15.0, 0.3),
            (0.0, 1.5), (0.3, 0.55),
        ),
        Tissue.NON_ENHANCING_WILDTYPE: PerfusionRange(
            (0.65, 0.2), (5.6, 0.2), (0.00008, 0.7), (0.22, 0.25), (0.95, 0.15), (0.5, 0.15), (10.0, 0.25),
            (0.2, 1.6), (0.25, 0.5),
        ),
        Tissue.OEDEMA: PerfusionRange(
            (1.05, 0.25), (5.6, 0.2), (0.00003, 0.7), (0.35, 0.2), (0.9, 0.12), (0.4, 0.15), (8.0, 0.2),
            (0.6, 1.8), (0.2, 0.4),
        ),
        Tissue.MISMATCH_CORE: _MISMATCH_CORE,
    }
)  # fmt: skip
_MUTANT: Mapping[Tissue, PerfusionRange] = MappingProxyType(
    {
        Tissue.ENHANCING: PerfusionRange(
            (1.0, 0.0), (5.6, 0.25), (0.0008, 0.4), (0.27, 0.2), (0.98, 0.15), (0.7, 0.15), (12.0, 0.3),
            (0.0, 1.5), (0.3, 0.55),
        ),
        **dict.fromkeys((Tissue.ASTROCYTOMA, Tissue.OLIGODENDROGLIOMA), PerfusionRange(
            (0.75, 0.2), (5.3, 0.2), (0.00003, 0.7), (0.28, 0.25), (0.9, 0.15), (0.5, 0.15), (9.0, 0.25),
            (0.2, 1.6), (0.2, 0.45),
        )),
        Tissue.MISMATCH_CORE: _MISMATCH_CORE,
        Tissue.OEDEMA: PerfusionRange(
            (0.95, 0.2), (5.2, 0.2), (0.00001, 0.7), (0.35, 0.2), (0.87, 0.12), (0.4, 0.15), (8.0, 0.2),
            (0.6, 1.8), (0.15, 0.35),
        ),
    }
)  # fmt: skip
_ANY_TUMOUR: Mapping[Tissue, PerfusionRange] = MappingProxyType(
    {
        Tissue.NECROSIS: PerfusionRange(
            (0.25, 0.4), (7.0, 0.2), (0.00006, 0.7), (0.6, 0.15), packing=(0.2, 0.3), uneven=(0.4, 0.8)
        ),
        Tissue.CYST: PerfusionRange((0.06, 0.4), (6.0, 0.2), (0.00002, 0.5), (0.9, 0.05), packing=(0.1, 0.3)),
        Tissue.CALCIFICATION: PerfusionRange((0.7, 0.3), (6.0, 0.2)),
    }
)
_GRADE_4_MUTANT_KEEPS = 1.15
"""How much more of the hot spot's blood volume the non-enhancing part of an IDH-mutant of grade 4 has."""
_SOLID = (
    Tissue.NON_ENHANCING_WILDTYPE,
    Tissue.ASTROCYTOMA,
    Tissue.OLIGODENDROGLIOMA,
    Tissue.MISMATCH_CORE,
)
_FACTORS = 4
"""Standard normal deviates that make one voxel differ from its tissue's median."""


@dataclass(frozen=True)
class TissuePerfusion:
    """One tissue of one patient.

    Attributes:
        median: of each parameter of `Haemodynamics` over the tissue.
        uneven: standard deviation of log CBV within the tissue.
    """

    median: Mapping[str, float]
    uneven: float

    def voxels(self, deviates: NDArray[np.floating]) -> Haemodynamics:
        """Give voxels their own values around the tissue's median.

        Args:
            deviates: standard normal, (4, n): of CBV, of transit time and its dispersion, of permeability and of the
                space between cells; smooth in space where the voxels are those of an image.
        """
        m = self.median
        blood, transit, leak, space = deviates
        return Haemodynamics(
            cbv=np.minimum(m["cbv"] * np.exp(self.uneven * blood), 0.6),
            mtt_s=m["mtt_s"] * np.exp(0.18 * transit),
            dispersion=m["dispersion"] * np.exp(0.08 * transit),
            ps_per_s=m["ps_per_s"] * np.exp(0.5 * leak),
            ve=np.clip(m["ve"] * np.exp(0.15 * space), 0.01, 0.95),
            packing=m["packing"] * np.exp(-0.2 * space),
            vessel_um=m["vessel_um"] * np.exp(0.1 * blood),
            t1_ms=m["t1_ms"] * np.exp(0.04 * space),
            delay_s=m["delay_s"] + 0.15 * np.abs(transit),
        )


def draw_deviates(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Draw the deviates of voxels that do not know each other, (4, n)."""
    return rng.standard_normal((_FACTORS, n), dtype=np.float32)


def draw_tissue_perfusion(
    rng: np.random.Generator, plan: TumourPlan | None, parameters: TissueParameters
) -> dict[Tissue, TissuePerfusion]:
    """Draw the perfusion of a patient's tissues.

    Args:
        rng: source of randomness.
        plan: the tumour, or None.
        parameters: the patient's relaxation times at the field strength of the series.

    Example:
        >>> from gliotype.simulate.tissue import draw_parameters
        >>> from gliotype.simulate.lesion.glioma import draw_plan
        >>> rng = np.random.default_rng(0)
        >>> plan = draw_plan(rng, GliomaType.GLIOBLASTOMA)
        >>> found = draw_tissue_perfusion(rng, plan, draw_parameters(rng))
        >>> found[Tissue.ENHANCING].median["cbv"] > found[Tissue.NECROSIS].median["cbv"]
        True
    """
    drawn = {tissue: _drawn(rng, ranges, parameters, tissue) for tissue, ranges in NORMAL.items()}
    if plan is None:
        return drawn
    white = drawn[Tissue.WHITE_MATTER].median["cbv"]
    tumour = {**(_MUTANT if plan.type.idh_mutant else _WILDTYPE), **_ANY_TUMOUR}
    lesion = {tissue: _drawn(rng, ranges, parameters, tissue) for tissue, ranges in tumour.items()}
    median, spread = HOT_SPOT[plan.type, plan.grade]
    highest = median * float(np.exp(spread * rng.standard_normal()))
    hottest = Tissue.ENHANCING if plan.enhancing_fraction > 0 else solid_tissue(plan)
    typical = highest * float(np.exp(-0.5 * lesion[hottest].uneven))
    keeps = _GRADE_4_MUTANT_KEEPS if plan.type.idh_mutant and plan.grade == 4 else 1.0
    typical_solid = typical / lesion[hottest].median["cbv"]
    for tissue, each in lesion.items():
        over_white = each.median["cbv"]
        if tissue is Tissue.ENHANCING or tissue in _SOLID:
            over_white *= typical_solid * (keeps if tissue in _SOLID else 1.0)
        drawn[tissue] = TissuePerfusion({**each.median, "cbv": min(over_white * white, 0.3)}, each.uneven)
    return drawn


def _drawn(
    rng: np.random.Generator, ranges: PerfusionRange, parameters: TissueParameters, tissue: Tissue
) -> TissuePerfusion:
    names = ("cbv", "mtt_s", "ps_per_s", "ve", "dispersion", "packing", "vessel_um")
    deviates = rng.standard_normal(len(names))
    median = {}
    for name, deviate in zip(names, deviates, strict=True):
        middle, spread = getattr(ranges, name)
        median[name] = float(middle * np.exp(spread * deviate))
    median["ve"] = min(median["ve"], 0.95)
    median["delay_s"] = float(rng.uniform(*ranges.delay_s))
    median["t1_ms"] = float(parameters.t1_ms[tissue])
    return TissuePerfusion(median, float(rng.uniform(*ranges.uneven)))
