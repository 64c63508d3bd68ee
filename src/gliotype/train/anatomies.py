"""Whole-head label maps as anatomies in MNI space: translated, aligned and kept in one compact file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from gliotype.errors import InputError
from gliotype.simulate.anatomy import Anatomy, tissue_from_freesurfer
from gliotype.simulate.tissue import Tissue
from gliotype.volume import LPS_FROM_RAS, Matrix, Volume


def align_to_template(tissue: Volume, white_matter: Volume) -> Matrix:
    """Find the affine transform from a head to MNI152 by matching white matter.

    Args:
        tissue: tissue codes of the head.
        white_matter: white-matter fraction (0 to 1) of the template, in MNI152.

    Returns:
        ``mni_from_world``, RAS mm.
    """
    head = np.isin(tissue.array, [Tissue.WHITE_MATTER, Tissue.BRAINSTEM]).astype(np.float32)
    fixed = sitk.SmoothingRecursiveGaussian(white_matter.to_sitk(np.float32), 2.0)
    moving = sitk.SmoothingRecursiveGaussian(tissue.with_array(head).to_sitk(np.float32), 2.0)
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.1, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 100)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    linear = sitk.AffineTransform(start.Downcast() if start.GetName() == "CompositeTransform" else start)
    lps = np.eye(4)
    lps[:3, :3] = np.array(linear.GetMatrix()).reshape(3, 3)
    lps[:3, 3] = linear.TransformPoint((0.0, 0.0, 0.0))
    head_from_mni = LPS_FROM_RAS @ lps @ LPS_FROM_RAS
    return np.asarray(np.linalg.inv(head_from_mni))


def read_anatomies(folder: Path, white_matter: Volume, cache: Path) -> list[Anatomy]:
    """Read a folder of FreeSurfer-numbered whole-head label maps (``*.nii.gz``), aligned to MNI152.

    Args:
        folder: where the label maps lie.
        white_matter: white-matter fraction of the template.
        cache: an .npz file that is read instead when it exists, and written otherwise.

    Raises:
        InputError: if the folder holds no label map.
    """
    if cache.exists():
        with np.load(cache) as kept:
            n = len(kept.files) // 3
            return [Anatomy(Volume(kept[f"t{i}"], kept[f"a{i}"]), kept[f"m{i}"]) for i in range(n)]
    files = sorted(folder.glob("*.nii.gz"))
    if not files:
        raise InputError(f"no label map (*.nii.gz) in {folder}: give the folder of whole-head label maps")
    anatomies: list[Anatomy] = []
    arrays: dict[str, Any] = {}
    for i, file in enumerate(files):
        image = nib.Nifti1Image.from_filename(file)
        tissue = Volume(
            tissue_from_freesurfer(np.asarray(image.dataobj).astype(np.int32)), image.affine
        ).as_ras()
        anatomy = Anatomy(tissue, align_to_template(tissue, white_matter))
        anatomies.append(anatomy)
        arrays |= {f"t{i}": tissue.array, f"a{i}": tissue.affine, f"m{i}": anatomy.mni_from_world}
    np.savez_compressed(cache, **arrays)
    return anatomies


def anatomy_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every label map in a folder, by file name."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.nii.gz"))
    }
