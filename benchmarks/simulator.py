"""How credible the simulated patients are: signal equations and single-number distributions against published ones.

    python benchmarks/simulator.py [--patients N] [--jobs N] [--pictures FOLDER]

No network takes part, and the simulator is never tuned on a network's score. Patients are drawn with the case mix of
the Severance cohort on a 1.5 mm grid in the shipped template's head, reshaped at random; their images have the slices,
noise and inhomogeneity of hospital protocols, and the true masks are measured. Everything printed is simulated.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from truth import perfectly_prepared

from gliotype.evaluate.decisions import proportion
from gliotype.evaluate.roc import auroc
from gliotype.measure.loci import loci
from gliotype.measure.mismatch import mismatch
from gliotype.measure.shape import shape_features
from gliotype.measure.signal import signal_ratios
from gliotype.segment.model1 import CHANNELS, GRID
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import SEVERANCE_MIX, DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols, inversion_recovery, spin_echo
from gliotype.simulate.tissue import Tissue, draw_parameters
from gliotype.study import STRUCTURAL, PreparedStudy, Tumour
from gliotype.train.model1.cases import simulate_case
from gliotype.volume import Volume

SPACING_MM = 1.5
PHYSICS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "white matter": ((0.72, 900, 75), (0.299, 1.00, 1.00)),
    "grey matter": ((0.84, 1500, 100), (0.246, 1.56, 1.24)),
    "CSF": ((1.0, 4300, 1500), (0.129, 3.22, 0.15)),
    "oedema": ((0.90, 1650, 150), (0.253, 2.29, 1.79)),
    "non-enhancing, wildtype": ((0.88, 1550, 160), (0.262, 2.36, 1.97)),
    "oligodendroglioma": ((0.91, 1700, 190), (0.254, 2.65, 2.06)),
    "astrocytoma, rim": ((0.90, 1650, 190), (0.258, 2.64, 2.12)),
    "astrocytoma, core": ((0.94, 2000, 300), (0.234, 3.20, 2.15)),
    "astrocytoma, wetter core": ((0.94, 2200, 350), (0.217, 3.26, 1.93)),
    "astrocytoma, near mismatch": ((0.96, 2600, 400), (0.192, 3.26, 1.43)),
    "astrocytoma, mismatch core": ((0.97, 3000, 500), (0.172, 3.27, 1.00)),
    "enhancing, before contrast": ((0.88, 1550, 120), (0.256, 1.92, 1.53)),
    "necrosis": ((0.97, 2800, 500), (0.183, 3.37, 1.25)),
}
"""PD, T1 and T2 (ms) of a tissue, and by hand: T1w 600/12, T2w 4500/100 and FLAIR 10000/2500/120 over white matter."""

RATIOS = {
    "T1C_mean_over_ring": ((0.83, 0.10), (1.03, 0.13)),
    "T1C_p95_over_ring": ((1.17, 0.20), (1.75, 0.37)),
    "T1_mean_over_ring": ((0.87, 0.10), (0.93, 0.07)),
    "T2_mean_over_ring": ((1.67, 0.30), (1.50, 0.20)),
    "FLAIR_mean_over_ring": ((1.59, 0.17), (1.53, 0.16)),
    "FLAIR_p5_over_ring": ((1.12, 0.12), (1.05, 0.11)),
}
"""Tumour over ring in UCSF-PDGM (n = 321): mean and SD in mutant and in wildtype."""


@dataclass(frozen=True)
class Row:
    """What was measured in one simulated patient."""

    type: GliomaType
    grade: int
    age: float
    volume_ml: float
    shape: dict[str, float | None]
    loci: dict[str, float | None]
    enhancing: bool
    planned_mismatch: bool
    sign: float | None
    mismatch_fraction: float | None
    signal: dict[str, float | None]

    @property
    def mutant(self) -> bool:
        """Whether the tumour carries an IDH mutation."""
        return self.type.idh_mutant


def physics() -> None:
    """Print the signal of each tissue and the value worked by hand."""
    print("tissue                       T1w  by hand   T2w/WM  by hand   FLAIR/WM  by hand")
    worst = 0.0
    white = _weigh(*PHYSICS["white matter"][0])
    for name, (parameters, expected) in PHYSICS.items():
        t1w, t2w, flair = _weigh(*parameters)
        found = (t1w, t2w / white[1], flair / white[2])
        worst = max(worst, *(abs(f - e) for f, e in zip(found, expected, strict=True)))
        pairs = "  ".join(f"{f:7.3f} {e:7.3f}" for f, e in zip(found, expected, strict=True))
        print(f"{name:26s} {pairs}")
    print(f"largest difference: {worst:.3f}\n")


def _weigh(pd: float, t1_ms: float, t2_ms: float) -> tuple[float, float, float]:
    p, a, b = (np.array(value, dtype=np.float32) for value in (pd, t1_ms, t2_ms))
    return (
        float(spin_echo(p, a, b, 600, 12)),
        float(spin_echo(p, a, b, 4500, 100)),
        float(inversion_recovery(p, a, b, 10000, 120, 2500)),
    )


def simulate(seed: int) -> tuple[DigitalPatient, PreparedStudy]:
    """Draw a patient and image it as a hospital does, straight onto the prepared grid."""
    rng = np.random.default_rng([2021, seed])
    glioma = list(SEVERANCE_MIX)[rng.choice(len(SEVERANCE_MIX), p=list(SEVERANCE_MIX.values()))]
    grid = GRID.bounding(SPACING_MM)
    patient = draw_patient(rng, template_anatomy(), grid, glioma)
    protocols = draw_protocols(rng, STRUCTURAL, (1.0, 5.0))
    parameters = draw_parameters(rng, 1.5 if rng.random() < 0.3 else 3.0)
    white = patient.healthy == Tissue.WHITE_MATTER
    if patient.tumour is not None:
        white &= patient.tumour.infiltration < 0.01
    images = {
        s: Volume(image / float(np.median(image[white])) * patient.brain, grid.affine)
        for s, image in acquire(rng, patient, parameters, protocols).items()
    }
    return patient, perfectly_prepared(patient, images, dict.fromkeys(images, (grid, np.eye(4))))


def measure(seed: int) -> Row:
    """Simulate one patient and measure its true tumour."""
    patient, prepared = simulate(seed)
    assert patient.tumour is not None
    assert patient.plan is not None
    tumour = Tumour(Volume(patient.tumour.labels, patient.grid.affine), "given")
    whole = patient.tumour.labels > 0
    mask = Volume(whole, patient.grid.affine)
    measured = mismatch(prepared, tumour)
    return Row(
        type=patient.plan.type,
        grade=patient.plan.grade,
        age=patient.age,
        volume_ml=float(whole.sum()) * patient.grid.voxel_ml,
        shape=shape_features(mask),
        loci=loci(mask, np.eye(4)),
        enhancing=patient.plan.enhancing_fraction > 0,
        planned_mismatch=patient.plan.mismatch,
        sign=measured["mismatch_sign"],
        mismatch_fraction=measured["mismatch_fraction"],
        signal=signal_ratios(prepared, whole),
    )


def checklist(rows: list[Row]) -> None:
    """Print single-number discrimination and its target."""
    lower = [row for row in rows if row.grade < 4]
    quiet = [row for row in lower if not row.enhancing]
    print("what                                             target        n    simulated (95 %)        met")
    _discrimination("age alone", rows, lambda r: -r.age, 0.80, 0.90)
    _discrimination("T1c p95 over ring, all grades", rows, _t1c, 0.88, 0.93)
    _discrimination("T1c p95 over ring, grades 2-3", lower, _t1c, 0.0, 0.75)
    _fraction_between("mismatch sign, non-enhancing astrocytoma", quiet, GliomaType.ASTROCYTOMA, 35, 50)
    others = [row for row in quiet if row.type is not GliomaType.ASTROCYTOMA]
    silent = sum(row.sign != 1.0 for row in others)
    found = proportion(silent, len(others)) if others else "none"
    print(f"{'mismatch sign, specificity among the rest':48s} 0.97-1.00 {len(others):6d}    {found}")
    _cross_validate("age, 3 loci, sphericity, S/V (5-fold)", rows, _six_features, 0.87, 0.90)
    highest = [row for row in rows if row.grade == 4]
    _cross_validate("grade 4: age, frontal, mismatch (5-fold)", highest, _age_place_mismatch, 0.90, 1.0)
    _cross_validate("grade 4: shape and signal (5-fold)", highest, _image, 0.65, 0.80)
    print()


def _six_features(row: Row) -> list[float | None]:
    """The features of Choi's first model (2019)."""
    surface, volume = row.shape["SurfaceArea"], row.shape["MeshVolume"]
    return [
        row.age,
        *(row.loci[name] for name in ("Frontal", "Parietal", "Thalamus")),
        row.shape["Sphericity"],
        surface / volume if surface is not None and volume is not None else None,
    ]


