"""``report.pdf``: the first screen of the report on one A4 page, from the same words, numbers and pictures.

The same result gives the same bytes. The text is left uncompressed, so that it can be searched.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from typing import Any

from gliotype.report import words
from gliotype.report.drawing import INK, MUTANT, SOFT, WILDTYPE_TEXT, Box, Drawing, Line
from gliotype.report.figures import Panel, Row
from gliotype.report.summary import Summary
from gliotype.result import Call

PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 595.28, 841.89, 36.0
WIDTH = PAGE_WIDTH - 2 * MARGIN
SIZES = (9.0, 8.0, 7.0, 6.0, 5.0)
"""Font sizes of the text, of which the largest that fits is taken."""

GAP = 8.0
WATERFALL_WIDTH = 470.0
TALLEST_PICTURE = 170.0
MAX_WARNINGS = 6
TONES = {Call.MUTANT: MUTANT, Call.WILDTYPE: WILDTYPE_TEXT}
OUTLINES = (("plausible", "#ffffff", 0.35), ("whole", "#ffe14d", 1.0))
REGULAR, BOLD = "Helvetica", "Helvetica-Bold"


def render_pdf(summary: Summary, waterfall: Drawing | None, key: Row) -> bytes:
    """Write the summary of a result as a one-page PDF.

    Args:
        summary: of the result.
        waterfall: as the page shows it, or None where there is no probability.
        key: the pictures of the first screen.
    """
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(PAGE_WIDTH, PAGE_HEIGHT), pageCompression=0, invariant=1)
    canvas.setTitle(f"Gliotype: {summary.subject}")
    canvas.setAuthor("Gliotype")
    canvas.setSubject(words.RESEARCH_USE)
    top = _draw_head(canvas, summary)
    fixed = 0.0 if waterfall is None else _scaled(waterfall, WATERFALL_WIDTH)[1] + GAP
    fixed += _row_height(key) + 2 * GAP + 12
    blocks = _text(summary, top - MARGIN - fixed)
    top = blocks.answer.draw(canvas, MARGIN, top)
    if waterfall is not None:
        _draw_drawing(canvas, waterfall, MARGIN + (WIDTH - WATERFALL_WIDTH) / 2, top - GAP, WATERFALL_WIDTH)
        top -= _scaled(waterfall, WATERFALL_WIDTH)[1] + GAP
    top = _draw_row(canvas, key, top - GAP)
    for n, column in enumerate((blocks.left, blocks.right)):
        column.draw(canvas, MARGIN + n * (WIDTH + 2 * GAP) / 2, top - GAP)
    canvas.setFont(REGULAR, 7)
    canvas.setFillColor(SOFT)
    canvas.drawString(MARGIN, MARGIN - 14, f"{words.RESEARCH_USE} All measurements and methods: report.html.")
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@dataclass(frozen=True)
class _Column:
    """Paragraphs beneath each other, already broken into lines of one width, with their heights."""

    paragraphs: tuple[tuple[Any, float], ...]

    @property
    def height(self) -> float:
        """Of all of them."""
        return sum(height for _, height in self.paragraphs)

    def draw(self, canvas: Any, left: float, top: float) -> float:
        """Draw them from the top down, and return where they end."""
        for paragraph, height in self.paragraphs:
            top -= height
            paragraph.drawOn(canvas, left, top)
        return top


@dataclass(frozen=True)
class _Blocks:
    """The text of the page: the answer above the figures, and two columns beneath them."""

    answer: _Column
    left: _Column
    right: _Column

    @property
    def height(self) -> float:
        """That they need."""
        return self.answer.height + max(self.left.height, self.right.height)


def _text(summary: Summary, room: float) -> _Blocks:
    """Set the text in the largest size at which it fits into the room; in the smallest, if it fits in none."""
    blocks = _set_text(summary, SIZES[0])
    for size in SIZES[1:]:
        if blocks.height <= room:
            break
        blocks = _set_text(summary, size)
    return blocks


def _set_text(summary: Summary, size: float) -> _Blocks:
    if summary.probability is None:
        answer = [summary.explanation]
    else:
        answer = [
            f"Probability of IDH mutation {summary.probability}, {summary.range}, "
            f"at a prevalence of {summary.prevalence}",
            f"Age alone: {summary.age_alone}",
        ]
    warnings = list(summary.warnings[:MAX_WARNINGS])
    if left_out := len(summary.warnings) - len(warnings):
        warnings.append(f"{left_out} more: see report.html.")
    above = _column({"": answer, "Why it is indeterminate": summary.reasons}, size, WIDTH, lead=size + 2)
    half = (WIDTH - 2 * GAP) / 2
    changes = _column({"What would change the answer": summary.changes}, size, half)
    rest = _column({"Missing or not used": summary.missing, "Warnings": warnings}, size, half)
    return _Blocks(above, changes, rest) if summary.changes else _Blocks(above, rest, changes)


def _column(
    sections: dict[str, tuple[str, ...] | list[str]], size: float, width: float, lead: float | None = None
) -> _Column:
    """Set titled lists; `lead` is the size of those without a title."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    paragraphs = []
    for title, sentences in sections.items():
        body = size if title or lead is None else lead
        plain = ParagraphStyle("plain", fontName=REGULAR, fontSize=body, leading=1.25 * body, textColor=INK)
        item = ParagraphStyle("item", parent=plain, leftIndent=8, bulletIndent=0)
        head = ParagraphStyle("head", parent=plain, fontName=BOLD, leading=1.7 * body)
        if title and sentences:
            paragraphs.append(Paragraph(escape(title), head))
        for sentence in sentences:
            paragraphs.append(
                Paragraph(escape(sentence), item, bulletText="\u2022")
                if title
                else Paragraph(escape(sentence), plain)
            )
    return _Column(tuple((paragraph, paragraph.wrap(width, PAGE_HEIGHT)[1]) for paragraph in paragraphs))


