"""Answers on heads without glioma: "no tumour" is what is expected.

    python benchmarks/healthy.py [--simulated N] [--distractors N] [--jobs N] [--image T1=FILE ...]

Always the two ICBM 2009a templates that Gliotype ships; N simulated healthy heads (raw, oblique, thick slices); N
simulated heads of each kind of lesion other than glioma; and any image of a healthy head that is available, such as
Colin27 (Debian package mricron-data, ch2.nii.gz).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

import gliotype
from gliotype.atlas import atlas
from gliotype.errors import GliotypeError
from gliotype.result import Call
from gliotype.simulate.cohort.raw_study import NAMES, raw_patient, write_raw_study
from gliotype.simulate.lesion.distractors import Distractor
from gliotype.study import STRUCTURAL, Sequence


@dataclass(frozen=True)
class Head:
    """A head without glioma: its files, or the seed and the lesion from which they are simulated."""

    group: str
    name: str
    files: dict[Sequence, Path]
    seed: int = 0
    lesion: Distractor | None = None


def templates(folder: Path) -> Iterator[Head]:
    """The T1 and T2 templates, together and alone."""
    files = {}
    for sequence in (Sequence.T1, Sequence.T2):
        image = atlas.template(sequence)
        files[sequence] = folder / f"{sequence}.nii.gz"
        nib.Nifti1Image(np.asarray(image.array), image.affine).to_filename(files[sequence])
    yield Head("real", "ICBM 2009a, T1 and T2", files)
    for sequence, file in files.items():
        yield Head("real", f"ICBM 2009a, {sequence} alone", {sequence: file})


def answer(head: Head) -> tuple[Head, Call | None, str]:
    """Predict one head; describe the result."""
    with tempfile.TemporaryDirectory() as folder:
        files = head.files
        if not files:
            write_raw_study(raw_patient(head.seed, head.lesion), Path(folder), head.seed)
            files = {s: Path(folder) / f"{NAMES[s]}.nii.gz" for s in STRUCTURAL}
        try:
            result = gliotype.predict(files=files)
        except GliotypeError as error:
            return head, None, f"failed: {error}"
    brain_ml = float(np.sum(result.prepared.brain.array)) * result.prepared.grid.voxel_ml
    return head, result.call, f"{result.call:14s} {result.tumour.volume_ml:6.1f} ml, brain {brain_ml:5.0f} ml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=5, help="healthy heads")
    parser.add_argument("--distractors", type=int, default=0, help="heads with each kind of other lesion")
    parser.add_argument("--jobs", type=int, default=1, help="heads at the same time")
    parser.add_argument("--image", action="append", default=[], metavar="SEQUENCE=FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(arguments.jobs) as pool:
        heads = list(templates(Path(folder)))
        for sequence, file in (text.split("=", 1) for text in arguments.image):
            heads.append(Head("real", Path(file).name, {Sequence(sequence): Path(file)}))
        heads += [Head("simulated", f"simulated {seed}", {}, seed) for seed in range(arguments.simulated)]
        for kind in Distractor:
            heads += [Head(kind, f"{kind} {n}", {}, n, kind) for n in range(arguments.distractors)]
        silent: Counter[str] = Counter()
        for head, call, line in pool.map(answer, heads):
            silent[head.group] += call is Call.NO_TUMOUR
            print(f"{head.name:32s} {line}", flush=True)
    for group, n in Counter(head.group for head in heads).items():
        print(f"no tumour, {group}: {silent[group]} of {n}")


if __name__ == "__main__":
    main()
