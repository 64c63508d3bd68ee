"""A plausible `Result` made of synthetic values, for the tests of what comes after the predictors."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from conftest import oblique_affine
from gliotype.cest import CestMaps, CestSeries, Saturation
from gliotype.dsc import ArterialInput, Attention, Bolus, DscSeries, Perfusion, Region, RegionCurve
from gliotype.findings import Evidence, Finding, NotApplicable, Reason
from gliotype.measure import CEST_UNITS
from gliotype.mrs import Curves, MrsSequence, Spectrum, SpectrumFit, Timing
from gliotype.result import Call, Prediction, Result
from gliotype.study import (
    Acquisition,
    Image,
    Label,
    Measurements,
    PreparedStudy,
    Sequence,
    Study,
    Subject,
    Tumour,
)
from gliotype.volume import Grid, Volume

PREPARED = Grid((150, 184, 136), np.array([[1, 0, 0, -72], [0, 1, 0, -105], [0, 0, 1, -40], [0, 0, 0, 1.0]]))

# Relative signals of cerebrospinal fluid, grey matter, white matter, head, core, oedema and enhancing tumour.
SIGNALS = {
    Sequence.T1: (0.25, 0.75, 1.0, 1.2, 0.55, 0.7, 0.6),
    Sequence.T1C: (0.25, 0.8, 1.0, 1.3, 0.5, 0.7, 1.7),
    Sequence.T2: (3.0, 1.5, 1.0, 0.9, 2.6, 2.1, 1.8),
    Sequence.FLAIR: (0.3, 1.3, 1.0, 0.8, 1.2, 2.0, 1.6),
}
ACQUIRED = {
    Sequence.T1C: oblique_affine((-0.9, 0.9, 5.5), (8.0, -5.0, 12.0)),
    Sequence.FLAIR: oblique_affine((0.9, 0.9, 5.0), (4.0, 3.0, -6.0)),
    Sequence.T2: oblique_affine((0.6, 0.6, 6.0), (0.0, 0.0, 0.0)),
    Sequence.T1: oblique_affine((1.0, 1.0, 1.2), (0.0, 2.0, 0.0)),
}
SHAPES = {
    Sequence.T1C: (176, 216, 26),
    Sequence.FLAIR: (176, 216, 28),
    Sequence.T2: (256, 320, 24),
    Sequence.T1: (160, 190, 120),
}


@cache
def tissues() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tissue map (0 air, 1 CSF, 2 grey, 3 white, 4 head), brain mask and tumour labels on the prepared grid.

    The tumour lies in the right frontal lobe: a core within an enhancing rim 3 mm thick, within oedema.
    """
    x, y, z = np.moveaxis(PREPARED.world() - PREPARED.centre, -1, 0)
    folds = 0.05 * (
        np.sin(x / 4.1 + np.sin(y / 7)) + np.sin(y / 4.7 + np.sin(z / 6)) + np.sin(z / 5.3 + x / 9)
    )
    depth = np.sqrt((x / 62) ** 2 + (y / 78) ** 2 + (z / 56) ** 2)
    head = np.sqrt((x / 73) ** 2 + (y / 90) ** 2 + (z / 67) ** 2) < 1
    tissue = np.where(head, 4, 0)
    tissue[depth < 1.04] = 1
    tissue[depth + folds < 0.97] = 2
    tissue[depth + 2.2 * folds < 0.84] = 3
    ventricles = ((np.abs(x) - 11) / 7) ** 2 + ((y + 5) / 30) ** 2 + ((z - 6) / 11) ** 2 < 1
    tissue[ventricles] = 1
    away = np.sqrt((x - 26) ** 2 + ((y - 34) / 1.3) ** 2 + ((z - 12) / 0.9) ** 2) + 12 * folds
    labels = np.zeros(PREPARED.shape, np.uint8)
    labels[(away < 24) & (depth < 0.97)] = Label.OEDEMA
    labels[away < 14] = Label.ENHANCING
    labels[away < 11] = Label.CORE
    return tissue, depth < 1.0, labels


