"""The call: mutant, wildtype, or indeterminate with the reasons in words."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.special import expit

from gliotype.answer.combine import Spread
from gliotype.study import Call

SOURCE_REASONS: Mapping[str, str] = {
    "outline": "the outline decides: look at it, and give a corrected one with --mask",
    "hospital": "what differs between hospitals decides: a local calibration would narrow it",
    "weights": "how much each method counts decides",
    "coefficients": "the methods' own uncertainty decides",
}
"""What is said of the source that matters most for the range."""


def call_of(
    log_odds: float,
    evidence: float,
    spread: Spread,
    by_outline: Mapping[str, float],
    thresholds: tuple[float, float],
    min_evidence: float,
) -> tuple[Call, tuple[str, ...]]:
    """Make the call, and say why it is indeterminate where it is.

    Args:
        log_odds: of IDH mutation.
        evidence: what the evidence adds to the prior log-odds.
        spread: how far the log-odds may be off.
        by_outline: log-odds for each plausible outline.
        thresholds: probabilities at or below which it is wildtype, and at or above which it is mutant.
        min_evidence: absolute log-odds that the evidence must add towards the call.

    Returns:
        The call, and one sentence for each reason; none for a definite call.
    """
    low, high = thresholds
    probability = float(expit(log_odds))
    if low < probability < high:
        reason = f"its probability of {percent(probability)} lies between {percent(low)} and {percent(high)}"
        return Call.INDETERMINATE, (f"It is too close to call: {reason}.",)
    mutant = probability >= high
    towards = evidence if mutant else -evidence
    reasons = []
    if towards < min_evidence:
        reasons.append(
            "There is too little evidence: the answer is mostly the prevalence that was assumed, "
            f"and the study alone moves the odds by a factor of {expit_ratio(towards)} only."
        )
    beyond = {name: float(expit(value)) for name, value in by_outline.items()}
    other = [name for name, p in beyond.items() if (p < high if mutant else p > low)]
    if other:
        ends = f"{percent(min(beyond.values()))} to {percent(max(beyond.values()))}"
        reasons.append(
            f"Plausible outlines disagree: {len(other)} of {len(beyond)} would not give this call ({ends}); "
            "look at the outline."
        )
    ends_low, ends_high = float(expit(spread.low)), float(expit(spread.high))
    if ends_low < high if mutant else ends_high > low:
        why = SOURCE_REASONS.get(spread.largest or "", "")
        reasons.append(
            f"The range of {percent(ends_low)} to {percent(ends_high)} crosses the threshold of "
            f"{percent(high if mutant else low)}{f'; {why}' if why else ''}."
        )
    if reasons:
        return Call.INDETERMINATE, tuple(reasons)
    return (Call.MUTANT if mutant else Call.WILDTYPE), ()


def percent(probability: float) -> str:
    """Write a probability as a whole percentage, and what is below 1 % or above 99 % as such.

    Example:
        >>> percent(0.304), percent(0.001), percent(0.9999)
        ('30 %', '<1 %', '>99 %')
    """
    if probability < 0.005:
        return "<1 %"
    return ">99 %" if probability > 0.995 else f"{100 * probability:.0f} %"


def expit_ratio(log_odds: float) -> str:
    """Write a change of the log-odds as a factor of the odds."""
    from math import exp

    return f"{exp(log_odds):.1f}"
