from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gliotype.cli.main import app
from gliotype.errors import InputError


def run(*arguments: str) -> Exception | None:
    return CliRunner().invoke(app, list(arguments)).exception  # type: ignore[return-value]


def test_the_shipped_protocol_is_valid() -> None:
    from gliotype.experiment.protocol import read_protocol

    protocol = read_protocol(Path(__file__).parents[2] / "protocols" / "choi2021.toml")
    sizes = [protocol.sets[name].patients for name in ("training", "tuning", "internal")]
    assert sizes == [596, 131, 129]
    assert [protocol.cohorts[name].patients for name in ("snuh", "tcia")] == [107, 203]


def test_a_wrong_protocol_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('title = "x"\nnotes = "y"\n')
    error = run("experiment", str(file), "-o", str(tmp_path / "out"))
    assert isinstance(error, InputError)
    assert "notes" in str(error)
    assert not (tmp_path / "out").exists()


def test_a_cohort_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = run("train", "model2", "--cohort", str(tmp_path / "none"), "-o", str(tmp_path / "run"))
    assert isinstance(error, InputError)
    assert "none" in str(error)