def _draw_head(canvas: Any, summary: Summary) -> float:
    """Draw title, patient, the limits of use and the call; return where they end."""
    top = PAGE_HEIGHT - MARGIN
    canvas.setFillColor(INK)
    canvas.setFont(BOLD, 13)
    canvas.drawString(MARGIN, top - 10, "Gliotype: IDH status from pre-operative MRI")
    canvas.setFont(REGULAR, 9)
    canvas.drawRightString(PAGE_WIDTH - MARGIN, top - 10, summary.patient)
    canvas.setFont(BOLD, 9)
    canvas.drawString(MARGIN, top - 26, summary.subject)
    canvas.rect(MARGIN, top - 50, WIDTH, 16, stroke=0, fill=1)
    canvas.setFillColor("#ffffff")
    canvas.drawString(MARGIN + 6, top - 45, words.RESEARCH_USE)
    canvas.setFillColor(TONES.get(summary.call, SOFT))
    canvas.setFont(BOLD, 20)
    canvas.drawString(MARGIN, top - 73, summary.title)
    return float(top - 78)


def _scaled(drawing: Drawing, width: float) -> tuple[float, float]:
    """Return the factor and the height at which a drawing has a width."""
    factor = width / drawing.width
    return factor, factor * drawing.height


def _draw_drawing(canvas: Any, drawing: Drawing, left: float, top: float, width: float) -> None:
    """Draw a figure with its upper left corner at (left, top)."""
    factor, _ = _scaled(drawing, width)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + factor * x, top - factor * y

    for shape in drawing.shapes:
        match shape:
            case Box():
                canvas.setFillColor(shape.fill)
                corner = place(shape.x, shape.y + shape.height)
                canvas.rect(*corner, factor * shape.width, factor * shape.height, stroke=0, fill=1)
            case Line():
                canvas.setStrokeColor(shape.colour)
                canvas.setLineWidth(factor * shape.width)
                canvas.setDash([3, 2] if shape.dashed else [])
                canvas.line(*place(shape.x1, shape.y1), *place(shape.x2, shape.y2))
            case _:
                canvas.setFillColor(shape.colour)
                canvas.setFont(BOLD if shape.bold else REGULAR, factor * shape.size)
                write = {
                    "start": canvas.drawString,
                    "middle": canvas.drawCentredString,
                    "end": canvas.drawRightString,
                }
                write[shape.anchor](*place(shape.x, shape.y), shape.text)
    canvas.setDash([])


def _picture_width(row: Row) -> float:
    widths = [(WIDTH - 2 * GAP) / 3, *(TALLEST_PICTURE * p.size_mm[0] / p.size_mm[1] for p in row.panels)]
    return min(widths)


def _row_height(row: Row) -> float:
    """Height of pictures side by side, their titles included."""
    return max(_picture_width(row) * panel.size_mm[1] / panel.size_mm[0] for panel in row.panels) + 24


def _draw_row(canvas: Any, row: Row, top: float) -> float:
    """Draw pictures side by side with their titles above, and return where they end."""
    canvas.setFillColor(SOFT)
    canvas.setFont(REGULAR, 8)
    canvas.drawString(MARGIN, top - 8, row.title)
    width = _picture_width(row)
    for n, panel in enumerate(row.panels):
        left = MARGIN + n * (width + GAP)
        canvas.setFillColor(INK)
        canvas.setFont(BOLD, 8)
        canvas.drawString(left, top - 20, panel.title)
        _draw_panel(canvas, panel, left, top - 24, width)
    return top - _row_height(row)


def _draw_panel(canvas: Any, panel: Panel, left: float, top: float, width: float) -> None:
    from reportlab.lib.utils import ImageReader

    across, down = panel.size_mm
    factor = width / across
    picture = ImageReader(io.BytesIO(base64.b64decode(panel.image.partition(",")[2])))
    canvas.drawImage(picture, left, top - factor * down, width, factor * down)
    for name, colour, thick in OUTLINES:
        outline = canvas.beginPath()
        for line in filter(None, panel.outlines.get(name, "").split("M")):
            points = [float(number) for number in re.findall(r"[\d.]+", line)]
            for k in range(0, len(points), 2):
                move = outline.lineTo if k else outline.moveTo
                move(left + factor * points[k], top - factor * points[k + 1])
            outline.close()
        canvas.setStrokeColor(colour)
        canvas.setLineWidth(thick)
        canvas.drawPath(outline, stroke=1, fill=0)
    middle = top - factor * down / 2
    canvas.setFont(BOLD, 8)
    for letter, start in ((panel.edges[0], left), (panel.edges[1], left + width - 10)):
        canvas.setFillColor(INK)
        canvas.rect(start, middle - 3, 10, 11, stroke=0, fill=1)
        canvas.setFillColor("#ffffff")
        canvas.drawCentredString(start + 5, middle, letter)
