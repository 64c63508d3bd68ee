"""The patient's age alone: a strong predictor of IDH mutation, and the yardstick for every other."""

from __future__ import annotations

from typing import ClassVar

from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.predictors.logistic import load_models
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.study import Measurements, PreparedStudy, Subject, Tumour

LIMITS = (
    "Knows nothing of the images. Fitted on patients of one hospital, of whom four fifths had a glioblastoma; "
    "among gliomas of grade 2 and 3, age separates mutants from wildtypes much less."
)


class AgePredictor:
    """Logistic regression on age, fitted on the clinical table of UCSF-PDGM."""

    name: ClassVar[str] = "age"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset(),), age=True)

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the probability for the subject's age."""
        if subject.age is None:
            return NotApplicable(self.name, "the age is not known")
        (model,) = load_models("age.json")
        answer = model.answer({"age": subject.age}, self.prevalence)
        mean = float(model.mean[0])
        return Finding(
            method=self.name,
            probability=answer.probability,
            interval=answer.interval,
            reasons=(
                Reason(
                    "age",
                    subject.age,
                    "years",
                    answer.contributions["age"],
                    f"the {model.patients} training patients were {mean:.0f} years old on average",
                ),
            ),
            limits=LIMITS,
            summary=f"The age of {subject.age:g} years alone, without the images.",
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the log likelihood ratio of the subject's age."""
        return age_statement(subject.age)


def age_statement(age: float | None) -> Statement | None:
    """Return the log likelihood ratio of an age in years; None where it is not known."""
    (model,) = load_models("age.json")
    return None if age is None else model.statement({"age": age})
