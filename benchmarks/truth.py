"""What preparation would give of a digital patient if it were perfect, for benchmarks of later stages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gliotype.dsc import DscSeries
from gliotype.simulate.patient import DigitalPatient
from gliotype.study import PreparedStudy, Sequence
from gliotype.volume import Grid, Matrix, Volume


def perfectly_prepared(
    patient: DigitalPatient,
    images: Mapping[Sequence, Volume],
    acquired: Mapping[Sequence, tuple[Grid, Matrix]],
    *,
    adc: Volume | None = None,
    dsc: DscSeries | None = None,
) -> PreparedStudy:
    """Make a prepared study with the true brain and the true transforms, in MNI152.

    Args:
        patient: whose brain it is.
        images: structural images on the patient's grid.
        acquired: of each acquired image, its grid and its transform from MNI152.
        adc: as `PreparedStudy` holds it.
        dsc: likewise.
    """
    return PreparedStudy(
        images=images,
        brain=Volume(patient.brain, patient.grid.affine),
        mni_from_prepared=np.eye(4),
        acquired_from_prepared={sequence: matrix for sequence, (_, matrix) in acquired.items()},
        acquired_grids={sequence: grid for sequence, (grid, _) in acquired.items()},
        reference=Sequence.T1C,
        skull_stripped=True,
        dsc=dsc,
        adc=adc,
    )
