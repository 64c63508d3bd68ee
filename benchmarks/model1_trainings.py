"""What Model 1's grid, widths, loss, scaling, length and patients bring: short trainings that differ in one of them.

    python benchmarks/model1_trainings.py DATA --anatomies LABEL_MAPS -o RUN [--only NAME ...] [--seeds N] [--jobs N]

DATA as for real_cases.py; LABEL_MAPS as for `gliotype train model1`. All trainings begin anew; those of one seed see
the same simulated patients in the same order, also where their images come from another generator. They are short,
and of a network half as wide as the shipped one on a grid of 3.3 mm, so that a dozen fit into hours of a CPU: they
compare choices, and say nothing of the level that the shipped network reaches. Each is judged by the network alone,
without the steps around it (model1_choices.py has those), on the shipped grid of 2 mm: on the development patients of
BraTS and TCGA-LGG, and on simulated ones that no training saw. As a short training leaves probabilities that depend
on the loss, the threshold is the one that is best on those simulated patients. RUN keeps patients, checkpoints and
results; an interrupted run resumes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from development_patients import Case, case_parser, interval, with_truth
from numpy.typing import NDArray
from real_on_grid import prepare_real, read_real
from torch import Tensor, nn

from gliotype.atomic_files import check_run_settings, write_text
from gliotype.masks import dice
from gliotype.networks.unet import UNet3d
from gliotype.segment import model1
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.study import Sequence
from gliotype.train.common.learner import Learner, Loss
from gliotype.train.common.workers import workers
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.model1.cases import (
    FREE_FRACTION,
    SEQUENCE_SETS,
    SequenceSets,
    augment,
    read_case,
    simulate_case,
    write_case,
)
from gliotype.train.model1.loss import CLASS_WEIGHTS, loss, whole_tumour_dice
from gliotype.train.model1.train import Recipe, learning_rate

THRESHOLDS = tuple(np.arange(0.1, 0.96, 0.05).round(2))
"""Probabilities at or above which a voxel may be called tumour."""


def by_mean_and_sd(image: NDArray[np.float32], brain_region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale to mean 0 and SD 1 within the brain region, as nnU-Net and most entries to BraTS do."""
    values = image[brain_region & (image != 0)]
    if values.size < 100 or values.std() == 0:
        return np.zeros_like(image)
    scaled = np.clip((image - values.mean()) / values.std(), *model1.CLIP)
    return np.where(image != 0, scaled, 0.0).astype(np.float32)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss without its Dice."""
    weights = torch.tensor(CLASS_WEIGHTS)
    return nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.02)


def dice_alone(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss without its cross-entropy."""
    return loss(logits, labels) - cross_entropy(logits, labels)


def without_flair(fraction: float) -> SequenceSets:
    """Show the sets of sequences so often that a fraction comes without FLAIR."""
    shown = sum(share for names, share in SEQUENCE_SETS if Sequence.FLAIR in names)
    return tuple(
        (
            names,
            share * ((1 - fraction) / shown if Sequence.FLAIR in names else fraction / (1 - shown)),
        )
        for names, share in SEQUENCE_SETS
    )


@dataclass(frozen=True)
class Choice:
    """What some trainings do otherwise.

    Attributes:
        widths: of the network's levels.
        shape: of the grid on which it computes; the field of view stays.
        channels: that it sees: 8, or the 4 that are not mirror images.
        scale: of the images.
        loss: to be lowered.
        length: steps, as a multiple of the others'.
        free_fraction: of healthy heads and gliomas, those whose images have free intensities.
        sequence_sets: which sequences are shown, and how often.
    """

    widths: tuple[int, ...] = (8, 16, 32, 48, 64)
    shape: tuple[int, int, int] = (48, 64, 48)
    channels: int = 8
    scale: model1.Scaling = model1.scale
    loss: Loss = loss
    length: float = 1.0
    free_fraction: float = FREE_FRACTION
    sequence_sets: SequenceSets = SEQUENCE_SETS


BASE = "as shipped, but 3.3 mm and half as wide"
CHOICES: dict[str, Choice] = {
    BASE: Choice(),
    "grid of 2.5 mm": Choice(shape=(64, 80, 64)),
    "grid of 2 mm": Choice(shape=model1.GRID.shape),
    "as wide as shipped": Choice(widths=(16, 32, 64, 96, 128)),
    "a quarter as wide": Choice(widths=(4, 8, 16, 24, 32)),
    "without mirror images": Choice(channels=4),
    "scaled by mean and SD": Choice(scale=by_mean_and_sd),
    "cross-entropy alone": Choice(loss=cross_entropy),
    "Dice alone": Choice(loss=dice_alone),
    "half as long": Choice(length=0.5),
    "twice as long": Choice(length=2.0),
    "physical signals alone": Choice(free_fraction=0.0),
    "free intensities alone": Choice(free_fraction=1.0),
    "a tenth without FLAIR": Choice(sequence_sets=without_flair(0.1)),
    "half without FLAIR": Choice(sequence_sets=without_flair(0.5)),
}


