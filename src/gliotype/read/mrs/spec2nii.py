"""Formats that only spec2nii converts, where it is installed: twix, P-files, DICOM spectroscopy and others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gliotype.errors import InputError
from gliotype.read.mrs.file import MrsFile
from gliotype.read.mrs.nifti_mrs import read_nifti_mrs
from gliotype.temporary import temporary_folder

LONGEST_S = 120


def convert(path: Path, source: str) -> MrsFile:
    """Convert a file with spec2nii and read what it makes.

    Raises:
        InputError: if spec2nii is not installed, or cannot convert it.
    """
    program = shutil.which("spec2nii")
    if program is None:
        raise InputError(
            f"{source} is not NIfTI-MRS, rda, SDAT with SPAR, or LCModel RAW: convert it with spec2nii, "
            "or install spec2nii and give it again"
        )
    with temporary_folder() as folder:
        try:
            done = subprocess.run(
                [program, "auto", "-o", str(folder), "-f", "converted", str(path)],
                capture_output=True,
                timeout=LONGEST_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(
                f"spec2nii did not convert {source} ({type(error).__name__}): convert it yourself"
            ) from None
        made = sorted(folder.rglob("*.nii*"))
        if done.returncode != 0 or not made:
            raise InputError(
                f"spec2nii cannot convert {source}: give NIfTI-MRS, rda, SDAT with SPAR, or LCModel RAW"
            )
        return read_nifti_mrs(made[0], source, {})
