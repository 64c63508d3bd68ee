"""Whole-head label maps (FreeSurfer numbers) as anatomies: translated and aligned to MNI152."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from gliotype.errors import GliotypeError, InputError
from gliotype.simulate.head.anatomy import Anatomy, tissue_from_freesurfer
from gliotype.simulate.tissue import Tissue
from gliotype.volume import LPS_FROM_RAS, Matrix, Volume

MIN_WHITE_MATTER_ML = 100.0
"""A head with less than this is not that of an adult, or its labels are not those of FreeSurfer."""


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


def label_map_files(folder: Path) -> tuple[Path, ...]:
    """List the label maps (``*.nii.gz``) of a folder by name.

    Raises:
        InputError: if the folder holds none.
    """
    files = tuple(sorted(folder.glob("*.nii.gz")))
    if not files:
        raise InputError(f"no label map (*.nii.gz) in {folder}: give the folder of whole-head label maps")
    return files


def read_label_map(file: Path, white_matter: Volume) -> Anatomy:
    """Read a FreeSurfer-numbered whole-head label map and align it to MNI152 (about 12 s).

    Args:
        file: NIfTI.
        white_matter: white-matter fraction of the template.

    Raises:
        InputError: if the file cannot be read, or its labels hold too little white matter for a head.
    """
    try:
        image = nib.Nifti1Image.from_filename(file)
        labels = np.asarray(image.dataobj).astype(np.int32)
        tissue = Volume(tissue_from_freesurfer(labels), image.affine).as_ras()
    except (
        OSError,
        EOFError,
        ValueError,
        IndexError,
        nib.filebasedimages.ImageFileError,
        GliotypeError,
    ) as error:
        raise InputError(
            f"{file.name} cannot be read as a label map ({error}): remove it or convert it again"
        ) from error
    found_ml = float((tissue.array == Tissue.WHITE_MATTER).sum()) * tissue.grid.voxel_ml
    if found_ml < MIN_WHITE_MATTER_ML:
        raise InputError(
            f"{file.name} holds {found_ml:.0f} ml of white matter (FreeSurfer labels 2 and 41), too little for "
            "a head: give whole-head label maps with FreeSurfer numbers, 5xx outside the brain"
        )
    return Anatomy(tissue, align_to_template(tissue, white_matter))


def label_map_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every label map in a folder, by file name.

    Raises:
        InputError: if the folder holds none.
    """
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in label_map_files(folder)}
