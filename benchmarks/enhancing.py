"""Enhancing tumour and tumour core on real patients, by Model 1 alone and with `refine_regions`.

    python benchmarks/enhancing.py DATA

DATA as for real_cases.py; the BraTS patients and the glioblastomas with an expert's sub-regions. The constants of the
rule were chosen on these patients, so that its figures are optimistic.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from development_patients import Case, brats, gbm, interval
from numpy.typing import NDArray

from gliotype.masks import dice
from gliotype.prepare import prepare, to_acquired
from gliotype.read import read_study
from gliotype.segment import find_brain, segment, tumour
from gliotype.study import Label, PreparedStudy, Subject

CORE = (Label.CORE, Label.ENHANCING)


@dataclass(frozen=True)
class Row:
    """Dice and ml of one patient; the first of two is Model 1's alone. Dice is NaN where nothing enhances."""

    name: str
    true_ml: float
    enhancing_ml: tuple[float, float]
    enhancing: tuple[float, float]
    core: tuple[float, float]

    def __str__(self) -> str:
        pairs = ("{:.3f} {:.3f}".format(*pair) for pair in (self.enhancing, self.core))
        volumes = "{:.1f} {:.1f}".format(*self.enhancing_ml)
        return f"{self.name:22s} true {self.true_ml:5.1f} ml, found {volumes}; Dice {'; core '.join(pairs)}"


def run(case: Case) -> Row:
    assert case.truth is not None, "every patient here has a truth"
    image = nib.Nifti1Image.from_filename(case.truth)
    truth = np.asarray(image.dataobj).astype(int)
    voxel_ml = float(np.prod(image.header.get_zooms())) / 1000
    prepared = prepare(read_study(None, files=case.files, subject=Subject(case.name, case.age)), find_brain)
    with patch.object(tumour, "refine_regions", lambda labels, *_: labels):
        alone = labels_of(prepared)
    both = alone, labels_of(prepared)
    true_enhancing = truth == 4
    enhancing = [labels == Label.ENHANCING for labels in both]
    with_dice = [dice(found, true_enhancing) if true_enhancing.any() else np.nan for found in enhancing]
    core = [dice(np.isin(labels, CORE), np.isin(truth, [1, 4])) for labels in both]
    return Row(
        case.name,
        float(true_enhancing.sum()) * voxel_ml,
        (float(enhancing[0].sum()) * voxel_ml, float(enhancing[1].sum()) * voxel_ml),
        (with_dice[0], with_dice[1]),
        (core[0], core[1]),
    )


def labels_of(prepared: PreparedStudy) -> NDArray[np.uint8]:
    """Segment, and bring the labels to the grid of the reference image."""
    return np.asarray(to_acquired(segment(prepared).labels, prepared).array)


def summarise(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print the mean Dice of both, and their paired difference; patients in whom nothing enhances are left out."""
    known = np.array([pair for pair in pairs if not np.isnan(pair[0])])
    difference = list(known[:, 1] - known[:, 0])
    low, high = interval(difference)
    print(
        f"{name:10s} n={len(known)}  Model 1 alone {known[:, 0].mean():.3f}  with the rule {known[:, 1].mean():.3f}  "
        f"difference {np.mean(difference):+.3f} ({low:+.3f} to {high:+.3f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the real patients")
    data = parser.parse_args().data
    rows = []
    for case in (*brats(data), *gbm(data)):
        if case.truth is not None:
            rows.append(run(case))
            print(rows[-1], flush=True)
    summarise("enhancing", [row.enhancing for row in rows])
    summarise("core", [row.core for row in rows])


if __name__ == "__main__":
    main()
