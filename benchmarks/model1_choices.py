"""What each step around Model 1's network brings on real patients: whole-tumour Dice without it.

    python benchmarks/model1_choices.py DATA [--limit N] [--jobs N]

DATA as for real_cases.py; the BraTS and TCGA-LGG patients, on whom these steps were chosen (development patients).
Each study is prepared once, and the tumour is then found as shipped and with one step left out or changed. What the
network was trained with (grid, widths, loss, scaling) cannot be changed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
from development_patients import Case, case_parser, interval, with_truth

from gliotype.masks import dice
from gliotype.prepare import prepare, to_acquired
from gliotype.read import read_study
from gliotype.segment import find_brain, segment, tumour
from gliotype.segment.candidates import candidate_model
from gliotype.segment.model1 import NetworkPass, run_network
from gliotype.study import PreparedStudy, Subject

Runner = Callable[..., NetworkPass]


def as_seen_once(run_network: Runner) -> Runner:
    """Leave out the output for the mirror image."""

    def straight(*inputs: Any) -> NetworkPass:
        seen = run_network(*inputs)
        return replace(seen, mirrored=seen.straight)

    return straight


CHANGES: dict[str, Callable[[Runner], Mapping[str, Any]]] = {
    "as shipped": lambda run_network: {},
    "without the mirror image": lambda run_network: {"run_network": as_seen_once(run_network)},
    "without T2 and FLAIR alone": lambda run_network: {"FLUID_BRIGHT": ()},
    "without the patient's own appearance": lambda run_network: {"sharpen": lambda whole, *_: whole},
    "threshold of 0.4": lambda run_network: {"WHOLE_THRESHOLD": 0.4},
    "threshold of 0.6": lambda run_network: {"WHOLE_THRESHOLD": 0.6},
    "every candidate is tumour": lambda run_network: {
        "candidate_model": lambda: replace(candidate_model(), threshold=-np.inf, max_symmetry=np.inf)
    },
}
"""What replaces which name in `gliotype.segment.tumour`."""


@dataclass(frozen=True)
class Row:
    """Dice of the whole tumour of one patient with each change."""

    cohort: str
    dice: dict[str, float]


def remembering(run_network: Runner) -> Runner:
    """Run the network once on each set of sequences of a patient."""
    seen: dict[frozenset[Any], NetworkPass] = {}

    def remembered(images: Mapping[Any, Any], brain_region: Any) -> NetworkPass:
        sequences = frozenset(images)
        if sequences not in seen:
            seen[sequences] = run_network(images, brain_region)
        return seen[sequences]

    return remembered


def run(case: Case) -> Row:
    study = read_study(None, files=case.files, subject=Subject(case.name, case.age))
    prepared = prepare(study, find_brain)
    remembered = remembering(run_network)
    return Row(
        case.cohort,
        {
            name: found_with(change(remembered), remembered, prepared, case)
            for name, change in CHANGES.items()
        },
    )


def found_with(change: Mapping[str, Any], run_network: Runner, prepared: PreparedStudy, case: Case) -> float:
    """Find the tumour with a change, and compare it with the truth on the grid of the reference image."""
    with ExitStack() as changed:
        for name, instead in {"run_network": run_network, **change}.items():
            changed.enter_context(patch.object(tumour, name, instead))
        found = segment(prepared)
    assert case.truth is not None, "every patient here has a truth"
    truth = np.asarray(nib.Nifti1Image.from_filename(case.truth).dataobj) > 0
    return dice(np.asarray(to_acquired(found.labels, prepared).array) > 0, truth)


def summarise(rows: list[Row]) -> None:
    """Print the mean Dice with each change, and the mean difference to what is shipped."""
    for cohort in dict.fromkeys(row.cohort for row in rows):
        part = [row.dice for row in rows if row.cohort == cohort]
        for name in CHANGES:
            values, shipped = (np.array([row[n] for row in part]) for n in (name, "as shipped"))
            low, high = interval(list(values - shipped))
            print(
                f"{cohort:6s} n={len(part):2d} {name:40s} {values.mean():.3f}  median {np.median(values):.3f}  "
                f"{(values - shipped).mean():+.3f} ({low:+.3f} to {high:+.3f})  below 0.4: {(values < 0.4).sum()}"
            )


def main() -> None:
    arguments = case_parser(__doc__).parse_args()
    rows = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(run, with_truth(arguments.data, arguments.limit)):
            rows.append(row)
            print(row.cohort, " ".join(f"{value:.3f}" for value in row.dice.values()), flush=True)
    summarise(rows)


if __name__ == "__main__":
    main()