def _age_place_mismatch(row: Row) -> list[float | None]:
    return [row.age, row.loci["Frontal"], row.mismatch_fraction]


def _image(row: Row) -> list[float | None]:
    return [row.shape["Sphericity"], row.shape["Flatness"], *(row.signal[name] for name in RATIOS)]


def _cross_validate(
    name: str, rows: list[Row], features: Callable[[Row], list[float | None]], low: float, high: float
) -> None:
    """Print the AUROC of a ridge-logistic model in patients that it was not fitted on."""
    truth = np.array([row.mutant for row in rows])
    if min(truth.sum(), (~truth).sum()) < 5:
        print(f"{name:48s} too few patients")
        return
    table = np.array([features(row) for row in rows], dtype=float)
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = dict(
        zip(
            map(id, rows),
            cross_val_predict(model, table, truth, cv=folds, method="predict_proba")[:, 1],
            strict=True,
        )
    )
    _discrimination(name, rows, lambda row: scores[id(row)], low, high)


def _t1c(row: Row) -> float:
    value = row.signal["T1C_p95_over_ring"]
    return -float(value) if value is not None else 0.0


def _discrimination(
    name: str, rows: list[Row], score: Callable[[Row], float], low: float, high: float
) -> None:
    if min(sum(row.mutant is m for row in rows) for m in (True, False)) < 2:
        print(f"{name:48s} too few patients")
        return
    found = auroc([row.mutant for row in rows], [score(row) for row in rows])
    met = "yes" if low <= found.value <= high else "no"
    print(
        f"{name:48s} {low:.2f}-{high:.2f} {len(rows):6d}    {found.value:.3f} ({found.low:.3f}-{found.high:.3f})"
        f"     {met}"
    )


