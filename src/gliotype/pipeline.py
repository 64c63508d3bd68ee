"""The main job, as one sentence: read, prepare, segment, measure, predict, answer."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from gliotype._version import __version__
from gliotype.answer import Settings, answer
from gliotype.answer.site import read_site
from gliotype.cached_study import CachedStudy, load_cached, save_cached
from gliotype.errors import UsageError
from gliotype.measure import measure
from gliotype.mrs import Timing
from gliotype.paths import as_path, paths_within
from gliotype.predictors import DEFAULT_PREVALENCE, load_networks, predict_all, subject_warnings
from gliotype.prepare import prepare
from gliotype.read import read_mask, read_study, state_subject
from gliotype.read.mrs.sequence import parse_timing
from gliotype.result import Result
from gliotype.runtime import ahead, release_memory, use_threads, weight_hashes
from gliotype.segment import find_brain, given_tumour, segment
from gliotype.segment.model1 import SHIPPED, use_model1
from gliotype.segment.model1 import load as load_model1
from gliotype.segment.subregions import load as load_subregions
from gliotype.study import Sequence, Subject
from gliotype.text import printable

AGE_RANGE = (0.0, 120.0)
DEFAULT_ID = "study"
"""Name of a case that the caller does not name; file and folder names may name the patient."""
OTHER_MODEL1 = (
    "Model 1 ran with a weight of your own: the figures in the documentation, and the range and the gate of the "
    "answer, were measured with the shipped one."
)
LIBRARIES = ("numpy", "scipy", "nibabel", "pydicom", "SimpleITK", "openvino")


def predict(
    source: str | Path | None = None,
    *,
    files: Mapping[Sequence, str | Path] | None = None,
    age: float | None = None,
    sex: str | None = None,
    id: str | None = None,  # noqa: A002
    prevalence: float | None = None,
    thresholds: tuple[float, float] | None = None,
    site: str | Path | None = None,
    study_uid: str | None = None,
    sequences: Mapping[str, Sequence | None] | None = None,
    mrs_timing: str | None = None,
    mask: str | Path | None = None,
    aif: str | Path | None = None,
    model1: str | Path | None = None,
    keep: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Predict the IDH status of one patient's glioma from a pre-operative study.

    Args:
        source: folder or zip of DICOM or of NIfTI, or one file; may be None where files are named.
        files: files (or folders of DICOM) to take as a sequence, whatever identification would say.
        age: years.
        sex: ``"M"`` or ``"F"``.
        id: the caller's name for the case.
        prevalence: proportion of IDH mutation among all gliomas sent to the clinic, before images and age are
            seen; None for that of the site, or 0.3 without one.
        thresholds: probabilities at or below which the call is wildtype, and at or above which it is mutant; None for
            0.2 and 0.8.
        site: file of a local calibration, as `gliotype calibrate` writes it.
        study_uid: which study, where `source` holds several.
        sequences: by the name of an image of `source`, as `prediction.json` has it, the sequence as which it is taken,
            whatever identification would say; None for an image that is not to be used.
        mrs_timing: sequence and echo time of the spectrum in ms, such as ``"press:32+65"``, where its file does not
            say them rightly.
        mask: tumour mask (NIfTI) to use instead of Model 1's.
        aif: mask (NIfTI, in the space of the DSC series) of the arterial voxels to use instead of those found.
        model1: weight of Model 1 (ONNX) to use instead of the shipped one, as `gliotype train model1` writes it.
        keep: folder in which the prepared study is cached, for `revise`.
        threads: how many to compute on; as many as this process has cores if None.
        progress: called with the name of each stage as it starts.

    Returns:
        All values of the run; `gliotype.report.write_result` writes them as files.

    Raises:
        UsageError: if an argument is out of range, or `source` holds several studies.
        InputError: if the input, or a weight of Model 1 that was given, cannot be read or used.
        NoStructuralImageError: if there is none of T1, T1c, T2 and FLAIR.
        WeightsError: if shipped weights are missing or corrupt.
    """
    calibration = None if site is None else read_site(as_path(site))
    if prevalence is None:
        prevalence = DEFAULT_PREVALENCE if calibration is None else calibration.prevalence
    check_options(age, sex, prevalence, thresholds)
    subject = Subject(printable(id or DEFAULT_ID), age, sex)
    inputs = Inputs(
        None if source is None else as_path(source),
        {Sequence(sequence): as_path(file) for sequence, file in (files or {}).items()},
        None if mask is None else as_path(mask),
        None if aif is None else as_path(aif),
        study_uid,
        dict(sequences or {}),
        None if mrs_timing is None else parse_timing(mrs_timing),
        None if model1 is None else as_path(model1),
    )
    clock = Clock(progress)
    with use_threads(threads) as count:
        cached = _prepare(inputs, subject.id, clock)
        if keep is not None:
            save_cached(cached, as_path(keep))
        return _answer(cached, subject, Settings(prevalence, thresholds, calibration), count, clock)


@dataclass(frozen=True)
class Inputs:
    """The files of one run; see `predict`."""

    source: Path | None
    files: Mapping[Sequence, Path]
    mask: Path | None
    aif: Path | None
    study_uid: str | None
    sequences: Mapping[str, Sequence | None]
    mrs_timing: Timing | None
    model1: Path | None

    @property
    def paths(self) -> tuple[str, ...]:
        """Path of everything in them."""
        return tuple(
            path for each in filter(None, (self.source, *self.files.values())) for path in paths_within(each)
        )