@cache
def prepared_images() -> dict[Sequence, Volume]:
    """The four structural images with a little noise, white matter at 1."""
    tissue, _, labels = tissues()
    random = np.random.default_rng(7)
    what = np.where((labels > 0), 4 + labels, tissue)
    images = {}
    for sequence, (csf, grey, white, head, core, oedema, enhancing) in SIGNALS.items():
        signal = np.array([0.0, csf, grey, white, head, core, oedema, enhancing])[what]
        blurred = ndimage.gaussian_filter(signal, 0.8) + random.normal(0, 0.04, what.shape)
        images[sequence] = Volume(np.abs(blurred).astype(np.float32), PREPARED.affine)
    return images


def acquired_grid(sequence: Sequence) -> Grid:
    """A thick-sliced, oblique grid around the same head."""
    affine = ACQUIRED[sequence].copy()
    affine[:3, 3] = PREPARED.centre - affine[:3, :3] @ ((np.array(SHAPES[sequence]) - 1) / 2)
    return Grid(SHAPES[sequence], affine)


def make_study(sequences: tuple[Sequence, ...] = tuple(SIGNALS)) -> Study:
    """A study whose images have the right grids and no signal."""
    acquisition = {
        Sequence.T1: Acquisition(te_ms=3.1, tr_ms=8.2, flip_angle_deg=12, field_t=3.0, contrast=False),
        Sequence.T1C: Acquisition(te_ms=2.4, tr_ms=6.0, field_t=3.0, contrast=True),
        Sequence.T2: Acquisition(te_ms=98, tr_ms=5200, field_t=3.0),
        Sequence.FLAIR: Acquisition(te_ms=125, tr_ms=9000, ti_ms=2500, field_t=3.0),
    }
    images = [
        Image(
            Volume(np.zeros(SHAPES[sequence], np.uint8), acquired_grid(sequence).affine),
            sequence,
            confidence=0.97,
            reason=f"the name {sequence.lower()}_doe.nii.gz says {sequence}, and its contrast agrees",
            source=f"exam/{sequence.lower()}_doe.nii.gz",
            acquisition=acquisition[sequence],
        )
        for sequence in sequences
    ]
    localiser = Image(
        Volume(np.zeros((64, 64, 3), np.uint8), np.diag([4.0, 4.0, 20.0, 1.0])),
        None,
        confidence=0.9,
        reason="3 slices 20 mm apart: a localiser",
        source="exam/loc.nii.gz",
    )
    return Study(Subject("case-7", age=44.0, sex="F"), (*images, localiser))


def make_prepared(study: Study) -> PreparedStudy:
    """Images side by side; all but the reference were moved a little to get there."""
    _, brain, _ = tissues()
    moved = oblique_affine((1, 1, 1), (1.0, 2.0, -1.5))
    moved[:3, 3] = (1.5, -2.0, 0.7)
    chosen = study.chosen
    return PreparedStudy(
        images={sequence: prepared_images()[sequence] for sequence in chosen},
        brain=Volume(brain, PREPARED.affine),
        mni_from_prepared=np.diag([1.05, 1.02, 1.1, 1.0]),
        acquired_from_prepared={s: np.eye(4) if s is study.reference else moved for s in chosen},
        acquired_grids={sequence: image.volume.grid for sequence, image in chosen.items()},
        reference=study.reference,
        skull_stripped=False,
        quality={"t2_overlap": 0.97, "mni_overlap": 0.94},
    )


def make_measurements() -> Measurements:
    """Numbers with units; perfusion is missing."""
    return Measurements(
        shape={
            "Elongation": 0.766,
            "Flatness": 0.608,
            "LeastAxisLength": 42.1,
            "MajorAxisLength": 70.9,
            "Maximum2DDiameterAxial": 75.8,
            "Maximum2DDiameterCoronal": 72.5,
            "Maximum2DDiameterSagittal": 81.0,
            "Maximum3DDiameter": 87.2,
            "MeshVolume": 118083.0,
            "MinorAxisLength": 53.3,
            "Sphericity": 0.594,
            "SurfaceArea": 19776.0,
            "VoxelVolume": 118170.0,
        },
        loci={
            "Frontal": 61.2,
            "Insula": 4.1,
            "Occipital": 0.0,
            "Parietal": 8.3,
            "Temporal": 2.2,
            "Thalamus": 0.4,
        },
        signal={"t1c_p95_over_ring": 1.62, "t2_mean_over_ring": 1.44, "flair_mean_over_ring": None},
        mismatch={"mismatch_percent": 3.1},
        perfusion={"rcbv_p95": None},
        units={
            **dict.fromkeys(("LeastAxisLength", "MajorAxisLength", "MinorAxisLength"), "mm"),
            **dict.fromkeys(("MeshVolume", "VoxelVolume"), "mm3"),
            **dict.fromkeys(("Frontal", "Insula", "Occipital", "Parietal", "Temporal", "Thalamus"), "%"),
            "SurfaceArea": "mm2",
            "Maximum3DDiameter": "mm",
            "mismatch_percent": "%",
            "t1c_p95_over_ring": "1",
        },
    )


