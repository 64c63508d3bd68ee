"""Prepare a study: all structural images side by side on one 1 mm grid, brain masked, intensities scaled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from scipy import ndimage

from gliotype.atlas import atlas
from gliotype.cest import CestSeries
from gliotype.dsc import DscSeries
from gliotype.errors import InputError
from gliotype.masks import box_around
from gliotype.mrs import Spectrum
from gliotype.prepare.bias import correct_inhomogeneity
from gliotype.prepare.brain import BrainFinder, atlas_brain, brain_of
from gliotype.prepare.cest import can_register, cest_series, reference_image
from gliotype.prepare.diffusion import adc_map
from gliotype.prepare.dsc import baseline_mean, dsc_series
from gliotype.prepare.head import is_stripped, shrink, support, zero_background
from gliotype.prepare.intensity import likely_white, white_matter_level
from gliotype.prepare.mrs import process
from gliotype.prepare.register import Alignment, affine, rigid
from gliotype.prepare.similarity import Pair, RegistrationImage
from gliotype.runtime import ahead, in_parallel
from gliotype.study import STRUCTURAL, PreparedStudy, Sequence, Study
from gliotype.volume import Grid, Matrix, Volume

SPACING_MM = 1.0
MARGIN_MM = 15.0
"""The prepared grid reaches this far beyond the atlas's brain."""
FOCUS_MM = 20.0
"""The affine registration looks this far beyond the atlas's brain in the end."""


@dataclass(frozen=True, eq=False)
class _View:
    """One image of the study: 3D with air at 0, whether its skull was removed, and ready to register."""

    volume: Volume
    stripped: bool
    side: RegistrationImage


@dataclass(frozen=True, eq=False)
class _Alignments:
    """How the images of a study lie to the reference and to MNI152."""

    acquired_from_reference: dict[Sequence, Matrix]
    mni_from_reference: Matrix
    quality: dict[str, float]
    warnings: tuple[str, ...]


def prepare(study: Study, find_brain: BrainFinder = atlas_brain) -> PreparedStudy:
    """Register, mask, correct and scale the structural images of a study.

    Args:
        study: with at least one of T1, T1C, T2 and FLAIR.
        find_brain: finds the brain of heads with their skull; see `BrainFinder`. It is given the images on
            the prepared grid as they were acquired (neither corrected nor scaled, air at 0).

    Returns:
        The images on a 1 mm RAS+ grid that shares the reference image's world space. What went less than well is
        in `PreparedStudy.warnings`, with numbers in `PreparedStudy.quality`. ADC, DSC and CEST series stay on their
        own grids, with their transforms; a spectrum's box stays where its header has it.
    """
    reference = study.reference
    views = _views(study)
    structural = {s: views[s] for s in STRUCTURAL if s in views}
    aligned = _align(views, reference)
    grid = prepared_grid(views[reference].volume.grid, aligned.mni_from_reference)

    def on_grid(sequence: Sequence) -> Volume:
        return structural[sequence].volume.resample(grid, aligned.acquired_from_reference[sequence])

    raw = dict(zip(structural, in_parallel(on_grid, structural), strict=True))
    stripped = views[reference].stripped
    prepared = prepare_registered(
        raw,
        aligned.mni_from_reference,
        _support(views[reference].volume, grid) if stripped else None,
        find_brain,
    )
    dsc, remarks = _dsc(study, prepared.brain, aligned)
    adc, adc_warnings = _adc(study, prepared.brain, aligned)
    mrs, mrs_warnings = _mrs(study)
    cest, cest_warnings = _cest(study, prepared.brain, aligned)
    return replace(
        prepared,
        acquired_from_prepared=aligned.acquired_from_reference,
        acquired_grids={s: image.volume.grid for s, image in study.chosen.items()},
        reference=reference,
        quality={**aligned.quality, **prepared.quality},
        dsc=dsc,
        adc=adc,
        mrs=mrs,
        cest=cest,
        warnings=(
            *aligned.warnings,
            *prepared.warnings,
            *remarks,
            *adc_warnings,
            *mrs_warnings,
            *cest_warnings,
        ),
    )


def _views(study: Study) -> dict[Sequence, _View]:
    """Make the images of a study ready to register; a CEST series of few slices stays where its header places it."""
    volumes: dict[Sequence, Volume] = {
        s: image.volume for s, image in study.chosen.items() if s not in (Sequence.MRS, Sequence.CEST)
    }
    cest = study.chosen.get(Sequence.CEST)
    if cest is not None and can_register(cest.volume.grid):
        with suppress(InputError):  # why it cannot be used is said when it is prepared
            volumes[Sequence.CEST] = reference_image(cest)
    return dict(zip(volumes, in_parallel(_view, volumes.values()), strict=True))


def _dsc(study: Study, brain: Volume, aligned: _Alignments) -> tuple[DscSeries | None, tuple[str, ...]]:
    """Make the DSC series ready, if there is one; one that cannot be measured only gives a warning."""
    if Sequence.DSC not in study.chosen:
        return None, ()
    try:
        series = dsc_series(study.chosen[Sequence.DSC], brain, aligned.acquired_from_reference[Sequence.DSC])
    except InputError as error:
        return None, (f"Perfusion was not measured: {error}.",)
    return series, series.warnings