class OnAnotherGrid(nn.Module):
    """A network that computes on another grid and sees the first channels, called as Model 1's is."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.channels, self.shape = choice.channels, choice.shape
        self.network = UNet3d(choice.channels, len(model1.CLASSES), choice.widths)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, 8, 80, 96, 80) to logits (n, 5, 80, 96, 80)."""
        seen = nn.functional.interpolate(x[:, : self.channels], self.shape, mode="area")
        return nn.functional.interpolate(self.network(seen), x.shape[2:], mode="trilinear")


@dataclass(frozen=True)
class Row:
    """What one training reached.

    Attributes:
        threshold: probability of tumour that gives the best mean Dice on simulated patients.
        dice: of the whole tumour at that threshold, per patient of each cohort.
        false_alarm_ml: marked in each simulated head without a glioma.
        seconds_a_step: of one core.
    """

    threshold: float
    dice: dict[str, list[float]]
    false_alarm_ml: list[float]
    seconds_a_step: float


@dataclass(frozen=True)
class Run:
    """Settings of all trainings.

    Attributes:
        folder: of patients, checkpoints and results.
        label_maps: heads.
        patients: simulated ones to learn from.
        held_out: simulated ones that no training sees.
        steps: of a training whose length is 1.
    """

    folder: Path
    label_maps: Path
    patients: int
    held_out: int
    steps: int

    def simulated(self, number: int, free_fraction: float = FREE_FRACTION) -> Path:
        """A simulated patient; those from `patients` on are held out."""
        return self.folder / f"simulated, {free_fraction:g} free" / f"{number:04d}.npz"

    def to_simulate(self, names: Iterable[str]) -> list[tuple[int, float]]:
        """Number of each simulated patient that some choices need, and the fraction of free intensities."""
        held_out = range(self.patients, self.patients + self.held_out)
        fractions = dict.fromkeys(CHOICES[name].free_fraction for name in names)
        return [
            *((number, fraction) for fraction in fractions for number in range(self.patients)),
            *((number, FREE_FRACTION) for number in held_out),
        ]

    def checkpoint(self, name: str, seed: int) -> Path:
        """Where a training has come to."""
        return self.folder / "checkpoints" / f"{name}, seed {seed}.pt"

    def result(self, name: str, seed: int) -> Path:
        """What a training reached."""
        return self.folder / "results" / f"{name}, seed {seed}.json"


def simulate(run: Run, number: int, free_fraction: float) -> None:
    """Simulate a patient as `gliotype train model1` does; its seed, and so its head and lesion, are its number."""
    file = run.simulated(number, free_fraction)
    if not file.exists():
        rng, anatomies = np.random.default_rng([2026, number]), read_anatomies(run.label_maps, run.folder)
        write_case(simulate_case(rng, anatomies, free_fraction), file)


def train(run: Run, name: str, seed: int) -> tuple[nn.Module, float]:
    """Train a choice, or resume; return the averaged network and the seconds that a step took."""
    choice = CHOICES[name]
    torch.manual_seed(seed)
    steps = round(run.steps * choice.length)
    recipe = Recipe(None, steps=steps, warm_up=50)
    learner = Learner.of(OnAnotherGrid(choice), 0.98, torch.device("cpu"), choice.loss, whole_tumour_dice)
    learner.resume(run.checkpoint(name, seed))
    began, first = time.process_time(), learner.step
    while learner.step < steps:
        rng = np.random.default_rng([seed, learner.step])
        x, y = augment(
            rng,
            read_case(run.simulated(int(rng.integers(run.patients)), choice.free_fraction)),
            model1.expected_brain_region(),
            choice.scale,
            choice.sequence_sets,
        )
        rate = learning_rate(recipe, learner.step)
        loss, _ = learner.learn(torch.from_numpy(x[None]), torch.from_numpy(y[None]), rate)
        if learner.step % 25 == 0:
            learner.save(run.checkpoint(name, seed))
            print(
                f"{name}, seed {seed}: step {learner.step} of {steps}, loss {loss:.3f}",
                file=sys.stderr,
                flush=True,
            )
    return learner.average.module, (time.process_time() - began) / max(1, learner.step - first)