def make_findings(saliency: Volume | None = None) -> tuple[Finding, ...]:
    """Three opinions: age, radiomics and a sign."""
    return (
        Finding(
            method="age",
            probability=0.52,
            interval=(0.46, 0.58),
            reasons=(Reason("age", 44.0, "years", 0.91, "younger than the average patient"),),
            summary="Age alone, for comparison",
            limits="Knows nothing about the images.",
        ),
        Finding(
            method="radiomics",
            probability=0.13,
            interval=(0.05, 0.28),
            sequences=(Sequence.T1C, Sequence.T2, Sequence.FLAIR),
            reasons=(
                Reason("t1c_p95_over_ring", 1.62, "1", -1.74, "strong enhancement <speaks> for wildtype"),
                Reason("age", 44.0, "years", 0.84, "younger than the average patient"),
                Reason("Sphericity", 0.594, "1", -0.21),
                Reason("t2_mean_over_ring", 1.44, "1", 0.08),
            ),
            summary="Strong rim enhancement outweighs age",
            limits="Fitted on adults with diffuse glioma; other tumours were never seen.",
            map=saliency,
        ),
        Finding(
            method="mismatch",
            probability=None,
            likelihood_ratio=0.7,
            sequences=(Sequence.T2, Sequence.FLAIR),
            reasons=(Reason("mismatch_percent", 3.1, "%", None, "below the 15 % cut-off: sign absent"),),
            summary="No T2-FLAIR mismatch",
            limits="An absent sign says little.",
        ),
    )


def make_result(
    sequences: tuple[Sequence, ...] = tuple(SIGNALS), *, saliency: Volume | None = None
) -> Result:
    """The result of a run on a synthetic wildtype tumour."""
    study = make_study(sequences)
    prepared = make_prepared(study)
    return Result(
        study=study,
        prepared=prepared,
        tumour=Tumour(Volume(tissues()[2], PREPARED.affine), source="model1", confidence=0.93),
        measurements=make_measurements(),
        findings=make_findings(saliency),
        not_applicable=(NotApplicable("perfusion", "the study has no DSC series"),),
        prediction=Prediction(
            call=Call.WILDTYPE,
            probability=0.13,
            interval=(0.05, 0.28),
            prevalence=0.3,
            explanation="The prior log-odds of the prevalence plus the weighted evidence of 3 findings.",
            evidence=(
                Evidence("radiomics", -1.9, 0.4, 0.6, 0.1, "fitted on real patients"),
                Evidence("age", 0.7, 0.2, 0.7, 0.1, "fitted on real patients, reduced"),
                Evidence("mismatch", -0.4033, 0.2, 1.0, 0.0, "from the literature"),
            ),
            reasons=(),
            range_sources={"coefficients": 0.2, "weights": 0.3, "hospital": 0.7, "outline": 0.1},
            by_outline={"as drawn": 0.13, "threshold 0.3": 0.12, "threshold 0.9": 0.16},
        ),
        warnings=("Two T1 series were found: exam/t1_doe.nii.gz was taken, being the finer one.",),
        seconds={
            "read": 0.8,
            "prepare": 18.2,
            "segment": 11.4,
            "measure": 1.3,
            "predict": 0.2,
            "answer": 1.1,
            "total": 32.0,
        },
        versions={"gliotype": "0.1.0", "numpy": "2.4.6", "openvino": "2026.4.1"},
        weights={"model1": "3f" * 32},
        threads=2,
    )


DSC = Grid((20, 24, 6), np.array([[-7.0, 0, 0, 66], [0, 0, 9.0, -30], [0, 7.0, 0, -70], [0, 0, 0, 1]]))
"""Grid of the DSC series: its axes run to the left, superior and anterior."""


