"""Write a simulated image as a scanner's export holds it: NIfTI with a JSON sidecar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib


def write_with_sidecar(image: nib.Nifti1Image, facts: Mapping[str, object], folder: Path, name: str) -> Path:
    """Write an image and its acquisition parameters.

    Args:
        image: what to write.
        facts: content of the sidecar, by BIDS key.
        folder: existing folder for the files.
        name: of the files, without ending.

    Returns:
        The NIfTI file.
    """
    path = folder / f"{name}.nii.gz"
    image.to_filename(path)
    path.with_name(f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return path
