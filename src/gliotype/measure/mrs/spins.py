"""Spin systems of brain metabolites: chemical shifts and coupling constants, as published.

Shifts in ppm and couplings in Hz are those of Govindaraju 2000 (NMR in Biomedicine 13:129) with its corrigendum of
2015 (28:923); of 2HG those of Choi C 2012 (Nature Medicine 18:624) with the assignment of the couplings between H3 and
H4 that FID-A uses; of the glutamate part of NAAG those of Krawczyk 2003 (J Pharm Biomed Anal 31:455). Couplings to
nitrogen and phosphorus, and protons that exchange with water, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class SpinSystem:
    """Protons that are coupled with each other and with no others.

    Attributes:
        shifts: chemical shift of each proton in ppm.
        couplings: (proton, proton, J in Hz), protons counted from 0.
        copies: how many such systems a molecule has; a methyl group without a partner is 3 copies of one proton.
    """

    shifts: tuple[float, ...]
    couplings: tuple[tuple[int, int, float], ...] = ()
    copies: int = 1

    @property
    def protons(self) -> int:
        """Protons of all copies."""
        return self.copies * len(self.shifts)


def _singlet(shift: float, protons: int) -> SpinSystem:
    return SpinSystem((shift,), (), protons)


TWO_HG = "2HG"

METABOLITES: Mapping[str, tuple[SpinSystem, ...]] = MappingProxyType(
    {
        TWO_HG: (
            SpinSystem(
                (4.022, 1.825, 1.977, 2.221, 2.272),
                ((0, 1, 7.6), (0, 2, 4.1), (1, 2, -14.0), (1, 3, 5.3), (1, 4, 10.4), (2, 3, 10.6), (2, 4, 6.0),
                 (3, 4, -15.0)),
            ),
        ),
        "Glu": (
            SpinSystem(
                (3.7433, 2.0375, 2.1200, 2.3378, 2.3520),
                ((0, 1, 7.331), (0, 2, 4.651), (1, 2, -14.849), (1, 3, 6.413), (1, 4, 8.406), (2, 3, 8.478),
                 (2, 4, 6.875), (3, 4, -15.915)),
            ),
        ),
        "Gln": (
            SpinSystem(
                (3.7530, 2.1290, 2.1090, 2.4320, 2.4540),
                ((0, 1, 5.847), (0, 2, 6.500), (1, 2, -14.504), (1, 3, 9.165), (1, 4, 6.347), (2, 3, 6.324),
                 (2, 4, 9.209), (3, 4, -15.371)),
            ),
        ),
        "GABA": (
            SpinSystem(
                (3.0128, 3.0128, 1.8890, 1.8890, 2.2840, 2.2840),
                ((0, 1, -12.021), (0, 2, 5.372), (0, 3, 7.127), (1, 2, 10.578), (1, 3, 6.982), (2, 3, -13.121),
                 (2, 4, 7.755), (2, 5, 7.432), (3, 4, 6.173), (3, 5, 7.933), (4, 5, -10.744)),
            ),
        ),
        "NAA": (
            _singlet(2.008, 3),
            SpinSystem((4.3817, 2.6727, 2.4863), ((0, 1, 3.861), (0, 2, 9.821), (1, 2, -15.592))),
        ),
        "NAAG": (
            _singlet(2.042, 3),
            SpinSystem((4.607, 2.721, 2.519), ((0, 1, 4.412), (0, 2, 9.515), (1, 2, -15.910))),
            SpinSystem(
                (4.128, 2.049, 1.881, 2.180, 2.190),
                ((0, 1, 4.61), (0, 2, 8.42), (1, 2, -14.28), (1, 3, 10.56), (1, 4, 6.09), (2, 3, 4.90), (2, 4, 11.11),
                 (3, 4, -15.28)),
            ),
        ),
        "Cr": (_singlet(3.027, 3), _singlet(3.913, 2)),
        "PCr": (_singlet(3.029, 3), _singlet(3.930, 2)),
        "GPC": (
            _singlet(3.212, 9),
            SpinSystem(
                (3.605, 3.672, 3.903, 3.871, 3.946),
                ((0, 1, -14.78), (0, 2, 5.77), (1, 2, 4.53), (2, 3, 5.77), (2, 4, 4.53), (3, 4, -14.78)),
            ),
            SpinSystem(
                (4.312, 4.312, 3.659, 3.659),
                ((0, 1, -9.32), (0, 2, 3.10), (0, 3, 5.90), (1, 2, 5.90), (1, 3, 3.10), (2, 3, -9.32)),
            ),
        ),
        "PCh": (
            _singlet(3.208, 9),
            SpinSystem(
                (4.2805, 4.2805, 3.641, 3.641),
                ((0, 1, -14.89), (0, 2, 2.284), (0, 3, 7.231), (1, 2, 7.326), (1, 3, 2.235), (2, 3, -14.19)),
            ),
        ),
        "GSH": (
            _singlet(3.769, 2),
            SpinSystem((4.5608, 2.9264, 2.9747), ((0, 1, 7.09), (0, 2, 4.71), (1, 2, -14.06))),
            SpinSystem(
                (3.769, 2.159, 2.146, 2.510, 2.560),
                ((0, 1, 6.34), (0, 2, 6.36), (1, 2, -15.48), (1, 3, 6.7), (1, 4, 7.6), (2, 3, 7.6), (2, 4, 6.7),
                 (3, 4, -15.92)),
            ),
        ),
        "Ins": (
            SpinSystem(
                (3.5217, 4.0538, 3.5217, 3.6144, 3.2690, 3.6144),
                ((0, 1, 2.889), (0, 5, 9.998), (1, 2, 3.006), (2, 3, 9.997), (3, 4, 9.485), (4, 5, 9.482)),
            ),
        ),
        "Gly": (_singlet(3.548, 2),),
        "Lac": (SpinSystem((4.0974, 1.3142, 1.3142, 1.3142), ((0, 1, 6.933), (0, 2, 6.933), (0, 3, 6.933))),),
    }
)  # fmt: skip
"""Metabolites that are fitted."""
