"""Would further features tell Model 1's tumour candidates from others better than the shipped five do?

    python benchmarks/candidates.py --rows FILE [--test FILE] [--label-maps FOLDER] [--heads N] [--jobs N]

Half of the heads are healthy, half have a tumour, mostly a faint one; they show any set of sequences. None of them was
among those on which the shipped model was fitted, nor is one in ``faint.py``. FILE gets a line for each head, so that
an interrupted run resumes. Logistic models of several sets of features, and a random forest, are compared by
cross-validation over heads: a head is as suspicious as its most suspicious candidate, and a tumour without a candidate
is missed by all models alike. With ``--test`` the models, fitted on all of these heads, are compared on the 200 faint
tumours and 100 healthy heads of ``faint.py``; that file resumes, too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import faint
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gliotype.atlas import atlas
from gliotype.evaluate.decisions import proportion
from gliotype.evaluate.roc import auroc
from gliotype.prepare import prepare_registered
from gliotype.segment import find_brain
from gliotype.segment import tumour as segmentation
from gliotype.segment.candidates import DOUBTFUL, NUMBERS, SHOWS_AS, CandidateFeatures, candidate_model
from gliotype.segment.model1 import CHANNELS, GRID, NetworkPass, run_network
from gliotype.segment.tumour import FLUID_BRIGHT
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import STRUCTURAL, PreparedStudy, Sequence
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.model1.candidates import (
    MIN_TUMOUR_FRACTION,
    TEMPLATES,
    PatientDraw,
    Visibility,
    prepare_head,
)
from gliotype.volume import Volume

T1, T1C, T2, FLAIR = Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR

Floats = NDArray[np.float64]


def mostly_faint(rng: np.random.Generator, names: tuple[Sequence, ...]) -> Visibility:
    """Let three of five tumours show little of their contrast, on all sequences alike within 30 %."""
    if rng.random() < 0.6:
        strength = rng.uniform(0.1, 0.7)
        return {s: float(strength * rng.uniform(0.7, 1.3)) for s in names}
    return dict.fromkeys(names, 1.0)


COMPARED = PatientDraw(
    53,
    (
        *((STRUCTURAL,) * 5),
        *(((T1, T1C, FLAIR),) * 3),
        *(((T1, T2, FLAIR),) * 2),
        *(((T1C, T2, FLAIR),) * 2),
        *(((T1, T1C, T2),) * 2),
        (T2, FLAIR),
        (T1C, T2),
        (T1, T2),
        (FLAIR,),
        (T2,),
        (T1C,),
        (T1,),
    ),
    mostly_faint,
)
"""The heads of this script."""

APART = ("log_volume", "all_pass", "pair_pass", "single_pass", "contrast", "depth_mm")

SETS: dict[str, tuple[str, ...]] = {
    "the same five, fitted again": NUMBERS,
    "network passes told apart": APART,
    "and distance to the ventricles": (*APART, "ventricle_mm"),
    "and step at the edge": (*APART, "ventricle_mm", "edge"),
    "and probability of oedema": (*APART, "ventricle_mm", "edge", "oedema"),
}
"""Features of each logistic model."""

FALSE, FALSE_IN_TEST = (4, 8, 13), (2, 3, 5)
"""Healthy heads with three or four sequences that may be taken for ill, to compare how many tumours are missed."""

REPEATS = 8


@dataclass(frozen=True)
class Row:
    """A head, the features of its candidates by name, and which of these are tumour."""

    seed: int
    ill: bool
    sequences: tuple[str, ...]
    candidates: tuple[dict[str, float], ...]
    tumour: tuple[bool, ...]


def run(seed: int, label_maps: Path | None, aligned: Path) -> Row:
    """Simulate a head, healthy below a seed of 1000, and describe its candidates."""
    kinds = list(GliomaType)
    others = () if label_maps is None else read_anatomies(label_maps, aligned)
    heads = (*[template_anatomy()] * TEMPLATES, *others)
    disease = kinds[seed % len(kinds)] if seed >= 1000 else None
    prepared, labels = prepare_head(seed, disease, heads, draw=COMPARED)
    return row_of(seed, prepared, labels > 0)


def run_test(seed: int, most: dict[Sequence, float]) -> Row:
    """Simulate a head of ``faint.py``, healthy below a seed of 1000, and describe its candidates."""
    images, patient = faint.faint_head(seed - 1000, most) if seed >= 1000 else faint.healthy_head(seed)
    volumes = {s: Volume(array.astype(np.float32), GRID.affine) for s, array in images.items()}
    truth = np.zeros(GRID.shape, np.bool_) if patient.tumour is None else patient.tumour.labels > 0
    return row_of(seed, prepare_registered(volumes, np.eye(4), None, find_brain), truth)


def row_of(seed: int, prepared: PreparedStudy, truth: NDArray[np.bool_]) -> Row:
    """Describe the candidates of a head."""
    passes: list[NetworkPass] = []

    def recording(images: Any, brain: Any) -> NetworkPass:
        passes.append(run_network(images, brain))
        return passes[-1]

    with mock.patch.object(segmentation, "run_network", recording):
        found = segmentation.find_candidates(prepared)
    marked = np.isin(found.parts, [c.number for c in found.candidates])
    parts = [found.parts == candidate.number for candidate in found.candidates]
    return Row(
        seed,
        bool(truth.any()),
        tuple(prepared.images),
        tuple(
            describe(part, marked, candidate.features, passes)
            for part, candidate in zip(parts, found.candidates, strict=True)
        ),
        tuple(bool(truth[part].mean() >= MIN_TUMOUR_FRACTION) for part in parts),
    )


def describe(
    part: NDArray[np.bool_],
    marked: NDArray[np.bool_],
    features: CandidateFeatures,
    passes: list[NetworkPass],
) -> dict[str, float]:
    """Return the shipped features of a candidate and the further ones."""
    sure = [_least_sure(part, each) for each in passes]
    bright = passes[-1].sequences & set(FLUID_BRIGHT)
    return {
        **asdict(features),
        "all_pass": sure[0],
        "pair_pass": sure[-1] if len(bright) == 2 else 0.0,
        "single_pass": sure[-1] if len(bright) == 1 else 0.0,
        "ventricle_mm": min(20.0, float(_ventricle_distance()[part].mean())),
        "edge": _edge(part, marked, passes[0]),
        "oedema": float(passes[0].mean[3][part].mean()),
    }


def _least_sure(part: NDArray[np.bool_], seen: NetworkPass) -> float:
    straight, mirrored = (p[2:, part].sum(axis=0) for p in (seen.straight, seen.mirrored))
    return float(np.minimum(straight, mirrored).mean())


@cache
def _ventricle_distance() -> Floats:
    labels, codes = atlas.structures()
    outside = np.asarray(labels.resample(GRID, order=0).array) != codes["lateral_ventricle"]
    return np.asarray(ndimage.distance_transform_edt(outside, sampling=GRID.spacing))


def _edge(part: NDArray[np.bool_], marked: NDArray[np.bool_], seen: NetworkPass) -> float:
    """How much a candidate's surface layer is brighter (T1: darker) than what lies two voxels outside."""
    inner = part & ~ndimage.binary_erosion(part)
    outer = ndimage.binary_dilation(part, iterations=2) & ~ndimage.binary_dilation(part)
    outer &= seen.brain_region & ~marked
    names, sign = next((n, sign) for n, sign in SHOWS_AS if seen.sequences.intersection(n))
    images = [sign * seen.stack[CHANNELS.index(s)] for s in names if s in seen.sequences]
    steps = [i[inner].mean() - (i[outer].mean() if outer.any() else 0.0) for i in images]
    return float(np.mean(steps))


