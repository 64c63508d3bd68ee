"""How hospitals acquire DSC perfusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gliotype.errors import UsageError
from gliotype.simulate.dsc.signal import DscProtocol

Range = tuple[float, float]


@dataclass(frozen=True)
class DscSite:
    """A hospital's DSC protocol, as far as it varies between patients; ranges are drawn from uniformly.

    Attributes:
        name: what the caller calls it.
        source: where the numbers come from, one sentence.
        tr_s: time between frames.
        te_ms: echo time of a gradient echo at 3 T; at 1.5 T it is 10 ms longer.
        flips: proportion of each flip angle in degrees.
        frames: range of their number.
        at_1_5_t: proportion of patients scanned at 1.5 T.
        spin_echo: proportion of spin-echo series.
        preloaded: proportion of patients with a preload.
        arrival_s: when the bolus arrives in the brain, from the first frame.
        dose_mmol_per_kg: of contrast agent.
        snr: signal of white matter over noise, of one voxel in one frame.
        no_dummies: proportion of series whose first frames have not reached the steady state.
    """

    name: str
    source: str
    tr_s: Range
    te_ms: Range
    flips: Mapping[float, float]
    frames: tuple[int, int]
    at_1_5_t: float
    spin_echo: float
    preloaded: float
    arrival_s: Range
    dose_mmol_per_kg: Range = (0.1, 0.1)
    snr: Range = (30.0, 80.0)
    no_dummies: float = 0.15


DSC_SITES: Mapping[str, DscSite] = MappingProxyType(
    {
        site.name: site
        for site in (
            DscSite(
                "snuh",
                "Gradient echo, TR 1.5 s, TE 30-40 ms, flip angle 35-90 degrees, 60 frames, 0.1 mmol/kg: design values "
                "around what is remembered of Seoul National University Hospital's protocol.",
                tr_s=(1.5, 1.5),
                te_ms=(30.0, 40.0),
                flips=MappingProxyType({35.0: 0.25, 60.0: 0.45, 90.0: 0.3}),
                frames=(60, 60),
                at_1_5_t=0.15,
                spin_echo=0.0,
                preloaded=0.0,
                arrival_s=(10.0, 20.0),
            ),
            DscSite(
                "external",
                "Design values for hospitals that differ: TR 1.0-2.5 s, TE 25-45 ms, 40-90 frames, half at 1.5 T, some "
                "spin echoes, preloads in a third.",
                tr_s=(1.0, 2.5),
                te_ms=(25.0, 45.0),
                flips=MappingProxyType({30.0: 0.15, 60.0: 0.35, 75.0: 0.2, 90.0: 0.3}),
                frames=(40, 90),
                at_1_5_t=0.5,
                spin_echo=0.12,
                preloaded=0.35,
                arrival_s=(8.0, 24.0),
                dose_mmol_per_kg=(0.08, 0.15),
                snr=(25.0, 70.0),
                no_dummies=0.4,
            ),
        )
    }
)
"""Every DSC site by name."""

_MIN_SECONDS = 55.0
"""A series lasts at least this long, and until 35 s after the bolus has arrived."""


def find_dsc_site(name: str) -> DscSite:
    """Look a DSC site up.

    Raises:
        UsageError: if there is none of that name; it lists those that there are.

    Example:
        >>> find_dsc_site("snuh").frames
        (60, 60)
    """
    if name not in DSC_SITES:
        raise UsageError(f"there is no DSC site {name!r}: choose one of {', '.join(DSC_SITES)}")
    return DSC_SITES[name]


def draw_dsc_protocol(
    rng: np.random.Generator, site: DscSite, *, field_t: float | None = None
) -> DscProtocol:
    """Draw the protocol of a site's next patient.

    Args:
        rng: source of randomness.
        site: the hospital.
        field_t: field strength in tesla; drawn when None.

    Example:
        >>> protocol = draw_dsc_protocol(np.random.default_rng(0), DSC_SITES["snuh"])
        >>> protocol.tr_s, protocol.frames, 30 <= protocol.te_ms <= 50
        (1.5, 60, True)
    """
    at_1_5_t = rng.random() < site.at_1_5_t
    field = (1.5 if at_1_5_t else 3.0) if field_t is None else field_t
    spin_echo = bool(rng.random() < site.spin_echo)
    preloaded = rng.random() < site.preloaded
    tr_s = round(float(rng.uniform(*site.tr_s)), 3)
    arrival_s = float(rng.uniform(*site.arrival_s))
    te_ms = float(rng.uniform(*site.te_ms)) + (10.0 if field < 2.0 else 0.0) + (35.0 if spin_echo else 0.0)
    flips = list(site.flips)
    flip = float(flips[rng.choice(len(flips), p=list(site.flips.values()))])
    fewest = int(np.ceil(max(_MIN_SECONDS, arrival_s + 35.0) / tr_s))
    frames = int(rng.integers(site.frames[0], site.frames[1] + 1))
    dose = float(rng.uniform(*site.dose_mmol_per_kg))
    return DscProtocol(
        tr_s=tr_s,
        te_ms=round(te_ms, 1),
        flip_deg=90.0 if spin_echo else flip,
        field_t=field,
        frames=max(frames, fewest),
        spin_echo=spin_echo,
        arrival_s=arrival_s,
        dose_mmol_per_kg=round(dose, 3),
        preload_mmol_per_kg=round(dose * float(rng.uniform(0.25, 1.0)), 3) if preloaded else 0.0,
        dummies=0 if rng.random() < site.no_dummies else 4,
    )
