"""``report.html``: one self-contained page for a reader of images.

The page holds no source path: where a reason or a warning quotes one, the number of the image is shown instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from gliotype.findings import Finding
from gliotype.report import words
from gliotype.report.context import GROUPS, NOT_THIS_PATIENT
from gliotype.report.difference import DifferencePage, draw_difference
from gliotype.report.drawing import Drawing
from gliotype.report.figures import Row, Scene, draw_planes, draw_saliency, draw_strips, key_pictures, look_at
from gliotype.report.nifti import mapped_finding
from gliotype.report.summary import Summary, summarise
from gliotype.report.waterfall import draw_waterfall
from gliotype.result import Result
from gliotype.study import Acquisition, Image, Measurements, Sequence
from gliotype.text import percent

if TYPE_CHECKING:
    from gliotype.report.cest import CestPage
    from gliotype.report.perfusion import PerfusionPage
    from gliotype.report.spectroscopy import SpectroscopyPage


@dataclass(frozen=True)
class Series:
    """One line of the table that says which series was taken as which sequence."""

    number: int
    sequence: str
    reason: str
    confidence: float
    spacing: str
    acquisition: str


@dataclass(frozen=True)
class Group:
    """Measurements of one kind; each row has a name, a value and a unit."""

    title: str
    rows: tuple[tuple[str, float | None, str], ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Everything that is drawn of a result, once for the page and the PDF.

    Attributes:
        waterfall: how the answer adds up, or None where there is no probability.
        key: the three pictures of the first screen.
        planes: every sequence in three planes.
        strips: slices through the tumour.
        saliency: the map of reasons, or None.
        difference: T2, FLAIR and their difference, or None.
        perfusion: curves, maps and arteries, or None.
        spectroscopy: the fitted spectrum and its box, or None.
        cest: spectra and maps, or None.
    """

    waterfall: Drawing | None
    key: Row
    planes: tuple[Row, ...]
    strips: tuple[Row, ...]
    saliency: Row | None
    difference: DifferencePage | None
    perfusion: PerfusionPage | None
    spectroscopy: SpectroscopyPage | None
    cest: CestPage | None


def draw_pictures(result: Result, summary: Summary) -> Pictures:
    """Draw everything that the report shows.

    Args:
        result: of a run.
        summary: of the same result.
    """
    scene = look_at(result)
    planes = draw_planes(scene)
    return Pictures(
        waterfall=None if summary.waterfall is None else draw_waterfall(summary.waterfall),
        key=key_pictures(scene, planes),
        planes=planes,
        strips=draw_strips(scene),
        saliency=draw_saliency(scene),
        difference=draw_difference(result, scene, planes),
        perfusion=_draw_perfusion(result, scene),
        spectroscopy=_draw_spectroscopy(result, scene),
        cest=_draw_cest(result, scene),
    )


def _draw_spectroscopy(result: Result, scene: Scene) -> SpectroscopyPage | None:
    """Draw the spectrum, if there is any; only then is matplotlib loaded."""
    if result.measurements.mrs is None:
        return None
    from gliotype.report.spectroscopy import draw_spectroscopy

    return draw_spectroscopy(result, scene)


def _draw_perfusion(result: Result, scene: Scene) -> PerfusionPage | None:
    """Draw the perfusion, if there is any; only then is matplotlib loaded."""
    if result.measurements.dsc is None:
        return None
    from gliotype.report.perfusion import draw_perfusion

    return draw_perfusion(result, scene)


def _draw_cest(result: Result, scene: Scene) -> CestPage | None:
    """Draw the Z-spectra, if any were measured; only then is matplotlib loaded."""
    if result.measurements.cest_maps is None:
        return None
    from gliotype.report.cest import draw_cest

    return draw_cest(result, scene)