Classifier = Callable[[], Any]


def _logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))


def _forest() -> Any:
    return RandomForestClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=0)


MODELS: dict[str, tuple[Classifier, tuple[str, ...]]] = {
    **{name: (_logistic, names) for name, names in SETS.items()},
    "a forest of all these": (_forest, (*[*SETS.values()][-1], *NUMBERS)),
}


@dataclass(frozen=True)
class Candidates:
    """All candidates of all heads, one a row.

    Attributes:
        values: features by name.
        tumour: whether each is tumour.
        head: seed of its head.
    """

    values: dict[str, Floats]
    tumour: NDArray[np.bool_]
    head: NDArray[np.int_]

    @classmethod
    def of(cls, rows: list[Row]) -> Candidates:
        """Collect them."""
        found = [each for row in rows for each in row.candidates]
        values = {name: np.array([each[name] for each in found]) for name in found[0]}
        tumour = np.array([each for row in rows for each in row.tumour])
        return cls(values, tumour, np.array([row.seed for row in rows for _ in row.candidates]))

    def table(self, names: tuple[str, ...]) -> Floats:
        """Line up some features."""
        return np.column_stack([self.values[name] for name in names])

    def out_of_fold(self, make: Classifier, names: tuple[str, ...]) -> list[Floats]:
        """Score every candidate by models of other heads, `REPEATS` times."""
        table = self.table(names)
        scores = []
        for repeat in range(REPEATS):
            score = np.zeros(len(table))
            folds = StratifiedGroupKFold(5, shuffle=True, random_state=repeat)
            for train, test in folds.split(table, self.tumour, self.head):
                model = make().fit(table[train], self.tumour[train])
                score[test] = model.predict_proba(table[test])[:, 1]
            scores.append(score)
        return scores


