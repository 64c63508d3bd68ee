"""The brain mask against an independent extractor, and against the manual tumour masks.

    pip install deepbet
    python benchmarks/brain.py DATA [--limit N]

DATA holds ``lgg/`` (see docs/how-to/benchmarks.md). deepbet (Fisch 2024) extracts brains from T1-weighted images; it is
given the prepared T1 image, skull on. It was made for healthy, thin-sliced heads, so it is a second opinion and no
truth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from gliotype.masks import dice
from gliotype.prepare import prepare
from gliotype.read import read_study
from gliotype.segment import find_brain
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume

sys.path.insert(0, str(Path(__file__).parent))
from development_patients import Case, interval, lgg


def compare(case: Case) -> tuple[float, float, float, float, float]:
    """Dice of the two masks, ml of each, and the fraction of the manual tumour outside each."""
    from deepbet import BrainExtraction

    study = read_study(None, files=case.files, subject=Subject(case.name))
    prepared = prepare(study, find_brain)
    t1 = prepared.images[Sequence.T1]
    image = nib.Nifti1Image(np.asarray(t1.array, dtype=np.float32), t1.affine)
    _, theirs, _ = BrainExtraction(no_gpu=True).run(image)
    other = np.asarray(theirs.dataobj) > 0
    ours = np.asarray(prepared.brain.array, dtype=bool)
    assert case.truth is not None, "every patient here has a truth"
    truth = nib.Nifti1Image.from_filename(case.truth)
    mask = Volume(np.asarray(truth.dataobj).astype(np.uint8), truth.affine)
    tumour = mask.resample(prepared.grid, prepared.acquired_from_prepared[prepared.reference], order=0)
    inside = np.asarray(tumour.array) > 0
    outside = [float((inside & ~brain).sum() / inside.sum()) for brain in (ours, other)]
    ml = prepared.grid.voxel_ml
    return dice(ours, other), ours.sum() * ml, other.sum() * ml, outside[0], outside[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, help="first N patients that have a T1 image")
    arguments = parser.parse_args()
    cases = [case for case in lgg(arguments.data) if Sequence.T1 in case.files][: arguments.limit]
    print("patient          Dice   ml ours  ml deepbet  tumour outside ours  outside deepbet")
    rows = []
    for case in cases:
        rows.append(compare(case))
        overlap, ours, theirs, out_ours, out_theirs = rows[-1]
        print(
            f"{case.name:16s} {overlap:.3f} {ours:8.0f} {theirs:11.0f} {out_ours:20.1%} {out_theirs:16.1%}",
            flush=True,
        )
    for name, column in (("Dice", 0), ("tumour outside ours", 3), ("tumour outside deepbet", 4)):
        values = [row[column] for row in rows]
        low, high = interval(values)
        print(f"{name:24s} n={len(values)}  mean {np.mean(values):.3f} ({low:.3f}-{high:.3f})")


if __name__ == "__main__":
    main()
