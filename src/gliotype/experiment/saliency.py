"""Which patients of a test set are shown with what moved the answer, and what that was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from gliotype.cohorts import Target
from gliotype.experiment.cohorts import ExampleStore
from gliotype.experiment.methods import Model
from gliotype.experiment.score import Scored
from gliotype.experiment.splits import Member, Split
from gliotype.experiment.training import Training, fit, learned_from
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.explanation import (
    ExplainingMethod,
    Explanation,
    read_explanation,
    write_explanation,
)
from gliotype.train.common.method import Progress, TrainedMethod, no_progress
from gliotype.train.common.threads import one_thread
from gliotype.train.data.examples import Example

RULE = (
    "Chosen by rule: of each class, the surest right call and the surest wrong call of each method. "
    "Of several trainings that tested a patient, the first is shown."
)

_NOTHING = Explanation("")


@dataclass(frozen=True, eq=False)
class Shown:
    """A patient who is shown with what moved the answer.

    Attributes:
        test: name of the test set.
        model: label of the model.
        example: the patient.
        probability: that the model gave.
        right: whether the call was right.
        explanation: what moved the answer.
    """

    test: str
    model: str
    example: Example
    probability: float
    right: bool
    explanation: Explanation


def choose_examples(scored: Scored, examples: Iterable[Example]) -> Iterator[tuple[Example, float, bool]]:
    """Choose patients by `RULE`.

    Args:
        scored: a method on a test set.
        examples: the patients of the set.

    Yields:
        Patient, probability, and whether the call was right: of each class the surest right call, then the surest wrong
        one, as far as there are such.
    """
    patients = scored.patients
    if patients is None or scored.metrics is None:
        return
    given = {
        subject: float(p)
        for subject, p, no_call in zip(patients.subjects, patients.score, patients.no_call, strict=True)
        if not no_call
    }
    called = sorted((e for e in examples if e.subject in given), key=lambda e: e.subject)
    for mutant in (True, False):
        for right in (True, False):
            able = [e for e in called if e.mutant is mutant and (e.subject not in scored.wrong) is right]
            sign = 1 if mutant is right else -1
            if able:
                surest = max(able, key=lambda e: sign * given[e.subject])
                yield surest, given[surest.subject], right


def explain_examples(
    models: Iterable[Model],
    splits: tuple[Split, ...],
    scored: Iterable[Scored],
    sets: Mapping[str, list[Example]],
    store: ExampleStore,
    out: Path,
    target: Target,
    progress: Progress = no_progress,
) -> tuple[Shown, ...]:
    """Explain the chosen patients of each method and test set, or read what was explained before.

    Args:
        models: of the experiment; ablations are not explained.
        splits: its trainings.
        scored: every model on every test set.
        sets: examples by set.
        store: examples of all patients.
        out: folder of the experiment; explanations are cached in ``saliency``.
        target: what is predicted.
        progress: called with a line of progress.
    """
    by_label = {model.label: model for model in models if not model.ablation}
    shown = []
    trained: dict[str, TrainedMethod] = {}
    for each in scored:
        if (model := by_label.get(each.row.model)) is None:
            continue
        test = each.row.set_name
        for example, probability, right in choose_examples(each, sets[test]):
            member = (test, example.subject)
            split = next(split for split in splits if member in split.tests.get(test, ()))
            training = Training(model, split, target=target)
            explanation = _explain(training, member, store, out, trained, progress)
            if explanation.kind:
                shown.append(Shown(test, model.label, example, probability, right, explanation))
    return tuple(shown)


def _explain(
    training: Training,
    member: Member,
    store: ExampleStore,
    out: Path,
    trained: dict[str, TrainedMethod],
    progress: Progress,
) -> Explanation:
    """Return what moved a training's answer for a patient; one of no kind where the method cannot say."""
    key = cache_key({**learned_from(training, store), "patient": store.keys([member])})
    file = out / "saliency" / f"{key}.npz"
    if not file.exists():
        progress(f"saliency of {training.name}")
        with one_thread(), threadpool_limits(1):
            if training.name not in trained:
                trained[training.name] = fit(training, store, out)
            method = trained[training.name]
            (example,) = store.read([member])
            found = method.explain(example) if isinstance(method, ExplainingMethod) else None
        write_explanation(found or _NOTHING, file)
    return read_explanation(file)
