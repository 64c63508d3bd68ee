"""The child of a batch with a stand-in for the prediction: each study's file ``behaviour`` says what happens.

``python batch_child.py MEMORY``, as `gliotype.batch.child`. Each prediction adds a line to ``predicted.txt`` next to
OUT.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from gliotype import pipeline
from gliotype.atomic_files import output_errors
from gliotype.batch import child, study
from gliotype.errors import InputError
from gliotype.result import Result
from support.factory import make_result

made_result = cache(make_result)
COMMAND = (sys.executable, str(Path(__file__).resolve()))

RELEASE = "release"
"""File among the studies for which a study waits that holds."""


def hold(release: Path) -> None:
    """Wait until there is a file."""
    due = time.monotonic() + 600
    while not release.exists():
        if time.monotonic() > due:
            raise InputError("nobody released the study")
        time.sleep(0.02)


def predict(source: Path, **options: Any) -> Result:
    """Do what the study says; one that says nothing is predicted."""
    if not (source / "behaviour").exists():
        return pipeline.predict(source, **options)
    behaviour, _, argument = (source / "behaviour").read_text(encoding="utf-8").strip().partition(" ")
    match behaviour:
        case "bad":
            raise InputError(f"{source} holds nothing that {source.name} could be: name something else")
        case "bug":
            raise ZeroDivisionError("at a patient called Doe")
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(3600)
        case "memory":
            np.ones(int(1e10))
        case "wait":
            time.sleep(float(argument))
        case "hold":
            hold(source.parent / RELEASE)
    result = made_result()
    subject = replace(result.study.subject, id=options["id"])
    return replace(result, study=replace(result.study, subject=subject))


def write_result(result: Result, folder: Path) -> None:
    """Write a file that marks the study as predicted, and note that it was."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prediction.json").write_text(result.subject.id, encoding="utf-8")
    with (folder.parent.parent / "predicted.txt").open("a", encoding="utf-8") as log:
        log.write(f"{result.subject.id}\n")


STAND_INS = {"predict": predict, "write_result": write_result, "draw_thumbnail": lambda result: b"picture"}
"""By their names in `gliotype.batch.study`."""

if __name__ == "__main__":
    for name, stand_in in STAND_INS.items():
        setattr(study, name, stand_in)
    child.main()
