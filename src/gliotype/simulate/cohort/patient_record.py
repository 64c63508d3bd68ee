"""One patient of a cohort of digital patients: who it is, its images, and its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from gliotype.atlas import atlas
from gliotype.masks import read_whole
from gliotype.simulate.cohort.raw_study import SimulatedImage, raw_images, raw_patient, scanner_units
from gliotype.simulate.cohort.sites import MALE, Disease, Site, draw_disease, find_site, site_age
from gliotype.simulate.cohort.truth import COLUMNS, TRUTH_SPACES, truth_of
from gliotype.simulate.diffusion import SimulatedAdc, adc_series
from gliotype.simulate.dsc.protocols import DscSite
from gliotype.simulate.dsc.series import SimulatedDsc, dsc_series
from gliotype.simulate.head.anatomy import Anatomy
from gliotype.simulate.head.label_maps import label_map_files, read_label_map
from gliotype.simulate.head.template import template_anatomy
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.simulate.mrs.series import SimulatedMrs, mrs_series
from gliotype.simulate.patient import DigitalPatient, acquire, draw_patient
from gliotype.simulate.scanner import draw_protocols
from gliotype.simulate.tissue import draw_parameters
from gliotype.study import STRUCTURAL, Sequence
from gliotype.volume import Grid, Volume

RAW_THICKNESS_MM = 3.0
"""Slices of a raw cohort are at least this thick at every site."""


@dataclass(frozen=True)
class PatientParameters:
    """What is drawn about a patient before any voxel."""

    seed: int
    site: str
    disease: Disease
    sex: str
    field_t: float
    sequences: tuple[Sequence, ...]
    thickness_mm: tuple[float, float]
    head: float

    @classmethod
    def of(cls, cohort_seed: int, number: int, site: Site) -> PatientParameters:
        """Draw the patient of a number (from 1) in a site's cohort of a seed."""
        seed = int(np.random.SeedSequence([cohort_seed, number]).generate_state(1)[0])
        rng = np.random.default_rng([seed, 0])
        disease = draw_disease(rng, site)
        glioma = disease if isinstance(disease, GliomaType) else None
        fields = list(site.field_mix)
        missing = STRUCTURAL[rng.integers(len(STRUCTURAL))] if rng.random() < site.missing else None
        return cls(
            seed=seed,
            site=site.name,
            disease=disease,
            sex="M" if rng.random() < (0.5 if glioma is None else MALE[glioma]) else "F",
            field_t=float(fields[rng.choice(len(fields), p=list(site.field_mix.values()))]),
            sequences=tuple(s for s in STRUCTURAL if s is not missing),
            thickness_mm=site.thickness_mm,
            head=float(rng.random()),
        )


class AnatomyLibrary:
    """The anatomies to choose from; a label map is read and aligned when it is first needed."""

    def __init__(self, folder: Path | None) -> None:
        self._files = () if folder is None else label_map_files(folder)
        self._read = lru_cache(maxsize=32)(read_label_map)
        self._white_matter = atlas.tissue(atlas.Tissue.WHITE)

    def chosen(self, part: float) -> Anatomy:
        """Return the head at a part (0 to 1) of the list."""
        if not self._files:
            return template_anatomy()
        return self._read(self._files[int(part * len(self._files))], self._white_matter)


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """A patient with images and truth.

    Attributes:
        name: of the patient.
        images: of each sequence that the patient has.
        labels: the tumour (`gliotype.study.Label`) on the grid of the truth's sequence.
        brain: mask, on the same grid.
        truth: what is known, by the columns of `COLUMNS`.
        dsc: the perfusion series, or None.
        adc: the ADC map, or None.
        mrs: the spectrum, or None.
    """

    name: str
    images: Mapping[Sequence, SimulatedImage]
    labels: Volume
    brain: Volume
    truth: Mapping[str, str | int | float | None]
    dsc: SimulatedDsc | None = None
    adc: SimulatedAdc | None = None
    mrs: SimulatedMrs | None = None


