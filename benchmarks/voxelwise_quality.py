"""T2-net and TS-net on images of lower quality, and the limits above which they refuse an image.

    python benchmarks/voxelwise_quality.py sweep ROWS [--patients N] [--anatomies FOLDER] [--seed N]
    python benchmarks/voxelwise_quality.py real DATA [--limit N]

`sweep` lets the head of each simulated patient move while a fraction of the lines of k-space is acquired, thickens the
slices, or enlarges the voxels, and lets both networks vote each time, around the true tumour. It prints what becomes
of accuracy, AUROC and Dice, and of the two numbers of `gliotype.predictors.image_quality`. Limits are chosen on each
network's votes: the mildest number at which images lose `LOST` or more of their Dice with the true tumour on average
(isotonic regression), of evenness among moved images, of detail among coarse ones. Those of each half of the patients
are tested on the other half, for T2-net. ROWS keeps a line for each patient and change, so that an interrupted run
resumes.
`real` asks how many images of real patients, as they are and changed, each limit refuses. DATA as for real_cases.py;
these are development patients.
A no-call counts as wrong in accuracy, and as the prior in AUROC.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from development_patients import case_parser, gbm, with_truth
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.isotonic import IsotonicRegression
from voxelwise import NETWORKS, Change, Images, vote

from gliotype.evaluate.decisions import mean_of, proportion
from gliotype.evaluate.roc import auroc
from gliotype.predictors.image_quality import MIN_DETAIL, edge_evenness, finest_detail, image_fault
from gliotype.predictors.voxelwise import MAX_EVENNESS, T2_NET, TS_NET, scaled_images
from gliotype.prepare import prepare
from gliotype.read import read_study
from gliotype.runtime import use_threads
from gliotype.segment import find_brain
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.study import Sequence, Subject
from gliotype.train.data.voxels import unpack
from gliotype.train.voxelwise.cases import GridPatients
from gliotype.train.voxelwise.fit import packed_of

LOST = 0.05
"""Mean loss of Dice at or above which an image is refused."""

SEEN = {"t2net": T2_NET, "tsnet": TS_NET}

Row = dict[str, Any]


def corrupt_lines(fraction: float) -> Change:
    """Shift the head by up to 8 mm while a fraction of the lines of k-space is acquired, as motion does."""

    def change(images: Images, rng: np.random.Generator) -> Images:
        spectrum = np.fft.fft(images, axis=2)
        n = images.shape[2]
        lines = rng.choice(n, round(fraction * n), replace=False)
        phase = np.exp(-2j * np.pi * np.fft.fftfreq(n)[lines] * rng.uniform(-4, 4, lines.size))
        spectrum[:, :, lines] *= phase[None, None, :, None]
        moved = np.fft.ifft(spectrum, axis=2).real
        return np.where(images != 0, moved, 0).astype(np.float32)

    return change


def thicken(mm: float) -> Change:
    """Average over slices of a thickness, and interpolate back."""

    def change(images: Images, rng: np.random.Generator) -> Images:
        zoom = 2.0 / mm
        small = ndimage.zoom(
            ndimage.uniform_filter1d(images, max(round(mm / 2), 1), axis=3), (1, 1, 1, zoom), order=1
        )
        factor = [1, 1, 1, images.shape[3] / small.shape[3]]
        return np.where(images != 0, ndimage.zoom(small, factor, order=1), 0).astype(np.float32)

    return change


def enlarge(mm: float) -> Change:
    """Blur to voxels of a size along every axis, and interpolate back."""

    def change(images: Images, rng: np.random.Generator) -> Images:
        zoom = 2.0 / mm
        blurred = ndimage.gaussian_filter(images, (0, *(0.42 / zoom,) * 3))
        small = ndimage.zoom(blurred, (1, zoom, zoom, zoom), order=1)
        factor = [1, *(images.shape[axis] / small.shape[axis] for axis in (1, 2, 3))]
        return np.where(images != 0, ndimage.zoom(small, factor, order=1), 0).astype(np.float32)

    return change


AS_IT_IS = "as simulated"
CHANGES: dict[str, Change] = {
    AS_IT_IS: lambda images, rng: images,
    **{f"{percent} % of lines": corrupt_lines(percent / 100) for percent in (10, 25, 50, 75, 100)},
    **{f"slices of {mm} mm": thicken(mm) for mm in (4, 8, 16)},
    **{f"voxels of {mm} mm": enlarge(mm) for mm in (4, 8)},
}


def brain_of(images: Images) -> NDArray[np.bool_]:
    """The brain of packed images, in which the mean is 0 as well as the outside."""
    return np.asarray(ndimage.binary_fill_holes(images.any(axis=0)))


def numbers_of_image(images: Images, brain: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Return evenness and detail of each sequence that is there."""
    return {
        str(sequence): [edge_evenness(image, brain), finest_detail(image, brain)]
        for sequence, image in zip(TS_NET, images, strict=True)
        if image.any()
    }


