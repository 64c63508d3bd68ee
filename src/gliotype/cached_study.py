"""Save a prepared study, so that `revise` can answer again without preparing it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gliotype.archive import load_values, save_values
from gliotype.errors import InputError
from gliotype.study import Image, Measurements, PreparedStudy, Sequence, Study, Tumour
from gliotype.volume import Matrix, Volume


@dataclass(frozen=True, eq=False)
class CachedStudy:
    """A prepared study with its tumour and measurements.

    Attributes:
        study: as it was read, with age and sex as its headers have them.
        prepared: its images on the 1 mm grid.
        tumour: found by Model 1, or given.
        measurements: of this tumour.
        arteries: mask of the arterial input that the caller gave, or None.
        paths: of everything in the input; see `Result`.
        model1: SHA-256 of the weight of Model 1 that the caller gave; None for the shipped one.
        version: of Gliotype, which prepared it.
    """

    study: Study
    prepared: PreparedStudy
    tumour: Tumour
    measurements: Measurements
    arteries: Volume | None
    paths: tuple[str, ...]
    model1: str | None
    version: str


def save_cached(cached: CachedStudy, folder: Path) -> None:
    """Write a cached study into a folder, without the voxels as acquired, which nothing after `prepare` needs.

    Args:
        cached: of a run.
        folder: created if missing; only this user may enter it.

    Raises:
        OutputError: if it cannot be written.
    """
    study = replace(cached.study, images=tuple(_without_voxels(image) for image in cached.study.images))
    save_values(replace(cached, study=study), folder)


def load_cached(folder: Path, version: str) -> CachedStudy:
    """Read a cached study.

    Args:
        folder: where it was saved.
        version: of Gliotype, by which it must have been prepared.

    Raises:
        InputError: if it holds no cached study, one of another version, or a damaged one.
    """
    if not (folder / "values.json").is_file():
        raise InputError(f"{folder} holds no cached study: make one with `gliotype predict --keep`")
    found = load_values(str, folder, "version")
    if found != version:
        raise InputError(f"{folder} was written by Gliotype {found}, and this is {version}: predict again")
    return load_values(CachedStudy, folder)


def cached_image(folder: Path, sequence: Sequence) -> Volume:
    """Read one structural image of a cached study, on the 1 mm grid.

    Raises:
        InputError: if there is no such image.
    """
    return load_values(Volume, folder, "prepared", "images", sequence.value)


def cached_labels(folder: Path) -> Volume:
    """Read the tumour's label map of a cached study, on the 1 mm grid."""
    return load_values(Volume, folder, "tumour", "labels")


def cached_brain(folder: Path) -> Volume:
    """Read the mask of the brain of a cached study, on the 1 mm grid."""
    return load_values(Volume, folder, "prepared", "brain")


def cached_transform(folder: Path, sequence: Sequence) -> Matrix:
    """Read the transform from the prepared world of a cached study to that of an image as acquired."""
    if sequence is Sequence.DSC:
        return load_values(Matrix, folder, "prepared", "dsc", "dsc_from_prepared")
    return load_values(Matrix, folder, "prepared", "acquired_from_prepared", sequence.value)


def cached_sequences(folder: Path) -> tuple[Sequence, ...]:
    """List the structural images of a cached study."""
    images = load_values(Mapping[str, object], folder, "prepared", "images")  # type: ignore[type-abstract]
    return tuple(Sequence(name) for name in images)


def _without_voxels(image: Image) -> Image:
    """Put NaN, which takes no memory, in the place of the voxels, and leave out the headers, which name the patient."""
    nothing = np.broadcast_to(np.float32(np.nan), image.volume.array.shape)
    return replace(image, volume=image.volume.with_array(nothing), dicom=None, spectroscopy=None, b0=None)
