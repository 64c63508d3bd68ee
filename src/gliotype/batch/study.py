"""Predict one study of a batch, unless that was done before, and write its results and its record."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import replace

from gliotype.atomic_files import atomic_write
from gliotype.batch.bids import write_bids_names
from gliotype.batch.faults import check_machine, may_be_machines
from gliotype.batch.fingerprint import Fingerprint, same_result, take_fingerprint
from gliotype.batch.job import BatchSettings, StudyJob
from gliotype.batch.memory import free_what_is_left, peak_bytes, restart_peak
from gliotype.batch.record import Record, State, failed, read_record, record_failure, write_record
from gliotype.batch.thumbnail import draw_thumbnail
from gliotype.errors import GliotypeError, WeightsError
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
        OutputError: if nothing can be written to OUT, or the study failed because a disk is full.
        WeightsError: if weights are missing or corrupt on this machine.
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
        record = done(job, _predict(job, settings), fingerprint)
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect at one study must not end the batch
        check_machine(settings.output, error)
        record = _with_costs(_failure(job, settings, error, fingerprint), started)
        return record_failure(settings.output, job, record)
    return write_record(settings.output, _with_costs(record, started)), False


def _with_costs(record: Record, started: float) -> Record:
    total = round(time.perf_counter() - started, 3)
    return replace(record, seconds={**record.seconds, "total": total}, peak_bytes=peak_bytes())


def _failure(
    job: StudyJob, settings: BatchSettings, error: Exception, fingerprint: Fingerprint | None
) -> Record:
    """Make the record of a study whose prediction raised an error."""
    exit_code = 1
    if isinstance(error, GliotypeError):
        sentence, exit_code = without_sources(str(error), job.inputs), error.exit_code
    elif isinstance(error, MemoryError):
        limit = f"{settings.memory_bytes / 1e9:g} GB"
        sentence = f"it needs more memory than {limit}: allow more with --memory and --retry failed"
        exit_code = 3
    else:
        kind = type(error).__name__
        sentence = f"this is a bug in Gliotype ({kind}): run gliotype predict on it, and report it"
    suspect = socket.gethostname() if may_be_machines(error, job) else None
    return replace(failed(job, sentence, exit_code, fingerprint), suspect=suspect)


def _still_holds(before: Record, fingerprint: Fingerprint, settings: BatchSettings) -> bool:
    if before.fingerprint is None or not same_result(before.fingerprint, fingerprint):
        return False
    if before.state is State.FAILED:
        return before.suspect is None and not settings.retry_failed
    return (settings.output / before.folder / "prediction.json").is_file()


def _predict(job: StudyJob, settings: BatchSettings) -> Result:
    """Predict a study and write its folder."""
    free_what_is_left()
    result = predict(
        job.source,
        files=job.files,
        age=job.age,
        sex=job.sex,
        id=job.id,
        prevalence=settings.prevalence if job.prevalence is None else job.prevalence,
        thresholds=settings.thresholds,
        site=settings.site,
        model1=settings.model1,
        mask=job.mask,
        threads=settings.threads,
    )
    folder = settings.output / job.folder
    write_result(result, folder)
    with atomic_write(folder / THUMBNAIL) as aside:
        aside.write_bytes(draw_thumbnail(result))
    if job.bids is not None:
        write_bids_names(settings.output, job)
    return result


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
