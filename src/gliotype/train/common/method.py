"""The contract of a method that can be trained: fitted on examples, scored, and exported for its predictor.

A method is a frozen dataclass: its fields are the parameters of the training, so that two methods with equal fields
train the same model. `gliotype.experiment.registry.METHODS` lists all of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gliotype.predictors import Needs
from gliotype.train.data.examples import Example

Progress = Callable[[str], None]


def no_progress(line: str) -> None:
    """Ignore a line of progress."""


class TrainedMethod(Protocol):
    """A trained method with a threshold that was fixed on the tuning patients."""

    @property
    def threshold(self) -> float:
        """Probability, at `prevalence`, at or above which mutant is called."""
        ...

    @property
    def prevalence(self) -> float:
        """Prevalence of IDH mutation among the tuning patients."""
        ...

    def probabilities(self, examples: list[Example], prevalence: float) -> NDArray[np.float64]:
        """Return probabilities at a prevalence; NaN where the method makes no call."""
        ...


@runtime_checkable
class OutliningMethod(Protocol):
    """A trained method that outlines the tumour itself."""

    def dices(self, examples: list[Example]) -> NDArray[np.float64]:
        """Return the Dice of its whole tumour with the true one, (n,); NaN where this is not known."""
        ...


class Method(Protocol):
    """A method of the literature that can be trained.

    Attributes:
        name: short and stable; the name of its predictor where it has one.
        needs: what a patient must have.
        inputs: names of the arrays that it reads from `Example.inputs`, other than the slices and numbers that every
            example has (`gliotype.train.data.inputs.INPUTS`).
    """

    name: ClassVar[str]
    needs: ClassVar[Needs]
    inputs: ClassVar[frozenset[str]]

    def fit(
        self,
        training: list[Example],
        tuning: list[Example],
        folder: Path,
        progress: Progress = no_progress,
    ) -> Any:
        """Train, or load what an earlier call has trained with the same parameters on the same patients.

        Args:
            training: patients to learn from; those in whom no tumour was found are left out.
            tuning: other patients, for calibration and threshold.
            folder: of the trained parts, so that a run that was killed resumes.
            progress: called with a line of progress.

        Returns:
            The trained method, a `TrainedMethod`.
        """
        ...

    def export(
        self,
        trained: Any,
        folder: Path,
        *,
        training: Sequence[Example],
        data: Mapping[str, str],
        results: str,
    ) -> tuple[Path, ...]:
        """Write the weights that the predictor reads, with their card: all of them, or none.

        Args:
            trained: what `fit` returned.
            folder: created if missing.
            training: the patients it was trained on.
            data: what they are, and under which ``licence``.
            results: Markdown of its tests, without a heading.

        Returns:
            The files; none where no predictor reads weights of this method.

        Raises:
            OutputError: if the folder cannot be written.
        """
        ...
