"""Ask every method again for every plausible outline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gliotype.answer.combine import Statements
from gliotype.findings import Statement
from gliotype.measure import measure
from gliotype.predictors import PREDICTORS
from gliotype.runtime import in_parallel
from gliotype.study import Measurements, Outline, PreparedStudy, Subject, Tumour

AS_DRAWN = "as drawn"
"""Name of the outline that is reported."""


def collect_statements(
    prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
) -> Statements:
    """Collect what each method says for the drawn outline and for every other plausible one.

    Args:
        prepared: images on the 1 mm grid.
        tumour: with its other outlines.
        measurements: of the drawn outline.
        subject: the patient.

    Returns:
        Statements of every method that applies to the drawn outline. Perfusion, diffusion and 2HG are measured
        on that outline alone.
    """
    drawn = ask(prepared, tumour, measurements, subject)
    structural = replace(prepared, dsc=None, adc=None, mrs=None, cest=None)

    def redraw(outline: Outline) -> dict[str, Statement]:
        redrawn = tumour.drawn_as(outline)
        return ask(structural, redrawn, measure(structural, redrawn), subject)

    others = in_parallel(redraw, tumour.outlines)
    return Statements(
        outlines=(AS_DRAWN, *(outline.name for outline in tumour.outlines)),
        log_likelihood_ratios={
            method: np.array([_value(said.get(method)) for said in (drawn, *others)]) for method in drawn
        },
        sd={method: statement.sd for method, statement in drawn.items()},
    )


def ask(
    prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
) -> dict[str, Statement]:
    """Ask every method about one outline; those that do not apply are left out."""
    said: Iterable[tuple[str, Statement | None]] = (
        (each.name, each().statement(prepared, tumour, measurements, subject)) for each in PREDICTORS
    )
    return {name: statement for name, statement in said if statement is not None}


def _value(statement: Statement | None) -> float:
    return float("nan") if statement is None else statement.log_likelihood_ratio
