"""Simulated patients, whose curves know nothing of how they will be measured."""

from __future__ import annotations

import numpy as np
import pytest

from gliotype.dsc import Region
from gliotype.measure.dsc import VoxelPerfusion, analyse
from gliotype.simulate.dsc.protocols import DSC_SITES
from gliotype.simulate.dsc.voxels import VoxelCurves, VoxelRegion, draw_perfusion_patient
from gliotype.simulate.lesion.glioma import GliomaType


def measured(seed: int, glioma: GliomaType) -> tuple[VoxelCurves, VoxelPerfusion]:
    patient = draw_perfusion_patient(np.random.default_rng(seed), glioma, DSC_SITES["snuh"])
    tumour = (VoxelRegion.NON_ENHANCING, VoxelRegion.OEDEMA, VoxelRegion.ENHANCING)
    found = analyse(
        patient.signal,
        patient.times_s,
        patient.protocol.te_ms,
        brain=np.ones(len(patient.region), bool),
        regions={
            Region.WHITE_MATTER: patient.region == VoxelRegion.WHITE_MATTER,
            Region.WHOLE: np.isin(patient.region, tumour),
            Region.OEDEMA: patient.region == VoxelRegion.OEDEMA,
        },
        spin_echo=patient.protocol.spin_echo,
    )
    assert isinstance(found, VoxelPerfusion)
    return patient, found


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "glioma"), list(enumerate(GliomaType)))
def test_simulated_patient(seed: int, glioma: GliomaType) -> None:
    patient, found = measured(seed, glioma)
    arrived = patient.times_s[found.bolus.arrival] - patient.protocol.arrival_s
    assert -1.5 <= arrived <= 4.5
    white = patient.cbv[patient.region == VoxelRegion.WHITE_MATTER].mean()
    for region, off in ((VoxelRegion.GREY_MATTER, 0.2), (VoxelRegion.OEDEMA, 0.25)):
        inside = patient.region == region
        if inside.sum() >= 50:
            truth = patient.cbv[inside].mean() / white
            assert np.nanmean(found.maps["rcbv"][inside]) == pytest.approx(truth, rel=off), region
    early = found.arterial.delta_r2
    tissue = -np.log(patient.of(VoxelRegion.GREY_MATTER).mean(axis=0)) * 1000 / patient.protocol.te_ms
    assert early.argmax() <= tissue.argmax()
