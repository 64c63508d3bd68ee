"""The explainable recurrent network on DSC perfusion curves (Choi 2019).

It reports to which part of the bolus it attended (attention), and how far the answer moves when a phase of the
curves is replaced by its average course (occlusion).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from gliotype.dsc import TUMOUR_REGIONS, Attention, Bolus, Perfusion, Region
from gliotype.explain.phases import Phase, fractions_by_phase, phases_of
from gliotype.findings import Finding, NotApplicable, Reason, Statement
from gliotype.predictors.curves import CHANNELS, CURVES, POINTS, TIMES_S, curves_of, lacking
from gliotype.predictors.ensemble import ensemble_answer, ensemble_sd
from gliotype.predictors.predictor import DEFAULT_PREVALENCE, Needs
from gliotype.predictors.trained import TrainedEnsemble, load_ensemble
from gliotype.study import Measurements, PreparedStudy, Sequence, Subject, Tumour

Floats = NDArray[np.float64]

SIMULATED = "Trained on simulated curves only; nothing is known about real patients yet."
"""Limit of a weight of simulated patients, such as the shipped one; that of a cohort names the cohort."""

INTERVAL = "Its interval is the spread of networks trained on resampled patients."

SHOWN = ("whole_nrcbv_mean", "whole_nrcbv_p95", "whole_psr", "whole_k2")
"""Numbers printed next to the answer; they do not enter it."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """What the file ``perfusion.json`` holds other than the calibration.

    Attributes:
        average: mean input of the training patients, (channels, points); it replaces an occluded phase.
    """

    average: NDArray[np.float32]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Parameters:
        """Read the content of ``perfusion.json``."""
        return cls(np.array(document["average"], dtype=np.float32).reshape(len(CHANNELS), POINTS))


@cache
def load_model() -> TrainedEnsemble[Parameters]:
    """Load the perfusion network.

    Raises:
        WeightsError: if a file of its weights is missing or damaged.
    """
    return load_ensemble("perfusion", Parameters.from_json)


@dataclass(frozen=True, eq=False)
class Reading:
    """The output of the network for one patient.

    Attributes:
        log_odds: of each member, (members,), calibrated, at a prevalence of one half.
        attention: mean over the members, (points,).
        occlusion: how far the log-odds fall when a phase is replaced by its average course.
    """

    log_odds: Floats
    attention: Floats
    occlusion: Mapping[Phase, float]


def read_curves(curves: NDArray[np.float32], phases: NDArray[np.intp]) -> Reading:
    """Run the network on one patient's curves, as they are and with each phase occluded.

    Args:
        curves: (channels, points), as `curves_of` builds them.
        phases: of each point, as `phases_of` gives them.
    """
    model = load_model()
    batch = np.concatenate([curves[None], occlude_phases(curves, phases, model.parameters.average)])
    answers = np.asarray(model.network(batch), dtype=np.float64)
    log_odds = model.calibration(answers[..., 0])
    falls = log_odds[0].mean() - log_odds[1:].mean(axis=1)
    return Reading(log_odds[0], answers[0, :, 1:].mean(axis=0), dict(zip(Phase, falls.tolist(), strict=True)))


def occlude_phases(
    curves: NDArray[np.float32], phases: NDArray[np.intp], average: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Replace the curves of the tumour's regions in each phase by their average course.

    Args:
        curves: (channels, points).
        phases: of each point.
        average: (channels, points).

    Returns:
        (phases, channels, points); missing regions and times that were not measured stay 0.

    Example:
        >>> curves = np.ones((len(CHANNELS), POINTS), np.float32)
        >>> hidden = occlude_phases(curves, np.repeat(np.arange(6), 10), 3 * curves)
        >>> hidden[2, 0, 15:35:5], float(hidden[2, 5, 22])
        (array([1., 3., 3., 1.], dtype=float32), 1.0)
    """
    regions = np.arange(len(TUMOUR_REGIONS))
    there = curves[CURVES + regions] * curves[-1]
    hidden = np.repeat(curves[None], len(Phase), axis=0)
    for phase in range(len(Phase)):
        hidden[phase, regions] = np.where(phases == phase, average[regions] * there, curves[regions])
    return hidden


