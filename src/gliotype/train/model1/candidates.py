"""Fit how much each number of `gliotype.segment.candidates` counts, on simulated heads with and without tumour.

The heads are simulated on the network's grid, so that neither registration nor resampling costs time, and go through
preparation and Model 1 as any study does. None of them is among those of ``benchmarks/healthy.py`` or
``benchmarks/faint.py``, whose random numbers come from other streams. What Model 1 finds in each is kept in
``heads.jsonl``, so that an interrupted run resumes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import check_run_settings, check_writable, write_text
from gliotype.errors import InputError
from gliotype.prepare import prepare_registered
from gliotype.runtime import checked_weights
from gliotype.segment import find_brain
from gliotype.segment.candidates import NUMBERS, CandidateFeatures
from gliotype.segment.model1 import GRID, SHIPPED
from gliotype.segment.tumour import find_candidates
from gliotype.simulate.cohort.raw_study import hospital_protocol
from gliotype.simulate.cohort.sites import Disease
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols, pair_post_contrast
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, PreparedStudy, Sequence
from gliotype.train.common.ridge import choose_penalty, mean_auroc, out_of_fold_log_odds, ridge_logistic
from gliotype.train.common.workers import workers
from gliotype.train.data.anatomies import align_label_maps, read_anatomies
from gliotype.volume import Grid, Volume

TEMPLATES = 5
"""The shipped template counts so many times among the heads to choose from."""

MIN_TUMOUR_FRACTION = 0.2
"""A component is tumour when at least this fraction of it lies within the true one."""

FAINT_FRACTION = 0.3
"""Fraction of the heads whose tumour shows little of its contrast, drawn for each sequence."""

SEQUENCE_SETS: tuple[tuple[Sequence, ...], ...] = (
    *((STRUCTURAL,) * 4),
    *(((Sequence.T1, Sequence.T1C, Sequence.FLAIR),) * 3),
    (Sequence.T1, Sequence.T2, Sequence.FLAIR),
    (Sequence.T1C, Sequence.T2, Sequence.FLAIR),
    (Sequence.T1, Sequence.T1C, Sequence.T2),
    (Sequence.T2, Sequence.FLAIR),
    (Sequence.FLAIR,),
    (Sequence.T2,),
    (Sequence.T1,),
    (Sequence.T1, Sequence.T2),
)
"""Which sequences a head has; each entry is equally frequent."""

Visibility = Mapping[Sequence, float]
"""How much of a tumour's contrast each sequence shows, 0 to 1."""


def _sometimes_faint(rng: np.random.Generator, names: tuple[Sequence, ...]) -> Visibility:
    if rng.random() < FAINT_FRACTION:
        return {s: float(rng.uniform(0.3, 0.8)) for s in names}
    return dict.fromkeys(names, 1.0)


@dataclass(frozen=True)
class PatientDraw:
    """What distinguishes one series of heads from another.

    Attributes:
        stream: second part of the seed of every head; raw heads have 1 and 2, those of ``benchmarks/faint.py`` 47.
        sequence_sets: which sequences a head has; each entry is equally frequent.
        visibility: draws how much of the tumour's contrast the sequences of a head show.
    """

    stream: int
    sequence_sets: tuple[tuple[Sequence, ...], ...]
    visibility: Callable[[np.random.Generator, tuple[Sequence, ...]], Visibility]


FITTED = PatientDraw(31, SEQUENCE_SETS, _sometimes_faint)
"""The heads on which the model of candidates is fitted."""


@dataclass(frozen=True)
class Recipe:
    """What is simulated.

    Attributes:
        anatomies: folder of whole-head label maps; the shipped template alone when None.
        cache: folder in which the aligned label maps are cached (see `read_anatomies`).
        healthy: heads without tumour, of the seeds 0, 1, ...
        tumours: heads with a tumour, classes in turn, of the seeds 1000, 1001, ...
    """

    anatomies: Path | None
    cache: Path
    healthy: int = 200
    tumours: int = 100

    @property
    def diseases(self) -> dict[int, Disease]:
        """The disease of every seed."""
        kinds = list(GliomaType)
        return dict.fromkeys(range(self.healthy), None) | {
            seed: kinds[seed % len(kinds)] for seed in range(1000, 1000 + self.tumours)
        }


