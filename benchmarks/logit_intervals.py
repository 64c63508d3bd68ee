"""Replace the symmetric intervals of AUROCs in a text by intervals on the logit scale.

    git show REVISION:benchmarks/choi2019.md | python benchmarks/logit_intervals.py > benchmarks/choi2019.md

For tables whose predictions for each patient no longer exist. The standard error by DeLong is taken from the printed
interval, half of its width over 1.96 (from the lower end alone where the upper one was cut at 1), and carried over to
the logit by the delta method, as `gliotype.evaluate.roc.auroc` does. An interval counts as that of an AUROC if it is
symmetric about a value between 0.5 and 1; intervals of Wilson and on the logit scale are not.
"""

from __future__ import annotations

import re
import sys

from gliotype.evaluate.roc import around_on_logit
from gliotype.predictors.ensemble import Z95

AREA = re.compile(r"(?<![+\-\d.])(0\.\d{3}) \((0\.\d{3})-([01]\.\d{3})\)")
"""An area with its interval."""

ROUNDING = 0.0011
"""Largest difference of the two halves of a symmetric interval of three decimals."""


def on_logit_scale(found: re.Match[str]) -> str:
    """Return an area with its interval on the logit scale, or the text as it is if its interval is not symmetric."""
    area, low, high = map(float, found.groups())
    below, above = area - low, high - area
    cut = high == 1.0 and below > above
    if not 0.5 < area < 1 or (abs(below - above) > ROUNDING and not cut):
        return found.group()
    return str(around_on_logit(area, below / Z95 if cut else (below + above) / 2 / Z95))


def main() -> None:
    """Rewrite stdin to stdout."""
    sys.stdout.write(AREA.sub(on_logit_scale, sys.stdin.read()))


if __name__ == "__main__":
    main()
