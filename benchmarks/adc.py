"""Discrimination of `adc` on simulated patients next to the published pooled range, and the seconds that ADC adds.

    python benchmarks/adc.py [--patients N] [--timed M]

SIMULATED: the ADC of the tumours is drawn so that the classes lie as far apart as in pooled studies
(`gliotype.simulate.diffusion`). An AUROC within their range verifies simulation, scaling, masks and predictor
together; it is not evidence about patients. The outlines and transforms are the true ones; the units are found out from
the map.

The time is that of the ADC map's own steps in a raw study (reading, registration, scaling, measurement, predictor), in
seconds of one core and of the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from truth import perfectly_prepared

from gliotype.evaluate.roc import auroc
from gliotype.findings import Finding
from gliotype.measure import DIFFUSION_UNITS, diffusion
from gliotype.predictors.adc import AdcPredictor
from gliotype.prepare.diffusion import adc_map
from gliotype.prepare.register import rigid
from gliotype.prepare.study import _view
from gliotype.read import read_study
from gliotype.simulate.cohort.raw_study import NAMES, raw_patient, write_raw_study
from gliotype.simulate.cohort.sites import SITES, draw_disease
from gliotype.simulate.diffusion import SimulatedAdc, adc_series
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, draw_patient
from gliotype.study import Image, Measurements, PreparedStudy, Sequence, Subject, Tumour
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
    """Print the time of every step that an ADC map adds to a raw study."""
    rows = []
    for seed in range(patients):
        patient = raw_patient(seed, GliomaType.ASTROCYTOMA)
        with tempfile.TemporaryDirectory() as folder:
            write_raw_study(patient, Path(folder), seed, sequences=(Sequence.T1C, Sequence.ADC))
            t1c, adc = (Path(folder) / f"{NAMES[s]}.nii.gz" for s in (Sequence.T1C, Sequence.ADC))
            alone, both = {Sequence.T1C: t1c}, {Sequence.T1C: t1c, Sequence.ADC: adc}
            fixed = read_study(None, files=alone, subject=SUBJECT).chosen[Sequence.T1C]
            reference = _view(fixed.volume).side
            series = adc_series(patient, seed)
            clock, cpu = time.perf_counter(), time.process_time()
            image = read_study(None, files=both, subject=SUBJECT).chosen[Sequence.ADC]
            rigid(reference, _view(image.volume).side)
            registered = time.process_time() - cpu
            finding_of(*prepared_of(patient, series))
            rows.append((registered, time.process_time() - cpu, time.perf_counter() - clock))
    registered, cpu_s, clock_s = np.median(rows, axis=0)
    steps = f"reading and registration {registered:.1f} s"
    print(f"\nADC adds {cpu_s:.1f} s of one core ({clock_s:.1f} s by the clock; {steps})")
    print(f"median of {patients} simulated raw studies; the bar is 4 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--timed", type=int, default=3)
    asked = parser.parse_args()
    discrimination(asked.patients)
    if asked.timed:
        seconds_added(asked.timed)


if __name__ == "__main__":
    main()
