"""Examples for the perfusion network: simulated patients, measured as a real series is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype._version import __version__
from gliotype.atomic_files import atomic_write, reading_cached
from gliotype.dsc import TUMOUR_REGIONS, Region, RegionCurve
from gliotype.measure.dsc import NoPerfusion, VoxelPerfusion, analyse
from gliotype.measure.dsc.bolus import relative_signal
from gliotype.measure.dsc.numbers import FEWEST_VOXELS, REGION_UNITS
from gliotype.predictors.curves import CHANNELS, POINTS, curves_of, lacking
from gliotype.predictors.perfusion import bolus_phases
from gliotype.simulate.cohort.sites import draw_disease, draw_site_age, find_site
from gliotype.simulate.dsc.protocols import find_dsc_site
from gliotype.simulate.dsc.voxels import VoxelCurves, VoxelRegion, draw_perfusion_patient
from gliotype.simulate.lesion.glioma import GliomaType
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.workers import workers
from gliotype.train.perfusion.network import CurveExample

NUMBERS: tuple[str, ...] = tuple(f"{region}_{name}" for region in TUMOUR_REGIONS for name in REGION_UNITS)
"""Perfusion numbers of an example, in order."""

VARIANTS = 6
"""Inputs of one patient: its whole regions, and random halves of them."""

CLASSES = "snuh"
"""Site whose patients come: 125 of 463 IDH-mutant, as in Choi 2019."""


@dataclass(frozen=True)
class CurveCohort:
    """A simulated cohort of DSC patients.

    Attributes:
        name: of the cohort.
        site: how it is scanned (`gliotype.simulate.dsc.protocols.DSC_SITES`).
        patients: how many.
        seed: random seed.
    """

    name: str
    site: str
    patients: int
    seed: int


def make_curve_examples(cohort: CurveCohort, cache: Path, *, jobs: int = 1) -> list[CurveExample]:
    """Simulate and measure a cohort, or read what was made before.

    Args:
        cohort: who, and how scanned.
        cache: folder of the examples, in one file for each cohort, named after all that they depend on.
        jobs: processes.

    Returns:
        An example of each patient; one whose perfusion cannot be measured has no curves.
    """
    settings = {
        "cohort": repr((cohort, find_dsc_site(cohort.site), find_site(CLASSES))),
        "version": __version__,
    }
    file = cache / f"{cohort.name}-{cache_key(settings)}.npz"
    if not file.exists():
        make = partial(curve_example, cohort)
        with workers(jobs) as pool:
            _save(list(pool.map(make, range(cohort.patients), chunksize=8)), file)
    return _load(file)


def curve_example(cohort: CurveCohort, number: int) -> CurveExample:
    """Simulate and measure one patient of a cohort (numbers from 0)."""
    rng = np.random.default_rng([cohort.seed, number])
    hospital = find_site(CLASSES)
    glioma = draw_disease(rng, hospital)
    assert isinstance(glioma, GliomaType), "the site has gliomas only"
    age = draw_site_age(rng, hospital, glioma)
    voxels = draw_perfusion_patient(rng, glioma, find_dsc_site(cohort.site))
    measured = measure_voxels(voxels)
    curves = np.zeros((0, len(CHANNELS), POINTS), np.float32)
    phases = np.zeros(POINTS, np.intp)
    numbers = np.full(len(NUMBERS), np.nan)
    if isinstance(measured, VoxelPerfusion):
        numbers = np.array([np.nan if (v := measured.numbers[name]) is None else v for name in NUMBERS])
        if not lacking(measured):
            curves = np.stack([curves_of(measured), *_variants(rng, voxels, measured)])
            phases = bolus_phases(measured.bolus, measured.times_s)
    subject = f"{cohort.name}-{number + 1:04d}"
    return CurveExample(subject, curves, phases, numbers, glioma.idh_mutant, age)


def measure_voxels(voxels: VoxelCurves) -> VoxelPerfusion | NoPerfusion:
    """Measure simulated voxels as the voxels of a series."""
    return analyse(
        voxels.signal,
        voxels.times_s,
        voxels.protocol.te_ms,
        brain=np.ones(len(voxels.signal), np.bool_),
        regions=masks_of(voxels),
        spin_echo=voxels.protocol.spin_echo,
    )


def masks_of(voxels: VoxelCurves) -> dict[Region, NDArray[np.bool_]]:
    """Return the voxels of each region, (n,) each."""
    pairs = {
        Region.ENHANCING: VoxelRegion.ENHANCING,
        Region.NON_ENHANCING: VoxelRegion.NON_ENHANCING,
        Region.OEDEMA: VoxelRegion.OEDEMA,
        Region.WHITE_MATTER: VoxelRegion.WHITE_MATTER,
    }
    masks = {region: voxels.region == code for region, code in pairs.items()}
    masks[Region.WHOLE] = masks[Region.ENHANCING] | masks[Region.NON_ENHANCING] | masks[Region.OEDEMA]
    return masks


def _variants(
    rng: np.random.Generator, voxels: VoxelCurves, measured: VoxelPerfusion
) -> list[NDArray[np.float32]]:
    """Take the curves of random halves of the regions."""
    relative = relative_signal(voxels.signal, measured.bolus)
    masks = {region: mask for region, mask in masks_of(voxels).items() if region in measured.curves}
    variants = []
    for _ in range(VARIANTS - 1):
        half = rng.random(len(relative)) < 0.5
        parts = {region: mask & half & np.isfinite(relative).all(axis=1) for region, mask in masks.items()}
        curves = {
            region: RegionCurve(relative[part].mean(axis=0, dtype=np.float64), int(part.sum()))
            for region, part in parts.items()
            if part.sum() >= FEWEST_VOXELS // 2
        }
        variant = replace(measured, curves=curves)
        if not lacking(variant):
            variants.append(curves_of(variant))
    return variants


def _save(examples: list[CurveExample], file: Path) -> None:
    """Write examples into one file, replaced at once when complete."""
    with atomic_write(file) as aside:
        np.savez_compressed(
            aside,
            subjects=[e.subject for e in examples],
            curves=np.concatenate([e.curves for e in examples]).astype(np.float16),
            counts=[len(e.curves) for e in examples],
            phases=np.stack([e.phases for e in examples]),
            numbers=np.stack([e.numbers for e in examples]),
            mutant=[e.mutant for e in examples],
            age=[e.age for e in examples],
        )


def _load(file: Path) -> list[CurveExample]:
    with reading_cached(file), np.load(file) as arrays:
        curves = np.split(arrays["curves"].astype(np.float32), np.cumsum(arrays["counts"])[:-1])
        columns = (arrays[name] for name in ("phases", "numbers", "mutant", "age"))
        rows = zip(arrays["subjects"], curves, *columns, strict=True)
        return [CurveExample(str(s), c, p, n, bool(m), float(a)) for s, c, p, n, m, a in rows]
