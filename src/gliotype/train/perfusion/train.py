"""From simulated patients to the perfusion network's weight: the recipe ``perfusion``, after Choi 2019."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gliotype.atomic_files import atomic_write_set, check_writable
from gliotype.evaluate.table import check_both_classes
from gliotype.networks.export import export_onnx
from gliotype.networks.recurrent import CurveEnsemble, CurveNet
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.train.common.bootstrap import bootstrap
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.calibration import platt
from gliotype.train.common.checkpoint import load_or_train_network
from gliotype.train.perfusion.examples import CurveCohort, make_curve_examples
from gliotype.train.perfusion.network import CurveExample, CurveModel, Recipe, train_member, with_curves
from gliotype.train.perfusion.tables import Tested, results_markdown, test_set

FILES = ("perfusion.onnx", "perfusion.md", "perfusion.json")


@dataclass(frozen=True)
class Design:
    """Which patients train, tune and test; the paper's 463 unless more are asked for.

    Attributes:
        training: patients to learn from.
        tuning: patients for stopping, calibration and the threshold.
        test: patients of the paper's own test set.
        larger: patients of a larger test set of the same hospital.
        external: patients of another hospital: other repetition times, fields, preloads, some spin echoes.
        seed: of everything random.
    """

    training: int = 395
    tuning: int = 50
    test: int = 18
    larger: int = 400
    external: int = 400
    seed: int = 1

    @classmethod
    def of(cls, patients: int, seed: int) -> Design:
        """Make a design of so many patients to learn from, with the paper's ratio of patients for tuning.

        Example:
            >>> Design.of(395, 1) == Design(), Design.of(2000, 1).tuning
            (True, 253)
        """
        return cls(training=patients, tuning=round(patients * cls.tuning / cls.training), seed=seed)

    @property
    def cohorts(self) -> dict[str, CurveCohort]:
        """The sets by name, each with patients of its own."""
        sizes = {
            "training": ("snuh", self.training),
            "tuning": ("snuh", self.tuning),
            "test": ("snuh", self.test),
            "larger test": ("snuh", self.larger),
            "external": ("external", self.external),
        }
        return {
            name: CurveCohort(name.replace(" ", "-"), site, patients, 10 * self.seed + number)
            for number, (name, (site, patients)) in enumerate(sizes.items())
        }


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found.

    Attributes:
        tested: one for each test set.
        markdown: the tables.
        files: weight, card and numbers.
    """

    tested: tuple[Tested, ...]
    markdown: str
    files: tuple[Path, ...]


