"""Patients as Model 2 learns and is tested on them: slices and numbers, with the *predicted* tumour, cached on disk.

An example is a few hundred kilobytes; making one takes seconds (simulation or reading, preparation, Model 1),
so each is made once and cached in a folder named after everything that it depends on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gliotype._version import __version__
from gliotype.atomic_files import atomic_write, reading_cached
from gliotype.cohorts import IDH, Target
from gliotype.errors import GliotypeError, InputError, OutputError
from gliotype.evaluate.table import check_both_classes
from gliotype.masks import dice
from gliotype.measure import measure
from gliotype.predictors.slices import IMAGES, NUMBERS, OFFSETS_MM, SIZE, numbers_of, slices_of
from gliotype.runtime import checked_weights
from gliotype.segment import segment
from gliotype.study import PreparedStudy, Subject
from gliotype.train.common.cache_key import cache_key
from gliotype.train.common.workers import minutes_left, workers
from gliotype.train.data.inputs import make_inputs

MODEL1 = ("model1.onnx", "model1.json", "subregions.onnx")
"""The weights by which the tumour is found and divided."""

NO_INPUTS: frozenset[str] = frozenset()

_INPUT = "input-"

Pool = Callable[[], AbstractContextManager[Executor]]
"""Lends workers that make patients in parallel."""


class FailedPatientsError(InputError):
    """Patients could not be prepared; `reasons` says why, by name."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        if len(reasons) == 1:
            ((name, why),) = reasons.items()
            super().__init__(f"the patient {name} cannot be prepared: {why}")
            return
        listed = "; ".join(f"{name} ({why})" for name, why in list(reasons.items())[:5])
        super().__init__(f"{len(reasons)} patients cannot be prepared: {listed}")


@dataclass(frozen=True, eq=False)
class Example:
    """One patient.

    Attributes:
        subject: unique in its cohort.
        mutant: whether IDH-mutant; with the target codeletion, whether 1p/19q-codeleted.
        age: years, NaN where not known.
        slices: float16 (5, 4, 128, 128) as `slices_of` extracts them; all 0 where no tumour was found.
        numbers: float64 (20,) as `numbers_of` lines them up; NaN where missing.
        found: whether Model 1 found a tumour.
        dice: of the whole tumour with the true mask, or NaN without one.
        strata: what else is known, by name.
        inputs: further arrays that were asked for, by name (`gliotype.train.data.inputs.INPUTS`); none where no
            tumour was found.
    """

    subject: str
    mutant: bool
    age: float
    slices: NDArray[np.float16]
    numbers: NDArray[np.float64]
    found: bool
    dice: float
    strata: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


class Patients(Protocol):
    """Where patients come from: a simulated cohort, or one on disk.

    Attributes:
        subjects: names, in order.
        settings: what all examples depend on, as plain values; the name of their cache folder is derived from it.
    """

    @property
    def subjects(self) -> tuple[str, ...]:
        """Names, in order."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What all examples depend on."""
        ...

    def key(self, subject: str) -> str:
        """Return what names a patient's example in that folder: all else that it depends on."""
        ...

    def mutant(self, subject: str) -> bool:
        """Determine whether a patient is IDH-mutant, without any image."""
        ...

    def strata(self, subject: str) -> Mapping[str, str]:
        """Return what else is known of a patient without any image, by name."""
        ...

    def identities(self, subject: str) -> frozenset[str]:
        """Return all names, each written one way, under which a patient may be met elsewhere."""
        ...

    def images(self, subject: str) -> tuple[Path, ...]:
        """Return the files by whose content the patient is recognised under another name; none of a simulated one."""
        ...

    def example(self, subject: str, inputs: frozenset[str] = NO_INPUTS) -> Example:
        """Make the example of a patient, with further arrays of `inputs`."""
        ...


def example_of(
    prepared: PreparedStudy,
    subject: Subject,
    mutant: bool,
    strata: Mapping[str, str],
    truth: Callable[[PreparedStudy], NDArray[np.bool_]] | None = None,
    inputs: frozenset[str] = NO_INPUTS,
) -> Example:
    """Turn a prepared study into an example, with the tumour that Model 1 finds.

    Args:
        prepared: the study.
        subject: its name and age.
        mutant: whether IDH-mutant.
        strata: what else is known.
        truth: gives the true whole tumour on the prepared grid, if it is known.
        inputs: names of further arrays.
    """
    tumour = segment(prepared)
    true_mask = None if truth is None else truth(prepared)
    further: dict[str, NDArray[np.generic]] = {}
    slices = np.zeros((len(OFFSETS_MM), len(IMAGES) + 1, SIZE, SIZE), np.float32)
    numbers = np.full(len(NUMBERS), np.nan)
    if tumour.found:
        slices = slices_of(prepared, tumour).array
        measurements = measure(prepared, tumour)
        numbers = numbers_of(measurements, subject)
        further = make_inputs(inputs, prepared, tumour, measurements, true_mask)
    return Example(
        subject.id,
        mutant,
        np.nan if subject.age is None else subject.age,
        slices.astype(np.float16),
        numbers,
        tumour.found,
        np.nan if true_mask is None else dice(tumour.mask, true_mask),
        dict(strata),
        further,
    )


