"""The values that the readers hand on: one `Series` for each image that the files hold, voxels not yet read.

files -> Series -> Identity -> chosen and loaded -> Study
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gliotype.cest import PROTON_MHZ_PER_T, FieldReference
from gliotype.dicom_source import DicomSource
from gliotype.errors import InputError
from gliotype.study import Acquisition
from gliotype.volume import Grid, Volume

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class SeriesInfo:
    """What headers and names say about one series; what they do not say is None or empty.

    Attributes:
        acquisition: times, flip angle, contrast agent, description.
        name: file name without its ending (NIfTI), or empty.
        texts: what the header says of this series in words, the most telling first: description, sequence name.
        protocol: ProtocolName, which several series may share.
        folder: name of the folder that holds the file.
        shared: which of ``"protocol"`` and ``"folder"`` several images of the study have in common, so that what they
            say about contrast does not count.
        uncounted: what speaks for contrast and does not count, since it holds for several sequences; a clause.
        scanning: DICOM ScanningSequence values (``SE GR IR EP RM``).
        image_type: DICOM ImageType values, upper case.
        weighting: DICOM AcquisitionContrast of enhanced MR, upper case.
        frames: number of time points.
        max_b_value: largest diffusion b-value in s/mm2.
        angiography: whether the header calls it an angiogram.
        modality: DICOM modality, upper case; ``MR`` where the format does not say.
        pictured: whether it is a picture without a place in the patient (a screen capture).
        label_map: whether the format itself says that it is a segmentation.
        units: unit of the values, lower case, where a sidecar says it.
        frequency_mhz: proton frequency of the scanner, where the header states it.
    """

    acquisition: Acquisition = field(default_factory=Acquisition)
    name: str = ""
    texts: tuple[str, ...] = ()
    protocol: str = ""
    folder: str = ""
    shared: frozenset[str] = frozenset()
    uncounted: str = ""
    scanning: frozenset[str] = frozenset()
    image_type: tuple[str, ...] = ()
    weighting: str = ""
    frames: int = 1
    max_b_value: float = 0.0
    angiography: bool = False
    modality: str = "MR"
    pictured: bool = False
    label_map: bool = False
    units: str = ""
    frequency_mhz: float | None = None

    @property
    def all_texts(self) -> tuple[tuple[str, str], ...]:
        """Every text with what it is, the most telling first: file name, descriptions, protocol, folder."""
        described = tuple(("description", text) for text in self.texts)
        common = (("protocol", self.protocol), ("folder", self.folder))
        return tuple(pair for pair in (("file name", self.name), *described, *common) if pair[1])

    @property
    def megahertz(self) -> float | None:
        """Proton frequency of the scanner in MHz: as stated, else by the field strength; None where unknown."""
        field_t = self.acquisition.field_t
        return self.frequency_mhz or (None if field_t is None else field_t * PROTON_MHZ_PER_T)

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
        age_from_dates: whether the age was reckoned from the dates of birth and examination.
    """

    patient: str = ""
    study: str = ""
    description: str = ""
    age: float | None = None
    sex: str | None = None
    age_from_dates: bool = False


@dataclass(frozen=True, eq=False)
class Loaded:
    """The voxels of one series.

    Attributes:
        volume: the image.
        warnings: what was repaired, one sentence each.
        frame_times_s: seconds of each frame from the first, for a time series.
        dicom: its instances; None where it does not come from DICOM.
        b0: of Z-spectra, what tells the shift of the water resonance in addition to them.
    """

    volume: Volume
    warnings: tuple[str, ...] = ()
    frame_times_s: tuple[float, ...] | None = None
    dicom: DicomSource | None = None
    b0: FieldReference | None = None


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
        time_s: time of day at which acquisition began, in s, or None.
        files: path inside the study of each of its files; empty where `source` is the only one.
        dicom: tells its DICOM instances; raises `InputError` if they cannot be read. None where it has none.
    """

    source: str
    grid: Grid | None
    info: SeriesInfo
    examination: Examination
    load: Callable[[], Loaded]
    problem: InputError | None = None
    broken: bool = False
    acquired: tuple[float, ...] = ()
    time_s: float | None = None
    files: tuple[str, ...] = ()
    dicom: Callable[[], DicomSource] | None = None


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


def group_by(items: Iterable[_Item], key: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    """Group items with equal keys, in the order in which each key first occurs.

    Example:
        >>> group_by("abAcB", str.lower)
        [['a', 'A'], ['b', 'B'], ['c']]
    """
    groups: defaultdict[Hashable, list[_Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())
