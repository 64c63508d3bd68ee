"""Development patients on Model 1's grid, prepared as `gliotype predict` does and cached: for its network alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from development_patients import Case
from numpy.typing import NDArray

from gliotype.atomic_files import atomic_write
from gliotype.prepare import prepare
from gliotype.read import read_study
from gliotype.segment import find_brain, model1
from gliotype.segment.tumour import strip_to_network_grid
from gliotype.study import Sequence, Subject
from gliotype.volume import Volume


@dataclass(frozen=True, eq=False)
class Real:
    """The input of Model 1 from a development patient, and the true whole tumour, on the network's grid."""

    cohort: str
    images: dict[Sequence, NDArray[np.float32]]
    brain_region: NDArray[np.bool_]
    truth: NDArray[np.bool_]


def prepare_real(folder: Path, case: Case) -> None:
    """Prepare a patient and cache it in a folder, unless it is there."""
    if _file(folder, case).exists():
        return
    prepared = prepare(read_study(None, files=case.files, subject=Subject(case.name, case.age)), find_brain)
    images, brain_region = strip_to_network_grid(prepared)
    assert case.truth is not None, "every patient here has a truth"
    file = nib.Nifti1Image.from_filename(case.truth)
    there = prepared.acquired_from_prepared[prepared.reference]
    truth = Volume((np.asarray(file.dataobj) > 0).astype(np.float32), file.affine)
    on_grid = truth.resample(model1.GRID, there @ np.linalg.inv(prepared.mni_from_prepared))
    with atomic_write(_file(folder, case)) as aside:
        arrays: dict[str, Any] = {str(sequence): image for sequence, image in images.items()}
        arrays |= {"brain_region": brain_region, "truth": np.asarray(on_grid.array) > 0.5}
        np.savez(aside, **arrays)


def read_real(folder: Path, case: Case) -> Real:
    """Read a patient that `prepare_real` cached."""
    with np.load(_file(folder, case)) as file:
        images = {s: file[s] for s in model1.CHANNELS if s in file.files}
        return Real(case.cohort, images, file["brain_region"], file["truth"])


def _file(folder: Path, case: Case) -> Path:
    return folder / "real" / f"{case.cohort}-{case.name}.npz"