def by_head(rows: list[Row], candidates: Candidates, score: Floats) -> dict[int, float]:
    """Return the highest score of each head; lower than any where no candidate is there that may be accepted."""
    highest = {row.seed: -np.inf for row in rows}
    may = candidates.values["symmetry"] <= candidate_model().max_symmetry
    for seed, value in zip(candidates.head[may], score[may], strict=True):
        highest[int(seed)] = max(highest[int(seed)], float(value))
    return highest


def missed(rows: list[Row], score: dict[int, float], false: tuple[int, ...]) -> list[float]:
    """Count the tumours missed where so many healthy heads are taken for ill; three or four sequences."""
    enough = [row for row in rows if len(row.sequences) >= 3]
    healthy = np.sort([score[row.seed] for row in enough if not row.ill])[::-1]
    ill = np.array([score[row.seed] for row in enough if row.ill])
    return [float((ill <= healthy[number]).sum()) for number in false]


def summarise(rows: list[Row]) -> None:
    """Print the candidates, and what each model makes of them."""
    candidates = Candidates.of(rows)
    enough = [row for row in rows if len(row.sequences) >= 3]
    ill = [row for row in enough if row.ill]
    print(f"{len(rows)} heads, {sum(row.ill for row in rows)} of them with a tumour; ", end="")
    print(f"{candidates.tumour.sum()} candidates are tumour, {(~candidates.tumour).sum()} are not")
    print(
        f"three or four sequences: {len(enough) - len(ill)} healthy, {len(ill)} with a tumour; no candidate in ",
        end="",
    )
    print(f"{proportion(sum(not row.candidates for row in ill), len(ill))} of the latter")
    as_shipped = score_as_shipped(candidates)
    print_shipped(rows, candidates)
    print("| model | AUROC of candidates | " + " | ".join(f"missed at {n} false" for n in FALSE) + " |")
    print("| --- | --- |" + " --- |" * len(FALSE))
    models = {
        "as shipped": [as_shipped],
        **{name: candidates.out_of_fold(make, names) for name, (make, names) in MODELS.items()},
    }
    for name, scores in models.items():
        estimates = [auroc(candidates.tumour, score) for score in scores]
        value, low, high = np.mean([(e.value, e.low, e.high) for e in estimates], axis=0)
        counts = np.mean([missed(rows, by_head(rows, candidates, score), FALSE) for score in scores], axis=0)
        cells = " | ".join(f"{count:.1f}" for count in counts)
        print(f"| {name} | {value:.3f} ({low:.3f}-{high:.3f}) | {cells} |")


