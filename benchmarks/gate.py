"""What the gate stops: noise, empty images, and simulated heads that do not show a preoperative glioma.

    python benchmarks/gate.py [--noise N] [--empty N] [--each N] [--groups KIND ...] [--jobs N] [--anatomies FOLDER]

Noise and empty images come with a mask, since without one there is mostly no tumour. The other heads are simulated onto
one grid, without registration, and Model 1 draws the outline; `glioma` heads should pass.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage, stats

from gliotype.answer import Settings
from gliotype.answer.answer import answer_from
from gliotype.answer.gate import gate
from gliotype.answer.model import answer_model
from gliotype.answer.statements import collect_statements
from gliotype.atlas import atlas
from gliotype.measure import measure
from gliotype.prepare import prepare_registered
from gliotype.result import Call
from gliotype.segment import find_brain, segment
from gliotype.simulate.cohort.patient_record import AnatomyLibrary
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.simulate.lesion.glioma import GliomaType, TumourMap
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocol
from gliotype.simulate.tissue import PARENCHYMA, Tissue, draw_parameters
from gliotype.study import STRUCTURAL, Image, Label, Sequence, Study, Subject, Tumour
from gliotype.volume import Grid, Volume

SIMULATED_MM = 1.5
"""Spacing of the grid on which heads are simulated; they are then brought to the 1 mm of a prepared study."""

BLANK_MM = 2.0
"""Spacing of images that show no head: finer ones cost more and show no more."""

NO_GLIOMA: dict[str, Distractor | None] = {
    "healthy": None,
    "infarct": Distractor.INFARCT,
    "plaques": Distractor.PLAQUES,
    "metastasis": Distractor.METASTASES,
    "post-operative": None,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a head: its group, the call or how it was stopped, and why."""

    group: str
    result: str
    reasons: tuple[str, ...] = ()


def grid_around_head(spacing_mm: float) -> Grid:
    """The template's field."""
    return template_anatomy().tissue.grid.bounding(spacing_mm)


def without_anatomy(group: str, seed: int) -> Outcome:
    """White noise, or nothing, with a spherical mask somewhere in the white matter."""
    rng = np.random.default_rng([seed, 7])
    grid = grid_around_head(BLANK_MM)
    images = {
        sequence: Volume(
            1000 * rng.random(grid.shape, dtype=np.float32)
            if group == "noise"
            else np.zeros(grid.shape, np.float32),
            grid.affine,
        )
        for sequence in STRUCTURAL
    }
    white = atlas.tissue(atlas.Tissue.WHITE)
    places = np.argwhere(np.asarray(white.array) > 0.9)
    centre = apply_affine(white.affine, places[rng.integers(len(places))])
    radius = rng.uniform(10, 30)
    inside = ((grid.world() - centre) ** 2).sum(axis=-1) < radius**2
    tumour = Tumour(Volume((inside * Label.CORE).astype(np.uint8), grid.affine), "given")
    return outcome(group, images, tumour)


def head(group: str, anatomies: Path | None, seed: int) -> Outcome:
    """A simulated head."""
    rng = np.random.default_rng([seed, 8])
    anatomy = anatomies_in(anatomies).chosen(float(rng.random()))
    grid = grid_around_head(SIMULATED_MM)
    glioma = list(GliomaType)[seed % len(GliomaType)] if group == "glioma" else None
    patient = draw_patient(rng, anatomy, grid, glioma or NO_GLIOMA.get(group), reshape_scale=0.04)
    if group == "post-operative":
        cavity = resection(rng, patient.healthy, SIMULATED_MM)
        patient = DigitalPatient(grid, patient.healthy, cavity, None, patient.age)
    protocols = {s: draw_protocol(rng, s, thickness_mm=float(rng.uniform(1.0, 5.0))) for s in STRUCTURAL}
    parameters = draw_parameters(rng, float(rng.choice([1.5, 3.0])))
    fine = grid_around_head(1.0)
    arrays = acquire(rng, patient, parameters, protocols)
    return outcome(group, {s: Volume(1000 * a, grid.affine).resample(fine) for s, a in arrays.items()}, None)


@cache
def anatomies_in(folder: Path | None) -> AnatomyLibrary:
    """Label maps of a folder; the shipped template without one."""
    return AnatomyLibrary(folder)


