"""Segmentation and IDH answers on real patients, case by case.

    python benchmarks/real_cases.py DATA [--only brats|lgg|native|gbm|subsets] [--limit N] [--results FILE]
        [--keep FOLDER]

DATA holds ``brats/``, ``lgg/``, ``native/`` and ``gbm/`` (see docs/how-to/benchmarks.md). Images are given as named
files, so nothing that predicts can read the true masks that lie next to them. All of these are development patients:
choices were made while looking at them, so the figures are optimistic. Some patients are in two cohorts: figures over
all cohorts count each patient once, and bootstrap intervals resample patients, not cases. ``--only subsets`` runs the
BraTS patients again with sequences left out. FOLDER keeps the prepared studies, for a later run of this version that
asks other predictors.
"""

from __future__ import annotations

import json
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from development_patients import Case, brats, case_parser, gbm, interval, lgg, native, prepared_once, subsets
from scipy import ndimage
from scipy.special import expit, logit

import gliotype
from gliotype.errors import GliotypeError
from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.masks import dice, within_mm
from gliotype.predictors.hybrid import compute_contributions
from gliotype.predictors.slices import numbers_of, slices_of
from gliotype.prepare import to_acquired
from gliotype.result import Call
from gliotype.study import Label, Subject

STRAY_MM = 3.0
"""Found tumour farther than this outside the expert's is stray."""

PRIOR = 0.3
"""What a case without an answer counts as: the prevalence to which all answers refer."""


COMPARED = (
    "dice",
    "dice_core",
    "dice_enhancing",
    "distance_95_mm",
    "outside_brain",
    "stray_ml",
    "core_ratio",
    "enhancing_ratio",
)
"""Fields of `Row` that compare an outline with the expert's."""

METHODS = ("age_only", "radiomics", "image", "hybrid_without_age", "hybrid", "probability")
"""Fields of `Row` that are probabilities."""


@dataclass(frozen=True)
class Row:
    """What came out for one case."""

    cohort: str
    name: str
    patient: str
    idh: int | None
    call: str
    seconds: float
    failure: str = ""
    probability: float | None = None
    age_only: float | None = None
    radiomics: float | None = None
    hybrid: float | None = None
    hybrid_without_age: float | None = None
    image: float | None = None
    dice: float | None = None
    dice_core: float | None = None
    dice_enhancing: float | None = None
    volume_ml: float = 0.0
    true_volume_ml: float | None = None
    distance_95_mm: float | None = None
    outside_brain: float | None = None
    stray_ml: float | None = None
    core_ratio: float | None = None
    enhancing_ratio: float | None = None
    brain_ml: float = 0.0


def predict(case: Case, keep: Path | None) -> gliotype.Result:
    """Predict one patient, from the study that a folder keeps if one is given."""
    if keep is None:
        return gliotype.predict(files=case.files, age=case.age, id=case.name)
    return gliotype.revise(prepared_once(case, keep), age=case.age, id=case.name)


def run(case: Case, keep: Path | None = None) -> Row:
    """Predict one patient and compare with the truth."""
    started = time.perf_counter()
    try:
        result = predict(case, keep)
    except GliotypeError as error:
        seconds = time.perf_counter() - started
        return Row(case.cohort, case.name, case.patient, case.idh, "failed", seconds, str(error))
    seconds = time.perf_counter() - started
    single = {f.method: f.probability for f in result.findings}
    compared = _compare(result, case.truth)
    return Row(
        cohort=case.cohort,
        name=case.name,
        patient=case.patient,
        idh=case.idh,
        call=result.call.value,
        seconds=seconds,
        failure="; ".join(w for w in result.warnings if "registr" in w or "align" in w),
        probability=result.probability,
        age_only=single.get("age"),
        radiomics=single.get("radiomics"),
        hybrid=single.get("hybrid"),
        **_parts(result),
        **compared,
        volume_ml=result.tumour.volume_ml,
        brain_ml=float(np.sum(result.prepared.brain.array)) * result.prepared.grid.voxel_ml,
    )


def _parts(result: gliotype.Result) -> dict[str, float]:
    """Model 2's answer without age, and from its image's contribution alone, at the prior of 0.3."""
    if "hybrid" not in {finding.method for finding in result.findings}:
        return {}
    numbers = numbers_of(result.measurements, Subject("without age"))
    contributions = compute_contributions(slices_of(result.prepared, result.tumour), numbers)
    intercept = contributions.intercept.mean() + logit(PRIOR)
    return {
        "hybrid_without_age": float(expit(contributions.log_odds.mean() + logit(PRIOR))),
        "image": float(expit(contributions.image.mean() + intercept)),
    }


