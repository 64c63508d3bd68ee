"""One page over all studies of a batch, for checking every outline within minutes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from gliotype.batch.record import Record, State
from gliotype.batch.study import THUMBNAIL

SMALL_ML = 1.0
"""An outline below this volume is flagged: few real gliomas are as small."""


def quality_page(records: Sequence[Record]) -> str:
    """Render the page: a sortable table with a picture of each study, flagged ones first; verdicts stay in the browser.

    Args:
        records: of all studies.
    """
    rows = [_row(record) for record in records]
    data = json.dumps(rows, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return _template().render(data=data, count=len(rows))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gliotype.batch"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("quality.html.j2")


def _row(record: Record) -> dict[str, object]:
    folder = quote(record.folder)
    done = record.state is State.DONE
    return {
        "id": record.id,
        "call": record.call if done else "failed",
        "p": record.probability,
        "range": record.interval,
        "ml": None if record.volume_ml is None else round(record.volume_ml, 1),
        "seq": " ".join(record.sequences),
        "age": record.age,
        "flags": flags(record),
        "pic": f"{folder}/{THUMBNAIL}" if done else None,
        "report": f"{folder}/report.html" if done else None,
    }


def flags(record: Record) -> list[str]:
    """Say what deserves a look: a failure, no tumour, a tiny outline, reasons to abstain, warnings."""
    if record.state is State.FAILED:
        return [record.error or "failed"]
    found = []
    if record.probability is None:
        found.append("no tumour was found")
    elif record.volume_ml is not None and record.volume_ml < SMALL_ML:
        found.append(f"the outline has only {record.volume_ml:.1f} ml")
    return [*found, *record.reasons, *record.warnings]
