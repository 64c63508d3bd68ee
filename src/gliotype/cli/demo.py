"""``gliotype demo``: the whole way, from files to report, on a patient simulated on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gliotype.cli.options import AsJson, Output, Threads
from gliotype.cli.predict import run
from gliotype.seeds import MAX_SEED

if TYPE_CHECKING:
    from gliotype.result import Result


def demo(
    *,
    output: Output,
    patient: Annotated[
        Literal["mutant", "wildtype"],
        typer.Option(
            help="Simulate a non-enhancing IDH-mutant astrocytoma or an enhancing IDH-wildtype glioblastoma."
        ),
    ] = "mutant",
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=MAX_SEED,
            help="First random seed to try when looking for such a patient.",
        ),
    ] = 0,
    mrs: Annotated[
        bool, typer.Option("--mrs", help="Also simulate an MR spectrum of the tumour, and measure 2HG in it.")
    ] = False,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a raw study into OUT/study, and predict from it."""

    def predicted(progress: Callable[[str], None]) -> Result:
        from gliotype.atomic_files import output_errors
        from gliotype.pipeline import predict as predict_study
        from gliotype.simulate import DEMO_SEQUENCES, DemoPatient, demo_seed, demo_study
        from gliotype.study import Sequence

        progress("simulate")
        kind = DemoPatient(patient)
        chosen = demo_seed(kind, seed)
        folder = output / "study"
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sequences = (*DEMO_SEQUENCES, *([Sequence.MRS] if mrs else []))
            age = demo_study(folder, chosen, kind, sequences=sequences)
        result = predict_study(folder, age=age, id=f"simulated-{chosen}", threads=threads, progress=progress)
        simulated = (
            "This patient is simulated: the answer shows how Gliotype works, and nothing about patients."
        )
        return replace(result, warnings=(simulated, *result.warnings))

    run(predicted, output, as_json=as_json)
