"""Every registered method keeps the contract: fit, probabilities, the same again, and weights that say the same."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from gliotype import runtime
from gliotype.errors import InputError, UsageError, WeightsError
from gliotype.predictors import hybrid, logistic, perfusion
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.predictors.curves import CURVES as CURVE_CHANNELS
from gliotype.predictors.logistic import widest_model
from gliotype.predictors.radiomics import PARTS
from gliotype.predictors.slices import NUMBERS
from gliotype.predictors.trained import load_ensemble
from gliotype.runtime import MANIFEST
from gliotype.train.common.explanation import ExplainingMethod, read_explanation, write_explanation
from gliotype.train.common.manifest import write_manifest
from gliotype.train.data.examples import Example
from gliotype.train.data.inputs import CURVES, INPUTS, RADIOMICS
from gliotype.train.table.logistic import numbers_of_example
from gliotype.train.table.method import (
    AdcMethod,
    AgeLocationMethod,
    AgeMethod,
    MismatchMethod,
    RadiomicsMethod,
)

pytest.importorskip("torch")

from gliotype.experiment.registry import METHODS, find_method
from gliotype.train.data.voxels import VOXELS, pack
from gliotype.train.model2.model import Recipe as HybridRecipe
from gliotype.train.perfusion.export import cohort_of
from gliotype.train.perfusion.network import Recipe as CurveRecipe
from gliotype.train.voxelwise.fit import Recipe as VoxelwiseRecipe

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)

VOXELWISE = VoxelwiseRecipe(growth=2, layers=1, steps=2, batch=2, step=32)
TINY: dict[str, dict[str, Any]] = {
    "hybrid": {"recipe": HybridRecipe(members=1, epochs=1, batch=8)},
    "hybrid-2019": {"recipe": HybridRecipe(parts=frozenset({"image"}), members=1, epochs=1, batch=8)},
    "t2net": {"recipe": VOXELWISE},
    "tsnet": {"recipe": VOXELWISE},
    "perfusion": {"recipe": CurveRecipe(members=1, epochs=2)},
}
"""Parameters with which a method that is slow by default is trained in a second."""

WEIGHTS = {
    "hybrid": {"model2.onnx", "model2.json", "model2.md"},
    "t2net": {"t2net.onnx", "t2net.json", "t2net.md"},
    "tsnet": {"tsnet.onnx", "tsnet.json", "tsnet.md"},
    "perfusion": {"perfusion.onnx", "perfusion.json", "perfusion.md"},
    "radiomics": {"radiomics.json", "radiomics.md"},
    "age": {"age.json", "age.md"},
}
"""Files of the methods whose predictors read some."""

DATA = {"description": "phantoms", "licence": "none"}


def method_of(name: str) -> Any:
    kind: Any = find_method(name)
    return kind(**TINY.get(name, {}))


def patients(n: int, seed: int = 0) -> list[Example]:
    """Patients of whom every second is mutant, which shows in age, shape, T1c, mismatch, diffusion and T2 voxels."""
    made = []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        mutant = i % 2 == 0
        numbers = rng.normal(1, 0.5, len(NUMBERS))
        numbers[-1] = rng.normal(40 if mutant else 60, 8)
        slices = rng.normal(0, 0.1, (5, 4, 128, 128)).astype(np.float16)
        slices[:, 3] = 0
        slices[:, 3, 40:80, 50:90] = 1
        voxels = rng.normal(0, 0.2, (3, 32, 32, 32)).astype(np.float32)
        tumour = np.zeros(voxels.shape[1:], bool)
        tumour[4:16, 20:32, 8:18] = True
        voxels[:, tumour] += 3.0 if mutant else -3.0
        curves = rng.normal(2 if mutant else 4, 0.5, (len(CHANNELS), POINTS))
        curves[CURVE_CHANNELS:] = 1
        inputs = {
            "radiomics": rng.normal(1.2 if mutant else 0.8, 0.3, len(RADIOMICS)),
            "mismatch": np.array([1.5 if mutant and i % 3 else -0.3]),
            "adc": np.array([rng.normal(1.0 if mutant else -1.0, 0.5)]),
            CURVES: curves[None].astype(np.float32),
            VOXELS: pack(voxels, tumour, np.ones_like(tumour)),
        }
        made.append(
            Example(f"p{seed}-{i:02d}", mutant, numbers[-1], slices, numbers, True, np.nan, inputs=inputs)
        )
    return made


TRAINING, TUNING, TEST = patients(12), patients(4, 1), patients(4, 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every method, trained once."""
    folder = tmp_path_factory.mktemp("methods")
    return {name: method_of(name).fit(TRAINING, TUNING, folder) for name in METHODS}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that takes the place of the shipped weights, once it has a manifest."""
    logistic.load_models.cache_clear()
    yield tmp_path
    logistic.load_models.cache_clear()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is_and_what_it_reads(name: str) -> None:
    kind = METHODS[name]
    assert is_dataclass(kind)
    assert kind.name == name
    assert kind.inputs <= INPUTS.keys(), "every array it reads can be made"
    method = method_of(name)
    assert method == method_of(name), "equal parameters make an equal method"
    assert pickle.loads(pickle.dumps(method)) == method, "a worker process can be given it"
    with pytest.raises(AttributeError):
        setattr(method, fields(kind)[0].name if fields(kind) else "name", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["hybrid", "t2net", "tsnet", "perfusion", "radiomics", "age", "age-location"]
)
def test_what_moved_an_answer_adds_up_to_it(name: str, trained: dict[str, Any], tmp_path: Path) -> None:
    model = trained[name]
    example = TEST[1]
    assert isinstance(model, ExplainingMethod)
    found = model.explain(example)
    assert found is not None
    numbers = dict(found.numbers)
    total = sum(numbers.values())
    log_odds = logit(model.probabilities([example], 0.5)[0])
    if name == "hybrid":
        bias = np.mean([member.numbers.bias[0].item() for member in model.members])
        assert total + model.calibration.slope * bias + model.calibration.offset == pytest.approx(
            log_odds, abs=1e-4
        )
        assert numbers.keys() == {"image", "shape", "loci", "age"}
        assert found.map.shape == found.image.shape == (128, 128)
    elif name in ("t2net", "tsnet"):
        assert total == pytest.approx(log_odds)
        assert found.map.shape == found.image.shape
        assert set(np.unique(found.map)) <= {-1, 0, 1}
    elif name == "perfusion":
        assert total == pytest.approx(100)
        assert len(numbers) == 5
    else:
        values = numbers_of_example(example)
        fitting = widest_model(model.models, values)
        assert fitting is not None
        assert total + fitting.intercept == pytest.approx(log_odds)
    lost = replace(example, subject="lost", found=False, inputs={})
    assert model.explain(lost) is None
    write_explanation(found, tmp_path / "e.npz")
    again = read_explanation(tmp_path / "e.npz")
    assert (again.kind, again.numbers, again.unit) == (found.kind, found.numbers, found.unit)
    np.testing.assert_array_equal(again.map, found.map)


@pytest.mark.parametrize("name", METHODS)
def test_it_gives_probabilities_at_any_prevalence_and_none_without_a_tumour(
    name: str, trained: dict[str, Any]
) -> None:
    model = trained[name]
    assert 0 < model.threshold < 1
    assert model.prevalence == 0.5, "of the tuning patients"
    lost = replace(TEST[0], subject="lost", found=False, inputs={})
    low, high = (model.probabilities([*TEST, lost], prevalence) for prevalence in (0.2, 0.5))
    assert np.isnan([low[-1], high[-1]]).all()
    called = np.isfinite(high[:-1])
    assert called.any()
    np.testing.assert_array_equal(np.isfinite(low[:-1]), called)
    odds = logit(high[:-1][called]) - logit(low[:-1][called])
    np.testing.assert_allclose(odds, np.log(4), rtol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_parameters_and_patients_give_the_same_model(
    name: str, trained: dict[str, Any], tmp_path: Path
) -> None:
    again = method_of(name).fit(TRAINING, TUNING, tmp_path)
    assert (again.threshold, again.prevalence) == (trained[name].threshold, trained[name].prevalence)
    np.testing.assert_array_equal(again.probabilities(TEST, 0.3), trained[name].probabilities(TEST, 0.3))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_weights_and_their_target_are_written_where_a_predictor_reads_some(
    name: str, trained: dict[str, Any], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {**DATA, "target": "codeletion"}
    files = method_of(name).export(trained[name], weights, training=TRAINING, data=data, results="None.")
    written = {file.name for file in files}
    assert written == {file.name for file in weights.iterdir()} == WEIGHTS.get(name, set())
    for card in weights.glob("*.md"):
        text = card.read_text(encoding="utf-8")
        assert "None." in text
        assert "none" in text.lower(), "the licence of the data"
        if name not in ("radiomics", "age"):
            assert "1p/19q status" in text
            assert "6 of them 1p/19q-codeleted" in text or "(6 1p/19q-codeleted)" in text
            assert "IDH" not in text
    write_manifest(weights)
    monkeypatch.setattr(runtime, "weights_folder", lambda: weights)
    for file in set(weights.glob("*.json")) - {weights / MANIFEST}:
        assert runtime.read_weights(file.name, dict, "codeletion")["data"] == data
        with pytest.raises(
            WeightsError, match=r"were trained for the target codeletion, not idh: put weights"
        ):
            (
                logistic.load_models(file.name)
                if name in ("radiomics", "age")
                else load_ensemble(file.stem, dict)
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["radiomics", "age"])
def test_exported_coefficients_read_by_the_predictor_say_the_same(
    name: str, trained: dict[str, Any], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method_of(name).export(trained[name], weights, training=TRAINING, data=DATA, results="")
    write_manifest(weights)
    monkeypatch.setattr(runtime, "weights_folder", lambda: weights)
    models = logistic.load_models(f"{name}.json")
    ageless = replace(TEST[0], age=np.nan)
    for example in [*TEST, *([ageless] if name == "radiomics" else [])]:
        values = numbers_of_example(example)
        read = logistic.widest_model(models, values)
        assert read is not None
        answer = read.answer(values, 0.3)
        (expected,) = trained[name].probabilities([example], 0.3)
        assert answer.probability == pytest.approx(expected, abs=1e-3)
        assert answer.interval[0] <= answer.probability <= answer.interval[1]


@pytest.mark.parametrize(("name", "predictor"), [("model2", hybrid), ("perfusion", perfusion)])
def test_the_limits_say_on_whom_a_weight_was_trained(
    name: str, predictor: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor.load_model.cache_clear()
    assert predictor.limits().startswith("Trained on simulated ")
    shipped = runtime.weights_folder()
    own = json.loads((shipped / f"{name}.json").read_text(encoding="utf-8"))
    own |= {"data": {"cohort": "north", "target": "idh"}, "patients": 12, "mutants": 6}
    own.pop("simulated", None)
    (weights / f"{name}.json").write_text(json.dumps(own))
    shutil.copy(shipped / f"{name}.onnx", weights)
    write_manifest(weights)
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "weights_folder", lambda: weights)
        predictor.load_model.cache_clear()
        limits = predictor.limits()
    predictor.load_model.cache_clear()
    assert limits.startswith(
        "Trained on 12 patients of the cohort north (6 IDH-mutant) only; how it does in other patients is not known. "
    )
    assert "simulated" not in limits


def test_the_card_of_a_perfusion_network_has_the_words_of_its_target() -> None:
    about = cohort_of({"cohort": "{north}", "target": "codeletion"})
    assert about.status == "1p/19q status"
    text = about.data.format(patients=12, mutants=6)
    assert text.startswith("12 patients (6 1p/19q-codeleted) with a DSC series")
    assert "cohort: {north}" in text


def test_logistic_methods_learn_what_tells() -> None:
    training, test = patients(40, 3), patients(12, 4)
    truth = np.array([each.mutant for each in test])
    models = {}
    for name in ("radiomics", "age", "age-location"):
        models[name] = method_of(name).fit(training, TUNING, Path())
        probability = models[name].probabilities(test, 0.5)
        assert probability[truth].mean() > probability[~truth].mean() + 0.2, name
    (only_age,) = models["age"].models
    assert only_age.coefficients[0] < 0, "mutants are younger"


def test_a_patient_with_fewer_numbers_is_read_by_a_narrower_model(trained: dict[str, Any]) -> None:
    model = trained["radiomics"]
    assert len(model.models) == 16
    bare = np.full(len(RADIOMICS), np.nan)
    bare[RADIOMICS.index("Flatness")] = 0.7
    narrow = replace(TEST[0], age=np.nan, inputs={"radiomics": bare})
    (expected,) = [each for each in model.models if each.features == PARTS["shape"]]
    (found,) = model.probabilities([narrow], 0.5)
    assert found == pytest.approx(expit(expected.log_odds({"Flatness": 0.7})))
    nothing = replace(TEST[0], age=np.nan, inputs={"radiomics": np.full(len(RADIOMICS), np.nan)})
    assert np.isnan(model.probabilities([nothing], 0.5)).all()


def test_a_number_that_nobody_has_or_all_share_counts_for_nothing() -> None:
    def without_t2(example: Example) -> Example:
        values = np.array(example.inputs["radiomics"])
        values[RADIOMICS.index("T2_inner_p25_over_tissue")] = np.nan
        values[RADIOMICS.index("Flatness")] = 0.6
        return replace(example, inputs={"radiomics": values})

    model = RadiomicsMethod().fit([*map(without_t2, TRAINING)], [*map(without_t2, TUNING)], Path())
    assert len(model.models) == 8
    assert np.isfinite(model.probabilities([*map(without_t2, TEST)], 0.3)).all()


def test_a_number_that_is_known_of_one_class_alone_is_refused() -> None:
    ageless = [replace(each, age=each.age if each.mutant else np.nan) for each in TRAINING]
    with pytest.raises(
        InputError, match="age needs age, which are known of fewer than two training patients"
    ):
        AgeMethod().fit(ageless, TUNING, Path())
    assert len(AgeLocationMethod().fit(ageless, TUNING, Path()).models) == 1


def test_too_few_patients_are_not_exported(tmp_path: Path) -> None:
    few = TRAINING[:6]
    model = AgeMethod().fit(few, TUNING, tmp_path)
    with pytest.raises(InputError, match="fewer than 4 training patients of a class"):
        AgeMethod().export(model, tmp_path / "out", training=few, data=DATA, results="")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [MismatchMethod, AdcMethod])
def test_a_sign_that_applies_to_nobody_makes_no_call(kind: Any) -> None:
    none = [replace(each, inputs={kind.name: np.array([np.nan])}) for each in TUNING]
    model = kind().fit(TRAINING, none, Path())
    assert (model.threshold, model.prevalence) == (0.5, 0.5)
    assert np.isnan(model.probabilities(none, 0.3)).all()


def test_the_example_of_contributing_is_a_method() -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.partition("The smallest method is")[2].partition("```python\n")[2].partition("```")[0]
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile(block, "CONTRIBUTING.md", "exec", dont_inherit=True), namespace)
    kind = namespace["ThalamusMethod"]
    assert kind() == kind(seed=1)
    model = kind().fit(patients(40, 3), TUNING, Path())
    test = patients(12, 4)
    probability = model.probabilities(test, 0.5)
    truth = np.array([each.mutant for each in test])
    assert probability[truth].mean() > probability[~truth].mean() + 0.2
    assert model.models[0].features == ("age", "Thalamus")
    assert kind().export(model, Path(), training=TRAINING, data=DATA, results="") == ()


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UsageError, match="no method 'radiomix' to train: choose one of hybrid, "):
        find_method("radiomix")