def train_perfusion(
    design: Design,
    recipe: Recipe,
    run: Path,
    *,
    jobs: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Simulate, train, test and write the weight; an interrupted run goes on where it was.

    Args:
        design: which patients.
        recipe: how to train.
        run: folder of the run; examples and trained networks are kept in it.
        jobs: patients simulated at the same time.
        progress: called with a line that says how far it is.

    Raises:
        InputError: if a set has fewer than two patients of a class.
        OutputError: if the folder cannot be written.
    """
    check_writable(run)
    sets = {}
    for name, cohort in design.cohorts.items():
        progress(f"simulate {name}, {cohort.patients} patients")
        sets[name] = make_curve_examples(cohort, run / "examples", jobs=jobs)
        check_both_classes((example.mutant for example in with_curves(sets[name])), f"of {name}")
    model = _load_or_train_model(recipe, sets, run / "networks", progress)
    tested = tuple(
        test_set(name, sets[name], model, training=sets["training"], tuning=sets["tuning"], seed=recipe.seed)
        for name in ("test", "larger test", "external")
    )
    markdown = results_markdown(tested, {name: sets[name] for name in sets})
    return Outcome(tested, markdown, _write(model, design, recipe, sets["training"], markdown, run))


def _load_or_train_model(
    recipe: Recipe,
    sets: dict[str, list[CurveExample]],
    folder: Path,
    progress: Callable[[str], None],
) -> CurveModel:
    """Train the members that are not there yet, and calibrate them."""
    training, tuning = with_curves(sets["training"]), with_curves(sets["tuning"])
    rng = np.random.default_rng(recipe.seed)
    run_folder = folder / _name(recipe, [*training, *tuning])
    members = []
    for number in range(1, recipe.members + 1):
        sample = [training[i] for i in bootstrap([e.mutant for e in training], rng)]
        log_epoch, seed = _epoch_logger(number, recipe, progress), 1000 * recipe.seed + number
        train = partial(train_member, recipe, sample, tuning, seed, log_epoch)
        members.append(
            load_or_train_network(run_folder / f"member-{number}.pt", CurveNet(len(CHANNELS)), train)
        )
    average = np.stack([example.curves[0] for example in training]).mean(axis=0)
    model = CurveModel(tuple(members), np.asarray(average, dtype=np.float32))
    slope, offset = platt(np.array([e.mutant for e in tuning]), model.log_odds(tuning))
    return replace(model, slope=slope, offset=offset)


def _name(recipe: Recipe, patients: list[CurveExample]) -> str:
    """Name the trainings of all members after everything that decides their results."""
    settings = {name: value for name, value in asdict(recipe).items() if name != "members"}
    settings["patients"] = [(e.subject, e.mutant) for e in patients]
    return cache_key(settings, (array for e in patients for array in (e.curves, e.numbers)))


def _epoch_logger(
    number: int, recipe: Recipe, progress: Callable[[str], None]
) -> Callable[[int, float], None]:
    def log_epoch(epoch: int, area: float) -> None:
        progress(
            f"network {number} of {recipe.members}, epoch {epoch} of {recipe.epochs} at most, "
            f"tuning AUROC {area:.3f}"
        )

    return log_epoch


def _write(
    model: CurveModel,
    design: Design,
    recipe: Recipe,
    training: list[CurveExample],
    markdown: str,
    run: Path,
) -> tuple[Path, ...]:
    """Write ``perfusion.onnx``, ``perfusion.json`` and the card: all of them, or none."""
    document = {
        "schema": 1,
        "name": "perfusion",
        "simulated": vars(design),
        "recipe": vars(recipe),
        "channels": list(CHANNELS),
        "average": [[round(float(v), 3) for v in row] for row in model.average],
        "slope": round(model.slope, 5),
        "offset": round(model.offset, 5),
    }
    with atomic_write_set(run, FILES) as aside:
        network = nn.Sequential(CurveEnsemble(list(model.members)))
        export_onnx(network, torch.ones(2, len(CHANNELS), POINTS), aside / FILES[0])
        (aside / "perfusion.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
        (aside / "perfusion.md").write_text(_card(design, recipe, training, markdown), encoding="utf-8")
    return tuple(run / name for name in FILES)


def _card(design: Design, recipe: Recipe, training: list[CurveExample], markdown: str) -> str:
    mutants = sum(example.mutant for example in training)
    return f"""# Model card: perfusion

Predicts the IDH status of a glioma from its DSC perfusion curves, after Choi 2019, and says when in the bolus it
looked.

**Intended use.** Research on adults with an untreated glioma. Not a medical device.

**Network.** {recipe.members} recurrent networks (two convolutions of 32 and 64 channels, a bidirectional LSTM of
2 x 64 units, additive attention over time, one linear layer), each trained on a bootstrap sample of the
patients; their mean is the answer and their spread its interval. Input: dR2* of enhancing, non-enhancing,
oedematous and whole tumour and of white matter, in units of white matter's mean over the first pass, and the
arterial input function; {POINTS} points of 1.5 s aligned to the bolus' arrival. A missing region is 0, and said to
be missing. ONNX, weights in half precision, computed in single precision.

**Data.** Simulated patients only: {design.training} ({mutants} IDH-mutant) as curves of voxels
(`gliotype.simulate`, site `snuh`, seed {design.seed}), measured as a real series is; {design.tuning} others for
stopping, calibration and threshold.

**Training.** `gliotype train perfusion --patients {design.training}`: at most {recipe.epochs} epochs, stopped after
{recipe.patience} without a better tuning AUROC; batches of {recipe.batch}, Adam (rate {recipe.learning_rate:g}, weight
decay {recipe.weight_decay:g}); classes weighted evenly; curves of random halves of each region, rescaled, shifted by
a point, roughened and shortened; each region left out in {recipe.drop_region:.0%}; seed {recipe.seed}.

**Results on simulated patients**, which verify the software and say nothing about patients.

{markdown}
**Limits.**

- It has never seen a real patient, and no labelled real DSC series was at hand to test it on.
- What the simulator does not know of perfusion in IDH-mutant tumours, the network cannot have learned.
- The interval is the spread of the networks; it does not cover an error of the outline or of the arterial input.
"""
