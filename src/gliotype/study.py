"""The values that travel from stage to stage, from the study as read to the measurements; all frozen.

    files -> Study -> PreparedStudy -> Tumour -> Measurements -> (Finding, ...) -> Prediction

Findings and their evidence are in `gliotype.findings`; the prediction, and the `Result` that holds all values of one
run, in `gliotype.result`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliotype.cest import CestMaps, CestSeries, FieldReference, Saturation
from gliotype.dicom_source import DicomSource
from gliotype.dsc import DscSeries, Perfusion
from gliotype.mrs import MrsSeries, Spectrum, SpectrumFit
from gliotype.volume import Box, Grid, Matrix, Volume


class Sequence(StrEnum):
    """Kinds of acquired images that Gliotype knows."""

    T1 = "T1"
    T1C = "T1C"
    T2 = "T2"
    FLAIR = "FLAIR"
    DSC = "DSC"
    ADC = "ADC"
    MRS = "MRS"
    CEST = "CEST"

    @property
    def word(self) -> str:
        """As radiologists write it.

        Example:
            >>> Sequence.T1C.word, Sequence.FLAIR.word
            ('T1c', 'FLAIR')
        """
        return "T1c" if self is Sequence.T1C else self.value


STRUCTURAL: tuple[Sequence, ...] = (Sequence.T1C, Sequence.FLAIR, Sequence.T2, Sequence.T1)
"""Structural sequences in the order in which one is taken as the reference image."""


class Label(IntEnum):
    """Sub-regions in a tumour's label map (the BraTS 2023 convention). The whole tumour is any label."""

    CORE = 1
    """Non-enhancing or necrotic tumour core."""
    OEDEMA = 2
    """Oedema and infiltrated tissue."""
    ENHANCING = 3
    """Enhancing tumour."""


@dataclass(frozen=True)
class Subject:
    """The patient, as far as the caller gives it.

    Attributes:
        id: the caller's identifier; never a name or hospital number found in the images.
        age: years, or None.
        sex: ``"M"``, ``"F"`` or None.
    """

    id: str
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True)
class Acquisition:
    """How an image was acquired; what the files do not say is None.

    Attributes:
        te_ms: echo time.
        tr_ms: repetition time.
        ti_ms: inversion time.
        flip_angle_deg: flip angle.
        field_t: field strength in tesla.
        contrast: whether a contrast agent had been given.
        spin_echo: whether it is a spin echo; False for a gradient echo.
        frame_times_s: time of each frame of a time series, from the first.
        b_values: diffusion weighting of each frame in s/mm2; one value for a single image.
        saturation: of each frame of a CEST series.
        description: series description or file name, as found.
        study_uid: DICOM StudyInstanceUID.
    """

    te_ms: float | None = None
    tr_ms: float | None = None
    ti_ms: float | None = None
    flip_angle_deg: float | None = None
    field_t: float | None = None
    contrast: bool | None = None
    spin_echo: bool | None = None
    frame_times_s: tuple[float, ...] | None = None
    b_values: tuple[float, ...] | None = None
    saturation: Saturation | None = None
    description: str | None = None
    study_uid: str | None = None


@dataclass(frozen=True, eq=False)
class Image:
    """One acquired series.

    Attributes:
        volume: voxels as read (scanner units) with their affine; of an image that is not used, which is
            not read, NaN on its grid; of a spectrum its box, as one voxel.
        sequence: what kind of image it is, or None for something else.
        confidence: 0 to 1, how sure the identification is; 1 when the caller said so.
        reason: one sentence, how the sequence was found out.
        source: path relative to the study, of the file or of the series' first file.
        acquisition: acquisition parameters.
        dicom: the instances from which it was read; None if it was not read, or not from DICOM.
        spectroscopy: FIDs of a spectrum that is used, None for everything else.
        b0: of a CEST series that is used, what was acquired to tell the shift of the water resonance; else None.
    """

    volume: Volume
    sequence: Sequence | None
    confidence: float
    reason: str
    source: str
    acquisition: Acquisition = field(default_factory=Acquisition)
    dicom: DicomSource | None = None
    spectroscopy: MrsSeries | None = None
    b0: FieldReference | None = None


