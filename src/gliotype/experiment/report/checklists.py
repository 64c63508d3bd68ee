"""TRIPOD+AI and CLAIM 2024 as far as a run knows the answers; what it cannot know is listed as open.

Topics are paraphrased: the published lists (Collins, BMJ 2024;385:e078378; Tejani, Radiol Artif Intell 2024;6:e240300)
are what authors submit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    Attributes:
        number: in the list.
        topic: what it asks for.
        fact: name of the fact of the run that answers it (`gliotype.experiment.report.methods_text.facts_of`); empty
            where no run can know.
    """

    number: str
    topic: str
    fact: str = ""


@dataclass(frozen=True)
class Answered:
    """An item with what the run knows; `answer` is empty where it is open."""

    number: str
    topic: str
    answer: str


TRIPOD_AI = (
    Item("1", "Title: development or evaluation, population, outcome"),
    Item("2", "Abstract, by TRIPOD+AI for abstracts"),
    Item("3a", "Health-care context and rationale, existing models"),
    Item("3b", "Target population and intended users"),
    Item("3c", "Known health inequalities"),
    Item("4", "Objectives"),
    Item("5a", "Sources of data", "sources"),
    Item("5b", "Dates of collection and follow-up"),
    Item("6a", "Setting and number of centres", "centres"),
    Item("6b", "Eligibility criteria"),
    Item("6c", "Treatments received"),
    Item("7", "Data preparation and quality checks", "preparation"),
    Item("8a", "Outcome, how and when assessed"),
    Item("8b", "Qualification of outcome assessors"),
    Item("8c", "Blinding of outcome assessment"),
    Item("9a", "Choice of initial predictors", "predictors"),
    Item("9b", "Predictors, how and when measured", "preparation"),
    Item("9c", "Qualification of predictor assessors", "assessors"),
    Item("10", "Sample size", "sample_size"),
    Item("11", "Missing data", "missing"),
    Item("12a", "Use of data: development and evaluation", "partitions"),
    Item("12b", "Handling of predictors", "predictors"),
    Item("12c", "Type of model, building steps, internal validation", "models"),
    Item("12d", "Heterogeneity between clusters", "heterogeneity"),
    Item("12e", "Performance measures", "measures"),
    Item("12f", "Model updating after evaluation", "updating"),
    Item("12g", "How predictions were calculated", "predictions"),
    Item("13", "Class imbalance", "imbalance"),
    Item("14", "Fairness"),
    Item("15", "Output of the model and threshold", "threshold"),
    Item("16", "Differences between development and evaluation data", "tests"),
    Item("17", "Ethical approval and consent"),
    Item("18a", "Funding"),
    Item("18b", "Conflicts of interest"),
    Item("18c", "Protocol", "protocol"),
    Item("18d", "Registration"),
    Item("18e", "Data sharing"),
    Item("18f", "Code sharing", "software"),
    Item("19", "Patient and public involvement"),
    Item("20a", "Flow of participants and outcome", "flow"),
    Item("20b", "Characteristics by setting, missing data", "characteristics"),
    Item("20c", "Comparison of development and evaluation data", "characteristics"),
    Item("21", "Participants and outcomes in each analysis", "flow"),
    Item("22", "Full model for predictions by others", "weights"),
    Item("23a", "Performance with intervals, also in subgroups", "performance"),
    Item("23b", "Heterogeneity of performance between clusters", "heterogeneity"),
    Item("24", "Results of updating", "updating"),
    Item("25", "Interpretation, fairness"),
    Item("26", "Limitations", "limits"),
    Item("27a", "Poor-quality or missing input at the point of care", "missing"),
    Item("27b", "Interaction of users with the model"),
    Item("27c", "Next steps, generalisability"),
)
"""TRIPOD+AI 2024."""

CLAIM_2024 = (
    Item("1", "Title or abstract names the AI methodology"),
    Item("2", "Structured abstract"),
    Item("3", "Background, intended use and role"),
    Item("4", "Aims, objectives and hypotheses"),
    Item("5", "Prospective or retrospective"),
    Item("6", "Goal of the study", "goal"),
    Item("7", "Data sources", "sources"),
    Item("8", "Inclusion and exclusion criteria", "excluded"),
    Item("9", "Preprocessing", "preparation"),
    Item("10", "Selection of data subsets", "predictors"),
    Item("11", "De-identification"),
    Item("12", "Missing data", "missing"),
    Item("13", "Image acquisition protocol"),
    Item("14", "Reference standard: definition"),
    Item("15", "Reference standard: rationale"),
    Item("16", "Reference standard: source of annotations", "outlines"),
    Item("17", "Annotation of the test set"),
    Item("18", "Variability of annotations"),
    Item("19", "Assignment of data to partitions", "partitions"),
    Item("20", "Level at which partitions are disjoint", "leakage"),
    Item("21", "Intended sample size", "sample_size"),
    Item("22", "Model: inputs, outputs, layers", "models"),
    Item("23", "Software libraries and packages", "software"),
    Item("24", "Initialisation of parameters", "seeds"),
    Item("25", "Training: augmentation, hyperparameters", "models"),
    Item("26", "Selection of the final model", "threshold"),
    Item("27", "Ensembling", "ensembling"),
    Item("28", "Metrics of performance", "measures"),
    Item("29", "Significance and uncertainty", "uncertainty"),
    Item("30", "Robustness or sensitivity analysis", "robustness"),
    Item("31", "Explainability", "explainability"),
    Item("32", "Evaluation on internal data", "internal"),
    Item("33", "Testing on external data", "external"),
    Item("34", "Registration of a clinical trial"),
    Item("35", "Flow of patients, with excluded ones", "flow"),
    Item("36", "Characteristics in each partition", "characteristics"),
    Item("37", "Performance in all partitions", "performance"),
    Item("38", "Diagnostic performance with intervals", "performance"),
    Item("39", "Failure analysis", "failures"),
    Item("40", "Limitations", "limits"),
    Item("41", "Implications for practice"),
    Item("42", "Full protocol", "protocol"),
    Item("43", "Access to software, models and data", "weights"),
    Item("44", "Funding"),
)
"""CLAIM, update of 2024."""


def fill(items: tuple[Item, ...], facts: Mapping[str, str]) -> tuple[Answered, ...]:
    """Fill in the items whose facts the run knows.

    Example:
        >>> fill((Item("10", "Sample size", "n"), Item("44", "Funding")), {"n": "300 patients."})[0].answer
        '300 patients.'
    """
    return tuple(Answered(item.number, item.topic, facts.get(item.fact, "")) for item in items)