def _compare(result: gliotype.Result, truth: Path | None) -> dict[str, float | None]:
    if truth is None:
        return {}
    image = nib.Nifti1Image.from_filename(truth)
    labels = np.asarray(image.dataobj).astype(int)
    grid = result.prepared.acquired_grids[result.prepared.reference]
    assert np.allclose(grid.affine, image.affine, atol=1e-3), "the truth lies on the reference image's grid"
    found = np.asarray(to_acquired(result.tumour.labels, result.prepared).array)
    reference = result.prepared.reference
    brain = result.prepared.brain.resample(
        grid, np.linalg.inv(result.prepared.acquired_from_prepared[reference]), order=0
    )
    whole = labels > 0
    regions = len(np.unique(labels)) > 2
    core, enhancing = np.isin(labels, [1, 4]), labels == 4
    found_core, found_enhancing = np.isin(found, [Label.CORE, Label.ENHANCING]), found == Label.ENHANCING
    enhances = regions and enhancing.any()
    stray = (found > 0) & ~within_mm(whole, STRAY_MM, grid.spacing)
    return {
        "dice": dice(found > 0, whole),
        "dice_core": dice(found_core, core) if regions else None,
        "dice_enhancing": dice(found_enhancing, enhancing) if enhances else None,
        "core_ratio": float(found_core.sum() / core.sum()) if regions and core.any() else None,
        "enhancing_ratio": float(found_enhancing.sum() / enhancing.sum()) if enhances else None,
        "stray_ml": float(stray.sum()) * grid.voxel_ml,
        "true_volume_ml": float(whole.sum()) * grid.voxel_ml,
        "distance_95_mm": distance_95(found > 0, whole, grid.spacing),
        "outside_brain": float((whole & ~np.asarray(brain.array, dtype=bool)).sum() / max(1, whole.sum())),
    }


def distance_95(found: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float]) -> float | None:
    """95th percentile of the distances between the two surfaces, mm; None where one mask is empty."""
    if not found.any() or not truth.any():
        return None
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    away = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return float(np.quantile(np.concatenate([away[1][edges[0]], away[0][edges[1]]]), 0.95))


def _with_probabilities(row: Row, of_cases: dict[str, list[float | None]]) -> Row:
    means: dict[str, Any] = {name: _mean_probability(values) for name, values in of_cases.items()}
    return replace(row, **means)


def by_patient(rows: list[Row]) -> list[Row]:
    """One row for each patient: its first, with each probability the expit of the mean log-odds of its cases."""
    return [
        _with_probabilities(group[0], {name: [getattr(row, name) for row in group] for name in METHODS})
        for patient in dict.fromkeys(row.patient for row in rows)
        if (group := [row for row in rows if row.patient == patient])
    ]


