"""The report of a site calibration, as text and in the file of the calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gliotype._version import __version__
from gliotype.answer.site import SiteCalibration
from gliotype.atomic_files import write_text
from gliotype.evaluate.roc import Estimate
from gliotype.evaluate.site import PRIOR_INTERCEPT_SD, PRIOR_SLOPE_SD, Line, SiteReport
from gliotype.evaluate.write import estimate_words
from gliotype.predictors.conformal import ConformalThresholds


def write_site(site: SiteCalibration, report: SiteReport, path: Path) -> None:
    """Write a calibration and what it rests on; no patient is named in the file.

    Raises:
        OutputError: if the file cannot be written.
    """
    document = {**site.to_json(), "gliotype": __version__, "report": _plain(report)}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def report_lines(site: SiteCalibration, report: SiteReport) -> list[str]:
    """Say what the calibration is, what it gains, and how many more patients would help."""
    rows = [
        ("Patients", f"{report.n}, {report.mutants} of them IDH-mutant; {report.no_calls} no-calls left out"),
        ("Prevalence", f"{site.prevalence:.2f} (that of the clinic if these patients are consecutive)"),
        ("Slope", f"{site.slope:.2f}, SD {site.slope_sd:.2f} (prior 1, SD {PRIOR_SLOPE_SD:g})"),
        (
            "Intercept",
            f"{site.intercept:+.2f}, SD {site.intercept_sd:.2f} (prior 0, SD {PRIOR_INTERCEPT_SD:g})",
        ),
        ("Before", _line_words(report.before)),
        ("After", f"{_line_words(report.after)}, cross-validated"),
        ("Sets", _conformal_words(site.conformal)),
        ("More", _more_words(report.slope_width)),
    ]
    return [f"{name:<13}{text}" for name, text in rows]


def _line_words(line: Line) -> str:
    return (
        f"slope {estimate_words(line.slope, '.2f')}, intercept {estimate_words(line.intercept, '+.2f')}, "
        f"Brier {estimate_words(line.brier)}"
    )


def _conformal_words(found: ConformalThresholds) -> str:
    sentences = [
        f"{name}: too few patients to tell ({n})" if threshold is None else f"{name}: from {n} patients"
        for name, n, threshold in (
            ("wildtype", found.wildtypes, found.wildtype_most),
            ("mutant", found.mutants, found.mutant_least),
        )
    ]
    return f"conformal, {100 * found.level:.0f} % of each class; {'; '.join(sentences)}"


def _more_words(widths: dict[int, float]) -> str:
    steps = ", ".join(f"{width:.2f} with {n}" for n, width in widths.items())
    return f"expected width of the slope's 95 % interval: {steps} patients"


def _plain(report: SiteReport) -> dict[str, Any]:
    return {
        "n": report.n,
        "mutants": report.mutants,
        "no_calls": report.no_calls,
        "before": _plain_line(report.before),
        "after_cross_validated": _plain_line(report.after),
        "prior": {"slope": [1.0, PRIOR_SLOPE_SD], "intercept": [0.0, PRIOR_INTERCEPT_SD]},
        "slope_interval_width": [
            {"patients": number, "width": round(width, 3)} for number, width in report.slope_width.items()
        ],
    }


def _plain_line(line: Line) -> dict[str, Any]:
    return {name: _plain_estimate(getattr(line, name)) for name in ("slope", "intercept", "brier")}


def _plain_estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "value": round(estimate.value, 4),
        "ci": [round(estimate.low, 4), round(estimate.high, 4)],
    }
