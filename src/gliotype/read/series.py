"""The values that the readers hand on: one `Series` for each image that the files hold, voxels not yet read.

files -> Series -> Identity -> chosen and loaded -> Study
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gliotype.errors import InputError
from gliotype.study import Acquisition
from gliotype.volume import Grid, Volume


@dataclass(frozen=True)
class SeriesInfo:
    """What headers and names say about one series; what they do not say is None or empty.

    Attributes:
        acquisition: times, flip angle, contrast agent, description.
        name: file name without its ending (NIfTI), or empty.
        texts: what the header says in words, the most telling first: series description, protocol.
        folder: name of the folder that holds the file.
        scanning: DICOM ScanningSequence values (``SE GR IR EP RM``).
        image_type: DICOM ImageType values, upper case.
        weighting: DICOM AcquisitionContrast of enhanced MR, upper case.
        frames: number of time points.
        max_b_value: largest diffusion b-value in s/mm2.
        angiography: whether the header calls it an angiogram.
        modality: DICOM modality, upper case; ``MR`` where the format does not say.
        pictured: whether it is a picture without a place in the patient (a screen capture).
        label_map: whether the format itself says that it is a segmentation.
    """

    acquisition: Acquisition = field(default_factory=Acquisition)
    name: str = ""
    texts: tuple[str, ...] = ()
    folder: str = ""
    scanning: frozenset[str] = frozenset()
    image_type: tuple[str, ...] = ()
    weighting: str = ""
    frames: int = 1
    max_b_value: float = 0.0
    angiography: bool = False
    modality: str = "MR"
    pictured: bool = False
    label_map: bool = False

    @property
    def all_texts(self) -> tuple[tuple[str, str], ...]:
        """Every text with what it is, the most telling first: file name, descriptions, folder."""
        described = tuple(("description", text) for text in self.texts)
        return tuple(
            pair for pair in (("file name", self.name), *described, ("folder", self.folder)) if pair[1]
        )

    @property
    def derived(self) -> bool:
        """Whether the image was computed from others, as far as its type says."""
        return "DERIVED" in self.image_type or "MPR" in self.image_type


@dataclass(frozen=True)
class Examination:
    """Whose image it is and of which examination, without saying who.

    Attributes:
        patient: a key that differs between patients (a hash, or a research identifier), or empty.
        study: StudyInstanceUID, or the session's name of a NIfTI file, or empty.
        description: study description.
        age: years, or None.
        sex: ``"M"``, ``"F"`` or None.
    """

    patient: str = ""
    study: str = ""
    description: str = ""
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True, eq=False)
class Loaded:
    """The voxels of one series.

    Attributes:
        volume: the image.
        warnings: what was mended, one sentence each.
        frame_times_s: seconds of each frame from the first, for a time series.
    """

    volume: Volume
    warnings: tuple[str, ...] = ()
    frame_times_s: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """One image of a study, known by its header.

    Attributes:
        source: path relative to the study root (of the first file).
        grid: where it lies, or None where the header does not say.
        evidence: what its header and name say.
        examination: whose it is.
        load: reads the voxels; raises `InputError` if they cannot be read.
        problem: why it cannot serve as an image, or None.
        broken: whether the file is damaged, rather than whole but unsuitable.
        acquired: sorts the series of a study in time.
    """

    source: str
    grid: Grid | None
    info: SeriesInfo
    examination: Examination
    load: Callable[[], Loaded]
    problem: InputError | None = None
    broken: bool = False
    acquired: tuple[float, ...] = ()


def broken_series(source: str, error: InputError, name: str = "") -> Series:
    """Make the stand-in for a file that cannot be read."""

    def load() -> Loaded:
        raise error

    return Series(source, None, SeriesInfo(name=name), Examination(), load, error, broken=True)


def unread_volume(series: Series) -> Volume:
    """Make the stand-in volume of an image that is not used: on its grid, NaN in each voxel, in no memory.

    Example:
        >>> def nothing() -> Loaded: raise InputError("not here")
        >>> series = Series("a.nii", Grid((9, 9, 9), np.eye(4)), SeriesInfo(), Examination(), nothing)
        >>> bool(np.isnan(unread_volume(series).array).all())
        True
    """
    if series.grid is None:
        return Volume(np.full((1, 1, 1), np.nan, np.float32), np.eye(4))
    frames = (series.info.frames,) if series.info.frames > 1 else ()
    return Volume(np.broadcast_to(np.float32(np.nan), series.grid.shape + frames), series.grid.affine)