def _adc(study: Study, brain: Volume, aligned: _Alignments) -> tuple[Volume | None, tuple[str, ...]]:
    """Make the ADC map ready, if there is one; one that cannot be measured only gives a warning."""
    if Sequence.ADC not in study.chosen:
        return None, ()
    place = aligned.acquired_from_reference[Sequence.ADC]
    try:
        return adc_map(study.chosen[Sequence.ADC], brain, aligned.mni_from_reference, place), ()
    except InputError as error:
        return None, (f"ADC was not measured: {error}.",)


def _mrs(study: Study) -> tuple[Spectrum | None, tuple[str, ...]]:
    """Process the spectrum, if there is one; one that cannot be measured only gives a warning."""
    if Sequence.MRS not in study.chosen:
        return None, ()
    image = study.chosen[Sequence.MRS]
    try:
        spectrum = process(image)
    except InputError as error:
        return None, (f"2HG was not measured: {error}.",)
    return spectrum, spectrum.warnings


def _cest(study: Study, brain: Volume, aligned: _Alignments) -> tuple[CestSeries | None, tuple[str, ...]]:
    """Make the Z-spectra ready, if there are any; those that cannot be measured only give a warning."""
    if Sequence.CEST not in study.chosen:
        return None, ()
    place = aligned.acquired_from_reference.get(Sequence.CEST, np.eye(4))
    try:
        return cest_series(study.chosen[Sequence.CEST], brain, place), ()
    except InputError as error:
        return None, (f"CEST was not measured: {error}.",)


def prepare_registered(
    images: Mapping[Sequence, Volume],
    mni_from_world: Matrix,
    support: Volume | None = None,
    find_brain: BrainFinder = atlas_brain,
) -> PreparedStudy:
    """Mask, correct and scale structural images that lie on one isotropic RAS+ grid already.

    Args:
        images: on one grid, air at 0.
        mni_from_world: affine transform of their world to MNI152, RAS mm.
        support: the brain where the skull was removed already, else None.
        find_brain: finds the brain where the skull is there.

    Returns:
        A study whose images as acquired are these.
    """
    grid = next(iter(images.values())).grid
    brain = brain_of(images, mni_from_world, support, find_brain)
    inside = np.asarray(brain.mask.array, dtype=np.bool_)
    box = box_around(inside if inside.any() else np.ones_like(inside))
    brain_in_box, white = brain.mask.cropped(box), likely_white(grid.part(box), mni_from_world)

    def scale(image: Volume) -> tuple[Volume, float]:
        even = correct_inhomogeneity(image, brain.mask)
        level = white_matter_level(even.cropped(box), brain_in_box, white)
        return even.with_array((even.array / np.float32(level or 1.0)).astype(np.float32)), level

    scaled = dict(zip(images, in_parallel(scale, images.values()), strict=True))
    levels = {f"{s}: white matter as acquired": round(level, 4) for s, (_, level) in scaled.items()}
    unscaled = [
        f"{s.word} has no signal in the brain: it was not scaled"
        for s, (_, level) in scaled.items()
        if level <= 0
    ]
    volume = float(np.asarray(brain.mask.array).sum()) * grid.voxel_ml
    numbers = {"brain: agreement with the atlas": round(brain.agreement, 4), "brain: ml": round(volume, 1)}
    return PreparedStudy(
        images={sequence: image for sequence, (image, _) in scaled.items()},
        brain=brain.mask,
        mni_from_prepared=mni_from_world,
        acquired_from_prepared=dict.fromkeys(images, np.eye(4)),
        acquired_grids=dict.fromkeys(images, grid),
        reference=next(s for s in STRUCTURAL if s in images),
        skull_stripped=support is not None,
        quality=numbers | levels,
        warnings=(*brain.warnings, *unscaled),
    )