def _mean_probability(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(expit(np.mean(logit(np.clip(known, 1e-6, 1 - 1e-6))))) if known else None


def summarise(rows: list[Row]) -> None:
    """Print means with intervals, and AUROC and that of age alone, by cohort and over distinct patients."""
    patients = {row.patient for row in rows}
    print(f"{len(rows)} cases of {len(patients)} distinct patients")
    cohorts = {name: [row for row in rows if row.cohort == name] for name in {row.cohort: 0 for row in rows}}
    high_resolution = [row for row in rows if row.cohort in ("brats", "gbm")]
    for cohort, part in {**cohorts, "brats+gbm": high_resolution, "all": rows}.items():
        for name in COMPARED:
            known = [row for row in part if getattr(row, name) is not None]
            values = [getattr(row, name) for row in known]
            if values:
                low, high = interval(values, [row.patient for row in known])
                poor = f"  below 0.4: {sum(v < 0.4 for v in values)}" if name.startswith("dice") else ""
                print(
                    f"{cohort:7s} {name:15s} n={len(values):2d}  mean {np.mean(values):.3f} ({low:.3f}-{high:.3f})"
                    f"  median {np.median(values):.3f}{poor}"
                )
        errors = [row.volume_ml - row.true_volume_ml for row in part if row.true_volume_ml is not None]
        if errors:
            print(f"{cohort:7s} volume error    n={len(errors):2d}  median {np.median(errors):+.1f} ml")
        labelled = by_patient([row for row in part if row.idh is not None])
        if min(sum(row.idh == idh for row in labelled) for idh in (0, 1)) >= 2:
            print(
                f"{cohort:7s} IDH, {len(labelled)} distinct development patients (optimistic); "
                "without a number, the prior, 0.3, counts:"
            )
            _print_idh(labelled)
            for call in Call:
                hits = [row for row in labelled if row.call == call.value]
                print(
                    f"        called {call.value:13s} {len(hits):2d}, of them mutant {sum(r.idh or 0 for r in hits)}"
                )


def _print_idh(rows: list[Row]) -> None:
    """Print AUROC of each method, minus that of age alone, and how well the probabilities are calibrated."""
    truth = np.array([row.idh for row in rows])
    scores = {
        name: np.array([PRIOR if (v := getattr(row, name)) is None else v for row in rows])
        for name in METHODS
    }
    for name, score in scores.items():
        found, beyond = auroc(truth, score), compare_aurocs(truth, score, scores["age_only"]).difference
        line = calibration_line(truth, score)
        print(
            f"        {name:18s} AUROC {found.value:.3f} ({found.low:.3f}-{found.high:.3f}), minus age alone "
            f"{beyond.value:+.3f} ({beyond.low:+.3f} to {beyond.high:+.3f}), Brier {brier(truth, score).value:.3f}, "
            f"slope {line.slope:.2f}, intercept {line.intercept:+.2f}, n={len(truth)}"
        )
    print(f"        called at a precision of 90 %: {_called(truth, scores['probability'], 0.9):.0%}")


def _called(truth: np.ndarray, score: np.ndarray, precision: float) -> float:
    """Largest proportion of the patients, most certain first, whose calls are right at this precision."""
    certain = np.argsort(-np.abs(score - 0.5), kind="stable")
    right = np.cumsum((score[certain] > 0.5) == (truth[certain] == 1)) / np.arange(1, len(truth) + 1)
    good = np.flatnonzero(right >= precision)
    return 0.0 if good.size == 0 else float(good[-1] + 1) / len(truth)


def main() -> None:
    parser = case_parser(__doc__)
    parser.add_argument("--only", choices=["brats", "lgg", "native", "gbm", "subsets"])
    parser.add_argument("--results", type=Path, help="write all rows to this JSON file")
    parser.add_argument(
        "--keep", type=Path, help="keep the prepared studies here, and read those that are there"
    )
    arguments = parser.parse_args()
    cohorts = {"brats": brats, "lgg": lgg, "native": native, "gbm": gbm, "subsets": subsets}
    chosen = [arguments.only] if arguments.only else ["brats", "lgg", "native", "gbm"]
    rows = []
    print(
        "cohort  patient          IDH call           P     age   radio hybr  no age image Dice  core  enh. "
        " ml found/true  d95   out%   s"
    )
    for name, cases in cohorts.items():
        if name in chosen:
            with ProcessPoolExecutor(arguments.jobs) as pool:
                ask = partial(run, keep=arguments.keep)
                for row in pool.map(ask, list(cases(arguments.data))[: arguments.limit]):
                    rows.append(row)
                    print(_line(row), flush=True)
    summarise(rows)
    failures = [row for row in rows if row.call == "failed"]
    print(
        f"failures: {len(failures)} of {len(rows)}" + "".join(f"\n  {r.name}: {r.failure}" for r in failures)
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of a process (one patient after the other): {peak:.2f} GiB")
    if arguments.results:
        arguments.results.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def _line(row: Row) -> str:
    def number(value: float | None, width: int = 5, digits: int = 2) -> str:
        return f"{value:{width}.{digits}f}" if value is not None else " " * (width - 1) + "-"

    idh = {1: "mut", 0: "wt ", None: "?  "}[row.idh]
    numbers = [
        row.probability,
        row.age_only,
        row.radiomics,
        row.hybrid,
        row.hybrid_without_age,
        row.image,
        row.dice,
        row.dice_core,
        row.dice_enhancing,
    ]
    outside = None if row.outside_brain is None else 100 * row.outside_brain
    return (
        f"{row.cohort:7s} {row.name:16s} {idh} {row.call:13s} "
        + " ".join(number(v) for v in numbers)
        + f" {row.volume_ml:6.1f}/{number(row.true_volume_ml, 5, 1)} {number(row.distance_95_mm, 5, 1)}"
        + f" {number(outside, 5, 1)} {row.seconds:5.1f} {row.failure[:60]}"
    )


if __name__ == "__main__":
    main()