def _heads(recipe: Recipe) -> tuple[Anatomy, ...]:
    others = () if recipe.anatomies is None else read_anatomies(recipe.anatomies, recipe.cache)
    return (*[template_anatomy()] * TEMPLATES, *others)


def prepare_head(
    seed: int, disease: Disease, heads: tuple[Anatomy, ...], grid: Grid = GRID, draw: PatientDraw = FITTED
) -> tuple[PreparedStudy, NDArray[np.uint8]]:
    """Simulate a head on a grid in MNI152, the network's by default, and prepare it; also return its tumour's labels.

    Half of the heads are acquired as a raw study's, the others more variously; a quarter has lost its skull.
    """
    rng = np.random.default_rng([seed, draw.stream])
    anatomy = heads[int(rng.integers(len(heads)))]
    patient = draw_patient(rng, anatomy, grid, disease, reshape_scale=0.05)
    images = _images(rng, patient, draw)
    support = Volume(patient.brain, grid.affine) if rng.random() < 0.25 else None
    if support is not None:
        images = {s: v.with_array(np.where(patient.brain, v.array, 0)) for s, v in images.items()}
    prepared = prepare_registered(images, np.eye(4), support, find_brain)
    labels = np.zeros(grid.shape, np.uint8) if patient.tumour is None else patient.tumour.labels
    return prepared, labels


def _images(rng: np.random.Generator, patient: DigitalPatient, draw: PatientDraw) -> dict[Sequence, Volume]:
    names = draw.sequence_sets[int(rng.integers(len(draw.sequence_sets)))]
    field_t = 3.0 if rng.random() < 0.6 else 1.5
    as_raw = rng.random() < 0.5
    thickness_mm = (3.0, 6.0) if as_raw else (1.0, 6.0)
    if as_raw:
        raw = {s: hospital_protocol(rng, s, thickness_mm) for s in STRUCTURAL}
        protocols = pair_post_contrast(rng, raw)
    else:
        protocols = draw_protocols(rng, STRUCTURAL, thickness_mm)
    parameters = draw_parameters(rng, field_t)
    visible = draw.visibility(rng, names)
    arrays = acquire(rng, patient, parameters, {s: protocols[s] for s in names}, visibility=visible)
    return {s: Volume(array.astype(np.float32), patient.grid.affine) for s, array in arrays.items()}


@dataclass(frozen=True)
class LabelledCandidate:
    """The features of a component, and whether it is tumour."""

    features: CandidateFeatures
    tumour: bool


def label_candidates(prepared: PreparedStudy, truth: NDArray[np.bool_]) -> Iterator[LabelledCandidate]:
    """Yield the candidates of a head and whether each is tumour."""
    candidates = find_candidates(prepared)
    for candidate in candidates.candidates:
        fraction = float(truth[candidates.parts == candidate.number].mean())
        yield LabelledCandidate(candidate.features, fraction >= MIN_TUMOUR_FRACTION)


def _label_head(job: tuple[int, Disease, Recipe]) -> list[LabelledCandidate]:
    seed, disease, recipe = job
    prepared, labels = prepare_head(seed, disease, _heads(recipe))
    return list(label_candidates(prepared, labels > 0))


def simulate_candidates(
    recipe: Recipe, run: Path, jobs: int = 1, progress: Callable[[str], None] = lambda line: None
) -> list[LabelledCandidate]:
    """Simulate all heads of a recipe and label the candidates that Model 1 finds in them, or resume.

    Args:
        recipe: which heads.
        run: folder of ``heads.jsonl``, a line for each head, and of ``recipe.json``.
        jobs: heads simulated at the same time.
        progress: called with a line of progress.

    Raises:
        UsageError: if the folder holds heads with other label maps or of another weight of Model 1.
    """
    label_maps = "template" if recipe.anatomies is None else label_map_hashes(recipe.anatomies)
    settings = {"label_maps": label_maps, "weight": checked_weights(SHIPPED)[1], "stream": FITTED.stream}
    check_run_settings(run / "recipe.json", "heads simulated", settings)
    if recipe.anatomies is not None:
        progress("align the label maps")
        align_label_maps(recipe.anatomies, recipe.cache)
    file = run / "heads.jsonl"
    known = _read_heads(file)
    work = [(seed, disease, recipe) for seed, disease in recipe.diseases.items() if seed not in known]
    with workers(jobs) as pool:
        for number, ((seed, *_), found) in enumerate(zip(work, pool.map(_label_head, work), strict=True), 1):
            known[seed] = found
            write_text(file, "".join(_line(seed, each) for seed, each in known.items()))
            progress(f"head {number} of {len(work)}")
    return [each for seed in recipe.diseases for each in known[seed]]


