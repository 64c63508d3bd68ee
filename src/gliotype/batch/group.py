"""Tables over all studies in OUT, made anew from their records."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gliotype._version import __version__
from gliotype.atomic_files import write_text
from gliotype.batch.bids import write_bids_tables
from gliotype.batch.quality import quality_page
from gliotype.batch.record import Record, State, read_records
from gliotype.tables import cell

STUDIES, PREDICTIONS, MEASUREMENTS, FAILURES, SUMMARY, INDEX, DESCRIPTION = (
    "studies.csv",
    "predictions.csv",
    "measurements.csv",
    "failures.csv",
    "summary.json",
    "index.html",
    "dataset_description.json",
)

_PREDICTION_COLUMNS = (
    "subject",
    "probability",
    "call",
    "range_low",
    "range_high",
    "prevalence",
    "age",
    "sex",
    "volume_ml",
    "sequences",
    "reasons",
    "warnings",
    "seconds",
    "peak_mb",
)


def write_group(output: Path) -> tuple[Path, ...]:
    """Write the tables, the summary and the page for quality control.

    Args:
        output: folder of the results (OUT).

    Returns:
        The files.

    Raises:
        OutputError: if one cannot be written.
    """
    records = tuple(read_records(output))
    done = [record for record in records if record.state is State.DONE]
    failures = [record for record in records if record.state is State.FAILED]
    names = sorted({name for record in done for name in record.measurements})
    texts = {
        STUDIES: table(
            ("subject", "state", "folder", "source"),
            (
                {"subject": r.id, "state": r.state.value, "folder": r.folder, "source": " ".join(r.sources)}
                for r in records
            ),
        ),
        PREDICTIONS: table(_PREDICTION_COLUMNS, (_prediction(record) for record in done)),
        MEASUREMENTS: table(("subject", *names), ({"subject": r.id, **r.measurements} for r in done)),
        FAILURES: table(
            ("subject", "exit_code", "error"),
            ({"subject": r.id, "exit_code": r.exit_code, "error": r.error} for r in failures),
        ),
        SUMMARY: json.dumps(summarise(records), indent=1) + "\n",
        DESCRIPTION: json.dumps(_description(), indent=1) + "\n",
        INDEX: quality_page(records),
    }
    if any((output / record.folder / "anat").is_dir() for record in done):
        write_bids_tables(output)
    return tuple(write_text(output / name, text) for name, text in texts.items())


def table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    r"""Write rows as CSV; an unknown value is an empty cell, and no cell is a formula.

    Example:
        >>> table(("subject", "x"), [{"subject": "=a", "x": None}, {"subject": "b", "x": 0.5}])
        "subject,x\n'=a,\nb,0.5\n"
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else cell(value) for key, value in row.items()})
    return text.getvalue()


def _prediction(record: Record) -> Mapping[str, object]:
    low, high = record.interval or (None, None)
    return {
        "subject": record.id,
        "probability": record.probability,
        "call": record.call,
        "range_low": low,
        "range_high": high,
        "prevalence": record.prevalence,
        "age": record.age,
        "sex": record.sex,
        "volume_ml": None if record.volume_ml is None else round(record.volume_ml, 3),
        "sequences": " ".join(record.sequences),
        "reasons": " ".join(record.reasons),
        "warnings": len(record.warnings),
        "seconds": record.seconds.get("total"),
        "peak_mb": None if record.peak_bytes is None else round(record.peak_bytes / 1e6),
    }


def summarise(records: Sequence[Record]) -> Mapping[str, object]:
    """Count what a cohort holds: how studies ended, the calls, the sequences, the reasons to abstain."""
    done = [record for record in records if record.state is State.DONE]
    return {
        "studies": len(records),
        "done": len(done),
        "failed": len(records) - len(done),
        "calls": dict(sorted(Counter(record.call for record in done).items(), key=str)),
        "sequences": dict(sorted(Counter(name for record in done for name in record.sequences).items())),
        "reasons": dict(Counter(reason for record in done for reason in record.reasons).most_common()),
        "seconds_median": _median([record.seconds.get("total", 0.0) for record in done]),
        "version": __version__,
    }


def _median(values: list[float]) -> float | None:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def _description() -> Mapping[str, object]:
    """Describe OUT as derivatives in the sense of BIDS."""
    return {
        "Name": "Gliotype: predicted IDH status, outlines and measurements of gliomas",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "gliotype", "Version": __version__}],
    }
