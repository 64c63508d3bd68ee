"""Registration error on simulated heads whose transforms are known: median, 95th percentile and worst, in mm.

    python benchmarks/registration.py [--heads N] [--first K] [--results FILE] [--against FILE]

Each head is the template's anatomy, scaled, bent by some millimetres and given a bright lesion, in two sequences with
the contrasts, noise and inhomogeneity of hospitals, on slices 3 to 6 mm thick, the second moved against the first. A
fifth each lies as usual, with the head far tilted, in a slab of 70 mm, without neck and lower head, and on its side.
The results file receives the errors of each head; with that of another version, both are compared head by head.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.prepare import study as preparing
from gliotype.runtime import use_threads
from gliotype.simulate.cohort.raw_study import hospital_protocol
from gliotype.simulate.fields import smooth_noise
from gliotype.simulate.head.anatomy import Reshaping, reshape
from gliotype.simulate.head.pose import draw_rigid, rigid
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.scanner import signals
from gliotype.simulate.tissue import Tissue, draw_parameters
from gliotype.study import Sequence
from gliotype.volume import Grid, Matrix, Volume

KINDS = ("usual", "tilted", "slab", "no neck", "on its side")
FINE = Grid((98, 116, 94), np.array([[2.0, 0, 0, -98], [0, 2.0, 0, -134], [0, 0, 2.0, -72], [0, 0, 0, 1]]))
MIDDLE = np.array([0.0, -18.0, 10.0])


@dataclass(frozen=True)
class Errors:
    """What was found of one head: mean distances over the brain in mm, and seconds of processor time."""

    seed: int
    kind: str
    to_template_mm: float
    between_images_mm: float
    doubted: bool
    cpu_s: float


def pose(rng: np.random.Generator, kind: str) -> Matrix:
    """Draw the transform from the scanner's world to MNI152."""
    scales = np.diag([*np.exp(0.06 * rng.standard_normal(3)), 1.0])
    turn = {"tilted": np.radians([rng.choice([-1, 1]) * rng.uniform(20, 35), rng.uniform(-15, 15), 20.0])}
    turned = draw_rigid(rng, turn_deg=8.0, shift_mm=15.0)
    if kind in turn:
        turned = rigid(turn[kind], turned[:3, 3])
    if kind == "on its side":
        turned = rigid(np.array([0.0, 0.0, rng.choice([-1, 1]) * np.pi / 2]), np.zeros(3)) @ turned
    about = np.eye(4)
    about[:3, 3] = MIDDLE
    return np.asarray(about @ scales @ turned @ np.linalg.inv(about))


def slices(rng: np.random.Generator, kind: str, mni_from_world: Matrix, thickness_mm: float) -> Grid:
    """Make the grid of an acquisition that covers what its kind says."""
    low, high = {"slab": (-20.0, 50.0), "no neck": (-40.0, 100.0)}.get(kind, (-80.0, 115.0))
    corners = np.array([[x, y, z] for x in (-95, 95) for y in (-130, 95) for z in (low, high)])
    if kind in ("slab", "no neck"):  # along the scanner's axis, wherever the head lies
        middle = apply_affine(np.linalg.inv(mni_from_world), MIDDLE)
        corners = np.array(
            [[x, y, z] for x in (-110, 110) for y in (-125, 125) for z in (low - 10, high - 10)]
        )
        corners = corners + middle
    else:
        corners = apply_affine(np.linalg.inv(mni_from_world), corners)
    first, last = corners.min(axis=0), corners.max(axis=0)
    spacing = np.array([0.95, 0.95, thickness_mm])
    shape = np.ceil((last - first) / spacing).astype(int)
    affine = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    affine[:3, 3] = [last[0], first[1], first[2] + rng.uniform(0, thickness_mm)]
    i, j, k = shape.tolist()
    return Grid((i, j, k), affine)


def head(seed: int, kind: str) -> tuple[dict[Sequence, Volume], dict[Sequence, Matrix]]:
    """Simulate a head: its images, and for each the true transform from its world to MNI152."""
    rng = np.random.default_rng([seed, 77])
    bend = 2.0 * np.stack([smooth_noise(rng, FINE.shape, 18.0) for _ in range(3)])
    tissue = reshape(
        template_anatomy().tissue, np.eye(4), FINE, Reshaping(np.eye(4), bend.astype(np.float32))
    )
    centre = np.array([rng.choice([-1, 1]) * 35.0, rng.uniform(-60, 30), rng.uniform(0, 40)])
    lesion = np.linalg.norm(FINE.world() - centre, axis=-1) < rng.uniform(10, 28)
    parameters, first = draw_parameters(rng), pose(rng, kind)
    images, truth = {}, {}
    for n, sequence in enumerate(rng.permutation([Sequence.T1C, Sequence.FLAIR, Sequence.T2])[:2]):
        sequence = Sequence(str(sequence))
        protocol = hospital_protocol(rng, sequence, (3.0, 6.0))
        signal = signals(parameters, protocol)
        image = ndimage.gaussian_filter(np.asarray(signal)[tissue], 0.4)
        white = float(signal[Tissue.WHITE_MATTER])
        image[lesion & (tissue != 0)] = white * (0.8 if sequence is Sequence.T1C else 1.7)
        image = image * np.exp(0.15 * smooth_noise(rng, FINE.shape, 25.0))
        moved = draw_rigid(rng, turn_deg=4.0, shift_mm=6.0) if n else np.eye(4)
        truth[sequence] = first @ np.linalg.inv(moved)
        grid = slices(rng, kind, truth[sequence], protocol.thickness_mm)
        seen = np.asarray(Volume(image.astype(np.float32), FINE.affine).resample(grid, truth[sequence]).array)
        noise = protocol.noise * white * rng.standard_normal((2, *grid.shape))
        images[sequence] = Volume(np.hypot(seen + noise[0], noise[1]).astype(np.float32), grid.affine)
    return images, truth


