"""The answer on labelled patients, each left out of the weights, next to its methods and to age alone.

    python benchmarks/answer.py RUN

RUN is a folder of ``gliotype train answer``: ``RUN/patients`` holds a record of each patient, and
``RUN/radiomics.json`` the coefficients, which saw none of them. Calls are those that ``gliotype predict`` gives, gate
included.
Development patients were looked at when choices were made, so the figures are optimistic.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from gliotype.evaluate.calibration import brier, calibration_line
from gliotype.evaluate.decisions import proportion
from gliotype.evaluate.roc import auroc, compare_aurocs
from gliotype.predictors.logistic import LogisticModel
from gliotype.predictors.predictor import DEFAULT_PREVALENCE
from gliotype.result import Call
from gliotype.train.answer.records import read_record
from gliotype.train.answer.train import LeftOut, leave_one_out


def method_probability(result: LeftOut, models: tuple[LogisticModel, ...], method: str) -> float:
    """What one method says by itself, for the drawn outline; without it, the default prevalence."""
    said = result.record.statements(models).log_likelihood_ratios.get(method)
    alone = 0.0 if said is None or not np.isfinite(said[0]) else float(said[0])
    return float(expit(logit(DEFAULT_PREVALENCE) + alone))


def print_comparison(results: list[LeftOut], models: tuple[LogisticModel, ...]) -> None:
    """AUROC of the answer and of each method without age, minus that of age alone and of the answer."""
    mutant = np.array([each.record.mutant for each in results])
    answer = np.array([each.prediction.probability for each in results])
    scores = {"answer": answer} | {
        method: np.array([method_probability(each, models, method) for each in results])
        for method in ("age", "radiomics", "hybrid")
    }
    print("| | AUROC (95 % interval) | minus age alone (paired) | answer minus it (paired) | Brier | slope |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, score in scores.items():
        found = auroc(mutant, score)
        over_age, under = (
            compare_aurocs(mutant, score, scores["age"]).difference,
            compare_aurocs(mutant, answer, score).difference,
        )
        differences = [
            "" if one == name else f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
            for one, d in (("age", over_age), ("answer", under))
        ]
        print(
            f"| {name} | {found.value:.3f} ({found.low:.3f}-{found.high:.3f}) | {' | '.join(differences)} | "
            f"{brier(mutant, score).value:.3f} | {calibration_line(mutant, score).slope:.2f} |"
        )


def print_calls(results: list[LeftOut]) -> None:
    """Definite calls and how many are wrong, and how often the expert's outline lies within the range."""
    for call in (Call.MUTANT, Call.WILDTYPE, Call.INDETERMINATE):
        called = [each for each in results if each.prediction.call is call]
        wrong = [e for e in called if e.record.mutant is not (call is Call.MUTANT)]
        tail = "" if call is Call.INDETERMINATE else f", wrong {len(wrong)}"
        print(f"called {call.value}: {len(called)} of {len(results)}{tail}")
    covered = [
        each.prediction.interval[0] <= each.from_expert <= each.prediction.interval[1]
        for each in results
        if each.from_expert is not None and each.prediction.interval is not None
    ]
    print(f"probability from the expert's outline within the range: {sum(covered)} of {len(covered)}")


def print_stopped(results: list[LeftOut]) -> None:
    """How many distinct patients the gate stops in any record, and why."""
    patients = {each.record.patient for each in results}
    stopped = [each.record for each in results if each.record.gate]
    print(f"\nstopped by the gate: {share_of({each.patient for each in stopped}, patients)}")
    for record in stopped:
        print(f"{record.cohort} {record.patient}: {' '.join(record.gate)}")


def share_of(some: set[str], everyone: set[str]) -> str:
    """A share of the distinct patients, with Wilson's interval."""
    return f"{len(some)} of {len(everyone)} distinct patients, {proportion(len(some), len(everyone))}"


def print_patients(results: list[LeftOut]) -> None:
    """One line for each patient, the most probably wildtype first."""
    for each in sorted(results, key=lambda result: result.prediction.probability or 0.0):
        found = each.prediction
        assert found.interval is not None
        status = "mutant" if each.record.mutant else "wildtype"
        low, high = found.interval
        print(
            f"{each.record.cohort:7s} {each.record.patient:18s} {status:8s} {found.probability:.2f} "
            f"({low:.2f}-{high:.2f}) {found.call.value:13s} {' '.join(found.reasons)[:110]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run: Path = parser.parse_args().run
    document = json.loads((run / "radiomics.json").read_text(encoding="utf-8"))
    models = tuple(LogisticModel.from_json(each) for each in document["models"])
    records = [read_record(file) for file in sorted((run / "patients").glob("*.json"))]
    results = leave_one_out([record for record in records if record.outlines], models)
    print_patients(results)
    print_stopped(results)
    for cohort in dict.fromkeys(each.record.cohort for each in results):
        part = [each for each in results if each.record.cohort == cohort]
        mutants = sum(each.record.mutant for each in part)
        distinct = len({each.record.patient for each in part})
        print(f"\n{cohort}: {distinct} distinct patients, {mutants} mutant (development, optimistic)")
        if min(mutants, len(part) - mutants) >= 5:
            print_comparison(part, models)
        print_calls(part)


if __name__ == "__main__":
    main()
