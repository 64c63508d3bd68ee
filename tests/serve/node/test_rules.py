from __future__ import annotations

import json
from pathlib import Path

import pytest

from gliotype.answer.site import SiteCalibration
from gliotype.errors import InputError
from gliotype.predictors.conformal import ConformalThresholds
from gliotype.serve.node.rules import Described, Options, Rules, read_rules


def written(folder: Path, text: str) -> Rules:
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    return read_rules(folder / "rules.toml")


def site(folder: Path, name: str) -> Path:
    none = ConformalThresholds(0.9, 12, 8, None, None)
    calibration = SiteCalibration("A", "2026-11-02", 20, 8, 0.5, 0.6, 0.1, 0.2, 0.3, none)
    (folder / name).write_text(json.dumps(calibration.to_json()), encoding="utf-8")
    return folder / name


def test_a_whole_file(tmp_path: Path) -> None:
    common, ward = site(tmp_path, "clinic.json"), site(tmp_path, "ward.json")
    rules = written(
        tmp_path,
        """
        prevalence = 0.35
        site = "clinic.json"
        [[rule]]
        name = "not the spine"
        descriptions = ["*Spine*"]
        process = false
        [[rule]]
        senders = ["MR*"]
        ages = [18, 120]
        site = "ward.json"
        [[rule]]
        senders = ["PACS"]
        prevalence = 0.5
        """,
    )
    assert rules.decide(Described("MR1", "MR SPINE", 40)) == (None, "rule 'not the spine'")
    assert rules.decide(Described("MR1", "MR Head", 40)) == (Options(0.35, ward), "rule '2'")
    assert rules.decide(Described("PACS", "MR Head", None)) == (Options(0.5, common), "rule '3'")
    assert rules.decide(Described("MR1", "MR Head", 17.9)) == (None, "no rule applies")
    assert rules.decide(Described("OTHER", "", 40)) == (None, "no rule applies")


def test_without_rules_everything_is_processed(tmp_path: Path) -> None:
    assert written(tmp_path, "prevalence = 0.4").decide(Described("X", "", None))[0] == Options(0.4)
    assert Rules().decide(Described("X", "", None)) == (Options(), "there are no rules")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prevalence = 1.5", "the rules: prevalence is 1.5: give a number between 0 and 1"),
        ("prevalence = true", "prevalence is True"),
        ("prevalance = 0.3", "'prevalance' is unknown: give one of prevalence, rule, site"),
        ("rule = 3", "rule must be a list of tables"),
        ("[[rule]]\nsender = ['A']", "rule 1: 'sender' is unknown"),
        ("[[rule]]\n[[rule]]\nsenders = 'A'", "rule 2: senders is 'A': give a list of texts"),
        ("[[rule]]\ndescriptions = ['']", "descriptions is"),
        ("[[rule]]\nages = [18]", "give the lowest and the highest, such as"),
        ("[[rule]]\nages = [80, 18]", "give the lower age first"),
        ("[[rule]]\nprocess = 'no'", "process is 'no': give true or false"),
        ("[[rule]]\nname = 7", "name is 7: give a text"),
        ("site = 7", "site is 7: give the path"),
        ("site = 'missing.json'", "cannot read .*missing.json"),
        ("site = ", "are not TOML"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(tmp_path, text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the rules"):
        read_rules(tmp_path / "none.toml")