def brain_points() -> np.ndarray:
    """Points spread over the brain, MNI152."""
    brain = atlas.brain()
    return np.asarray(apply_affine(brain.affine, 6 * np.argwhere(np.asarray(brain.array)[::6, ::6, ::6])))


def errors(seed: int, kind: str) -> Errors:
    """Register a head as `prepare` does, and compare with the truth."""
    images, truth = head(seed, kind)
    reference = next(s for s in (Sequence.T1C, Sequence.FLAIR, Sequence.T2) if s in images)
    other = next(s for s in images if s is not reference)
    started = time.process_time()
    found = preparing._align({s: preparing._view(image) for s, image in images.items()}, reference)
    seconds = time.process_time() - started
    mni = brain_points()
    world = apply_affine(np.linalg.inv(truth[reference]), mni)
    to_template = np.linalg.norm(apply_affine(found.mni_from_reference, world) - mni, axis=1).mean()
    there = apply_affine(np.linalg.inv(truth[other]), mni)
    between = np.linalg.norm(apply_affine(found.acquired_from_reference[other], world) - there, axis=1).mean()
    return Errors(seed, kind, float(to_template), float(between), bool(found.warnings), seconds)


def lines(found: list[Errors]) -> Iterator[str]:
    """Lay the errors out as a table."""
    yield f"{'heads':14s} {'n':>3s} {'to template: median  95 %  worst':>33s} {'between images':>22s} doubted  CPU s"
    for kind in (*KINDS, "all"):
        some = [each for each in found if kind in (each.kind, "all")]
        if not some:
            continue
        cells = []
        for values in ([e.to_template_mm for e in some], [e.between_images_mm for e in some]):
            cells.append("".join(f"{v:7.2f}" for v in (*np.percentile(values, [50, 95]), max(values))))
        cpu = float(np.median([each.cpu_s for each in some]))
        yield f"{kind:14s} {len(some):3d} {cells[0]:>33s} {cells[1]:>22s} {sum(e.doubted for e in some):7d} {cpu:6.1f}"


FAR_MM = 10.0
"""A registration to the template with a larger error is wrong, and should be doubted."""


def far_away(found: list[Errors]) -> Iterator[str]:
    """List the heads whose registration is wrong, and how many of them were doubted."""
    far = [each for each in found if each.to_template_mm > FAR_MM]
    doubted = sum(each.doubted for each in far)
    near = [each for each in found if each.to_template_mm <= FAR_MM]
    yield (
        f"more than {FAR_MM:g} mm from the template: {len(far)} of {len(found)}, {doubted} of them doubted; "
        f"of the others {sum(each.doubted for each in near)} are doubted"
    )
    for each in sorted(far, key=lambda e: -e.to_template_mm):
        yield f"  head {each.seed}, {each.kind}: {each.to_template_mm:.1f} mm{', doubted' if each.doubted else ''}"


def changes(found: list[Errors], before: list[Errors]) -> Iterator[str]:
    """Compare with another version on the same heads: mean change, with a bootstrap interval of 95 %."""
    of_seed = {each.seed: each for each in before}
    pairs = [(each, of_seed[each.seed]) for each in found if each.seed in of_seed]
    yield f"change against the other version, mean of {len(pairs)} heads (95 % interval)"
    drawn = np.random.default_rng(0).integers(len(pairs), size=(2000, len(pairs)))
    for name in ("to_template_mm", "between_images_mm", "cpu_s"):
        change = np.array([getattr(now, name) - getattr(then, name) for now, then in pairs])
        low, high = np.percentile(change[drawn].mean(axis=1), [2.5, 97.5])
        yield f"{name:20s} {change.mean():6.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--against", type=Path, help="results file of another version on the same heads")
    arguments = parser.parse_args()
    found = []
    with use_threads(1):
        for sequence in (Sequence.T1C, Sequence.T2, Sequence.FLAIR):
            preparing._template(sequence, stripped=False)
        for seed in range(arguments.first, arguments.first + arguments.heads):
            found.append(errors(seed, KINDS[seed % len(KINDS)]))
            if arguments.results:
                arguments.results.write_text(json.dumps([asdict(each) for each in found]))
    print("\n".join([*lines(found), *far_away(found)]))
    if arguments.against:
        before = [Errors(**each) for each in json.loads(arguments.against.read_text())]
        print("\n".join(changes(found, before)))


if __name__ == "__main__":
    main()
