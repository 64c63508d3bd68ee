"""The waterfall: from the log-odds of the prevalence, by each piece of evidence, to the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import expit, logit

from gliotype.report import words
from gliotype.report.drawing import (
    FAINT,
    INK,
    MUTANT,
    SOFT,
    WILDTYPE,
    WILDTYPE_TEXT,
    Box,
    Drawing,
    Line,
    Words,
)
from gliotype.result import Prediction
from gliotype.text import percent

NEGLIGIBLE = 0.005
"""Log-odds that round to zero."""

MOST = 5.0
"""Log-odds up to which the ends of a range make room for themselves."""

WIDTH, LABELS, VALUES = 640.0, 172.0, 54.0
RANGE_WORDS = "the line across the answer is its range"
"""Written into the drawing where it is at least `WIDTH` wide."""
ROW, BAR = 31.0, 14.0
ABOVE, BELOW = 40.0, 36.0
TICK_PERCENT = (1, 2, 5, 10, 20, 35, 50, 65, 80, 90, 95, 98, 99)
TICK_APART = 31.0


@dataclass(frozen=True)
class Step:
    """One bar.

    Attributes:
        name: what it is.
        detail: where its value comes from.
        start: log-odds before it.
        end: log-odds after it.
    """

    name: str
    detail: str
    start: float
    end: float

    @property
    def value(self) -> float:
        """What it adds."""
        return self.end - self.start


@dataclass(frozen=True)
class Waterfall:
    """A sum in log-odds.

    Attributes:
        prior: the prevalence, from even odds.
        steps: one for each piece of evidence, and one for a local calibration.
        answer: the sum, from even odds.
        range: lower and upper end of the answer's range, or None.
        thresholds: at or below the first the call may be wildtype, at or above the second mutant.
    """

    prior: Step
    steps: tuple[Step, ...]
    answer: Step
    range: tuple[float, float] | None
    thresholds: tuple[float, float]


def waterfall(prediction: Prediction) -> Waterfall | None:
    """Lay out how the prediction adds up; None where there is no probability.

    Args:
        prediction: whose evidence, with the prior and what a local calibration adds, makes its probability.
    """
    if prediction.probability is None:
        return None
    total = log_odds(prediction.probability)
    prior = log_odds(prediction.prevalence)
    steps, reached = [], prior
    for evidence in prediction.evidence:
        detail = f"log LR {signed(evidence.log_likelihood_ratio)} × weight {evidence.weight:.2f}"
        step = Step(words.method_words(evidence.method), detail, reached, reached + evidence.contribution)
        steps.append(step)
        reached = step.end
    if prediction.site is not None and abs(total - reached) >= NEGLIGIBLE:
        steps.append(Step("local calibration", prediction.site, reached, total))
    return Waterfall(
        prior=Step("prevalence", percent(prediction.prevalence), 0.0, prior),
        steps=tuple(steps),
        answer=Step("answer", percent(prediction.probability), 0.0, total),
        range=None
        if prediction.interval is None
        else (log_odds(prediction.interval[0]), log_odds(prediction.interval[1])),
        thresholds=(log_odds(prediction.thresholds[0]), log_odds(prediction.thresholds[1])),
    )


def log_odds(probability: float) -> float:
    """Turn a probability into log-odds; certainty counts as one in a billion.

    Example:
        >>> round(log_odds(0.2), 3), round(log_odds(1.0), 2)
        (-1.386, 20.72)
    """
    return float(logit(min(max(probability, 1e-9), 1 - 1e-9)))


def signed(value: float) -> str:
    """Write log-odds with their sign and two decimals; what rounds to zero has no sign.

    Example:
        >>> signed(-1.903), signed(0.4), signed(-0.001)
        ('-1.90', '+0.40', '0.00')
    """
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}"


def draw_waterfall(sums: Waterfall, width: float = WIDTH) -> Drawing:
    """Draw the bars between their names at the left and their values at the right, in which no bar ever lies.

    Args:
        sums: what is drawn.
        width: of the drawing; texts keep their size.
    """
    rows = (sums.prior, *sums.steps, sums.answer)
    scale = _Scale.of(sums, width)
    bottom = ABOVE + ROW * len(rows)
    shapes: list[Box | Line | Words] = [*_grid(scale, sums, bottom)]
    for n, step in enumerate(rows):
        middle = ABOVE + ROW * (n + 0.5)
        ends = step is sums.prior or step is sums.answer
        colour = SOFT if step is sums.prior else MUTANT if step.value > 0 else WILDTYPE
        left, right = sorted((scale.x(step.start), scale.x(step.end)))
        shapes += [
            Words(0, middle - 1, step.name, 12.5, bold=True),
            Words(0, middle + 11, step.detail, 10.5, SOFT),
            Box(left, middle - BAR / 2, max(right - left, 1.5), BAR, colour),
            Words(width, middle + 4, signed(step.end if ends else step.value), 12.5, bold=ends, anchor="end"),
        ]
        if n + 1 < len(rows):
            shapes.append(Line(scale.x(step.end), middle, scale.x(step.end), middle + ROW, INK, 0.8))
    if sums.range is not None:
        shapes += _whisker(scale, sums.range, bottom - ROW / 2)
    return Drawing(width, bottom + BELOW, tuple(shapes), describe_waterfall(sums))


def describe_waterfall(sums: Waterfall) -> str:
    """Say in words what the waterfall shows."""
    parts = [f"prevalence {sums.prior.detail} ({signed(sums.prior.end)})"]
    parts += [f"{step.name} {signed(step.value)} ({step.detail})" for step in sums.steps]
    reach = "" if sums.range is None else f", range {signed(sums.range[0])} to {signed(sums.range[1])}"
    parts.append(f"answer {signed(sums.answer.end)} ({sums.answer.detail}{reach})")
    return f"Waterfall in log-odds of IDH mutation: {'; '.join(parts)}"


@dataclass(frozen=True)
class _Scale:
    """Log-odds to the horizontal position."""

    low: float
    high: float
    width: float

    @classmethod
    def of(cls, sums: Waterfall, width: float) -> _Scale:
        """Make room for everything that is drawn."""
        reached = [0.0, sums.prior.end, sums.answer.end, *sums.thresholds]
        reached += [step.end for step in sums.steps]
        reached += [min(max(end, -MOST), MOST) for end in sums.range or ()]
        return cls(min(reached) - 0.4, max(reached) + 0.4, width)

    def x(self, value: float) -> float:
        """Position of log-odds; what lies outside is drawn at the edge."""
        limited = min(max(value, self.low), self.high)
        return LABELS + (limited - self.low) / (self.high - self.low) * (self.width - LABELS - VALUES)

    def odds_ticks(self) -> list[int]:
        """Whole log-odds, not too close to each other."""
        step = next(s for s in (1, 2, 5, 10) if self.x(s) - self.x(0) >= TICK_APART or s == 10)
        return [n for n in range(math.ceil(self.low), math.floor(self.high) + 1) if n % step == 0]

    def percent_ticks(self) -> list[int]:
        """Round probabilities, not too close to each other; 50 % is always among them."""
        chosen: list[int] = []
        for tick in sorted(TICK_PERCENT, key=lambda percent: abs(percent - 50)):
            value = log_odds(tick / 100)
            clear = all(abs(self.x(value) - self.x(log_odds(t / 100))) >= TICK_APART for t in chosen)
            if self.low <= value <= self.high and clear:
                chosen.append(tick)
        return sorted(chosen)


def _grid(scale: _Scale, sums: Waterfall, bottom: float) -> list[Box | Line | Words]:
    """Draw both axes, the thresholds and the line of even odds."""
    shapes: list[Box | Line | Words] = [
        Line(scale.x(n), ABOVE, scale.x(n), bottom, FAINT, 0.8) for n in scale.odds_ticks()
    ]
    shapes.append(Line(scale.x(0), ABOVE, scale.x(0), bottom, SOFT, 1.0))
    for value, colour, text, anchor, aside in (
        (sums.thresholds[0], WILDTYPE_TEXT, "wildtype at or below", "end", 4.0),
        (sums.thresholds[1], MUTANT, "mutant at or above", "start", -4.0),
    ):
        named = f"{text} {percent(float(expit(value)))}"
        shapes.append(Line(scale.x(value), ABOVE - 4, scale.x(value), bottom, colour, 1.4, dashed=True))
        shapes.append(Line(scale.x(value), 15, scale.x(value), 22, colour, 1.4))
        shapes.append(
            Words(_inside(scale.x(value) - aside, anchor, scale.width), 11, named, 11, colour, True, anchor)
        )
    shapes.append(Words(0, 32, "probability", 10.5, SOFT))
    shapes += [
        Words(scale.x(log_odds(p / 100)), 32, f"{p} %", 10.5, SOFT, anchor="middle")
        for p in scale.percent_ticks()
    ]
    shapes += [
        Words(scale.x(n), bottom + 14, f"{n:+d}" if n else "0", 10.5, SOFT, anchor="middle")
        for n in scale.odds_ticks()
    ]
    middle = (LABELS + scale.width - VALUES) / 2
    shapes.append(Words(0, bottom + 14, "log-odds", 10.5, SOFT))
    shapes.append(Words(LABELS, bottom + 30, "< IDH-wildtype", 11, WILDTYPE_TEXT, True))
    if scale.width >= WIDTH:
        shapes.append(Words(middle, bottom + 30, RANGE_WORDS, 10.5, SOFT, anchor="middle"))
    shapes.append(Words(scale.width - VALUES, bottom + 30, "IDH-mutant >", 11, MUTANT, True, "end"))
    return shapes


def _inside(x: float, anchor: str, width: float) -> float:
    """Keep a label of a threshold within the frame."""
    room = 170.0
    return max(x, room) if anchor == "end" else min(x, width - room)


def _whisker(scale: _Scale, ends: tuple[float, float], y: float) -> list[Box | Line | Words]:
    low, high = (scale.x(end) for end in ends)
    return [
        Line(low, y, high, y, INK, 2.0),
        Line(low, y - 6, low, y + 6, INK, 2.0),
        Line(high, y - 6, high, y + 6, INK, 2.0),
    ]