def simulate_patient(
    name: str,
    draw: PatientParameters,
    anatomy: Anatomy,
    *,
    raw: bool,
    spacing_mm: float = 1.0,
    dsc: DscSite | None = None,
    adc: bool = False,
    mrs: bool = False,
) -> SimulatedPatient:
    """Simulate a patient as drawn.

    Args:
        name: of the patient.
        draw: who it is.
        anatomy: the head to start from.
        raw: whether each sequence lies in its own oblique, thick-sliced space; otherwise all lie on one grid in
            MNI152 orientation, with the blur of their slices.
        spacing_mm: of that grid; a raw patient does not use it.
        dsc: where a perfusion series is acquired, in its own oblique space; None for no series.
        adc: whether an ADC map is acquired, in its own oblique space.
        mrs: whether a spectrum of the tumour is acquired.
    """
    if raw:
        patient = raw_patient(draw.seed, draw.disease, anatomy)
        low, high = draw.thickness_mm
        thick = (max(low, RAW_THICKNESS_MM), max(high, RAW_THICKNESS_MM))
        images = raw_images(
            patient, draw.seed, sequences=draw.sequences, field_t=draw.field_t, thickness_mm=thick
        )
    else:
        grid = template_anatomy().tissue.grid.bounding(spacing_mm)
        rng = np.random.default_rng([draw.seed, 1])
        patient = draw_patient(rng, anatomy, grid, draw.disease, reshape_scale=0.04)
        images = _registered_images(patient, draw)
    space = next(s for s in map(Sequence, TRUTH_SPACES) if s in images)
    labels = np.zeros(patient.grid.shape, np.uint8) if patient.tumour is None else patient.tumour.labels
    drawn_on = images[space]
    age = patient.age
    if isinstance(draw.disease, GliomaType):
        age = site_age(find_site(draw.site), draw.disease, age)
    lying = drawn_on.image_from_mni
    perfusion = dsc_series(patient, draw.seed, site=dsc, field_t=draw.field_t, lying=lying) if dsc else None
    diffusion = adc_series(patient, draw.seed, field_t=draw.field_t, lying=lying) if adc else None
    spectrum = mrs_series(patient, draw.seed, field_t=draw.field_t, lying=lying) if mrs else None
    further = {Sequence.DSC: dsc is not None, Sequence.ADC: adc, Sequence.MRS: mrs}
    acquired = [*draw.sequences, *(sequence for sequence, there in further.items() if there)]
    truth = {
        **truth_of(patient, draw.disease),
        "participant_id": name,
        "age": round(age, 1),
        "sex": draw.sex,
        "site": draw.site,
        "field_t": draw.field_t,
        "sequences": " ".join(acquired),
        "adc_ratio": None if diffusion is None or diffusion.ratio is None else round(diffusion.ratio, 3),
        "two_hg_mm": None if spectrum is None else round(spectrum.two_hg_mm, 2),
        "box_tumour": None if spectrum is None else round(spectrum.tumour_fraction, 3),
        "truth_space": str(space),
        "seed": draw.seed,
    }
    return SimulatedPatient(
        name,
        images,
        _read_on(labels, patient.grid, drawn_on),
        _read_on(patient.brain.astype(np.uint8), patient.grid, drawn_on),
        {column: truth[column] for column in COLUMNS},
        perfusion,
        diffusion,
        spectrum,
    )


def _registered_images(patient: DigitalPatient, draw: PatientParameters) -> dict[Sequence, SimulatedImage]:
    """Acquire images on the patient's own grid, each with the blur of its slices."""
    rng = np.random.default_rng([draw.seed, 2])
    protocols = draw_protocols(rng, STRUCTURAL, draw.thickness_mm)
    parameters = draw_parameters(rng, draw.field_t)
    arrays = acquire(rng, patient, parameters, {s: protocols[s] for s in draw.sequences})
    return {
        sequence: SimulatedImage(
            Volume(scanner_units(array, float(np.quantile(array, 0.995))), patient.grid.affine),
            protocols[sequence],
            draw.field_t,
            np.eye(4),
        )
        for sequence, array in arrays.items()
    }


def _read_on(labels: np.ndarray, grid: Grid, image: SimulatedImage) -> Volume:
    volume = Volume(labels, grid.affine)
    if grid.same_as(image.volume.grid):
        return volume
    return read_whole(volume, image.volume.grid, np.linalg.inv(image.image_from_mni))
