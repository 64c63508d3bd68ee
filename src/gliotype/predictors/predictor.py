"""What a predictor is: a method that reads one study and gives its finding, or says why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from gliotype.findings import Finding, NotApplicable, Statement
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour

DEFAULT_PREVALENCE = 0.3
"""Prevalence of IDH mutation to which probabilities refer unless the caller says otherwise."""


@dataclass(frozen=True)
class Needs:
    """What a predictor must have.

    Attributes:
        sequences: alternatives, each a set of sequences that suffices; an empty set means no image is needed.
        age: whether the subject's age must be known.

    Example:
        >>> str(Needs((frozenset({Sequence.T2, Sequence.FLAIR}), frozenset({Sequence.T1C}))))
        'FLAIR and T2, or T1c'
        >>> str(Needs((frozenset(),), age=True))
        'age'
    """

    sequences: tuple[frozenset[Sequence], ...]
    age: bool = False

    def __str__(self) -> str:
        """Put it into words."""
        sets = [" and ".join(sorted(name.word for name in names)) for names in self.sequences if names]
        images = (", or " if any(" and " in each for each in sets) else " or ").join(sets)
        return ", ".join(filter(None, [images, "age" if self.age else ""])) or "any structural image"


class Predictor(Protocol):
    """A method of the literature, made for one prevalence of IDH mutation.

    Attributes:
        name: short and stable; it is the key in results.
        needs: what the method must have.
    """

    name: ClassVar[str]
    needs: ClassVar[Needs]

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None: ...

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the method's finding; any probability in it refers to the prevalence of the constructor."""
        ...

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Say what the method adds to the answer; None where it does not apply.

        Age counts once in the answer: a method other than `age` leaves it out here.
        """
        ...