def score_as_shipped(candidates: Candidates) -> Floats:
    """Return the log-odds of the shipped model."""
    shipped = candidate_model()
    standardised = (candidates.table(NUMBERS) - shipped.mean) / shipped.sd
    return np.asarray(shipped.intercept + standardised @ shipped.coefficients)


def print_shipped(rows: list[Row], candidates: Candidates) -> None:
    """Print what the shipped model accepts or doubts at its own cuts; three or four sequences."""
    highest = by_head(rows, candidates, score_as_shipped(candidates))
    enough = [row for row in rows if len(row.sequences) >= 3]
    for name, cut in (("accepted", candidate_model().threshold), ("accepted or doubtful", DOUBTFUL)):
        false = sum(highest[row.seed] >= cut for row in enough if not row.ill)
        lost = [row for row in enough if row.ill and highest[row.seed] < cut]
        without = sum(not row.candidates for row in lost)
        print(
            f"as shipped, {name}: {false} healthy; missed: {len(lost)}, {without} of them without a candidate"
        )


def compare_on_test(rows: list[Row], test: list[Row]) -> None:
    """Print how many faint tumours of ``faint.py`` models fitted on all other heads miss."""
    learnt, candidates = Candidates.of(rows), Candidates.of(test)
    print(
        f"heads of faint.py: {sum(row.ill for row in test)} faint tumours, {sum(not row.ill for row in test)} healthy"
    )
    print_shipped(test, candidates)
    scores = {"as shipped": score_as_shipped(candidates)}
    for name, (make, names) in MODELS.items():
        model = make().fit(learnt.table(names), learnt.tumour)
        scores[name] = model.predict_proba(candidates.table(names))[:, 1]
    print("| model | " + " | ".join(f"missed at {n} false" for n in FALSE_IN_TEST) + " |")
    print("| --- |" + " --- |" * len(FALSE_IN_TEST))
    for name, score in scores.items():
        counts = missed(test, by_head(test, candidates, score), FALSE_IN_TEST)
        print(f"| {name} | " + " | ".join(f"{count:.0f}" for count in counts) + " |")


def simulated(
    file: Path, seeds: list[int], work: Callable[[int], Row], pool: ProcessPoolExecutor
) -> list[Row]:
    """Return the rows of all seeds, those first that the file has; it gets the others."""
    lines = file.read_text().splitlines() if file.exists() else []
    rows = [Row(**json.loads(line)) for line in lines]
    done = {row.seed for row in rows}
    with file.open("a") as opened:
        for row in pool.map(work, [seed for seed in seeds if seed not in done]):
            rows.append(row)
            opened.write(json.dumps(asdict(row)) + "\n")
            opened.flush()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE")
    parser.add_argument("--test", type=Path, metavar="FILE", help="rows of the heads of faint.py")
    parser.add_argument("--label-maps", type=Path, metavar="FOLDER", help="whole-head label maps")
    parser.add_argument("--heads", type=int, default=396, help="half of them healthy")
    parser.add_argument("--jobs", type=int, default=1, help="heads at the same time")
    arguments = parser.parse_args()
    seeds = [base + n for n in range(arguments.heads // 2) for base in (0, 1000)]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        work = partial(run, label_maps=arguments.label_maps, aligned=arguments.rows.parent)
        rows = simulated(arguments.rows, seeds, work, pool)
        summarise(rows)
        if arguments.test is not None:
            of_test = [*range(100), *range(1000, 1200)]
            test = simulated(arguments.test, of_test, partial(run_test, most=faint.lowest_tenth(pool)), pool)
            compare_on_test(rows, test)


if __name__ == "__main__":
    main()