def make_perfusion() -> tuple[DscSeries, Perfusion]:
    """A DSC series of 40 frames and what was measured of it; the right half of the brain has the higher rCBV."""
    times = 1.5 * np.arange(40, dtype=np.float64)
    passing = np.where(times > 15, (times - 15) ** 3 * np.exp(-(times - 15) / 1.5), 0.0)
    passing /= passing.max()
    signal = 800 * np.exp(-0.6 * passing)[None, None, None] * np.ones((*DSC.shape, 1))
    brain = np.zeros(DSC.shape, np.bool_)
    brain[3:-3, 1:-1, 1:-1] = True
    series = DscSeries(
        signal=Volume(signal.astype(np.float32), DSC.affine),
        times_s=times,
        te_ms=30.0,
        tr_ms=1500.0,
        flip_angle_deg=60.0,
        field_t=3.0,
        spin_echo=False,
        brain=Volume(brain, DSC.affine),
        dsc_from_prepared=np.eye(4),
        displacement_mm=np.zeros(40),
    )
    right = DSC.world()[..., 0] > 0
    rcbv = np.where(brain, np.where(right, 3.0, 1.0), np.nan).astype(np.float32)
    arteries = np.zeros(DSC.shape, np.bool_)
    arteries[8, 10, 2:5] = True
    depths = {Region.WHOLE: 0.5, Region.ENHANCING: 0.8, Region.OEDEMA: 0.3, Region.WHITE_MATTER: 0.25}
    curves = {region: RegionCurve(np.exp(-depth * passing), 120) for region, depth in depths.items()}
    perfusion = Perfusion(
        times_s=times,
        te_ms=30.0,
        bolus=Bolus(start=1, arrival=10, peak=13, end=20),
        arterial=ArterialInput(40 * passing, arteries),
        curves=curves,
        maps={"rcbv": Volume(rcbv, DSC.affine), "k2": Volume(0 * rcbv, DSC.affine)},
        numbers={"nrcbv_mean": 2.1},
    )
    return series, perfusion


def make_result_with_perfusion() -> Result:
    """The same result with a DSC series that was measured, and a finding that looked at its curves."""
    result = make_result()
    series, perfusion = make_perfusion()
    times = np.arange(-12.0, 78.0, 1.5)
    weight = np.exp(-0.5 * ((times - 5) / 4) ** 2)
    phases = tuple("baseline" if t < -1.5 else "down-slope" if t < 6 else "plateau" for t in times)
    finding = Finding(
        method="perfusion",
        probability=0.22,
        interval=(0.1, 0.4),
        sequences=(Sequence.DSC,),
        reasons=(Reason("down-slope", 62.0, "% of attention", -0.8),),
        summary="Curves of the tumour",
        attention=Attention(times, weight / weight.sum(), phases),
    )
    numbers = {"nrcbv_mean": 2.1, "psr_mean": 78.0}
    return replace(
        result,
        prepared=replace(result.prepared, dsc=series),
        measurements=replace(result.measurements, perfusion=numbers, dsc=perfusion),
        findings=(*result.findings, finding),
        not_applicable=(),
    )


def make_spectrum() -> tuple[Spectrum, SpectrumFit]:
    """A PRESS spectrum of a box in the tumour, and what was measured of it."""
    affine = np.diag([20.0, 20.0, 20.0, 1.0])
    affine[:3, 3] = PREPARED.centre + np.array([26.0, 34.0, 12.0])
    timing = Timing(MrsSequence.PRESS, 97.0, 32.0)
    fid = np.exp(-0.01 * np.arange(256)).astype(np.complex128)
    spectrum = Spectrum(fid, None, 0.0005, 127.7, timing, transients=128, voxel=Grid((1, 1, 1), affine))
    ppm = np.linspace(4.2, 0.5, 200)
    two_hg = 0.4 * np.exp(-(((ppm - 2.25) / 0.04) ** 2))
    fitted = two_hg + np.exp(-(((ppm - 3.03) / 0.03) ** 2)) + 0.1
    curves = Curves(ppm, fitted + 0.02 * np.sin(40 * ppm), fitted, np.full_like(ppm, 0.1), two_hg)
    numbers = {
        "2HG": 3.1, "2HG_sd": 0.4, "2HG_over_tCr": 0.6, "water_referenced": 1.0, "spectrum_transients": 128.0,
        "box_tumour": 93.0, "box_brain": 100.0,
    }  # fmt: skip
    measured = SpectrumFit(timing, 127.7, {"2HG": 1.8}, {"2HG": 0.2}, curves, False, 0.045, 24.0, numbers)
    return spectrum, measured