def bolus_phases(bolus: Bolus, times_s: Floats) -> NDArray[np.intp]:
    """Say in which phase each point of the network's input lies."""
    arrival = times_s[bolus.arrival]
    return phases_of(TIMES_S, float(times_s[bolus.peak] - arrival), float(times_s[bolus.end] - arrival))


class PerfusionPredictor:
    """The recurrent network on DSC curves."""

    name: ClassVar[str] = "perfusion"
    needs: ClassVar[Needs] = Needs(sequences=(frozenset({Sequence.DSC}),))

    def __init__(self, prevalence: float = DEFAULT_PREVALENCE) -> None:
        self.prevalence = prevalence

    def predict(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Finding | NotApplicable:
        """Give the probability from the curves of the tumour's regions."""
        perfusion = measurements.dsc
        if perfusion is None:
            there = Sequence.DSC in prepared.acquired_grids
            reason = (
                "the perfusion series could not be measured" if there else "it needs a DSC perfusion series"
            )
            return NotApplicable(self.name, reason)
        if reason := lacking(perfusion):
            return NotApplicable(self.name, reason)
        phases = bolus_phases(perfusion.bolus, perfusion.times_s)
        reading = read_curves(curves_of(perfusion), phases)
        probability, interval = ensemble_answer(reading.log_odds + float(logit(self.prevalence)))
        names = tuple(phase.value for phase in Phase)
        return Finding(
            method=self.name,
            probability=probability,
            interval=interval,
            sequences=(Sequence.DSC,),
            reasons=_reasons(reading, phases, measurements),
            limits=limits(),
            summary=_summary(perfusion, reading, phases),
            attention=Attention(TIMES_S, reading.attention, tuple(names[phase] for phase in phases)),
        )

    def statement(
        self, prepared: PreparedStudy, tumour: Tumour, measurements: Measurements, subject: Subject
    ) -> Statement | None:
        """Give the log likelihood ratio that the curves have in patients like those of the training."""
        perfusion = measurements.dsc
        if perfusion is None or lacking(perfusion):
            return None
        members = read_curves(curves_of(perfusion), bolus_phases(perfusion.bolus, perfusion.times_s)).log_odds
        return Statement(float(members.mean()), ensemble_sd(members))


def limits() -> str:
    """Say on whom the weight was trained, and what its interval is."""
    return f"{load_model().limits(SIMULATED)} {INTERVAL}"


def _reasons(reading: Reading, phases: NDArray[np.intp], measurements: Measurements) -> tuple[Reason, ...]:
    """List the phases by how far they moved the answer, and then numbers that readers know."""
    fractions = fractions_by_phase(reading.attention, phases)
    of_phases = [
        Reason(phase.value, 100 * fractions[phase], "% of attention", reading.occlusion[phase])
        for phase in Phase
        if phase in {list(Phase)[index] for index in phases.tolist()}
    ]
    note = "for the reader; not part of the answer"
    known = [
        Reason(name, measurements.perfusion[name], measurements.units.get(name, ""), None, note)
        for name in SHOWN
        if name in measurements.perfusion
    ]
    return (*sorted(of_phases, key=lambda reason: -abs(reason.contribution or 0.0)), *known)


def _summary(perfusion: Perfusion, reading: Reading, phases: NDArray[np.intp]) -> str:
    """Say whose curves were read, and when in the bolus the network looked most."""
    words = {
        Region.ENHANCING: "enhancing tumour",
        Region.NON_ENHANCING: "non-enhancing tumour",
        Region.OEDEMA: "oedema",
    }
    parts = [words[region] for region in words if region in perfusion.curves]
    fractions = fractions_by_phase(reading.attention, phases)
    most = max(fractions, key=lambda phase: fractions[phase])
    whose = f" ({', '.join(parts)})" if parts else ""
    return (
        f"Curves of the tumour{whose} against white matter and the arteries; {100 * fractions[most]:.0f} % of the "
        f"attention lay on the {most.value}."
    )