def probability(network: nn.Module, stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of tumour: the mean over the image and its mirror image."""
    with torch.inference_mode():
        straight, mirrored = (
            network(torch.from_numpy(np.ascontiguousarray(each[None])))
            .softmax(dim=1)[0, 2:]
            .sum(dim=0)
            .numpy()
            for each in (stack, stack[:, ::-1])
        )
    return np.asarray((straight + mirrored[::-1]) / 2, dtype=np.float32)


def evaluate(
    run: Run, network: nn.Module, patients: Iterable[Case], seconds: float, scaling: model1.Scaling
) -> Row:
    """Choose the threshold on simulated patients, and judge by it."""
    network.eval()
    overlaps, alarms = [], []
    for number in range(run.patients, run.patients + run.held_out):
        stack, labels = augment(
            np.random.default_rng(number),
            read_case(run.simulated(number)),
            model1.expected_brain_region(),
            scaling,
        )
        found = probability(network, stack)
        if (labels >= 2).any():
            overlaps.append([dice(found >= threshold, labels >= 2) for threshold in THRESHOLDS])
        else:
            alarms.append(
                [float((found >= threshold).sum()) * model1.GRID.voxel_ml for threshold in THRESHOLDS]
            )
    best = int(np.mean(overlaps, axis=0).argmax())
    row = Row(
        THRESHOLDS[best],
        {"simulated": [each[best] for each in overlaps]},
        [each[best] for each in alarms],
        seconds,
    )
    for case in patients:
        real = read_real(run.folder, case)
        found = (
            probability(network, model1.network_input(real.images, real.brain_region, scaling))
            * real.brain_region
        )
        row.dice.setdefault(case.cohort, []).append(dice(found >= row.threshold, real.truth))
    return row


def compare(run: Run, patients: list[Case], seed_and_name: tuple[int, str]) -> None:
    """Train and judge a choice with a seed, unless that is done."""
    seed, name = seed_and_name
    torch.set_num_threads(1)
    if run.result(name, seed).exists():
        return
    network, seconds = train(run, name, seed)
    row = evaluate(run, network, patients, seconds, CHOICES[name].scale)
    write_text(run.result(name, seed), json.dumps(asdict(row), indent=1))


def rows_of(run: Run, name: str, seeds: Iterable[int]) -> list[Row]:
    """Read what a choice reached with each seed."""
    return [Row(**json.loads(run.result(name, seed).read_text())) for seed in seeds]


def print_results(run: Run, names: Iterable[str], seeds: range) -> None:
    """Print what each choice reached, over all seeds and with each, and its difference to the first choice.

    Values are means over seeds of a patient; differences, too, whose intervals are over patients alone.
    """
    base = rows_of(run, BASE, seeds)
    for cohort in ("brats", "lgg", "simulated"):
        for name in names:
            each, others = (
                np.array([row.dice[cohort] for row in rows]) for rows in (rows_of(run, name, seeds), base)
            )
            away = each.mean(axis=0) - others.mean(axis=0)
            low, high = interval(list(away))
            print(
                f"{cohort:9s} n={each.shape[1]:2d} {name:40s} Dice {each.mean():.3f} "
                f"(seeds {' '.join(f'{value:.3f}' for value in each.mean(axis=1))})  "
                f"{away.mean():+.3f} ({low:+.3f} to {high:+.3f})"
            )
    for name in names:
        rows = rows_of(run, name, seeds)
        marked = np.array([row.false_alarm_ml for row in rows])
        print(
            f"no glioma n={marked.shape[1]:2d} {name:40s} marked {marked.mean():.1f} ml "
            f"(seeds {' '.join(f'{value:.1f}' for value in marked.mean(axis=1))})  "
            f"threshold {' '.join(f'{row.threshold:.2f}' for row in rows)}  "
            f"{rows[0].seconds_a_step:.2f} s of one core a step"
        )


def main() -> None:
    parser = case_parser(__doc__)
    parser.add_argument("--anatomies", type=Path, required=True, help="whole-head label maps")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN")
    parser.add_argument("--patients", type=int, default=240, help="simulated ones to learn from")
    parser.add_argument("--held-out", type=int, default=48, help="simulated ones to judge by")
    parser.add_argument("--steps", type=int, default=600, help="of a training")
    parser.add_argument("--seeds", type=int, default=2, help="of the weights, the order and the augmentation")
    parser.add_argument("--only", nargs="+", choices=CHOICES, help=f"these choices, and always: {BASE}")
    arguments = parser.parse_args()
    run = Run(arguments.output, arguments.anatomies, arguments.patients, arguments.held_out, arguments.steps)
    settings = {name: value for name, value in asdict(run).items() if name not in ("folder", "label_maps")}
    check_run_settings(
        run.folder / "run.json", "trainings begun", settings | {"anatomies": label_map_hashes(run.label_maps)}
    )
    patients = with_truth(arguments.data, arguments.limit)
    names = [name for name in CHOICES if name == BASE or name in (arguments.only or CHOICES)]
    seeds = range(1, arguments.seeds + 1)
    read_anatomies(run.label_maps, run.folder)
    with workers(arguments.jobs) as pool:
        list(pool.map(partial(prepare_real, run.folder), patients))
        list(pool.map(partial(simulate, run), *zip(*run.to_simulate(names), strict=True)))
        list(pool.map(partial(compare, run, patients), [(seed, name) for seed in seeds for name in names]))
    print_results(run, names, seeds)


if __name__ == "__main__":
    main()