def prepared_grid(reference: Grid, mni_from_world: Matrix) -> Grid:
    """Make the 1 mm RAS+ grid that covers the reference image's field around the brain.

    Args:
        reference: grid of the reference image.
        mni_from_world: affine transform of its world to MNI152; it locates the brain.
    """
    whole = reference.bounding(SPACING_MM)
    brain = box_around(np.asarray(atlas.brain().array))
    low = np.array([along.start for along in brain]) - MARGIN_MM  # the atlas has 1 mm voxels
    high = np.array([along.stop - 1 for along in brain]) + MARGIN_MM
    corners = np.array(
        [[x, y, z, 1] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    )
    world = (np.linalg.inv(mni_from_world) @ atlas.brain().affine @ corners.T)[:3].T
    index = (world - whole.affine[:3, 3]) / SPACING_MM
    first = np.clip(np.floor(index.min(axis=0)), 0, np.array(whole.shape) - 1).astype(int)
    last = np.clip(np.ceil(index.max(axis=0)), first, np.array(whole.shape) - 1).astype(int)
    affine_ = whole.affine.copy()
    affine_[:3, 3] += first * SPACING_MM
    i, j, k = (last - first + 1).tolist()
    return Grid((i, j, k), affine_)


def _support(stripped: Volume, grid: Grid) -> Volume:
    """Bring the brain of a stripped image to a grid."""
    fraction = stripped.with_array(support(stripped).astype(np.float32)).resample(grid)
    return fraction.with_array(np.asarray(fraction.array) >= 0.5)


def _view(acquired: Volume) -> _View:
    still = baseline_mean(acquired)
    still = still.with_array(np.asarray(still.array, dtype=np.float32))
    stripped = is_stripped(still)
    volume = zero_background(still.as_ras())
    return _View(volume, stripped, RegistrationImage.of(volume))


def _align(views: Mapping[Sequence, _View], reference: Sequence) -> _Alignments:
    """Align every image to the reference, and the reference to the templates of all contrasts together.

    Images that are stripped and share the reference's grid were registered before, and stay. A perfusion or
    diffusion image whose registration is doubtful stays where its header has it.
    """
    fixed = views[reference]
    quality: dict[str, float] = {}
    warnings: list[str] = []
    matrices: dict[Sequence, Matrix] = {reference: np.eye(4)}
    trusted = [reference]

    def to_reference(sequence: Sequence) -> Alignment | None:
        view = views[sequence]
        if fixed.stripped and view.stripped and view.volume.grid.same_as(fixed.volume.grid):
            return None
        return rigid(fixed.side, view.side)

    others = [s for s in views if s is not reference]
    probable = dict.fromkeys(_template_contrast(s) for s in views if s in STRUCTURAL)
    with ahead(*(partial(_template, contrast, fixed.stripped) for contrast in probable)):
        alignments = in_parallel(to_reference, others)
    for sequence, found in zip(others, alignments, strict=True):
        if found is None:
            matrices[sequence] = np.eye(4)
            trusted.append(sequence)
            continue
        keep_header = bool(found.quality_issues) and sequence not in STRUCTURAL
        matrices[sequence] = np.eye(4) if keep_header else found.moving_from_fixed
        if not found.quality_issues:
            trusted.append(sequence)
        quality |= _numbers(found, f"{sequence} to {reference}")
        stays = "it stays where its header places it; " if keep_header else ""
        warnings += _doubtful(found, f"{sequence.word} to {reference.word}", stays)
    shown = [s for s in trusted if s in STRUCTURAL and views[s].stripped == fixed.stripped]
    contrasts = list(dict.fromkeys(_template_contrast(s) for s in shown))
    templates = dict(
        zip(contrasts, in_parallel(lambda s: _template(s, fixed.stripped), contrasts), strict=True)
    )
    pairs = [
        Pair(views[s].side, templates[_template_contrast(s)], None if s is reference else matrices[s])
        for s in shown
    ]
    to_mni = affine(pairs)
    quality |= _numbers(to_mni, f"{reference} to MNI152")
    warnings += _doubtful(to_mni, f"{reference.word} to MNI152")
    return _Alignments(matrices, to_mni.moving_from_fixed, quality, tuple(warnings))


def _numbers(found: Alignment, name: str) -> dict[str, float]:
    """List the numbers of a registration: similarity, distance between the headers, scaling."""
    linear = found.moving_from_fixed[:3, :3]
    scales = np.linalg.svd(linear, compute_uv=False)
    u, _, vt = np.linalg.svd(linear)
    angle = np.degrees(np.arccos(np.clip((np.trace(u @ vt) - 1) / 2, -1, 1)))
    return {
        f"{name}: similarity": round(found.similarity, 4),
        f"{name}: overlap": round(found.overlap, 4),
        f"{name}: turn (degrees)": round(float(angle), 2),
        f"{name}: smallest scale": round(float(scales.min()), 3),
        f"{name}: largest scale": round(float(scales.max()), 3),
    }


def _doubtful(found: Alignment, name: str, stays: str = "") -> Iterator[str]:
    if found.quality_issues:
        quality_issues = "; ".join(found.quality_issues)
        yield f"The registration of {name} is doubtful ({quality_issues}): {stays}look at the pictures."


def _template_contrast(sequence: Sequence) -> Sequence:
    """Name the sequence that has the same template."""
    return Sequence.T1 if sequence is Sequence.T1C else sequence


@cache
def _template(sequence: Sequence, stripped: bool) -> RegistrationImage:
    """Prepare a template; the finer levels look at the brain and `FOCUS_MM` around it."""
    template = atlas.template(sequence)
    if stripped:
        template = template.with_array(np.where(np.asarray(atlas.brain().array), template.array, 0))
    brain = shrink(atlas.brain(), 4.0)
    away = ndimage.distance_transform_edt(np.asarray(brain.array) < 0.5, sampling=brain.grid.spacing)
    return RegistrationImage.of(template, focus=brain.with_array((away < FOCUS_MM).astype(np.float32)))
