"""A figure of lines, boxes and words, drawn once and shown alike in the page (SVG) and in the PDF."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

INK, SOFT, FAINT = "#1b2733", "#5a6875", "#d9dfe5"
MUTANT, WILDTYPE, WILDTYPE_TEXT = "#0072b2", "#d55e00", "#b34f00"


@dataclass(frozen=True)
class Box:
    """A filled rectangle; x and y are those of its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True)
class Line:
    """A straight line, dashed if `dashed`."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Words:
    """Text on a baseline at y; `anchor` is ``"start"``, ``"middle"`` or ``"end"``."""

    x: float
    y: float
    text: str
    size: float = 12.0
    colour: str = INK
    bold: bool = False
    anchor: str = "start"


@dataclass(frozen=True)
class Drawing:
    """Shapes in a frame whose y axis points down; `description` says in words what they show."""

    width: float
    height: float
    shapes: tuple[Box | Line | Words, ...]
    description: str

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text in it, in order."""
        return tuple(shape.text for shape in self.shapes if isinstance(shape, Words))

    def svg(self) -> str:
        """Write it as an SVG element.

        Example:
            >>> Drawing(20, 10, (), "nothing").svg()
            '<svg viewBox="0 0 20 10" role="img" aria-label="nothing"></svg>'
        """
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(self.description)}">{"".join(map(_element, self.shapes))}</svg>'
        )


def _element(shape: Box | Line | Words) -> str:
    match shape:
        case Box():
            place = f'x="{_short(shape.x)}" y="{_short(shape.y)}"'
            size = f'width="{_short(shape.width)}" height="{_short(shape.height)}"'
            return f'<rect {place} {size} fill="{shape.fill}"/>'
        case Line():
            start = f'x1="{_short(shape.x1)}" y1="{_short(shape.y1)}"'
            end = f'x2="{_short(shape.x2)}" y2="{_short(shape.y2)}"'
            dashes = ' stroke-dasharray="4 3"' if shape.dashed else ""
            return f'<line {start} {end} stroke="{shape.colour}" stroke-width="{shape.width:g}"{dashes}/>'
        case Words():
            weight = ' font-weight="600"' if shape.bold else ""
            look = f'font-size="{shape.size:g}" fill="{shape.colour}" text-anchor="{shape.anchor}"{weight}'
            return f'<text x="{_short(shape.x)}" y="{_short(shape.y)}" {look}>{escape(shape.text)}</text>'


def _short(value: float) -> str:
    return f"{round(value, 2):g}"
