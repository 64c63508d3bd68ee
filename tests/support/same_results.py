"""Whether two folders of results hold the same, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np


def differing(one: Path, other: Path) -> list[str]:
    """Name what differs in two folders: numbers but the seconds, and every image with its header and affine.

    Reports are left out, since they show the seconds; their names must be the same.
    """
    names = {file.name for folder in (one, other) for file in folder.iterdir()} - {"thumbnail.jpg"}
    return sorted(
        name
        for name in names
        if not ((one / name).exists() and (other / name).exists())
        or _content(one / name) != _content(other / name)
    )


def _content(file: Path) -> object:
    """Return what must be the same."""
    if file.name == "prediction.json":
        document = json.loads(file.read_text(encoding="utf-8"))
        del document["seconds"]
        return document
    if file.name.endswith(".nii.gz"):
        image = nib.Nifti1Image.from_filename(file)
        return np.asarray(image.dataobj).tobytes(), image.affine.tobytes(), image.header.binaryblock
    return None