def folder_of(patients: Patients, cache: Path, inputs: frozenset[str] = NO_INPUTS) -> Path:
    """Return the cache folder of a source, named after everything that its examples depend on."""
    model1 = [checked_weights(name)[1] for name in MODEL1]
    settings = {**patients.settings, "model1": model1, "version": __version__, "inputs": sorted(inputs)}
    return cache / cache_key(settings)


def check_found(which: str, examples: Iterable[Example], target: Target = IDH) -> None:
    """Make sure that Model 1 found the tumour of two patients of each class (see `check_both_classes`)."""
    found = (e.mutant for e in examples if e.found)
    check_both_classes(found, f"of {which} in whom a tumour was found", target.classes)


def make_examples(
    patients: Patients,
    cache: Path,
    *,
    subjects: Iterable[str] | None = None,
    inputs: frozenset[str] = NO_INPUTS,
    jobs: int = 1,
    pool: Pool | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Example]:
    """Make the examples of a source, or read those that were made before.

    Args:
        patients: the source.
        cache: folder of all cached examples; safe to delete.
        subjects: which of the source's patients; all when None.
        inputs: names of further arrays: those of all methods that will read the examples.
        jobs: patients at the same time, on this machine.
        pool: lends the workers to use instead.
        progress: called with a line of progress.

    Returns:
        One example per subject, in order.

    Raises:
        FailedPatientsError: if patients cannot be read or prepared, when all others are made and cached.
        OutputError: if an example cannot be written.
        GliotypeError: if a process has ended.
    """
    names = patients.subjects if subjects is None else tuple(subjects)
    folder = folder_of(patients, cache, inputs)
    missing = [name for name in names if not _file(patients, name, folder).exists()]
    if missing:
        began = time.monotonic()
        failed: dict[str, str] = {}
        with workers(jobs) if pool is None else pool() as executor:
            made = {executor.submit(_make, patients, name, inputs, folder): name for name in missing}
            try:
                for done, future in enumerate(as_completed(made), start=1):
                    if (why := _check_made(future, made[future])) is not None:
                        failed[made[future]] = why
                    left = minutes_left(time.monotonic() - began, done, len(missing))
                    progress(f"example {done} of {len(missing)}, {left:.0f} min left")
            except BaseException:
                for future in made:
                    future.cancel()
                raise
        if failed:
            raise FailedPatientsError({name: failed[name] for name in missing if name in failed})
    return [_read_cached(patients, name, folder) for name in names]


def _check_made(future: Future[None], subject: str) -> str | None:
    """Return why a patient could not be prepared, None for one who was; raise what ends the whole run."""
    try:
        future.result()
    except BrokenProcessPool as error:
        raise GliotypeError(
            "a process that prepares patients has ended, perhaps because memory ran out: run again with fewer "
            "--jobs to resume"
        ) from error
    except OutputError:
        raise
    except GliotypeError as error:
        return str(error)
    except Exception as error:
        raise RuntimeError(f"the patient {subject}: {type(error).__name__}: {error}") from error
    return None


def _read_cached(patients: Patients, subject: str, folder: Path) -> Example:
    """Read a cached example, with the strata that the source gives now."""
    example = read_example(_file(patients, subject, folder))
    return replace(example, strata={**example.strata, **patients.strata(subject)})


def _make(patients: Patients, subject: str, inputs: frozenset[str], folder: Path) -> None:
    write_example(patients.example(subject, inputs), _file(patients, subject, folder))


def _file(patients: Patients, subject: str, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(patients.key(subject).encode()).hexdigest()[:16]}.npz"


def write_example(example: Example, file: Path) -> None:
    """Write an example, replaced at once when complete."""
    about = {"subject": example.subject, "strata": dict(example.strata)}
    further: dict[str, Any] = {f"{_INPUT}{name}": array for name, array in example.inputs.items()}
    with atomic_write(file) as aside:
        np.savez_compressed(
            aside,
            slices=example.slices,
            numbers=example.numbers,
            about=json.dumps(about),
            scalars=np.array([example.mutant, example.age, example.found, example.dice]),
            **further,
        )


def read_example(file: Path) -> Example:
    """Read an example.

    Raises:
        InputError: if the file is damaged.
    """
    with reading_cached(file), np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
        mutant, age, found, dice = arrays["scalars"].tolist()
        return Example(
            about["subject"],
            bool(mutant),
            age,
            arrays["slices"],
            arrays["numbers"],
            bool(found),
            dice,
            about["strata"],
            {name.removeprefix(_INPUT): arrays[name] for name in arrays.files if name.startswith(_INPUT)},
        )
