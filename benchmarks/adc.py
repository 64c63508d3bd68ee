"""Discrimination of `adc` on simulated patients next to the published pooled range, and the seconds that ADC adds.

    python benchmarks/adc.py [--patients N] [--timed M]

SIMULATED: the ADC of the tumours is drawn so that the measured ratios of the classes lie as far apart as in pooled
studies (`gliotype.simulate.diffusion`). An AUROC within their range verifies simulation, scaling, masks and predictor
together; it is not evidence about patients. The outlines and transforms are the true ones; the units are found out from
the map.

The time is that of the whole command with the ADC map over that of the same study without it, in one process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from truth import perfectly_prepared

import gliotype
from gliotype.evaluate.roc import auroc
from gliotype.findings import Finding
from gliotype.measure import DIFFUSION_UNITS, diffusion
from gliotype.predictors.adc import AdcPredictor
from gliotype.prepare.diffusion import adc_map
from gliotype.simulate.cohort.raw_study import NAMES, raw_patient, write_raw_study
from gliotype.simulate.cohort.sites import SITES, draw_disease
from gliotype.simulate.diffusion import SimulatedAdc, adc_series
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, draw_patient
from gliotype.study import STRUCTURAL, Image, Measurements, PreparedStudy, Sequence, Subject, Tumour
from gliotype.volume import Volume

SPACING_MM = 2.5
POOLED = (0.743, 0.804)
SUBJECT = Subject("simulated")


def prepared_of(patient: DigitalPatient, series: SimulatedAdc) -> tuple[PreparedStudy, Tumour]:
    """Make what preparation and Model 1 would give if both were perfect."""
    affine = patient.grid.affine
    brain = Volume(patient.brain, affine)
    image = Image(series.adc, Sequence.ADC, 1.0, "simulated", "simulated ADC map")
    labels = np.zeros(patient.grid.shape, np.uint8) if patient.tumour is None else patient.tumour.labels
    adc = adc_map(image, brain, np.eye(4), series.image_from_mni)
    acquired = {Sequence.ADC: (series.adc.grid, series.image_from_mni)}
    return perfectly_prepared(patient, {}, acquired, adc=adc), Tumour(Volume(labels, affine), "model1")


def finding_of(prepared: PreparedStudy, tumour: Tumour) -> Finding | None:
    """Measure and ask the predictor."""
    numbers, _ = diffusion(prepared, tumour)
    measured = Measurements(diffusion=numbers, units=dict(DIFFUSION_UNITS))
    answer = AdcPredictor().predict(prepared, tumour, measured, SUBJECT)
    return answer if isinstance(answer, Finding) else None


def discrimination(patients: int) -> None:
    """Print the AUROC of the likelihood ratio on simulated patients of the TCIA's case mix."""
    anatomy = template_anatomy()
    grid = anatomy.tissue.grid.bounding(SPACING_MM)
    mutant, evidence, drawn, measured = [], [], [], []
    for seed in range(patients):
        rng = np.random.default_rng([seed, 15])
        disease = draw_disease(rng, SITES["tcia"])
        assert isinstance(disease, GliomaType)
        patient = draw_patient(rng, anatomy, grid, disease, reshape_scale=0.04)
        series = adc_series(patient, seed)
        finding = finding_of(*prepared_of(patient, series))
        if finding is None or finding.likelihood_ratio is None or series.ratio is None:
            continue
        mutant.append(disease.idh_mutant)
        evidence.append(np.log(finding.likelihood_ratio))
        drawn.append(series.ratio)
        measured.append(finding.reasons[0].value)
    labels = np.array(mutant)
    print(f"SIMULATED patients: {patients}, measured {labels.size}, {labels.sum()} of them mutant")
    print(
        "The separation of the classes is built in; this verifies software and is not evidence about patients."
    )
    named = {"adc, log likelihood ratio": evidence, "ratio as measured": measured, "ratio as drawn": drawn}
    for name, scores in named.items():
        print(f"{name:28s} AUROC {auroc(labels, np.array(scores, dtype=np.float64))}")
    print(
        f"{'pooled studies':28s} AUROC {POOLED[0]} to {POOLED[1]} (Bhatti 2025, 33 studies, 4,297 patients)"
    )
    for name, group in (("mutant", labels), ("wildtype", ~labels)):
        values = np.array(measured)[group]
        print(f"{name:28s} measured ratio {values.mean():.2f}, SD {values.std(ddof=1):.2f}")


def seconds_added(patients: int) -> None:
    """Print what an ADC map adds to the whole command, as a ratio of runs of the same study in one process."""
    rows: list[list[float]] = []
    sequences: tuple[Sequence, ...] = (*STRUCTURAL, Sequence.ADC)
    for seed in range(patients):
        patient = raw_patient(seed, GliomaType.ASTROCYTOMA)
        with tempfile.TemporaryDirectory() as folder:
            write_raw_study(patient, Path(folder), seed, sequences=sequences)
            files: dict[Sequence, Path] = {s: Path(folder) / f"{NAMES[s]}.nii.gz" for s in sequences}
            structural: dict[Sequence, Path] = {s: file for s, file in files.items() if s is not Sequence.ADC}
            if not rows:
                _seconds(files)  # the first run loads what the others have
            rows.append([_seconds(each) for each in (structural, files)])
    without, alongside = np.transpose(rows)
    ratios = (alongside - without) / without
    print(
        f"\nADC adds {np.median(alongside - without):.1f} s of one core to {np.median(without):.1f} s, "
        f"{100 * np.median(ratios):.0f} % ({100 * ratios.min():.0f} to {100 * ratios.max():.0f} %)"
    )
    print(f"median and range over {patients} simulated raw studies, one thread")


def _seconds(files: Mapping[Sequence, Path]) -> float:
    """Seconds of one core that a prediction takes."""
    started = time.process_time()
    gliotype.predict(files=files, threads=1)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--timed", type=int, default=2)
    asked = parser.parse_args()
    discrimination(asked.patients)
    if asked.timed:
        seconds_added(asked.timed)


if __name__ == "__main__":
    main()
