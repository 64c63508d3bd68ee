"""Sub-regions within the outline, by Model 1 on its grid of 2 mm and by the second stage on the tumour's box.

    python benchmarks/subregions.py real DATA [--weight FILE] [--work FOLDER]
    python benchmarks/subregions.py simulated [--label-maps FOLDER] [--heads N] [--weight FILE] [--work FOLDER]

Five ways draw sub-regions within one outline: Model 1's most probable ones with the rule that compares T1c with T1
(`refine_regions`); the second stage alone, and with that rule; the mean of both networks alone, and with that rule,
which is what `segment` does. The real patients are the BraTS
patients and the glioblastomas with an expert's sub-regions (DATA as for real_cases.py); choices were made while looking
at them. The simulated heads, on a grid of 1.2 mm, come from seeds that no training uses. With --work what is prepared
is kept, so that a further weight is compared quickly.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import nibabel as nib
import numpy as np
from development_patients import Case, brats, gbm, interval
from numpy.typing import NDArray

from gliotype.masks import box_around, dice
from gliotype.prepare import prepare, to_acquired
from gliotype.read import read_study
from gliotype.runtime import compile_network
from gliotype.segment import find_brain, segment, subregions
from gliotype.segment.model1 import GRID, run_network
from gliotype.segment.regions import refine_regions
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import Label, PreparedStudy, Sequence, Subject
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.model1.candidates import prepare_head
from gliotype.volume import Grid, Volume

WAYS = ("Model 1 + rule", "second stage", "second stage + rule", "mean", "mean + rule")

REGIONS = {
    "core": (Label.CORE, Label.ENHANCING),
    "enhancing": (Label.ENHANCING,),
    "oedema": (Label.OEDEMA,),
}

FIRST_SEED = 5000
"""Of the simulated heads; training has 0 to 1099."""

FINE = Grid(
    (134, 160, 134), np.array([[1.2, 0, 0, -79.8], [0, 1.2, 0, -113], [0, 0, 1.2, -73], [0, 0, 0, 1]])
)
"""Grid of the simulated heads in MNI152."""

MIN_ML = 0.2
"""A true region smaller than this does not count."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A prepared study, the outline that `segment` drew, Model 1's sub-region probabilities, and the truth."""

    name: str
    prepared: PreparedStudy
    outline: NDArray[np.bool_]
    regions: NDArray[np.float16]
    truth: NDArray[np.uint8]
    voxel_ml: float


@dataclass(frozen=True)
class Row:
    """One region of one patient: its true volume, and Dice and volume by each of `WAYS`."""

    name: str
    region: str
    true_ml: float
    dice: tuple[float, ...]
    ml: tuple[float, ...]


def see(name: str, prepared: PreparedStudy, truth: NDArray[np.uint8], voxel_ml: float) -> Seen:
    outline = np.asarray(segment(prepared).labels.array) > 0
    regions = run_network(*strip_to_network_grid(prepared)).mean[2:].astype(np.float16)
    return Seen(name, prepared, outline, regions, truth, voxel_ml)


def see_real(case: Case) -> Seen:
    assert case.truth is not None, "every patient here has a truth"
    image = nib.Nifti1Image.from_filename(case.truth)
    truth = np.asarray(image.dataobj).astype(np.uint8)
    truth[truth == 4] = Label.ENHANCING
    prepared = prepare(read_study(None, files=case.files, subject=Subject(case.name, case.age)), find_brain)
    return see(case.name, prepared, truth, float(np.prod(image.header.get_zooms())) / 1000)


def see_simulated(seed: int, label_maps: Path | None, work: Path) -> Seen:
    heads = (template_anatomy(),) if label_maps is None else read_anatomies(label_maps, work)
    disease = list(GliomaType)[seed % len(GliomaType)]
    prepared, truth = prepare_head(seed, disease, heads, FINE)
    return see(f"head {seed}", prepared, truth, FINE.voxel_ml)


def draw(seen: Seen) -> list[NDArray[np.uint8]]:
    """Label maps of `WAYS` on the prepared grid."""
    box = box_around(seen.outline, 4)
    part = seen.prepared.cropped(box)
    images = {s: np.asarray(image.array) for s, image in part.images.items()}
    first = np.stack(
        [
            Volume(each.astype(np.float32), GRID.affine)
            .resample(part.grid, seen.prepared.mni_from_prepared)
            .array
            for each in seen.regions
        ]
    )
    first /= np.maximum(first.sum(axis=0), 1e-6)
    second = subregions.see_subregions(seen.outline, seen.prepared, box)
    drawn = []
    of_model1 = (first.argmax(axis=0) + 1).astype(np.uint8)
    of_both = (subregions.most_probable(second), subregions.most_probable(first + second))
    for chosen, ruled in ((of_model1, True), *product(of_both, (False, True))):
        labels = np.where(seen.outline[box], chosen, 0).astype(np.uint8)
        whole = np.zeros(seen.outline.shape, np.uint8)
        whole[box] = refine_regions(labels, images, part.grid.spacing[0]) if ruled else labels
        drawn.append(whole)
    return drawn