@dataclass(frozen=True)
class NotRead:
    """Something in a study that was not read.

    Attributes:
        source: path relative to the study.
        reason: why, a clause.
        kind: what it is, where it may be important; else empty. It quotes nothing of the study.
    """

    source: str
    reason: str
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Study:
    """A subject and the images of one examination.

    Attributes:
        subject: the patient.
        images: every image that was read, the chosen one of each sequence first among its kind.
        warnings: what a referee should know about the input, one sentence each.
        not_read: what was found in addition to the images and not read.
        surgery: the words of a description that mention an earlier operation or biopsy, or None.
    """

    subject: Subject
    images: tuple[Image, ...]
    warnings: tuple[str, ...] = ()
    not_read: tuple[NotRead, ...] = ()
    surgery: str | None = None

    @property
    def chosen(self) -> dict[Sequence, Image]:
        """The image used for each sequence: the first of its kind."""
        chosen: dict[Sequence, Image] = {}
        for image in self.images:
            if image.sequence is not None:
                chosen.setdefault(image.sequence, image)
        return chosen

    @property
    def reference(self) -> Sequence:
        """The sequence on whose grid results are written: the first of T1C, FLAIR, T2, T1 that is there."""
        chosen = self.chosen
        return next(sequence for sequence in STRUCTURAL if sequence in chosen)


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """The structural images side by side, ready for networks and measurements.

    Attributes:
        images: per sequence, on one 1 mm RAS+ grid, float32; inhomogeneity-corrected, scaled so that
            normal-appearing white matter is 1.0 and zero signal is 0.
        brain: boolean mask of the brain, tumour included, on the same grid.
        mni_from_prepared: affine transform, world (RAS mm) of the prepared grid to MNI152.
        acquired_from_prepared: per sequence, rigid transform to the world of the image as acquired.
        acquired_grids: per sequence, the grid as acquired.
        reference: the sequence whose world space the prepared grid shares.
        skull_stripped: whether the input had its skull removed already.
        quality: named numbers about registrations and masks, for the record.
        dsc: the DSC series, ready to measure; None where there is none that can be used.
        adc: the ADC map in 1e-3 mm2/s on its own grid, 0 where it was not measured; None where there is none that can
            be used. Its transform is in `acquired_from_prepared`.
        mrs: the single-voxel spectrum, ready to fit; None where there is none that can be used.
        cest: Z-spectra, ready to measure; None where there are none that can be used.
        warnings: what went less than well, one sentence each.
    """

    images: Mapping[Sequence, Volume]
    brain: Volume
    mni_from_prepared: Matrix
    acquired_from_prepared: Mapping[Sequence, Matrix]
    acquired_grids: Mapping[Sequence, Grid]
    reference: Sequence
    skull_stripped: bool
    quality: Mapping[str, float] = field(default_factory=dict)
    dsc: DscSeries | None = None
    adc: Volume | None = None
    mrs: Spectrum | None = None
    cest: CestSeries | None = None
    warnings: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """The 1 mm RAS+ grid on which all images and masks lie."""
        return self.brain.grid

    @cached_property
    def brain_values(self) -> Mapping[Sequence, NDArray[np.float32]]:
        """Values of each image in the voxels of the brain, in the order of `numpy.ndarray.ravel`."""
        brain = np.asarray(self.brain.array, dtype=np.bool_)
        return {s: np.asarray(image.array, dtype=np.float32)[brain] for s, image in self.images.items()}

    def cropped(self, box: Box) -> PreparedStudy:
        """Keep a box of the grid; series on their own grids stay whole."""
        images = {sequence: image.cropped(box) for sequence, image in self.images.items()}
        return replace(self, images=images, brain=self.brain.cropped(box))