def _read_heads(file: Path) -> dict[int, list[LabelledCandidate]]:
    """Read the labelled candidates of each head, by its seed; none without a file."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return {
        row["seed"]: [
            LabelledCandidate(CandidateFeatures(**each["features"]), each["tumour"])
            for each in row["candidates"]
        ]
        for row in rows
    }


def _line(seed: int, found: list[LabelledCandidate]) -> str:
    return json.dumps({"seed": seed, "candidates": [asdict(each) for each in found]}) + "\n"


def train_candidates(
    recipe: Recipe,
    run: Path,
    *,
    threshold: float,
    max_symmetry: float,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Path:
    """Simulate heads, fit the model of tumour candidates, and write it as ``model1.json``.

    Args:
        recipe: which heads.
        run: folder of the result and of the heads that are done; created if missing.
        threshold: see `fit`.
        max_symmetry: see `fit`.
        jobs: heads simulated at the same time.
        progress: called with a line of progress.

    Returns:
        The file.

    Raises:
        UsageError: if the folder holds heads with other label maps or of another weight of Model 1.
        InputError: if label maps cannot be read, or one kind of component is too rare to fit.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    components = simulate_candidates(recipe, run, jobs, progress)
    progress("fit")
    return write_model(fit(components, recipe, threshold=threshold, max_symmetry=max_symmetry), run)


def fit(
    components: list[LabelledCandidate],
    recipe: Recipe,
    *,
    threshold: float,
    max_symmetry: float,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit the model of candidates by ridge logistic regression, both classes weighted equally.

    Args:
        components: labelled components of simulated heads.
        recipe: what was simulated; it is described in the result.
        threshold: log-odds at or above which a component is accepted as tumour.
        max_symmetry: largest fraction of an accepted component that is its own mirror image.
        seed: random seed of the folds.

    Returns:
        The content of ``model1.json``.

    Raises:
        InputError: if one kind of component is too rare to fit.
    """
    values = np.array([each.features.numbers for each in components]).reshape(-1, len(NUMBERS))
    tumour = np.array([each.tumour for each in components], dtype=np.bool_)
    if min(tumour.sum(), (~tumour).sum()) < 5:
        raise InputError(
            f"{tumour.sum()} components are tumour and {(~tumour).sum()} are not: simulate more heads"
        )
    mean, sd = values.mean(axis=0), values.std(axis=0)
    standardised = (values - mean) / sd
    beta = ridge_logistic(standardised, tumour, choose_penalty(standardised, tumour, seed))
    estimate = mean_auroc(tumour, out_of_fold_log_odds(values, tumour, seed=seed))
    return {
        "schema": 1,
        "name": "evidence of Model 1's components",
        "data": _describe_data(recipe),
        "components": {"tumour": int(tumour.sum()), "none": int((~tumour).sum())},
        "auroc": [round(end, 3) for end in (estimate.value, estimate.low, estimate.high)],
        "numbers": list(NUMBERS),
        **{
            key: _round_digits(array)
            for key, array in (("mean", mean), ("sd", sd), ("coefficients", beta[1:]))
        },
        "intercept": round(float(beta[0]) - float(np.log(tumour.sum() / (~tumour).sum())), 4),
        "threshold": threshold,
        "most_symmetry": max_symmetry,
    }


def _describe_data(recipe: Recipe) -> dict[str, object]:
    heads = {} if recipe.anatomies is None else label_map_hashes(recipe.anatomies)
    return {"simulated": True, "healthy": recipe.healthy, "tumours": recipe.tumours, "label_maps": heads}


def _round_digits(values: NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def write_model(document: Mapping[str, Any], folder: Path) -> Path:
    """Write ``model1.json`` into a folder, one line a key, replaced at once when complete."""
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
    return write_text(folder / "model1.json", "{\n" + lines + "\n}\n")
