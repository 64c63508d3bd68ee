"""Experiments on several workers: the same numbers, a scheduler that is not there, and patients who fail."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import one_process
from gliotype.errors import InputError, OutputError, UsageError
from gliotype.experiment import workers
from gliotype.experiment.protocol import Protocol, read_protocol
from gliotype.experiment.run import run_experiment
from gliotype.train.data.examples import Example, FailedPatientsError
from support.experiments import Synthetic, use_synthetic_patients
from support.ports import reserved_port

PROTOCOL = """
title = "Folds"
note = "Synthetic patients."
methods = ["radiomics", "age"]
[cohorts.home]
simulated = "severance"
patients = 24
[cross_validation]
cohort = "home"
"""

TABLES = ("answers.csv", "results.csv", "trainings.csv", "pairs.csv", "failures.csv")


@pytest.fixture(autouse=True)
def synthetic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_synthetic_patients(monkeypatch)
    with one_process():
        yield


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    return read_protocol(tmp_path / "protocol.toml")


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in TABLES]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_numbers_do_not_depend_on_the_workers(protocol: Protocol, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    run_experiment(protocol, tmp_path / "alone")
    lines: list[str] = []
    run_experiment(protocol, tmp_path / "processes", jobs=3, progress=lines.append)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        run_experiment(protocol, tmp_path / "cluster", scheduler=cluster.scheduler_address)
    assert tables(tmp_path / "alone") == tables(tmp_path / "processes") == tables(tmp_path / "cluster")
    assert any(line.startswith("training 6 of 6 done (") and line.endswith("0 min left") for line in lines)


@pytest.mark.filterwarnings("ignore")
def test_workers_of_several_threads_are_refused(protocol: Protocol, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        pytest.raises(UsageError, match="start them with --nthreads 1"),
    ):
        run_experiment(protocol, tmp_path / "out", scheduler=cluster.scheduler_address)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there_is_named(
    protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "CONNECT_S", 0.0)
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at inproc://nowhere"):
        run_experiment(protocol, tmp_path / "out", scheduler="inproc://nowhere")
    with (
        reserved_port() as port,
        pytest.raises(UsageError, match=f"answers at tcp://127.0.0.1:{port}: start one"),
    ):
        run_experiment(protocol, tmp_path / "out", scheduler=f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["nonsense", "10.0.0.1", "magic://10.0.0.1:8786", ""])
def test_an_address_without_host_and_port_is_refused_at_once(
    protocol: Protocol, tmp_path: Path, address: str
) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="is not the address of a Dask scheduler: write tcp://HOST:PORT"):
        run_experiment(protocol, tmp_path / "out", scheduler=address)


def test_jobs_and_a_scheduler_exclude_each_other(protocol: Protocol, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave it out with --scheduler"):
        run_experiment(protocol, tmp_path / "out", jobs=2, scheduler="tcp://10.0.0.1:8786")
    assert not (tmp_path / "out").exists()


def test_patients_who_fail_are_listed_when_all_others_are_done(
    protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = Synthetic.example, []

    def example(self: Synthetic, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        if subject.endswith(("004", "017")):
            raise InputError(f"the image of {subject} is damaged: copy it again")
        made.append(subject)
        return make(self, subject, inputs)

    monkeypatch.setattr(Synthetic, "example", example)
    out = tmp_path / "out"
    with pytest.raises(
        FailedPatientsError,
        match=r"2 patients cannot be prepared: severance-004 \(the image of severance-004 is damaged",
    ):
        run_experiment(protocol, out)
    assert len(made) == 22
    with (out / "failed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["subject"] for row in rows] == ["severance-004", "severance-017"]
    assert rows[1]["reason"] == "the image of severance-017 is damaged: copy it again"

    (tmp_path / "protocol.toml").write_text(
        PROTOCOL.replace("patients = 24", 'patients = 24\nexclude = ["severance-004", "severance-017"]')
    )
    run_experiment(read_protocol(tmp_path / "protocol.toml"), out)
    assert not (out / "failed.csv").exists()
    assert len(made) == 22, "nobody is prepared again"


def test_a_full_disk_ends_the_run_at_once(
    protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(example: Example, file: Path) -> None:
        raise OutputError("no room on the disk: free some")

    monkeypatch.setattr("gliotype.train.data.examples.write_example", write)
    with pytest.raises(OutputError, match="no room on the disk"):
        run_experiment(protocol, tmp_path / "out")
    assert not (tmp_path / "out" / "failed.csv").exists()
