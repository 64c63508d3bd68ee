"""Predict one study of a batch, unless that was done before, and write its results and its record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from gliotype.atomic_files import atomic_write
from gliotype.batch.bids import write_bids_names
from gliotype.batch.fingerprint import Fingerprint, same_result, take_fingerprint
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.memory import peak_bytes, restart_peak
from gliotype.batch.record import Record, State, failed, read_record, remove_results, write_record
from gliotype.batch.room import check_room
from gliotype.batch.thumbnail import draw_thumbnail
from gliotype.errors import GliotypeError, OutputError
from gliotype.paths import without_sources
from gliotype.pipeline import predict
from gliotype.report import write_result
from gliotype.result import Result
from gliotype.study import Measurements

THUMBNAIL = "thumbnail.jpg"


def run_study(job: StudyJob, settings: BatchSettings) -> tuple[Record, bool]:
    """Predict a study and write its folder, then its record.

    Args:
        job: the study.
        settings: of the batch.

    Returns:
        The record, and whether it is that of an earlier run, whose input and settings were the same.

    Raises:
        OutputError: if results or the record cannot be written, or the study failed because a disk is full.
    """
    before = read_record(settings.output, job.id)
    restart_peak()
    started = time.perf_counter()
    fingerprint = None
    try:
        fingerprint = take_fingerprint(job, settings, None if before is None else before.fingerprint)
        if before is not None and _still_holds(before, fingerprint, settings):
            if before.fingerprint != fingerprint:
                before = write_record(settings.output, replace(before, fingerprint=fingerprint))
            return before, True
        result = _predict(job, settings)
        folder = settings.output / job.folder
        write_result(result, folder)
        with atomic_write(folder / THUMBNAIL) as aside:
            aside.write_bytes(draw_thumbnail(result))
        if job.bids is not None:
            write_bids_names(settings.output, job)
        record = done(job, result, fingerprint)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect at one study must not end the batch
        check_room(settings.output, error)
        record = _failure(job, settings, error, fingerprint)
        remove_results(settings.output, job)
    total = round(time.perf_counter() - started, 3)
    record = replace(record, seconds={**record.seconds, "total": total}, peak_bytes=peak_bytes())
    return write_record(settings.output, record), False


def _failure(
    job: StudyJob, settings: BatchSettings, error: Exception, fingerprint: Fingerprint | None
) -> Record:
    """Make the record of a study whose prediction raised an error."""
    if isinstance(error, GliotypeError):
        return failed(job, without_sources(str(error), job.inputs), error.exit_code, fingerprint)
    if isinstance(error, MemoryError):
        limit = f"{settings.memory_bytes / 1e9:g} GB"
        sentence = f"it needs more memory than {limit}: allow more with --memory and --retry failed"
        return failed(job, sentence, 3, fingerprint)
    sentence = (
        f"this is a bug in Gliotype ({type(error).__name__}): run gliotype predict on it, and report it"
    )
    return failed(job, sentence, 1, fingerprint)


def _still_holds(before: Record, fingerprint: Fingerprint, settings: BatchSettings) -> bool:
    if before.fingerprint is None or not same_result(before.fingerprint, fingerprint):
        return False
    if before.state is State.FAILED:
        return not settings.retry_failed
    return (settings.output / before.folder / "prediction.json").is_file()


def _predict(job: StudyJob, settings: BatchSettings) -> Result:
    return predict(
        job.source,
        files=job.files,
        age=job.age,
        sex=job.sex,
        id=job.id,
        prevalence=settings.prevalence if job.prevalence is None else job.prevalence,
        thresholds=settings.thresholds,
        site=settings.site,
        mask=job.mask,
        threads=settings.threads,
    )


def done(job: StudyJob, result: Result, fingerprint: Fingerprint) -> Record:
    """Make the record of a study that was predicted."""
    prediction = result.prediction
    return Record(
        id=job.id,
        folder=job.folder,
        state=State.DONE,
        sources=tuple(map(str, job.inputs)),
        call=prediction.call.value,
        probability=prediction.probability,
        interval=prediction.interval,
        prevalence=prediction.prevalence,
        age=result.subject.age,
        sex=result.subject.sex,
        volume_ml=result.tumour.volume_ml,
        sequences=tuple(sequence.value for sequence in result.study.chosen),
        measurements=_measurements(result.measurements),
        reasons=tuple(prediction.reasons),
        warnings=tuple(without_sources(warning, job.inputs) for warning in result.warnings),
        seconds={stage: round(value, 3) for stage, value in result.seconds.items()},
        fingerprint=fingerprint,
    )


def _measurements(measured: Measurements) -> Mapping[str, float | None]:
    groups = ("shape", "loci", "signal", "mismatch", "perfusion", "diffusion", "spectroscopy")
    return {
        f"{group}.{name}": value
        for group in groups
        for name, value in (getattr(measured, group) or {}).items()
        if value is None or isinstance(value, int | float)
    }