def resection(rng: np.random.Generator, tissue: np.ndarray, spacing_mm: float) -> TumourMap:
    """A fluid-filled cavity open to the brain's surface, with a bright rim, half of them enhancing."""
    brain = np.isin(tissue, [*PARENCHYMA, Tissue.VENTRICLE])
    depth = ndimage.distance_transform_edt(ndimage.binary_closing(brain, iterations=3)) * spacing_mm
    radius = rng.uniform(12, 24)
    places = np.argwhere((depth > 0.5 * radius) & (depth < 0.8 * radius) & (tissue != Tissue.VENTRICLE))
    upper = places[places[:, 2] > tissue.shape[2] * 0.45]
    away = np.indices(tissue.shape) - upper[rng.integers(len(upper))][:, None, None, None]
    stretch = rng.uniform(0.8, 1.25, 3)[:, None, None, None]
    distance = np.sqrt(((away * spacing_mm / stretch) ** 2).sum(axis=0))
    distance += 1.5 * ndimage.gaussian_filter(rng.standard_normal(tissue.shape), 3) * 10
    rim = radius + rng.uniform(4, 12)
    compartment = np.zeros(tissue.shape, np.uint8)
    compartment[distance < rim] = Tissue.OEDEMA
    if rng.random() < 0.5:
        compartment[distance < radius + 2.5] = Tissue.ENHANCING
    compartment[distance < radius] = Tissue.CSF
    within = np.isin(tissue, [*PARENCHYMA, Tissue.CSF])
    replaced = np.where(within, np.clip((rim - distance) / 2, 0, 1), 0).astype(np.float32)
    return TumourMap(
        np.where(replaced > 0.01, compartment, 0).astype(np.uint8), replaced, np.zeros_like(compartment)
    )


def outcome(group: str, images: dict[Sequence, Volume], given: Tumour | None) -> Outcome:
    """Answer for images on one grid in MNI152 orientation."""
    prepared = prepare_registered(images, np.eye(4), None, find_brain)
    tumour = segment(prepared) if given is None else given
    if not tumour.found:
        return Outcome(group, "no tumour")
    study = Study(
        Subject("head", 50.0), tuple(Image(v, s, 1.0, "simulated", str(s)) for s, v in images.items())
    )
    measurements = measure(prepared, tumour)
    reasons = gate(study, prepared, tumour, measurements)
    if reasons:
        return Outcome(group, "stopped", reasons)
    statements = collect_statements(prepared, tumour, measurements, study.subject)
    prediction = answer_from(statements, Settings(), answer_model())
    indeterminate = prediction.call is Call.INDETERMINATE
    return Outcome(group, "indeterminate" if indeterminate else str(prediction.call), prediction.reasons)


def run(arguments: argparse.Namespace) -> Iterator[Outcome]:
    """All heads, in the order of their groups."""
    blank = [("noise", seed) for seed in range(arguments.noise)]
    blank += [("empty", seed) for seed in range(arguments.empty)]
    heads = [
        (group, arguments.anatomies, seed) for seed in range(arguments.each) for group in arguments.groups
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        started = [pool.submit(without_anatomy, *each) for each in blank]
        started += [pool.submit(head, *each) for each in heads]
        for future in started:
            yield future.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noise", type=int, default=50, help="studies of white noise")
    parser.add_argument("--empty", type=int, default=50, help="studies without any signal")
    parser.add_argument("--each", type=int, default=10, help="simulated heads of each other kind")
    groups = (*NO_GLIOMA, "glioma")
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups, help="which of those kinds")
    parser.add_argument("--jobs", type=int, default=1, help="heads at the same time")
    parser.add_argument("--anatomies", type=Path, help="folder of whole-head label maps")
    table: dict[str, Counter[str]] = {}
    for each in run(parser.parse_args()):
        table.setdefault(each.group, Counter())[each.result] += 1
        print(f"{each.group:15s} {each.result:14s} {' | '.join(each.reasons)}", flush=True)
    print(
        "\nSimulated heads.\n| group | n | no tumour | stopped by the gate | otherwise indeterminate | definite |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for group, counts in table.items():
        n = counts.total()
        definite = counts["mutant"] + counts["wildtype"]
        cells = (counts["no tumour"], counts["stopped"], counts["indeterminate"], definite)
        print(f"| {group} | {n} | {' | '.join(share(k, n) for k in cells)} |")


def share(k: int, n: int) -> str:
    """A proportion with its exact 95 % interval (Clopper and Pearson 1934)."""
    interval = stats.binomtest(k, n).proportion_ci()
    return f"{k / n:.2f} ({interval.low:.2f}-{interval.high:.2f})"


if __name__ == "__main__":
    main()