def make_result_with_spectroscopy() -> Result:
    """The same result with a spectrum in which 2HG was detected."""
    result = make_result()
    spectrum, measured = make_spectrum()
    finding = Finding(
        "mrs", None, likelihood_ratio=10.0, sequences=(Sequence.MRS,), summary="2HG was detected"
    )
    return replace(
        result,
        prepared=replace(result.prepared, mrs=spectrum),
        measurements=replace(result.measurements, spectroscopy=measured.numbers, mrs=measured),
        findings=(*result.findings, finding),
    )


def make_cest() -> tuple[CestSeries, CestMaps]:
    """Z-spectra of one oblique slice through the tumour and what was measured of them; the right half is higher."""
    affine = oblique_affine((3.0, 3.0, 6.0), (4.0, -3.0, 8.0))
    affine[:3, 3] = PREPARED.centre + np.array([0.0, 0.0, 12.0]) - affine[:3, :3] @ [29.5, 29.5, 0]
    grid = Grid((60, 60, 1), affine)
    world = grid.world() - PREPARED.centre
    tissue = np.linalg.norm(world[..., :2], axis=-1) < 60
    right = world[..., 0] > 0

    def image(inside: NDArray[np.floating]) -> Volume:
        return Volume(np.where(tissue, inside, np.nan).astype(np.float32), affine)

    offsets = tuple(np.linspace(-5, 5, 21).tolist())
    z = 1 - 0.9 / (1 + np.array(offsets) ** 2)
    series = CestSeries(
        z=Volume(np.broadcast_to(z, (*grid.shape, 21)).astype(np.float32), affine),
        offsets_ppm=offsets,
        tissue=tissue,
        b0_ppm=image(0.1 * np.ones(grid.shape)),
        b0_source="the Z-spectra",
        saturation=Saturation(offsets, b1_ut=2.0, duration_s=2.0),
        cest_from_prepared=np.eye(4),
    )
    asymmetries = np.where(right, 3.0, 1.0)
    maps = CestMaps(
        {"mtrasym_3p0": image(asymmetries), "mtrasym_3p5": image(0.8 * asymmetries), "b0": series.b0_ppm},
        offsets,
        {"tumour": z - 0.02, "white_matter": z},
        series.b0_source,
        series.saturation,
    )
    return series, maps


def make_result_with_cest() -> Result:
    """The same result with Z-spectra that were measured."""
    result = make_result()
    series, maps = make_cest()
    numbers: dict[str, float | None] = dict.fromkeys(CEST_UNITS)
    numbers |= {"mtrasym_3p0_tumour": 2.9, "mtrasym_3p0_white_matter": 1.1, "mtrasym_3p0_percentile": 97.0}
    image = Image(
        Volume(np.zeros((60, 60, 1), np.float32), series.z.affine),
        Sequence.CEST, 0.9, "21 saturation offsets are stated for its 21 frames.", "cest.nii.gz",
    )  # fmt: skip
    return replace(
        result,
        study=replace(result.study, images=(*result.study.images, image)),
        prepared=replace(result.prepared, cest=series),
        measurements=replace(
            result.measurements,
            cest=numbers,
            cest_maps=maps,
            units={**result.measurements.units, **CEST_UNITS},
        ),
    )


def make_no_tumour() -> Result:
    """The result of a run on a healthy head."""
    result = make_result()
    return replace(
        result,
        tumour=Tumour(Volume(np.zeros(PREPARED.shape, np.uint8), PREPARED.affine), source="model1"),
        measurements=Measurements(),
        findings=(),
        not_applicable=tuple(
            NotApplicable(method, "no tumour was found") for method in ("age", "radiomics", "mismatch")
        ),
        prediction=Prediction(
            call=Call.NO_TUMOUR,
            probability=None,
            interval=None,
            prevalence=0.3,
            explanation="Model 1 marked no voxel as tumour; give a mask with --mask if there is one.",
        ),
        warnings=(),
    )


def make_perhaps_missed() -> Result:
    """The result of a run that found no tumour and cannot exclude one."""
    result = make_no_tumour()
    prediction = replace(result.prediction, call=Call.INDETERMINATE, reasons=("The brain was not found.",))
    return replace(result, prediction=prediction)