def render_html(result: Result, summary: Summary | None = None, pictures: Pictures | None = None) -> str:
    """Write the report of a result as one HTML page with style and pictures inside, without scripts.

    Args:
        result: of a run.
        summary: of the same result, where it is made already.
        pictures: of the same result, where they are drawn already.
    """
    summary = summary or summarise(result)
    environment = Environment(
        loader=PackageLoader("gliotype.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "percentage": words.percentage,
        "interval": words.interval_words,
        "number": words.number,
        "label": words.label_words,
        "method": words.method_words,
        "largest_contribution": _largest_contribution,
        "unsourced": words.without_sources(result),
    }
    chosen = list(result.study.chosen.values())
    series = [_series(n, image) for n, image in enumerate(result.study.images, start=1)]
    return environment.get_template("report.html.j2").render(
        result=result,
        summary=summary,
        pictures=pictures or draw_pictures(result, summary),
        tumour=result.tumour,
        regions=words.REGION_WORDS,
        regions_ml=result.tumour.regions_ml,
        volume_ml=result.tumour.volume_ml,
        mapped=mapped_finding(result),
        findings=_answering_first(result),
        main_method=result.prediction.method,
        missing=[sequence for sequence in Sequence if sequence not in result.study.chosen],
        unmeasured=_unmeasured(result),
        series_chosen=[
            line for line, image in zip(series, result.study.images, strict=True) if image in chosen
        ],
        series_other=[
            line for line, image in zip(series, result.study.images, strict=True) if image not in chosen
        ],
        groups=_groups(result.measurements),
        context=GROUPS,
        not_this_patient=NOT_THIS_PATIENT,
        research_use=words.RESEARCH_USE,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _answering_first(result: Result) -> list[Finding]:
    """Put the finding that contributes most first."""
    return sorted(result.findings, key=lambda finding: finding.method != result.prediction.method)


def _unmeasured(result: Result) -> list[Sequence]:
    """List the sequences that are there, but from which nothing was computed."""
    measured = set(result.prepared.images)
    if result.measurements.dsc is not None:
        measured.add(Sequence.DSC)
    if result.prepared.adc is not None:
        measured.add(Sequence.ADC)
    if result.measurements.mrs is not None:
        measured.add(Sequence.MRS)
    if result.measurements.cest_maps is not None:
        measured.add(Sequence.CEST)
    return [sequence for sequence in Sequence if sequence in result.study.chosen and sequence not in measured]


def _largest_contribution(finding: Finding) -> float:
    """Find the length that the longest contribution bar of a finding stands for; 0 without any."""
    return max((abs(reason.contribution or 0.0) for reason in finding.reasons), default=0.0)


def _groups(measurements: Measurements) -> list[Group]:
    named: dict[str, Mapping[str, float | None]] = {
        "Shape": measurements.shape,
        "Signal": measurements.signal,
        "T2-FLAIR mismatch": measurements.mismatch,
        "Perfusion": measurements.perfusion,
        "Diffusion": measurements.diffusion,
        "Spectroscopy": measurements.spectroscopy,
        "CEST": measurements.cest,
    }
    return [
        Group(title, tuple((name, value, measurements.units.get(name, "")) for name, value in group.items()))
        for title, group in named.items()
        if group
    ]


def _series(number: int, image: Image) -> Series:
    return Series(
        number=number,
        sequence="other" if image.sequence is None else image.sequence.word,
        reason=image.reason,
        confidence=image.confidence,
        spacing=" × ".join(f"{s:.3g}" for s in image.volume.grid.spacing),
        acquisition=_acquisition_words(image.acquisition),
    )


def _acquisition_words(acquisition: Acquisition) -> str:
    known = {
        "TR": (acquisition.tr_ms, "ms"),
        "TE": (acquisition.te_ms, "ms"),
        "TI": (acquisition.ti_ms, "ms"),
        "flip": (acquisition.flip_angle_deg, "°"),
        "": (acquisition.field_t, "T"),
    }
    found = [
        f"{name} {value:.4g} {unit}".strip() for name, (value, unit) in known.items() if value is not None
    ]
    if acquisition.contrast is not None:
        found.append("contrast given" if acquisition.contrast else "no contrast")
    return ", ".join(found)