@dataclass(frozen=True, eq=False)
class Outline:
    """One more way in which the whole tumour could be drawn.

    Attributes:
        name: how it was drawn, such as ``"threshold 0.3"``.
        mask: the whole tumour on the prepared grid; not empty.
    """

    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tumour:
    """The tumour found by Model 1, or given by the caller.

    Attributes:
        labels: uint8 label map (`Label`; 0 is no tumour) on the prepared grid.
        source: ``"model1"`` or ``"given"``.
        confidence: mean whole-tumour probability inside the mask, or None when the mask was given.
        outlines: other plausible outlines: network passes, thresholds, components; none when the mask was given.
        agreement: Dice of the drawn tumour with what each single network pass and mirror side draws, by its name,
            plausible or not; none when the mask was given.
        doubts: where no tumour was found, why there may be one nevertheless, one sentence each.
        warnings: one sentence each.
        drawn: the tumour of which this is another outline; None where it is none.
    """

    labels: Volume
    source: str
    confidence: float | None = None
    outlines: tuple[Outline, ...] = ()
    agreement: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drawn: Tumour | None = None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The whole tumour."""
        return np.asarray(self.labels.array, dtype=np.uint8) > 0

    def drawn_as(self, outline: Outline) -> Tumour:
        """Return the tumour with another outline; voxels without a sub-region become `Label.OEDEMA`."""
        drawn = np.asarray(self.labels.array, dtype=np.uint8)
        labels = np.where(drawn > 0, drawn, np.uint8(Label.OEDEMA)) * outline.mask
        return Tumour(self.labels.with_array(labels), self.source, drawn=self)

    @property
    def found(self) -> bool:
        """Whether there is any tumour."""
        return bool(self.mask.any())

    @property
    def volume_ml(self) -> float:
        """Volume of the whole tumour in ml."""
        return float(self.mask.sum()) * self.labels.grid.voxel_ml

    @property
    def regions_known(self) -> bool:
        """Whether its sub-regions are known: a given mask of one value outlines the whole tumour alone."""
        return self.source == "model1" or len(np.unique(np.asarray(self.labels.array)[self.mask])) > 1

    @property
    def regions_ml(self) -> dict[str, float | None]:
        """Volume of each sub-region in ml, by lower-case label name; None where they are not known."""
        return {
            label.name.lower(): float((self.labels.array == label).sum()) * self.labels.grid.voxel_ml
            if self.regions_known
            else None
            for label in Label
        }


Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Measurements:
    """Named numbers about the tumour; None where an input is missing, never a made-up number.

    Names, units and definitions of each number are in ``docs/reference/measurements.md``.

    Attributes:
        shape: the 13 shape features of Choi 2021.
        loci: percent of the tumour in each of 6 structures of the atlas.
        signal: intensity ratios of the tumour to its ring and to white matter.
        mismatch: the T2-FLAIR mismatch.
        perfusion: DSC perfusion numbers.
        diffusion: apparent diffusion coefficient of the tumour; empty without a usable ADC map.
        spectroscopy: 2HG and other metabolites; empty without a usable spectrum.
        units: unit of each number, by name.
        dsc: curves and maps from which the perfusion numbers come, or None.
        mrs: the fit from which the numbers of spectroscopy come, or None.
        cest: asymmetry of the Z-spectra; empty without usable ones.
        cest_maps: maps and spectra from which the CEST numbers come, or None.
        warnings: what could not be measured and why, one sentence each.
    """

    shape: Numbers = field(default_factory=dict)
    loci: Numbers = field(default_factory=dict)
    signal: Numbers = field(default_factory=dict)
    mismatch: Numbers = field(default_factory=dict)
    perfusion: Numbers = field(default_factory=dict)
    diffusion: Numbers = field(default_factory=dict)
    spectroscopy: Numbers = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    dsc: Perfusion | None = None
    mrs: SpectrumFit | None = None
    cest: Numbers = field(default_factory=dict)
    cest_maps: CestMaps | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float | None:
        """Look a number up by its name, whatever its group."""
        groups = (
            self.shape,
            self.loci,
            self.signal,
            self.mismatch,
            self.perfusion,
            self.diffusion,
            self.spectroscopy,
            self.cest,
        )
        for group in groups:
            if name in group:
                return group[name]
        raise KeyError(name)
