"""Which simulated patients train, tune and test the perfusion network."""

from __future__ import annotations

from dataclasses import dataclass

from gliotype.train.perfusion.examples import CurveCohort


@dataclass(frozen=True)
class Design:
    """Which patients train, tune and test; the paper's 463 unless more are asked for.

    Attributes:
        training: patients to learn from.
        tuning: patients for stopping, calibration and the threshold.
        test: patients of the paper's own test set.
        larger: patients of a larger test set of the same hospital.
        external: patients of another hospital: other repetition times, fields, preloads, some spin echoes.
        seed: random seed.
    """

    training: int = 395
    tuning: int = 50
    test: int = 18
    larger: int = 400
    external: int = 400
    seed: int = 1

    @classmethod
    def of(cls, patients: int, seed: int) -> Design:
        """Make a design of so many patients to learn from, with the paper's ratio of patients for tuning.

        Example:
            >>> Design.of(395, 1) == Design(), Design.of(2000, 1).tuning
            (True, 253)
        """
        return cls(training=patients, tuning=round(patients * cls.tuning / cls.training), seed=seed)

    @property
    def cohorts(self) -> dict[str, CurveCohort]:
        """The sets by name, each with separate patients."""
        sizes = {
            "training": ("snuh", self.training),
            "tuning": ("snuh", self.tuning),
            "test": ("snuh", self.test),
            "larger test": ("snuh", self.larger),
            "external": ("external", self.external),
        }
        return {
            name: CurveCohort(name.replace(" ", "-"), site, patients, 10 * self.seed + number)
            for number, (name, (site, patients)) in enumerate(sizes.items())
        }
