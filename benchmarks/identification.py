"""How often sequences of real images are identified rightly: by their names, and by their voxels alone.

    python benchmarks/identification.py DATA

DATA is laid out as ``docs/how-to/benchmarks.md`` says. Each patient's folder is read twice: as it is, and
through links with neutral names in a random order, so that only the voxels identify the series.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import Counter
from pathlib import Path

from gliotype.read import read_study
from gliotype.study import Subject

TRUTHS = (
    (r"(^mask|_seg)$", "mask"),
    (r"(^|_)t1(ce|c)$", "T1C"),
    (r"(^|_)t1$", "T1"),
    (r"(^|_)t2$", "T2"),
    (r"(^|_)fla(ir)?$", "FLAIR"),
)
CONFIDENCES = ((0.0, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 1.01))


def truth_of(file: Path) -> str:
    stem = file.name.removesuffix(".nii.gz").lower()
    return next(kind for pattern, kind in TRUTHS if re.search(pattern, stem))


def identify_alone(folder: Path, truths: dict[str, str]) -> list[tuple[str, str, float]]:
    """Read a folder: truth, what it was taken for, and the confidence of each image."""
    study = read_study(folder, subject=Subject("case"))
    return [(truths[i.source], str(i.sequence or "not used"), i.confidence) for i in study.images]


def without_names(files: list[Path], folder: Path) -> dict[str, str]:
    """Link files under neutral names in a random but repeatable order."""
    shuffled = random.Random(str(len(files)) + files[0].parent.name).sample(files, len(files))
    for number, file in enumerate(shuffled):
        (folder / f"img{number}.nii.gz").symlink_to(file.resolve())
    return {f"img{number}.nii.gz": truth_of(file) for number, file in enumerate(shuffled)}


def print_table(title: str, rows: list[tuple[str, str, float]]) -> None:
    counts = Counter((truth, found) for truth, found, _ in rows)
    columns = ("T1", "T1C", "T2", "FLAIR", "not used")
    images = [(truth, found) for truth, found, _ in rows if truth != "mask"]
    right = sum(truth == found for truth, found in images)
    print(f"\n{title}: {right} of {len(images)} images right; rows are the truth")
    print(f"{'':8s}" + "".join(f"{column:>10s}" for column in columns))
    for truth in ("T1", "T1C", "T2", "FLAIR", "mask"):
        print(f"{truth:8s}" + "".join(f"{counts[truth, column]:10d}" for column in columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    named, nameless = [], []
    for files in (sorted(p.glob("*.nii.gz")) for p in sorted(data.glob("*/*")) if p.is_dir()):
        if not files:
            continue
        named += identify_alone(files[0].parent, {file.name: truth_of(file) for file in files})
        with tempfile.TemporaryDirectory() as folder:
            nameless += identify_alone(Path(folder), without_names(files, Path(folder)))
    print("development patients: the constants were set while looking at them")
    print_table("by header and name", named)
    print_table("by voxels alone", nameless)
    print("\nby voxels alone, fraction right by confidence")
    for low, high in CONFIDENCES:
        hits = [t == f for t, f, confidence in nameless if t != "mask" and low <= confidence < high]
        fraction = f"{sum(hits) / len(hits):.2f}" if hits else "-"
        print(f"{low:.1f} to {min(high, 1.0):.1f}: {fraction:>5s} of {len(hits)}")


if __name__ == "__main__":
    main()
