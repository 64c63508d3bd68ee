"""What DICOM results are made from: the files of a prediction, read again or not yet written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from gliotype.errors import InputError
from gliotype.study import Sequence
from gliotype.volume import Volume

MASKS = ("tumour", "brain")
MAPS = ("saliency", "perfusion_rcbv", "perfusion_k2", "adc")
"""NIfTI files of a prediction that become DICOM objects."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """The files of one prediction.

    Attributes:
        document: content of ``prediction.json``.
        masks: ``tumour`` (labels) and ``brain`` on the grid of the reference image.
        maps: those of `MAPS` that there are.
        pdf: content of ``report.pdf``.
        made: when the prediction was made.
        image: the reference image, where the key picture is wanted.
    """

    document: Mapping[str, Any]
    masks: Mapping[str, Volume]
    maps: Mapping[str, Volume]
    pdf: bytes
    made: datetime
    image: Volume | None = None

    @property
    def reference(self) -> Sequence:
        """The sequence on whose grid the masks lie."""
        return Sequence(self.document["reference"])

    @property
    def labels(self) -> Volume:
        """Label map of the tumour."""
        return self.masks["tumour"]


def read_outputs(folder: Path) -> Outputs:
    """Read the files that `gliotype predict` wrote.

    Raises:
        InputError: if one of them is missing or damaged.
    """
    file = folder / "prediction.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return Outputs(
            document=document,
            masks={name: _read(folder / f"{name}.nii.gz") for name in MASKS},
            maps={name: _read(path) for name in MAPS if (path := folder / f"{name}.nii.gz").exists()},
            pdf=(folder / "report.pdf").read_bytes(),
            made=datetime.fromtimestamp(int(file.stat().st_mtime)),  # noqa: DTZ006 - DICOM wants local time
        )
    except FileNotFoundError as error:
        name = Path(error.filename or "prediction.json").name
        raise InputError(
            f"the folder holds no {name}: give the folder that gliotype predict wrote, with all of its files"
        ) from error
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(
            "a file of the prediction is damaged: run gliotype predict again, and give the folder that it writes"
        ) from error


def _read(path: Path) -> Volume:
    image = nib.Nifti1Image.from_filename(path)
    return Volume(np.asanyarray(image.dataobj), image.affine)
