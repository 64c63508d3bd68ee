"""Findings -> prediction: the best applicable method answers, and the others stand beside it."""

from __future__ import annotations

from collections.abc import Iterable

from gliotype.study import Call, Finding, Prediction, Tumour

CUT = 0.5
"""Above this probability the tumour is called mutant, below wildtype, unless the interval spans it."""


def fuse(findings: Iterable[Finding], tumour: Tumour, prevalence: float) -> Prediction:
    """Put findings together.

    Args:
        findings: best method first, as `gliotype.predictors.predict_all` returns them; their probabilities
            refer to `prevalence`.
        tumour: without one there is no answer.
        prevalence: of IDH mutation.

    Returns:
        The first finding that has a probability. The call is indeterminate where its interval spans the
        cut of 0.5, and also where no method has a probability: then the prevalence is all that is known, and
        the interval is 0 to 1.

    Example:
        >>> import numpy as np
        >>> from gliotype.volume import Volume
        >>> tumour = Tumour(Volume(np.ones((1, 1, 1), np.uint8), np.eye(4)), "given")
        >>> fuse([Finding("age", 0.8, (0.7, 0.9))], tumour, 0.3).call
        <Call.MUTANT: 'mutant'>
    """
    if not tumour.found:
        return Prediction(
            Call.NO_TUMOUR,
            None,
            None,
            prevalence,
            None,
            "No tumour was found, so there is nothing to predict.",
        )
    for finding in findings:
        if finding.probability is not None and finding.interval is not None:
            return Prediction(
                call=_call(finding.interval, finding.probability),
                probability=finding.probability,
                interval=finding.interval,
                prevalence=prevalence,
                method=finding.method,
                explanation=(
                    f"The answer is that of {finding.method}, the best method that applies; "
                    "the others stand beside it and are not mixed in."
                ),
            )
    return Prediction(
        call=Call.INDETERMINATE,
        probability=prevalence,
        interval=(0.0, 1.0),
        prevalence=prevalence,
        method=None,
        explanation="No method applies to this study, so nothing is known beyond the prevalence.",
    )


def _call(interval: tuple[float, float], probability: float) -> Call:
    low, high = interval
    if low <= CUT <= high:
        return Call.INDETERMINATE
    return Call.MUTANT if probability > CUT else Call.WILDTYPE
