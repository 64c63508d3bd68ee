"""Simulated cohorts as a source of examples: patients simulated straight onto one grid, without registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliotype.cohorts import CODELETION
from gliotype.prepare import prepare_registered
from gliotype.prepare.dsc import dsc_series
from gliotype.segment import find_brain
from gliotype.simulate.cohort.patient_record import PatientParameters, SimulatedPatient, simulate_patient
from gliotype.simulate.cohort.sites import Site, find_site
from gliotype.simulate.dsc.protocols import find_dsc_site
from gliotype.simulate.dsc.series import SimulatedDsc
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.study import Acquisition, Image, PreparedStudy, Sequence, Subject
from gliotype.train.data.anatomies import read_anatomies
from gliotype.train.data.examples import NO_INPUTS, Example, example_of
from gliotype.train.data.inputs import CURVES
from gliotype.volume import Volume

SPACING_MM = 1.5
"""Grid of the simulated patients; finer ones cost the cube and show Model 2's slices nothing more."""

STRATA = ("grade", "enhancing", "mismatch", "site", "field_t", "sequences")
"""Columns of the ground truth that stratify the patients."""


@dataclass(frozen=True)
class Scanner:
    """How a simulated hospital scans, where that differs from `Site`.

    Attributes:
        field_mix: field strengths in tesla and their proportions.
        thickness_mm: range of slice thickness.
        missing: proportion of patients that lack one of the four structural sequences.
    """

    field_mix: tuple[tuple[float, float], ...]
    thickness_mm: tuple[float, float]
    missing: float


@dataclass(frozen=True)
class SimulatedPatients:
    """A simulated cohort.

    Attributes:
        site: name of the `Site`: who comes.
        patients: how many.
        seed: random seed.
        scanner: how they are scanned; as at the site when None.
        anatomies: folder of whole-head label maps; the shipped template alone when None.
        cache: folder in which the aligned label maps are cached (see `read_anatomies`).
    """

    site: str
    patients: int
    seed: int
    scanner: Scanner | None = None
    anatomies: Path | None = None
    cache: Path | None = None

    @property
    def hospital(self) -> Site:
        """The site with its scanner."""
        site = find_site(self.site)
        if self.scanner is None:
            return site
        mix = MappingProxyType(dict(self.scanner.field_mix))
        return replace(
            site, field_mix=mix, thickness_mm=self.scanner.thickness_mm, missing=self.scanner.missing
        )

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, such as ``severance-0001``."""
        return tuple(f"{self.site}-{number:04d}" for number in range(1, self.patients + 1))

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that the examples depend on."""
        site = {each.name: _plain(getattr(self.hospital, each.name)) for each in fields(Site)}
        heads = "template" if self.anatomies is None else label_map_hashes(self.anatomies)
        return {"simulated": site, "seed": self.seed, "anatomies": heads, "spacing_mm": SPACING_MM}

    def draw(self, subject: str) -> PatientParameters:
        """Return what is drawn about a patient before any voxel."""
        return PatientParameters.of(self.seed, int(subject.rpartition("-")[2]), self.hospital)

    def mutant(self, subject: str) -> bool:
        """Determine whether a patient is IDH-mutant."""
        return bool(getattr(self.draw(subject).disease, "idh_mutant", False))

    def strata(self, subject: str) -> Mapping[str, str]:
        """Return the site, the field strength in tesla, and the 1p/19q status of a glioma."""
        draw = self.draw(subject)
        known = {"site": self.site, "field_t": str(draw.field_t)}
        if not isinstance(draw.disease, GliomaType):
            return known
        codeleted = draw.disease is GliomaType.OLIGODENDROGLIOMA
        return {**known, CODELETION.name: CODELETION.positive if codeleted else CODELETION.negative}

    def key(self, subject: str) -> str:
        """Return the name: all else is in the settings."""
        return subject

    def identities(self, subject: str) -> frozenset[str]:
        """Return number and seed: another cohort of this seed, of whatever site, has the same heads and tumours."""
        return frozenset({f"simulated {subject.rpartition('-')[2]} of seed {self.seed}"})

    def images(self, subject: str) -> tuple[Path, ...]:
        """Return nothing: there are no files."""
        return ()

    def simulate(self, subject: str, *, dsc: bool = False) -> SimulatedPatient:
        """Simulate a patient, with a DSC series where asked for."""
        draw = self.draw(subject)
        heads = read_anatomies(self.anatomies, self.cache)
        anatomy = heads[int(draw.head * len(heads))]
        site = find_dsc_site(self.hospital.dsc) if dsc else None
        return simulate_patient(subject, draw, anatomy, raw=False, spacing_mm=SPACING_MM, dsc=site)

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Simulate a patient and make the example, with the brain and the tumour that Model 1 finds."""
        patient = self.simulate(subject, dsc=CURVES in inputs)
        images: dict[Sequence, Volume] = {s: image.volume for s, image in patient.images.items()}
        prepared = prepare_registered(images, np.eye(4), None, find_brain)
        if patient.dsc is not None:
            series = dsc_series(_as_acquired(patient.dsc), prepared.brain, patient.dsc.image_from_mni)
            prepared = replace(prepared, dsc=series)

        def truth(_: PreparedStudy) -> NDArray[np.bool_]:
            return np.asarray(patient.labels.array) > 0

        return example_of(
            prepared,
            Subject(subject, float(str(patient.truth["age"])), str(patient.truth["sex"])),
            patient.truth["idh"] == "mutant",
            {name: str(patient.truth[name]) for name in STRATA},
            truth,
            inputs,
        )


def _as_acquired(series: SimulatedDsc) -> Image:
    """Return a simulated DSC series as it would be read from files."""
    protocol = series.protocol
    acquisition = Acquisition(
        te_ms=protocol.te_ms,
        tr_ms=1000 * protocol.tr_s,
        flip_angle_deg=90.0 if protocol.spin_echo else protocol.flip_deg,
        field_t=protocol.field_t,
        spin_echo=protocol.spin_echo,
        frame_times_s=tuple(protocol.times_s.tolist()),
    )
    return Image(series.volume, Sequence.DSC, 1.0, "it was simulated as one", "simulated series", acquisition)


def _plain(value: object) -> object:
    """Turn a site's mapping into text, whatever its keys are."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
