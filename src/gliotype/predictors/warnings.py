"""What a referee should know about the subject before believing any predictor."""

from __future__ import annotations

from gliotype.study import Subject


def subject_warnings(subject: Subject) -> tuple[str, ...]:
    """Return a sentence for each reason why the methods may not hold for this subject.

    Example:
        >>> subject_warnings(Subject("a", age=44))
        ()
        >>> subject_warnings(Subject("b", age=22))
        ('The patient is under 25: other tumours of young patients show the T2-FLAIR mismatch, too.',)
    """
    if subject.age is None:
        return ("The age is not known: it is among the strongest predictors of IDH mutation.",)
    if subject.age < 18:
        return ("The patient is under 18: all methods are for adults with diffuse glioma.",)
    if subject.age < 25:
        return ("The patient is under 25: other tumours of young patients show the T2-FLAIR mismatch, too.",)
    return ()
