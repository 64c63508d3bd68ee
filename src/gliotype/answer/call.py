"""The call: mutant, wildtype, or indeterminate with the reasons in words.

A definite call must be carried by the evidence and not by the prevalence that was assumed: the probability at the
stated prevalence must reach the threshold for every plausible outline, and so must the whole range of the evidence
at even prior odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scipy.special import expit, logit

from gliotype.answer.combine import Spread
from gliotype.result import Call
from gliotype.text import percent

WHAT_DECIDES = MappingProxyType(
    {
        "outline": "the outline matters most: look at it, and give a corrected one with --mask",
        "hospital": "the difference between hospitals matters most: a local calibration would narrow it",
        "weights": "how much each method counts matters most",
        "coefficients": "the uncertainty of the methods themselves matters most",
    }
)
"""What is said of the source that matters most for the range."""


def call_of(
    log_odds: float,
    evidence: float,
    spread: Spread,
    by_outline: Mapping[str, float],
    thresholds: tuple[float, float],
) -> tuple[Call, tuple[str, ...]]:
    """Make the call, and say why it is indeterminate where it is.

    Args:
        log_odds: of IDH mutation, at the stated prevalence.
        evidence: what the evidence adds to the prior log-odds.
        spread: how far the evidence may be off.
        by_outline: log-odds for each plausible outline, at the stated prevalence.
        thresholds: probabilities at or below which it is wildtype, and at or above which it is mutant.

    Returns:
        The call, and one sentence for each reason; none for a definite call.

    Example:
        >>> sure = Spread(2.0, 5.0, {"hospital": 1.0})
        >>> call_of(2.7, 3.5, sure, {"as drawn": 2.7}, (0.2, 0.8))
        (<Call.MUTANT: 'mutant'>, ())
        >>> call_of(0.0, 0.8, sure, {"as drawn": 0.0}, (0.2, 0.8))[1]
        ('It is too close to call: a probability of 50 % lies between 20 % and 80 %.',)
    """
    low, high = thresholds
    probability = float(expit(log_odds))
    if low < probability < high:
        return Call.INDETERMINATE, (
            f"It is too close to call: a probability of {percent(probability)} lies between "
            f"{percent(low)} and {percent(high)}.",
        )
    call, sign, threshold = (Call.MUTANT, 1.0, high) if probability >= high else (Call.WILDTYPE, -1.0, low)
    reasons = tuple(
        filter(
            None,
            (
                _too_little_evidence(sign * evidence, sign, threshold)
                or _range_crosses(sign * (spread.low if sign > 0 else spread.high), sign, threshold, spread),
                _outlines_disagree(by_outline, sign, threshold),
            ),
        )
    )
    return (Call.INDETERMINATE if reasons else call), reasons


def _too_little_evidence(towards: float, sign: float, threshold: float) -> str:
    if towards >= sign * float(logit(threshold)):
        return ""
    return (
        "There is too little evidence: at even prior odds, the study alone gives "
        f"{percent(float(expit(sign * towards)))}, and the rest comes from the assumed prevalence."
    )


def _range_crosses(nearest: float, sign: float, threshold: float, spread: Spread) -> str:
    """Say so where the end of the evidence's range that is nearest to the threshold does not reach it."""
    if nearest >= sign * float(logit(threshold)):
        return ""
    ends = f"{percent(float(expit(spread.low)))} to {percent(float(expit(spread.high)))}"
    why = WHAT_DECIDES.get(spread.largest or "", "")
    return (
        f"The evidence is uncertain: at even prior odds, its range of {ends} crosses the threshold of "
        f"{percent(threshold)}{f'; {why}' if why else ''}."
    )


def _outlines_disagree(by_outline: Mapping[str, float], sign: float, threshold: float) -> str:
    others = [value for value in by_outline.values() if sign * value < sign * float(logit(threshold))]
    if not others:
        return ""
    ends = [percent(float(expit(end))) for end in (min(by_outline.values()), max(by_outline.values()))]
    return (
        f"Plausible outlines disagree: {len(others)} of {len(by_outline)} do not reach the threshold of "
        f"{percent(threshold)} (over all of them: {ends[0]} to {ends[1]}); look at the outline."
    )
