"""What the gate stops: noise, empty images, and simulated heads that do not show a preoperative glioma.

    python benchmarks/gate.py --rows FILE [--each N] [--groups KIND ...] [--jobs N] [--anatomies FOLDER]

FILE gets one line of JSON for each head; a head that it holds is not made again, so that an interrupted run resumes,
and `--each 0` prints the table of what is there. The kinds take turns, so that their numbers grow evenly.

Noise and empty images come with a mask, since without one there is mostly no tumour. The other heads are simulated onto
one grid, without registration, and Model 1 draws the outline; `glioma` heads should pass.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from gliotype.answer import Settings
from gliotype.answer.answer import answer_from
from gliotype.answer.gate import gate
from gliotype.answer.model import answer_model
from gliotype.answer.statements import AS_DRAWN, collect_statements
from gliotype.answer.typical import image_response
from gliotype.atlas import atlas
from gliotype.evaluate.decisions import proportion
from gliotype.measure import measure
from gliotype.prepare import prepare_registered
from gliotype.prepare.study import prepared_grid
from gliotype.runtime import use_threads
from gliotype.segment import find_brain, segment
from gliotype.simulate.cohort.patient_record import AnatomyLibrary
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.simulate.lesion.glioma import GliomaType, TumourMap
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import PARENCHYMA, Tissue, draw_parameters
from gliotype.study import (
    STRUCTURAL,
    Image,
    Label,
    Measurements,
    PreparedStudy,
    Sequence,
    Study,
    Subject,
    Tumour,
)
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


BLANK = ("noise", "empty")
GROUPS = (*BLANK, *NO_GLIOMA, "glioma")


@dataclass(frozen=True)
class Outcome:
    """What became of a head: its kind and seed, the call or how it was stopped, why, and the response of Model 2."""

    group: str
    seed: int
    result: str
    reasons: tuple[str, ...] = ()
    response: float | None = None


def made(group: str, seed: int, anatomies: Path | None) -> Outcome:
    """Make a head and run the gate on it, on one thread."""
    with use_threads(1):
        images, tumour = (
            without_anatomy(group, seed) if group in BLANK else (head(group, seed, anatomies), None)
        )
        return Outcome(group, seed, *judged(images, tumour))


def grid_around_head(spacing_mm: float) -> Grid:
    """The template's field."""
    return template_anatomy().tissue.grid.bounding(spacing_mm)


def without_anatomy(group: str, seed: int) -> tuple[dict[Sequence, Volume], Tumour]:
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
    return images, Tumour(Volume((inside * Label.CORE).astype(np.uint8), grid.affine), "given")


def head(group: str, seed: int, anatomies: Path | None) -> dict[Sequence, Volume]:
    """A simulated head, on the grid that a study's images are brought to."""
    rng = np.random.default_rng([seed, 8])
    anatomy = anatomies_in(anatomies).chosen(float(rng.random()))
    grid = grid_around_head(SIMULATED_MM)
    glioma = list(GliomaType)[seed % len(GliomaType)] if group == "glioma" else None
    patient = draw_patient(rng, anatomy, grid, glioma or NO_GLIOMA.get(group), reshape_scale=0.04)
    if group == "post-operative":
        cavity = resection(rng, patient.healthy, SIMULATED_MM)
        patient = DigitalPatient(grid, patient.healthy, cavity, None, patient.age)
    protocols = draw_protocols(rng, STRUCTURAL, (1.0, 5.0))
    parameters = draw_parameters(rng, float(rng.choice([1.5, 3.0])))
    fine = prepared_grid(grid, np.eye(4))
    arrays = acquire(rng, patient, parameters, protocols)
    return {s: Volume(1000 * array, grid.affine).resample(fine) for s, array in arrays.items()}


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