def revise(
    cached: str | Path,
    *,
    age: float | None = None,
    sex: str | None = None,
    id: str | None = None,  # noqa: A002
    prevalence: float | None = None,
    thresholds: tuple[float, float] | None = None,
    site: str | Path | None = None,
    mask: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Answer again from a cached study, with another age, sex, prevalence or outline; nothing is prepared again.

    The result is that of `predict` with the same arguments, seconds aside.

    Args:
        cached: folder that `predict` was given as `keep`.
        age: years; None for that of the headers.
        sex: ``"M"`` or ``"F"``; None for that of the headers.
        id: the caller's name for the case; None for that of the cached study.
        prevalence: see `predict`.
        thresholds: see `predict`.
        site: see `predict`.
        mask: tumour mask (NIfTI) to use and measure instead of the cached one.
        threads: see `predict`.
        progress: called with the name of each stage as it starts.

    Raises:
        UsageError: if an argument is out of range.
        InputError: if the folder holds no cached study of this version, or the mask cannot be used.
    """
    calibration = None if site is None else read_site(as_path(site))
    if prevalence is None:
        prevalence = DEFAULT_PREVALENCE if calibration is None else calibration.prevalence
    check_options(age, sex, prevalence, thresholds)
    clock = Clock(progress)
    with use_threads(threads) as count:
        with clock("read"):
            found = load_cached(as_path(cached), __version__)
            outline = None if mask is None else read_mask(as_path(mask))
        clock.seconds |= {"prepare": 0.0, "segment": 0.0, "measure": 0.0}
        if outline is not None:
            tumour = given_tumour(outline, found.prepared)
            with clock("measure"):
                found = replace(
                    found, tumour=tumour, measurements=measure(found.prepared, tumour, found.arteries)
                )
        subject = Subject(printable(id or found.study.subject.id), age, sex)
        return _answer(found, subject, Settings(prevalence, thresholds, calibration), count, clock)


def _prepare(inputs: Inputs, subject: str, clock: Clock) -> CachedStudy:
    """Do all that depends on the images alone."""
    with clock("read"):
        study = read_study(
            inputs.source,
            files=inputs.files,
            subject=Subject(subject),
            sequences=inputs.sequences,
            study_uid=inputs.study_uid,
            mrs_timing=inputs.mrs_timing,
        )
        outline, arteries = (None if file is None else read_mask(file) for file in (inputs.mask, inputs.aif))
    with use_model1(inputs.model1) as model1:
        with clock("prepare"), ahead(load_model1, load_subregions, load_networks):
            prepared = prepare(study, find_brain)
        with clock("segment"):
            tumour = segment(prepared) if outline is None else given_tumour(outline, prepared)
    with clock("measure"):
        measurements = measure(prepared, tumour, arteries)
    return CachedStudy(study, prepared, tumour, measurements, arteries, inputs.paths, model1, __version__)


def _answer(cached: CachedStudy, subject: Subject, settings: Settings, threads: int, clock: Clock) -> Result:
    """Do all that depends on the subject and the settings."""
    study, prepared, tumour = state_subject(cached.study, subject), cached.prepared, cached.tumour
    measurements = cached.measurements
    with clock("predict"):
        findings, not_applicable = predict_all(
            prepared, tumour, measurements, study.subject, settings.prevalence
        )
    with clock("answer"):
        prediction = answer(study, prepared, tumour, measurements, settings)
    return Result(
        study=study,
        prepared=prepared,
        tumour=tumour,
        measurements=measurements,
        findings=findings,
        not_applicable=not_applicable,
        prediction=prediction,
        warnings=(
            *study.warnings,
            *prepared.warnings,
            *tumour.warnings,
            *measurements.warnings,
            *subject_warnings(study.subject),
            *(() if cached.model1 is None else (OTHER_MODEL1,)),
        ),
        seconds=clock.seconds,
        versions=_versions(),
        weights=weight_hashes() | ({} if cached.model1 is None else {SHIPPED: cached.model1}),
        threads=threads,
        paths=cached.paths,
    )


class Clock:
    """Measures the seconds of each stage and reports its start."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress or (lambda stage: None)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage; what it no longer needs is given back to the system."""
        self._progress(stage)
        started = time.perf_counter()
        yield
        release_memory()
        self.seconds[stage] = time.perf_counter() - started


def check_options(
    age: float | None, sex: str | None, prevalence: float, thresholds: tuple[float, float] | None
) -> None:
    """Check the facts and settings of a prediction; see `predict`.

    Raises:
        UsageError: if one is out of range.
    """
    low, high = AGE_RANGE
    if age is not None and not low <= age <= high:
        raise UsageError(f"age is {age:g}: give years between {low:g} and {high:g}, or leave it out")
    if sex is not None and sex not in ("M", "F"):
        raise UsageError(f"sex is {sex!r}: give M or F, or leave it out")
    if not 0 < prevalence < 1:
        raise UsageError(f"prevalence is {prevalence:g}: give a proportion between 0 and 1, such as 0.3")
    if thresholds is not None and not 0 <= thresholds[0] < thresholds[1] <= 1:
        raise UsageError(
            f"the thresholds are {thresholds[0]:g} and {thresholds[1]:g}: give two probabilities, "
            "the lower for wildtype and the higher for mutant, such as 0.2 and 0.8"
        )


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in LIBRARIES}
    return {"gliotype": __version__, "python": platform.python_version(), **libraries}
