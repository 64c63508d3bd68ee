from __future__ import annotations

import json
from importlib.resources import files

import pytest

from gliotype.measure import SHAPE_UNITS, SIGNAL_UNITS
from gliotype.predictors.radiomics import PARTS
from gliotype.train.radiomics.errors import MeasurementErrors
from gliotype.train.radiomics.fit import fit, submodels


def test_every_feature_is_one_that_our_code_measures():
    features = {feature for names in PARTS.values() for feature in names}
    assert features <= {*SHAPE_UNITS, *SIGNAL_UNITS, "age"}


def test_submodels_are_all_subsets_with_shape():
    assert len(set(submodels())) == 16
    assert all(parts[0] == "shape" for parts in submodels())


@pytest.mark.slow
def test_shipped_coefficients_are_what_the_public_tables_give(shared_data, tmp_path):
    shipped = json.loads((files("gliotype.weights") / "radiomics.json").read_text())
    errors = MeasurementErrors.from_json(shipped["errors"])
    fit(shared_data / "tables", tmp_path, resamples=3, errors=errors)
    for name in ("age", "radiomics"):
        again = json.loads((tmp_path / f"{name}.json").read_text())
        shipped = json.loads((files("gliotype.weights") / f"{name}.json").read_text())
        assert len(again["models"]) == len(shipped["models"])
        for new, old in zip(again["models"], shipped["models"], strict=True):
            assert new["features"] == old["features"]
            assert new["coefficients"] == pytest.approx(old["coefficients"], abs=1e-3)
            assert new["intercept"] == pytest.approx(old["intercept"], abs=1e-3)
            assert new["auroc"] == pytest.approx(old["auroc"], abs=1e-3)
            assert len(old["bootstrap"]) >= 200


def test_shipped_cards_name_data_licence_and_patients_left_out():
    for name in ("age", "radiomics"):
        card = (files("gliotype.weights") / f"{name}.md").read_text()
        assert "CC BY 4.0" in card
        assert "UCSF-PDGM-116" in card
        assert "grade 2-3" in card
        assert "Research" in card


def test_radiomics_with_age_beats_age_and_each_part_is_reported():
    document = json.loads((files("gliotype.weights") / "radiomics.json").read_text())
    (age,) = json.loads((files("gliotype.weights") / "age.json").read_text())["models"]
    by_parts = {tuple(model["parts"]): model for model in document["models"]}
    full = by_parts["shape", "T1C", "T2", "FLAIR", "age"]
    assert full["auroc"][0] > age["auroc"][0] + 0.03
    assert set(by_parts) == set(submodels())