def compare(seen: Seen) -> Iterator[Row]:
    drawn = [
        np.asarray(to_acquired(Volume(labels, seen.prepared.grid.affine), seen.prepared).array)
        for labels in draw(seen)
    ]
    for region, labels in REGIONS.items():
        if region == "enhancing" and Sequence.T1C not in seen.prepared.images:
            continue
        true = np.isin(seen.truth, labels)
        found = [np.isin(each, labels) for each in drawn]
        if true.sum() * seen.voxel_ml >= MIN_ML:
            yield Row(
                seen.name,
                region,
                float(true.sum()) * seen.voxel_ml,
                tuple(dice(each, true) for each in found),
                tuple(float(each.sum()) * seen.voxel_ml for each in found),
            )


def remembered(file: Path, make: Callable[[], Seen]) -> Seen:
    if not file.exists():
        file.write_bytes(pickle.dumps(make()))
    kept: Seen = pickle.loads(file.read_bytes())
    return kept


def show(rows: list[Row], each: bool) -> None:
    print("Dice and volume ratio by way: " + ", ".join(WAYS))
    for region in REGIONS:
        of_region = [row for row in rows if row.region == region]
        if each:
            for row in of_region:
                print(f"{row.name:22s} {region:10s} {row.true_ml:6.1f} ml  {_numbers(row.dice)}  ", end="")
                print(_numbers([ml / row.true_ml for ml in row.ml]))
        if not of_region:
            continue
        scores = np.array([row.dice for row in of_region])
        ratios = np.array([[ml / row.true_ml for ml in row.ml] for row in of_region])
        total = np.array([row.ml for row in of_region]).sum(axis=0) / sum(row.true_ml for row in of_region)
        print(f"{region}: n={len(of_region)}")
        for n, way in enumerate(WAYS):
            change = list(scores[:, n] - scores[:, 0])
            low, high = interval(change)
            ends = "{:.3f}-{:.3f}".format(*interval(list(scores[:, n])))
            print(
                f"  {way:20s} Dice mean {scores[:, n].mean():.3f} ({ends}) median {np.median(scores[:, n]):.3f}, "
                f"change {np.mean(change):+.3f} ({low:+.3f} to {high:+.3f}); "
                f"volume ratio median {np.median(ratios[:, n]):.2f}, of the sums {total[n]:.2f}"
            )


def _numbers(values: tuple[float, ...] | list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def jobs_of(asked: argparse.Namespace, work: Path) -> dict[str, Callable[[], Seen]]:
    """What is to be looked at, by name."""
    if asked.of == "real":
        cases = [case for case in (*brats(asked.data), *gbm(asked.data)) if case.truth is not None]
        return {case.name: partial(see_real, case) for case in cases}
    seeds = range(FIRST_SEED, FIRST_SEED + asked.heads)
    return {f"head-{seed}": partial(see_simulated, seed, asked.label_maps, work) for seed in seeds}


def run(asked: argparse.Namespace, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    jobs = jobs_of(asked, work)
    rows: list[Row] = []
    missed = 0
    for name, job in jobs.items():
        seen = remembered(work / f"{name}.pkl", job)
        if seen.outline.any():
            rows.extend(compare(seen))
        else:
            missed += 1
    print(f"{len(jobs)} heads, {missed} without an outline")
    show(rows, each=asked.of == "real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("of", choices=("real", "simulated"))
    parser.add_argument("data", type=Path, nargs="?", help="folder of the real patients")
    parser.add_argument("--label-maps", type=Path)
    parser.add_argument("--heads", type=int, default=40)
    parser.add_argument("--weight", type=Path, help="of the second stage; the shipped one by default")
    parser.add_argument("--work", type=Path, help="folder in which what is prepared is kept")
    asked = parser.parse_args()
    with TemporaryDirectory() as temporary, ExitStack() as stack:
        if asked.weight is not None:
            network = compile_network(asked.weight)
            stack.enter_context(patch.object(subregions, "_network", lambda: network))
        run(asked, asked.work or Path(temporary))


if __name__ == "__main__":
    main()
