"""The shipped protocols: each fits the registry and its cohorts, and runs in a reduced form."""

from __future__ import annotations

import csv
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conftest import one_process
from gliotype.atomic_files import write_text
from gliotype.errors import InputError
from gliotype.evaluate.metrics import evaluate
from gliotype.experiment import run as engine
from gliotype.experiment.cohorts import check_excluded, source_of
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.methods import models_of
from gliotype.experiment.protocol import CROSS_VALIDATION, SHIPPED, Protocol, find_protocol, read_protocol
from gliotype.experiment.registry import METHODS
from gliotype.experiment.run import trainings_of
from gliotype.experiment.splits import draw_sets, make_splits
from support.experiments import WithEveryInput

NAMES = sorted(file.stem for file in SHIPPED.glob("*.toml"))


def sources_of(protocol: Protocol) -> dict[str, Any]:
    return {name: source_of(cohort, Path()) for name, cohort in protocol.cohorts.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_protocol_fits_its_cohorts(name: str) -> None:
    protocol = read_protocol(name)
    sources = sources_of(protocol)
    check_excluded(protocol, sources)
    chosen = draw_sets(protocol, sources)
    refuse_leakage(protocol, sources, chosen)
    splits = make_splits(protocol, sources, chosen)
    trainings = trainings_of(protocol, models_of(protocol), splits)
    assert len({training.name for training in trainings}) == len(trainings)
    assert "simulated" in protocol.title, "its tables are no evidence about patients"
    assert all(cohort.label_maps is None for cohort in protocol.cohorts.values()), "it runs out of the box"
    for size in protocol.learning_curve:
        assert all(size < len(split.training) for split in splits)


SMALL_COHORTS = {
    "choi2021": {"severance": 36, "snuh": 6, "tcia": 6},
    "choi2019": {"snuh": 44},
    "mismatch2018": {"lower-grade": 18},
    "side-by-side": {"home": 18, "abroad": 6},
    "yogananda2020": {"tcia": 18},
}
SMALL_SETS = {
    "choi2021": {"training": 12, "tuning": 10, "internal": 10},
    "choi2019": {"training": 14, "tuning": 10, "test": 8, "larger test": 8},
}
VOXELWISE = {"steps": 2, "growth": 2, "layers": 1, "batch": 2, "step": 32}
QUICK: dict[str, dict[str, Any]] = {
    "t2net": VOXELWISE,
    "tsnet": VOXELWISE,
    "perfusion": {"members": 1, "epochs": 1},
}


def reduced(name: str) -> Protocol:
    """A shipped protocol with few patients, short trainings, the ablation of the fusion alone and no learning curve."""
    given = read_protocol(name).model_dump(exclude_unset=True)
    for cohort, patients in SMALL_COHORTS[name].items():
        given["cohorts"][cohort]["patients"] = patients
    for part, patients in SMALL_SETS.get(name, {}).items():
        given["sets"][part].pop("mutants", None)
        given["sets"][part]["patients"] = patients
    if "cross_validation" in given:
        for key in ("patients", "mutants"):
            given["cross_validation"].pop(key, None)
    given.pop("learning_curve", None)
    if "ablations" in given:
        fused = given["model"].get("fusion")
        given["ablations"] = {name: parts for name, parts in given["ablations"].items() if name == fused}
    if "hybrid" in given.get("methods", ["hybrid"]):
        given["model"] = {**given.get("model", {}), "members": 2, "epochs": 1}
    given["parameters"] = {method: QUICK[method] for method in given.get("methods", ()) if method in QUICK}
    return Protocol.model_validate(given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_protocol_runs_from_end_to_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def source(cohort: Any, out: Path) -> WithEveryInput:
        return WithEveryInput(cohort.simulated, cohort.patients, {"name": cohort.simulated})

    monkeypatch.setattr(engine, "source_of", source)
    monkeypatch.setattr(engine, "write_evaluations", lambda scored, out: None)
    monkeypatch.setattr("gliotype.experiment.report.html.draw_curves", lambda curves, methods: {})
    monkeypatch.setattr("gliotype.experiment.score.evaluate", partial(evaluate, resamples=5))
    monkeypatch.setattr(
        "gliotype.train.model2.model.export_onnx",
        lambda network, example, file: write_text(file, "a network"),
    )
    monkeypatch.setattr(
        "gliotype.train.perfusion.export.export_onnx", lambda network, example, file: write_text(file, "too")
    )
    protocol = reduced(name)
    with one_process():
        outcome = engine.run_experiment(protocol, tmp_path)
    assert {(row.set_name, row.model) for row in outcome.rows} == {
        (test, model.label) for test in protocol.tests for model in models_of(protocol)
    }
    learned = "learned from the voxels of experts' masks" in (tmp_path / "methods.txt").read_text()
    assert learned == ("t2net" in protocol.methods)
    page = (tmp_path / "report.html").read_text()
    assert protocol.title in page
    assert len(page) < 4_000_000, "the page stays small"
    with (tmp_path / "saliency.csv").open() as file:
        shown = list(csv.DictReader(file))
    assert {row["model"] for row in shown} == set(protocol.methods) - {"hybrid-2019", "mismatch", "adc"}
    for test in protocol.tests:
        for method in protocol.methods:
            own = [(r["idh"], r["call"]) for r in shown if (r["set"], r["model"]) == (test, method)]
            assert len(own) == len(set(own)), "one patient of each class and call"


def test_the_sizes_are_those_of_the_papers() -> None:
    choi2021, mismatch2018 = (read_protocol(name) for name in ("choi2021", "mismatch2018"))
    sizes = [choi2021.sets[name].patients for name in ("training", "tuning", "internal")]
    assert sizes == [596, 131, 129]
    assert [choi2021.cohorts[name].patients for name in ("snuh", "tcia")] == [107, 203]
    assert mismatch2018.cohorts["lower-grade"].patients == 154


def test_the_perfusion_network_is_tested_on_the_published_numbers_of_patients_and_on_more() -> None:
    protocol = read_protocol("choi2019")
    sources = sources_of(protocol)
    chosen = draw_sets(protocol, sources)
    mutants = {name: sum(map(sources["snuh"].mutant, subjects)) for name, subjects in chosen.items()}
    named = ("training", "tuning", "test")
    assert [len(chosen[name]) for name in named] == [395, 50, 18]
    assert sum(mutants[name] for name in named) == 125
    assert len(chosen["larger test"]) == 400


def test_every_method_stands_side_by_side() -> None:
    methods = set(read_protocol("side-by-side").methods)
    assert methods == METHODS.keys() - {"adc"}, "simulated patients have no ADC map"


def test_t2_net_and_ts_net_are_tested_in_folds_of_the_published_size() -> None:
    protocol = read_protocol("yogananda2020")
    sources = sources_of(protocol)
    splits = make_splits(protocol, sources, draw_sets(protocol, sources))
    assert [len(split.tests[CROSS_VALIDATION]) for split in splits] == [72, 71, 71]
    tested = [member for split in splits for member in split.tests[CROSS_VALIDATION]]
    mutants = sum(sources["tcia"].mutant(subject) for _, subject in tested)
    assert (mutants, len(tested) - mutants) == (94, 120)
    assert protocol.published[CROSS_VALIDATION]["tsnet"]["dice"] == 0.89
    recipes = [asdict(model.method)["recipe"] for model in models_of(protocol)[:2]]  # type: ignore[call-overload]
    assert [recipe["step"] for recipe in recipes] == [8, 8]


def test_a_protocol_is_found_by_name_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_protocol("choi2021") == find_protocol("choi2021.toml") == SHIPPED / "choi2021.toml"
    (tmp_path / "choi2021.toml").write_text("mine")
    assert find_protocol("choi2021.toml") == Path("choi2021.toml")
    with pytest.raises(InputError, match=r"cannot read nothing\.toml"):
        read_protocol("nothing.toml")
    with pytest.raises(InputError, match=r"cannot read choi2021\.toml"):
        read_protocol(tmp_path / "elsewhere" / "choi2021.toml")


def test_a_set_may_state_how_many_are_mutant(tmp_path: Path) -> None:
    text = (SHIPPED / "mismatch2018.toml").read_text()
    file = tmp_path / "p.toml"
    file.write_text(text.replace("folds = 3", "folds = 3\npatients = 60\nmutants = 40"))
    protocol = read_protocol(file)
    sources = sources_of(protocol)
    chosen = draw_sets(protocol, sources)[CROSS_VALIDATION]
    assert len(chosen) == 60
    assert sum(sources["lower-grade"].mutant(subject) for subject in chosen) == 40
    file.write_text(text.replace("folds = 3", "folds = 3\npatients = 60\nmutants = 10"))
    few = read_protocol(file)
    with pytest.raises(InputError, match=r"asks for 50 wildtype patients, but \d+ of the cohort lower-grade"):
        draw_sets(few, sources)
    file.write_text(text.replace("folds = 3", "folds = 3\nmutants = 10"))
    with pytest.raises(InputError, match="mutants needs patients"):
        read_protocol(file)