def _fraction_between(name: str, rows: list[Row], kind: GliomaType, low: float, high: float) -> None:
    of = [row for row in rows if row.type is kind]
    seen = 100 * float(np.mean([row.sign == 1.0 for row in of])) if of else float("nan")
    planned = 100 * float(np.mean([row.planned_mismatch for row in of])) if of else float("nan")
    met = "yes" if low <= seen <= high else "no"
    print(
        f"{name:48s} {low:.0f}-{high:.0f} %   {len(of):5d}    {seen:.0f} % ({planned:.0f} % planned)          {met}"
    )


def distributions(rows: list[Row]) -> None:
    """Print means and SDs of mutant and wildtype and those of UCSF-PDGM."""
    print("mean (SD)               mutant, simulated  published      wildtype, simulated  published")
    volumes = {m: np.log([row.volume_ml for row in rows if row.mutant is m]) for m in (True, False)}
    _pair("ln(volume in ml)", volumes[True], (4.01, 1.03), volumes[False], (4.24, 0.86))
    round_ = {
        m: np.array([row.shape["Sphericity"] for row in rows if row.mutant is m], float)
        for m in (True, False)
    }
    _pair("sphericity", round_[True], (0.649, 0.079), round_[False], (0.568, 0.103))
    for name, (mutant, wildtype) in RATIOS.items():
        values = {
            m: np.array([v for r in rows if r.mutant is m and (v := r.signal[name]) is not None])
            for m in (True, False)
        }
        _pair(name, values[True], mutant, values[False], wildtype)
    print(
        "\nclass                                                  n   age mean (SD)  enhancing  frontal fraction"
    )
    for kind in GliomaType:
        of = [row for row in rows if row.type is kind]
        if of:
            ages = np.array([row.age for row in of])
            frontal = np.mean([row.loci["Frontal"] or 0.0 for row in of])
            enhancing = 100 * np.mean([row.enhancing for row in of])
            print(
                f"{kind:50s} {len(of):5d}   {ages.mean():.1f} ({ages.std():.1f}) {enhancing:9.0f} % {frontal:9.0f} %"
            )
    print()


def _pair(
    name: str,
    mutant: np.ndarray,
    published_mutant: tuple[float, float],
    wildtype: np.ndarray,
    published_wildtype: tuple[float, float],
) -> None:
    cells = [
        f"{values.mean():6.2f} ({values.std():.2f})      {mean:.2f} ({sd:.2f})"
        for values, (mean, sd) in ((mutant, published_mutant), (wildtype, published_wildtype))
    ]
    print(f"{name:24s} {'    '.join(cells)}")


def speed(seconds: float = 20.0) -> None:
    """Print how many training cases a core simulates in a second."""
    rng, started, n = np.random.default_rng(0), time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        simulate_case(rng, (template_anatomy(),))
        n += 1
    print(
        f"training cases of Model 1 a second on one core: {n / (time.perf_counter() - started):.2f} (n = {n})"
    )


def pictures(folder: Path, n: int = 8) -> None:
    """Draw simulated patients: T1, T1c, T2, FLAIR and truth at the slice of the largest tumour."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(10, 1.2 * n / 2), layout="constrained")
    axes = figure.subplots(n // 2, 10)
    for seed in range(n):
        patient, prepared = simulate(seed)
        assert patient.tumour is not None
        slice_ = int((patient.tumour.labels > 0).sum(axis=(0, 1)).argmax())
        for column, sequence in enumerate(CHANNELS):
            image = np.asarray(prepared.images[sequence].array)[:, :, slice_]
            axes[seed // 2, 5 * (seed % 2) + column].imshow(
                image.T, origin="lower", cmap="gray", vmin=0, vmax=np.quantile(image, 0.995)
            )
        truth = patient.tumour.labels[:, :, slice_]
        axes[seed // 2, 5 * (seed % 2) + 4].imshow(truth.T, origin="lower", vmin=0, vmax=3)
    for each in axes.flat:
        each.axis("off")
    figure.savefig(folder / "simulated.jpg", dpi=90)
    print(f"pictures: {folder / 'simulated.jpg'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1, help="patients at the same time")
    parser.add_argument("--pictures", type=Path, help="write pictures of simulated patients to this folder")
    arguments = parser.parse_args()
    physics()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        rows = list(pool.map(measure, range(arguments.patients)))
    checklist(rows)
    distributions(rows)
    speed()
    if arguments.pictures:
        pictures(arguments.pictures)


if __name__ == "__main__":
    main()
