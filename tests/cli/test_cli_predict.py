from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gliotype import errors
from gliotype.result import Call, Result
from gliotype.simulate import DEMO_SEQUENCES
from gliotype.study import Sequence
from support.command_line import Run
from support.factory import make_no_tumour, make_perhaps_missed, make_result


@pytest.fixture(scope="module")
def result() -> Result:
    return make_result((Sequence.T1, Sequence.FLAIR))


class Pipeline(ModuleType):
    """Stands in for `gliotype.pipeline`: records what it was asked, and answers or fails as configured."""

    def __init__(self, answer: Result | Exception) -> None:
        super().__init__("gliotype.pipeline")
        self.answer = answer
        self.asked: list[tuple[Any, dict[str, Any]]] = []

    def predict(self, source: Path | None = None, **options: Any) -> Result:
        self.asked.append((source, options))
        options["progress"]("segment")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, result: Result) -> Pipeline:
    stand_in = Pipeline(result)
    monkeypatch.setitem(sys.modules, "gliotype.pipeline", stand_in)
    return stand_in


def test_it_answers_and_says_where_the_files_are(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    code, out, err = run("predict", "study", "-o", tmp_path / "out")
    assert code == 0
    assert "IDH-wildtype" in out
    assert "13 % (range 5 % to 28 %) at a prevalence of 30 %" in out
    assert "Age alone    52 % (95 % interval 46 % to 58 %)" in out
    assert "-1.14  radiomics (log LR -1.90 × weight 0.60)" in out
    assert "Not in the study: T1c, T2, DSC, ADC, MRS, CEST." in out
    assert "enhancing tumour 6.8" in out
    assert "Two T1 series were found" in out
    assert "doe" not in out + err
    assert "Research use only" in out
    assert err.split() == ["segment", "report"]
    for name in ("prediction.json", "report.html", "tumour.nii.gz", "brain.nii.gz"):
        assert str(tmp_path / "out" / name) in out
        assert (tmp_path / "out" / name).is_file()


def test_the_reasons_of_an_indeterminate_call_are_printed(
    run: Run, pipeline: Pipeline, result: Result, tmp_path: Path
) -> None:
    reasons = ("It is too close to call.", "Plausible outlines disagree.")
    prediction = replace(result.prediction, call=Call.INDETERMINATE, reasons=reasons)
    pipeline.answer = replace(result, prediction=prediction)
    _, out, _ = run("predict", "study", "-o", tmp_path)
    assert out.startswith("Indeterminate")
    assert f"Because      {reasons[0]}" in out
    assert reasons[1] in out


def test_every_option_reaches_the_pipeline(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    named = {"t1": "a", "t1c": "b", "t2": "c", "flair": "d", "dsc": "e", "adc": "f", "mrs": "g", "cest": "h"}
    options = [word for name, file in named.items() for word in (f"--{name}", f"{file}.nii")]
    options += ["--age", "44.5", "--sex", "f", "--id", "007", "--prevalence", "0.6"]
    options += ["--study", "1.2.3", "--mask", "m.nii", "--aif", "arteries.nii", "--threads", "3"]
    options += ["--mrs-timing", "press:32+65"]
    options += ["--mutant-at", "0.9", "--wildtype-at", "0.1", "--site", "s.json"]
    options += ["--image", "exam/seven=T1c", "--keep", "cache", "--model1", "own.onnx"]
    pipeline.answer = errors.InputError("enough")
    assert run("predict", "study.zip", *options, "-o", tmp_path)[0] == 3
    ((source, asked),) = pipeline.asked
    assert source == Path("study.zip")
    del asked["progress"]
    assert asked == {
        "files": {
            Sequence.T1: Path("a.nii"),
            Sequence.T1C: Path("b.nii"),
            Sequence.T2: Path("c.nii"),
            Sequence.FLAIR: Path("d.nii"),
            Sequence.DSC: Path("e.nii"),
            Sequence.ADC: Path("f.nii"),
            Sequence.MRS: Path("g.nii"),
            Sequence.CEST: Path("h.nii"),
        },
        "age": 44.5,
        "sex": "F",
        "id": "007",
        "prevalence": 0.6,
        "thresholds": (0.1, 0.9),
        "site": Path("s.json"),
        "study_uid": "1.2.3",
        "sequences": {"exam/seven": Sequence.T1C},
        "keep": Path("cache"),
        "mrs_timing": "press:32+65",
        "mask": Path("m.nii"),
        "aif": Path("arteries.nii"),
        "model1": Path("own.onnx"),
        "threads": 3,
    }


def test_what_is_not_said_is_left_to_the_pipeline(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.answer = errors.InputError("enough")
    assert run("predict", "--flair", "f.nii", "--age", "-3", "-o", tmp_path)[0] == 3
    ((source, asked),) = pipeline.asked
    assert source is None
    assert asked["files"] == {Sequence.FLAIR: Path("f.nii")}
    assert (asked["age"], asked["sex"], asked["id"], asked["prevalence"]) == (-3.0, None, None, None)


def test_json_alone_is_on_stdout(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    code, out, _ = run("predict", "study", "-o", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["call"] == "wildtype"
    assert out == (tmp_path / "prediction.json").read_text(encoding="utf-8")


def test_no_tumour_is_an_answer(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.answer = make_no_tumour()
    code, out, _ = run("predict", "study", "-o", tmp_path)
    assert code == 0
    assert out.startswith("No tumour found")
    assert "P(mutant)" not in out


def test_a_tumour_that_may_have_been_missed_is_indeterminate_with_its_reason(
    run: Run, pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.answer = make_perhaps_missed()
    code, out, _ = run("predict", "study", "-o", tmp_path)
    assert code == 0
    assert out.startswith("Indeterminate")
    assert "The brain was not found." in out
    assert "P(mutant)" not in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("the age -3 is not between 0 and 120: give it in years"), 2),
        (errors.InputError("study holds no image: name a folder of DICOM or NIfTI"), 3),
        (errors.GeometryError("the affine is singular"), 3),
        (errors.NoStructuralImageError("no T1, T1c, T2 or FLAIR was found"), 4),
        (errors.WeightsError("model1.onnx is not the file of its card: install again"), 5),
    ],
)
def test_an_error_is_one_sentence_and_its_exit_code(
    run: Run, pipeline: Pipeline, tmp_path: Path, error: Exception, code: int
) -> None:
    pipeline.answer = error
    ended, out, err = run("predict", "study", "-o", tmp_path / "out")
    assert ended == code
    assert out == ""
    assert err.splitlines()[-1] == f"gliotype: {error}"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_defect_says_so_and_how_to_see_more(
    run: Run, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.answer = ZeroDivisionError("division by zero")
    code, _, err = run("predict", "study", "-o", tmp_path)
    assert code == 1
    assert "a bug in Gliotype (ZeroDivisionError: division by zero)" in err
    assert "GLIOTYPE_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("GLIOTYPE_DEBUG", "1")
    code, _, err = run("predict", "study", "-o", tmp_path)
    assert code == 1
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["predict", "study"], "--output"),
        (["predict", "study", "-o", "out", "--sex", "x"], "--sex"),
        (["predict", "study", "-o", "out", "--age", "old"], "--age"),
        (["predict", "study", "-o", "out", "--prevalence", "half"], "--prevalence"),
        (["predict", "study", "-o", "out", "--colour"], "--colour"),
        (["divine"], "divine"),
    ],
)
def test_a_wrong_call_is_a_usage_error(
    run: Run, pipeline: Pipeline, arguments: list[str], complaint: str
) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert complaint in err
    assert pipeline.asked == []


def test_an_output_that_cannot_be_written_is_found_before_computing(
    run: Run, pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    code, out, err = run("predict", "study", "-o", tmp_path / "out")
    assert code == 3
    assert out == ""
    assert err.startswith("gliotype: cannot write the results to")
    assert len(err.splitlines()) == 1
    assert pipeline.asked == []


def test_a_disk_that_fills_up_leaves_nothing(
    run: Run, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gliotype.report.save_nifti", full)
    code, _, err = run("predict", "study", "-o", tmp_path / "out")
    assert code == 3
    assert "No space left on device" in err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_brackets_in_names_are_printed_as_they_are(run: Run, pipeline: Pipeline, tmp_path: Path) -> None:
    code, out, _ = run("predict", "study", "-o", tmp_path / "[bold]")
    assert code == 0
    assert str(tmp_path / "[bold]" / "report.html") in out


@pytest.mark.slow
def test_the_demo_simulates_a_study_and_says_so(
    run: Run, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Sequence, ...]] = []

    def demo_study(folder: Path, seed: int, patient: str, *, sequences: tuple[Sequence, ...]) -> float:
        np.save(folder / f"{patient}.npy", np.zeros(seed))
        written.append(sequences)
        return 51.0

    monkeypatch.setattr("gliotype.simulate.demo_study", demo_study)
    monkeypatch.setattr("gliotype.simulate.demo_seed", lambda patient, first: first + 2)
    code, out, _ = run("demo", "-o", tmp_path, "--patient", "wildtype", "--seed", 5)
    assert code == 0
    assert "This patient is simulated" in out
    assert np.load(tmp_path / "study" / "wildtype.npy").size == 7
    warnings = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))["warnings"]
    assert "simulated" in warnings[0]
    ((source, asked),) = pipeline.asked
    assert source == tmp_path / "study"
    assert (asked["age"], asked["id"]) == (51.0, "simulated-7")
    assert run("demo", "-o", tmp_path, "--patient", "wildtype", "--seed", 5, "--mrs")[0] == 0
    assert written == [DEMO_SEQUENCES, (*DEMO_SEQUENCES, Sequence.MRS)]