def rows_of(number: int, source: GridPatients) -> Iterable[Row]:
    """Change a patient in every way, and let both networks vote."""
    example = source.example(source.subjects[number])
    images, _ = unpack(packed_of(example))
    brain = brain_of(images)
    for name, change in CHANGES.items():
        changed = change(images, np.random.default_rng(number))
        row: Row = {"n": number, "change": name, "mutant": bool(example.mutant), "age": example.age}
        row["numbers"] = numbers_of_image(changed, brain)
        for network in NETWORKS:
            voted = vote(network, example, change, number, whole_brain=False)
            value = voted.log_likelihood_ratio
            row[network.name] = [None if np.isnan(value) else value, voted.dice]
        yield row


def right(row: Row, network: str) -> bool:
    """Whether a call at even odds is right; a no-call is not."""
    value = row[network][0]
    return value is not None and (value > 0) == row["mutant"]


def is_refused(numbers: list[float], network: str) -> bool:
    """Whether a network does not use an image with this evenness and detail."""
    evenness, detail = numbers
    return image_fault(evenness, detail, MAX_EVENNESS[network]) is not None


def left_out(row: Row, network: str) -> tuple[int, bool]:
    """How many images of a patient a network does not use, and whether none is left."""
    own = [row["numbers"][s] for s in SEEN[network] if s in row["numbers"]]
    faults = sum(is_refused(numbers, network) for numbers in own)
    return faults, faults == len(own)


def print_sweep(rows: list[Row], network: str) -> None:
    """One row for each change: accuracy, AUROC, Dice, both numbers of T2, images left out, and patients refused."""
    for change in CHANGES:
        own = [row for row in rows if row["change"] == change]
        table = np.array([row["numbers"][Sequence.T2] for row in own if Sequence.T2 in row["numbers"]])
        even, detail = (f"{np.median(v):.3f} ({v.min():.3f}-{v.max():.3f})" for v in table.T)
        faults = [left_out(row, network) for row in own]
        score = [row[network][0] or 0.0 for row in own]
        print(
            f"| {network}, {change} | {proportion(sum(right(row, network) for row in own), len(own))} | "
            f"{auroc(np.array([row['mutant'] for row in own]), score)} | "
            f"{mean_of(np.array([row[network][1] for row in own]))} | {even} | {detail} | "
            f"{sum(count for count, _ in faults)} | {sum(none for _, none in faults)} of {len(own)} |"
        )


def lost(rows: Iterable[Row], clean: dict[int, float], network: str) -> NDArray[np.float64]:
    """Return how much Dice each changed image has lost against the unchanged one of its patient."""
    return np.array([clean[row["n"]] - row[network][1] for row in rows])


def mildest(values: NDArray[np.float64], loss: NDArray[np.float64]) -> float | None:
    """Return the least value at which the loss, fitted as one that never falls, is `LOST` or more, if there is one."""
    fitted = IsotonicRegression().fit(values, loss).predict(values)
    beyond = values[fitted >= LOST]
    return float(beyond.min()) if beyond.size else None


def choose_limits(rows: list[Row], network: str, sequence: Sequence) -> tuple[float | None, float | None]:
    """Choose the limits of evenness, on moved images, and of detail, on coarse ones, by a network's votes."""
    clean = {row["n"]: row[network][1] for row in rows if row["change"] == AS_IT_IS}
    limits = []
    for index, sign in ((0, 1), (1, -1)):
        moved = index == 0
        own = [
            row
            for row in rows
            if sequence in row["numbers"]
            and (row["change"] == AS_IT_IS or row["change"].endswith("of lines") is moved)
        ]
        values = np.array([sign * row["numbers"][sequence][index] for row in own])
        found = mildest(values, lost(own, clean, network))
        limits.append(None if found is None else sign * found)
    return limits[0], limits[1]


