"""The perfusion network on simulated patients, and simulated voxels against simulated series.

    python benchmarks/perfusion_network.py [--patients N] [--jobs N]
    gliotype train perfusion -o RUN          # prints the network and its baselines (choi2019.md)

The network is trained on voxels that are simulated without a grid. It measures whole simulated series (EPI, a
moving head, vessels; the true outline) with the shipped network against such voxels of other patients of the same site:
if both ways agree, what the network learned holds for series. Everything printed is simulated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from truth import perfectly_prepared

from gliotype.dsc import Perfusion
from gliotype.evaluate.roc import auroc
from gliotype.measure.dsc import VoxelPerfusion, perfusion
from gliotype.predictors.curves import curves_of, lacking
from gliotype.predictors.perfusion import bolus_phases, read_curves
from gliotype.prepare.dsc import dsc_series as prepared_series
from gliotype.simulate.cohort.raw_study import raw_patient
from gliotype.simulate.cohort.sites import draw_disease, find_site
from gliotype.simulate.dsc.protocols import find_dsc_site
from gliotype.simulate.dsc.series import dsc_series
from gliotype.simulate.dsc.voxels import draw_perfusion_patient
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import Acquisition, Image, Sequence, Tumour
from gliotype.train.perfusion.examples import CLASSES, measure_voxels
from gliotype.volume import Volume

NUMBERS = ("whole_nrcbv_mean", "whole_nrcbv_p95", "enhancing_k2", "whole_psr", "whole_fwhm")


@dataclass(frozen=True)
class Row:
    """One patient: truth, the network's log-odds (None where nothing was measured) and some numbers."""

    mutant: bool
    log_odds: float | None
    numbers: tuple[float, ...]


def glioma_of(seed: int) -> GliomaType:
    """Draw the class of a patient."""
    found = draw_disease(np.random.default_rng([seed, 0]), find_site(CLASSES))
    assert isinstance(found, GliomaType)
    return found


def of_series(seed: int) -> Row:
    """Simulate a series, correct its motion, and measure it within the true outline."""
    glioma = glioma_of(seed)
    patient = raw_patient(seed, glioma)
    simulated = dsc_series(patient, seed, site=find_dsc_site("snuh"))
    protocol = simulated.protocol
    acquisition = Acquisition(
        te_ms=protocol.te_ms,
        tr_ms=1000 * protocol.tr_s,
        field_t=protocol.field_t,
        frame_times_s=tuple(protocol.times_s.tolist()),
    )
    brain = Volume(patient.brain, patient.grid.affine)
    image = Image(simulated.volume, Sequence.DSC, 1.0, "", "dsc.nii.gz", acquisition)
    series = prepared_series(image, brain, simulated.image_from_mni)
    assert patient.tumour is not None
    acquired = {Sequence.DSC: (simulated.volume.grid, simulated.image_from_mni)}
    prepared = perfectly_prepared(patient, {}, acquired, dsc=series)
    labels = Volume(patient.tumour.labels.astype(np.uint8), patient.grid.affine)
    return _row(glioma, perfusion(prepared, Tumour(labels, "given")))


def of_voxels(seed: int) -> Row:
    """Simulate voxels without a grid, and measure them."""
    glioma = glioma_of(seed)
    rng = np.random.default_rng([seed, 1])
    return _row(glioma, measure_voxels(draw_perfusion_patient(rng, glioma, find_dsc_site("snuh"))))


def _row(glioma: GliomaType, found: object) -> Row:
    if not isinstance(found, Perfusion | VoxelPerfusion):
        return Row(glioma.idh_mutant, None, (np.nan,) * len(NUMBERS))
    numbers = tuple(np.nan if (value := found.numbers[name]) is None else value for name in NUMBERS)
    if lacking(found):
        return Row(glioma.idh_mutant, None, numbers)
    reading = read_curves(curves_of(found), bolus_phases(found.bolus, found.times_s))
    return Row(glioma.idh_mutant, float(reading.log_odds.mean()), numbers)


def summarise(name: str, rows: list[Row]) -> None:
    """Print how the network separates the classes, and mean and SD of the numbers in each class."""
    truth = np.array([row.mutant for row in rows])
    score = np.array([0.0 if row.log_odds is None else row.log_odds for row in rows])
    lost = sum(row.log_odds is None for row in rows)
    print(f"{name}: n = {len(rows)} ({truth.sum()} mutant), not measured {lost}, AUROC {auroc(truth, score)}")
    table = np.array([[*row.numbers, s] for row, s in zip(rows, score, strict=True)])
    for column, label in enumerate((*NUMBERS, "log-odds")):
        cells = []
        for status, mutant in (("mutant", True), ("wildtype", False)):
            values = table[truth == mutant, column]
            cells.append(f"{status} {np.nanmean(values):8.3f} ({np.nanstd(values):.3f})")
        print(f"    {label:18s} {'   '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    ways: dict[str, Callable[[int], Row]] = {"series": of_series, "voxels": of_voxels}
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for number, (name, way) in enumerate(ways.items()):
            seeds = range(50_000 + 10_000 * number, 50_000 + 10_000 * number + arguments.patients)
            summarise(name, list(pool.map(way, seeds)))


if __name__ == "__main__":
    main()
