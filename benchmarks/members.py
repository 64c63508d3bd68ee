"""What several weights of Model 1 bring together: the Dice of each alone and of the mean of their probabilities.

    python benchmarks/members.py DATA --model1 WEIGHT WEIGHT ... -o FOLDER [--limit N] [--jobs N]

DATA as for real_cases.py. WEIGHT is an ONNX file of `gliotype train model1`, or the word ``shipped``; differences are
to the first. The network alone is compared, at a threshold of 0.5 and with its mirror image, without the steps around
it; on BraTS with sequences left out as well. FOLDER keeps the prepared patients. All of these are development patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from development_patients import Case, case_parser, interval, with_truth
from numpy.typing import NDArray
from real_on_grid import Real, prepare_real, read_real

from gliotype.masks import dice
from gliotype.segment.model1 import CHANNELS, run_network, use_model1
from gliotype.study import Sequence
from gliotype.train.common.workers import workers

THRESHOLD = 0.5

SETS: dict[str, tuple[Sequence, ...]] = {
    "T1, T1c, T2": (Sequence.T1, Sequence.T1C, Sequence.T2),
    "FLAIR": (Sequence.FLAIR,),
    "T2": (Sequence.T2,),
    "T1c": (Sequence.T1C,),
}
"""What is shown of BraTS patients, next to all."""

TOGETHER = "all together"


def see(real: Real, shown: tuple[Sequence, ...]) -> NDArray[np.float32]:
    """Probability of tumour by the weight in use."""
    images = {s: image for s, image in real.images.items() if s in shown}
    return np.asarray(run_network(images, real.brain_region).mean[2:].sum(axis=0) * real.brain_region)


def compare(folder: Path, weights: tuple[str, ...], case: Case) -> dict[str, dict[str, float]]:
    """Dice of each weight and of all together, for each set of sequences."""
    real = read_real(folder, case)
    sets = {case.cohort: CHANNELS, **(SETS if case.cohort == "brats" else {})}
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in sets}
    for weight in weights:
        with use_model1(None if weight == "shipped" else Path(weight)):
            for name, shown in sets.items():
                seen[name].append(see(real, shown))
    return {
        name: {
            weight: dice(found >= THRESHOLD, real.truth)
            for weight, found in zip((*weights, TOGETHER), (*each, np.mean(each, axis=0)), strict=True)
        }
        for name, each in seen.items()
    }


def lines(found: list[dict[str, dict[str, float]]]) -> Iterator[str]:
    """Lay out the mean of each weight for each set, and its difference to the first weight."""
    for name in dict.fromkeys(name for each in found for name in each):
        rows = [each[name] for each in found if name in each]
        base = np.array([next(iter(row.values())) for row in rows])
        for weight in rows[0]:
            values = np.array([row[weight] for row in rows])
            low, high = interval(list(values - base))
            yield (
                f"{name:12s} n={len(rows):2d} {weight[-40:]:40s} Dice {values.mean():.3f}, median "
                f"{np.median(values):.3f}  {np.mean(values - base):+.3f} ({low:+.3f} to {high:+.3f})"
            )


def main() -> None:
    parser = case_parser(__doc__)
    parser.add_argument("--model1", nargs="+", required=True, metavar="WEIGHT")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    patients = with_truth(arguments.data, arguments.limit)
    with workers(arguments.jobs) as pool:
        list(pool.map(partial(prepare_real, arguments.output), patients))
        found = list(pool.map(partial(compare, arguments.output, tuple(arguments.model1)), patients))
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
