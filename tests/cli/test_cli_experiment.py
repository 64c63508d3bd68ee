from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gliotype.cli.main import app
from gliotype.errors import InputError


def run(*arguments: str) -> Exception | None:
    return CliRunner().invoke(app, list(arguments)).exception  # type: ignore[return-value]


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


def test_the_old_name_of_the_command_is_read_and_not_listed(tmp_path: Path) -> None:
    error = run("study", str(tmp_path / "none.toml"), "-o", str(tmp_path / "out"))
    assert isinstance(error, InputError)
    assert "none.toml" in str(error)
    listed = CliRunner().invoke(app, ["--help"]).output
    assert "experiment" in listed
    assert "study" not in [line.split()[0] for line in listed.splitlines() if line.strip()]


def test_label_maps_are_for_the_simulated_cohorts_that_name_none(tmp_path: Path) -> None:
    from gliotype.experiment.protocol import read_protocol

    shipped = Path(__file__).parents[2] / "protocols" / "choi2021.toml"
    assert {cohort.label_maps for cohort in read_protocol(shipped).cohorts.values()} == {None}
    own = tmp_path / "own.toml"
    own.write_text(shipped.read_text().replace("seed = 2022\n", 'seed = 2022\nanatomies = "mine"\n'))
    cohorts = read_protocol(own, tmp_path / "maps").cohorts
    assert cohorts["severance"].label_maps == tmp_path / "maps"
    assert cohorts["snuh"].label_maps == tmp_path / "mine", "the old name of the key is read"