def judged(images: dict[Sequence, Volume], given: Tumour | None) -> tuple[str, tuple[str, ...], float | None]:
    """Answer for images on one grid in MNI152 orientation: the result, the reasons for it, and Model 2's response."""
    prepared = prepare_registered(images, np.eye(4), None, find_brain)
    tumour = segment(prepared) if given is None else given
    if not tumour.found:
        return "no tumour", tumour.warnings, None
    study = Study(
        Subject("head", 50.0), tuple(Image(v, s, 1.0, "simulated", str(s)) for s, v in images.items())
    )
    measurements = measure(prepared, tumour)
    reasons = gate(study, prepared, tumour, measurements)
    response = image_response(prepared, tumour)
    if reasons:
        return "stopped", reasons, response
    return *call_of_passed(study, prepared, tumour, measurements), response


def call_of_passed(
    study: Study, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements
) -> tuple[str, tuple[str, ...]]:
    """Make the call of a head that passed; the other outlines are asked only where they can matter.

    A call is definite only if every outline gives it, the drawn one too.
    """
    for asked in (replace(tumour, outlines=()), tumour):
        statements = collect_statements(prepared, asked, measurements, study.subject)
        prediction = answer_from(statements, Settings(), answer_model())
        low, high = answer_model().thresholds
        if low < prediction.by_outline[AS_DRAWN] < high:
            break
    return str(prediction.call), prediction.reasons


def run(arguments: argparse.Namespace, done: set[tuple[str, int]]) -> Iterator[Outcome]:
    """All heads but those that are done, as they finish."""
    wanted = [
        (group, seed)
        for seed in range(arguments.each)
        for group in arguments.groups
        if (group, seed) not in done
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for future in as_completed([pool.submit(made, *each, arguments.anatomies) for each in wanted]):
            yield future.result()


def read_rows(file: Path) -> list[Outcome]:
    """What earlier runs found; a last line that was cut off is left out."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [Outcome(r["group"], r["seed"], r["result"], tuple(r["reasons"]), r.get("response")) for r in rows]


def line_of(outcome: Outcome) -> str:
    """The outcome as a line of the file of rows."""
    return json.dumps(asdict(outcome)) + "\n"


def print_table(rows: list[Outcome]) -> None:
    """Print the proportions of each kind with Wilson's 95 % intervals."""
    print(
        "\nSimulated heads.\n| group | n | no tumour | stopped by the gate | otherwise indeterminate | definite |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for group in GROUPS:
        counts = Counter(each.result for each in rows if each.group == group)
        if n := counts.total():
            definite = counts["mutant"] + counts["wildtype"]
            cells = (counts["no tumour"], counts["stopped"], counts["indeterminate"], definite)
            print(f"| {group} | {n} | {' | '.join(with_interval(k, n) for k in cells)} |")
    for group in GROUPS:
        moved = [row.response for row in rows if row.group == group and row.response is not None]
        if moved:
            print(
                f"{group}: images move the maps of Model 2 by {min(moved):.1f} to {max(moved):.1f}, n={len(moved)}"
            )


def with_interval(k: int, n: int) -> str:
    """A share of n with its interval."""
    found = proportion(k, n)
    return f"{found.value:.2f} ({found.low:.2f}-{found.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, help="JSON lines of the heads, read and added to")
    parser.add_argument("--each", type=int, default=50, help="heads of each kind")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=GROUPS, help="which kinds")
    parser.add_argument("--jobs", type=int, default=1, help="heads at the same time")
    parser.add_argument("--anatomies", type=Path, help="folder of whole-head label maps")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows)
    arguments.rows.write_text("".join(map(line_of, rows)), encoding="utf-8")
    for each in run(arguments, {(row.group, row.seed) for row in rows}):
        with arguments.rows.open("a", encoding="utf-8") as file:
            file.write(line_of(each))
        print(f"{each.group:15s} {each.seed:4d} {each.result:14s} {' | '.join(each.reasons)}", flush=True)
    print_table(read_rows(arguments.rows))


if __name__ == "__main__":
    main()
