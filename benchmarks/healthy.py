"""Answers on heads without tumour: "no tumour" is what is expected.

    python benchmarks/healthy.py [--simulated N] [--image T1=FILE ...]

Always the two ICBM 2009a templates that Gliotype ships; N simulated healthy heads (raw, oblique, thick slices); and any
image of a healthy head that is at hand, such as Colin27 (Debian package mricron-data, ch2.nii.gz).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

import gliotype
from gliotype.errors import GliotypeError
from gliotype.prepare import atlas
from gliotype.simulate.raw import NAMES, raw_patient, write_raw_study
from gliotype.study import Call, Sequence

Files = dict[Sequence, Path]


def templates(folder: Path) -> Iterator[tuple[str, Files]]:
    """The T1 and T2 templates, together and alone."""
    files = {}
    for sequence in (Sequence.T1, Sequence.T2):
        image = atlas.template(sequence)
        files[sequence] = folder / f"{sequence}.nii.gz"
        nib.Nifti1Image(np.asarray(image.array), image.affine).to_filename(files[sequence])
    yield "ICBM 2009a, T1 and T2", files
    for sequence, file in files.items():
        yield f"ICBM 2009a, {sequence} alone", {sequence: file}


def simulated(folder: Path, n: int) -> Iterator[tuple[str, Files]]:
    """Simulated healthy heads."""
    for seed in range(n):
        write_raw_study(raw_patient(seed, None), folder / str(seed), seed)
        yield f"simulated {seed}", {s: folder / str(seed) / f"{name}.nii.gz" for s, name in NAMES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=5)
    parser.add_argument("--image", action="append", default=[], metavar="SEQUENCE=FILE")
    arguments = parser.parse_args()
    given = [
        (Path(f).name, {Sequence(s): Path(f)}) for s, f in (text.split("=", 1) for text in arguments.image)
    ]
    silent, heads = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name, files in [*templates(Path(folder)), *given, *simulated(Path(folder), arguments.simulated)]:
            heads += 1
            try:
                result = gliotype.predict(files=files)
            except GliotypeError as error:
                print(f"{name:32s} failed: {error}")
                continue
            silent += result.call is Call.NO_TUMOUR
            brain_ml = float(np.sum(result.prepared.brain.array)) * result.prepared.grid.voxel_ml
            print(
                f"{name:32s} {result.call:14s} {result.tumour.volume_ml:6.1f} ml, brain {brain_ml:5.0f} ml",
                flush=True,
            )
    print(f"no tumour: {silent} of {heads}")


if __name__ == "__main__":
    main()
