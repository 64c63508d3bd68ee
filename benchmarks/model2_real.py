"""What Model 2's image contribution rests on in real patients, and how round their outlines are.

    python benchmarks/model2_real.py DATA [--limit N] [--jobs N] [--keep FOLDER]

DATA as for real_cases.py; the TCGA-LGG and BraTS patients. Each study is prepared once, and kept in FOLDER for a later
run; then parts of Model 2's input are left out (0). Training leaves images out, too, but never the outline. Prints how
far the image's log-odds move, the AUROC of the image's contribution on TCGA-LGG (development patients) with its paired
difference to all inputs, and the sphericity of the outline that Model 1 found and that of the expert, both at the
prepared 1 mm.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np
from development_patients import Case, case_parser, prepared_once, with_truth

from gliotype import __version__
from gliotype.answer.typical import image_response
from gliotype.cached_study import load_cached
from gliotype.evaluate.decisions import mean_of
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.evaluate.write import estimate_words
from gliotype.measure import shape_features
from gliotype.predictors.slices import IMAGES, slices_of
from gliotype.runtime import Network, load_network
from gliotype.study import PreparedStudy
from gliotype.volume import Volume

OUTLINE = len(IMAGES)
LEFT_OUT: dict[str, tuple[int, ...]] = {
    "nothing": (),
    "T1c": (0,),
    "FLAIR": (2,),
    "outline": (OUTLINE,),
    "all images": (0, 1, 2),
}
"""Channels of each row; TCGA-LGG has no T2."""


@dataclass(frozen=True)
class Row:
    """One patient: log-odds with each input left out, how far images move the maps, sphericity found and true."""

    cohort: str
    name: str
    idh: int | None
    image: dict[str, float]
    response: float | None
    found: float | None
    true: float | None


@cache
def network() -> Network:
    return load_network("model2.onnx")


def run(case: Case, keep: Path) -> Row | None:
    study = load_cached(prepared_once(case, keep), __version__)
    if not study.tumour.found:
        return None
    whole = slices_of(study.prepared, study.tumour).array
    image = {}
    for name, channels in LEFT_OUT.items():
        part = whole.copy()
        part[:, list(channels)] = 0
        image[name] = float(np.asarray(network()(part)).mean())
    return Row(
        case.cohort,
        case.name,
        case.idh,
        image,
        image_response(study.prepared, study.tumour),
        study.measurements.shape["Sphericity"],
        true_sphericity(case, study.prepared),
    )


def true_sphericity(case: Case, prepared: PreparedStudy) -> float | None:
    """Sphericity of the expert's whole tumour on the prepared grid."""
    if case.truth is None:
        return None
    file = nib.Nifti1Image.from_filename(case.truth)
    labels = Volume(np.asarray(file.dataobj).astype(np.uint8), file.affine)
    there = prepared.acquired_from_prepared[prepared.reference]
    mask = labels.resample(prepared.grid, there, order=0)
    return shape_features(mask.with_array(np.asarray(mask.array) > 0))["Sphericity"]


def main() -> None:
    parser = case_parser(__doc__)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    rows = []
    with ProcessPoolExecutor(arguments.jobs) as pool, TemporaryDirectory() as scratch:
        ask = partial(run, keep=arguments.keep or Path(scratch))
        for row in pool.map(ask, with_truth(arguments.data, arguments.limit)):
            if row is not None:
                rows.append(row)
                numbers = " ".join(f"{name} {value:+.2f}" for name, value in row.image.items())
                print(row.cohort, row.name, row.idh, numbers, f"{row.found:.3f} {row.true:.3f}", flush=True)
    tell_changes(rows)
    tell_inputs([row for row in rows if row.cohort == "lgg"])
    tell_outlines(rows)
    moved = [row.response for row in rows if row.response is not None]
    print(f"images move the maps by {min(moved):.1f} to {max(moved):.1f}, n={len(moved)}")


def tell_outlines(rows: list[Row]) -> None:
    """Print the sphericity of found and true outlines."""
    for cohort in ("brats", "lgg"):
        pairs = np.array([(r.found, r.true) for r in rows if r.cohort == cohort and r.true is not None])
        if len(pairs) > 1:
            print(
                f"{cohort}: sphericity found {mean_of(pairs[:, 0])}, true {mean_of(pairs[:, 1])}, n={len(pairs)}"
            )


def tell_changes(rows: list[Row]) -> None:
    """Print how far the image's log-odds move with each input left out, over the cases of both cohorts."""
    whole = np.array([row.image["nothing"] for row in rows])
    print(f"\nimage's log-odds of {len(rows)} cases: change with an input left out, and correlation")
    for name in LEFT_OUT:
        part = np.array([row.image[name] for row in rows])
        r = np.corrcoef(whole, part)[0, 1]
        print(
            f"without {name:10s} absolute change {mean_of(np.abs(part - whole))}, r = {r:.2f}, n={len(rows)}"
        )


def tell_inputs(rows: list[Row]) -> None:
    """Print the AUROC of the image's contribution with each input left out, if there are two patients of each class."""
    truth = np.array([row.idh for row in rows])
    if min(truth.sum(), len(truth) - truth.sum()) < 2:
        return
    whole = np.array([row.image["nothing"] for row in rows])
    print(f"\nimage's contribution, TCGA-LGG, n={len(rows)}, mutant {truth.sum()}, development patients")
    for name in LEFT_OUT:
        score = np.array([row.image[name] for row in rows])
        less = compare_aurocs(truth, score, whole).difference
        print(
            f"without {name:10s} AUROC {auroc(truth, score)}, minus all inputs {estimate_words(less, '+.3f')}"
        )


if __name__ == "__main__":
    main()