def print_limits(rows: list[Row]) -> None:
    """Print the limits chosen on all patients and on each half of them, and what those of one half do in the other."""
    halves = [[row for row in rows if row["n"] % 2 == half] for half in (0, 1)]
    own = [row for row in rows if Sequence.T2 in row["numbers"]]
    coarse = [row for row in own if row["numbers"][Sequence.T2][1] < MIN_DETAIL]
    print(f"\nin use: evenness above {MAX_EVENNESS}, detail below {MIN_DETAIL}")
    clean = {row["n"]: row["t2net"][1] for row in rows if row["change"] == AS_IT_IS}
    print(
        f"t2net on T2 below the limit of detail: n = {len(coarse)}, accuracy "
        f"{proportion(sum(right(row, 't2net') for row in coarse), len(coarse))}, Dice lost "
        f"{mean_of(lost(coarse, clean, 't2net'))}\n"
    )
    print("| network, sequence | evenness: all, each half | detail: all, each half |\n| --- | --- | --- |")
    for network, sequences in SEEN.items():
        for sequence in sequences:
            chosen = [choose_limits(part, network, sequence) for part in (rows, *halves)]
            cells = [", ".join(map(limit_words, column)) for column in zip(*chosen, strict=True)]
            print(f"| {network}, {sequence} | {' | '.join(cells)} |")
    refused: dict[int, bool] = {}
    for part, tested in (halves, halves[::-1]):
        even, detail = choose_limits(part, "t2net", Sequence.T2)
        for row in tested:
            e, d = row["numbers"].get(Sequence.T2, (0.0, 1.0))
            refused[id(row)] = (even is not None and e > even) or (detail is not None and d < detail)
    print("\neach half by the limits of the other one:\n")
    print("| images | n | accuracy | Dice lost against the unchanged image |\n| --- | --- | --- | --- |")
    for what, kind in (("kept", False), ("refused", True)):
        own = [row for row in rows if refused[id(row)] is kind]
        share = proportion(sum(right(row, "t2net") for row in own), len(own))
        print(f"| t2net, {what} | {len(own)} | {share} | {mean_of(lost(own, clean, 't2net'))} |")


def limit_words(limit: float | None) -> str:
    """Write a limit."""
    return "none" if limit is None else f"{limit:.4f}"


def sweep(arguments: argparse.Namespace) -> None:
    file: Path = arguments.rows
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    complete = {row["n"] for row in rows if row["change"] == list(CHANGES)[-1]}
    rows = [row for row in rows if row["n"] in complete]
    source = GridPatients(arguments.patients, arguments.seed, arguments.anatomies, file.parent)
    with use_threads(1):
        for number in sorted(set(range(arguments.patients)) - complete):
            made = list(rows_of(number, source))
            rows += made
            with file.open("a") as out:
                out.writelines(json.dumps(row) + "\n" for row in made)
    clean = [row for row in rows if row["change"] == AS_IT_IS]
    mutant, ages = np.array([row["mutant"] for row in clean]), [-row["age"] for row in clean]
    print(f"{len(clean)} simulated patients, {mutant.sum()} mutant; age alone, AUROC {auroc(mutant, ages)}\n")
    print(
        "| simulated | accuracy | AUROC | Dice | edge evenness, T2 | finest detail, T2 | images left out | refused |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for network in NETWORKS:
        print_sweep(rows, network.name)
    print_limits(rows)


def real(arguments: argparse.Namespace) -> None:
    found: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for case in [*with_truth(arguments.data, arguments.limit), *gbm(arguments.data)]:
        prepared = prepare(read_study(None, files=case.files, subject=Subject(case.name)), find_brain)
        stripped, brain = strip_to_network_grid(prepared)
        images = scaled_images(stripped, brain, TS_NET)
        for name, change in CHANGES.items():
            for sequence, numbers in numbers_of_image(
                change(images, np.random.default_rng(1)), brain
            ).items():
                found[sequence, name].append(numbers)
    print(
        "| real images | n | edge evenness | finest detail | refused by t2net and by tsnet |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for (sequence, name), lines in found.items():
        table = np.array(lines)
        ranges = [f"{np.median(v):.3f} ({v.min():.3f}-{v.max():.3f})" for v in table.T]
        refused = " and ".join(str(sum(is_refused(numbers, each) for numbers in lines)) for each in SEEN)
        what = "as they are" if name == AS_IT_IS else name
        print(f"| {sequence}, {what} | {len(lines)} | {' | '.join(ranges)} | {refused} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    on_simulated = kinds.add_parser("sweep")
    on_simulated.add_argument("rows", type=Path)
    on_simulated.add_argument("--patients", type=int, default=40)
    on_simulated.add_argument("--seed", type=int, default=20_281)
    on_simulated.add_argument("--anatomies", type=Path)
    on_simulated.set_defaults(run=sweep)
    on_real = kinds.add_parser("real", parents=[case_parser(__doc__)], add_help=False)
    on_real.set_defaults(run=real)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
