"""``prediction.json``: everything that one run found out, for programs.

Outsiders script against this: keys are only ever added. Each is described in ``docs/reference/outputs.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from gliotype.cest import CestMaps
from gliotype.dsc import Perfusion
from gliotype.errors import InputError
from gliotype.findings import Evidence, Finding
from gliotype.mrs import SpectrumFit
from gliotype.result import Call, Prediction, Result
from gliotype.study import Image

SCHEMA = 1


def prediction_json(result: Result, report_seconds: float) -> str:
    """Write a result as JSON text; a number that is not finite becomes null.

    Args:
        result: what `gliotype.predict` returned.
        report_seconds: how long the report took to make.
    """
    document = _plain(_document(result, report_seconds))
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _document(result: Result, report_seconds: float) -> dict[str, Any]:
    prediction, tumour, measurements = result.prediction, result.tumour, result.measurements
    chosen = result.study.chosen
    return {
        "schema": SCHEMA,
        "subject": result.subject.id,
        "age": result.subject.age,
        "sex": result.subject.sex,
        "call": prediction.call,
        "probability": prediction.probability,
        "interval": prediction.interval,
        "prevalence": prediction.prevalence,
        "method": prediction.method,
        "explanation": prediction.explanation,
        "thresholds": {"wildtype_at": prediction.thresholds[0], "mutant_at": prediction.thresholds[1]},
        "reasons": prediction.reasons,
        "evidence": [_evidence(evidence) for evidence in prediction.evidence],
        "range_sources": prediction.range_sources,
        "by_outline": prediction.by_outline,
        "site": prediction.site,
        "findings": [_finding(finding) for finding in result.findings],
        "not_applicable": {method.method: method.reason for method in result.not_applicable},
        "measurements": {
            "shape": measurements.shape,
            "loci": measurements.loci,
            "signal": measurements.signal,
            "mismatch": measurements.mismatch,
            "perfusion": measurements.perfusion,
            "diffusion": measurements.diffusion,
            "spectroscopy": measurements.spectroscopy,
            "cest": measurements.cest,
        },
        "units": measurements.units,
        "perfusion": None if measurements.dsc is None else _perfusion(measurements.dsc),
        "spectroscopy": None if measurements.mrs is None else _spectroscopy(measurements.mrs),
        "cest": None if measurements.cest_maps is None else _cest(measurements.cest_maps),
        "tumour": {
            "volume_ml": tumour.volume_ml,
            "regions_ml": tumour.regions_ml,
            "source": tumour.source,
            "confidence": tumour.confidence,
        },
        "reference": result.prepared.reference,
        "skull_stripped": result.prepared.skull_stripped,
        "quality": result.prepared.quality,
        "sequences": {sequence: _image(image) for sequence, image in chosen.items()},
        "other_images": [
            {"sequence": image.sequence, **_image(image)}
            for image in result.study.images
            if all(image is not used for used in chosen.values())
        ],
        "not_read": [{"source": one.source, "reason": one.reason} for one in result.study.not_read],
        "warnings": result.warnings,
        "seconds": _seconds(result.seconds, report_seconds),
        "threads": result.threads,
        "versions": result.versions,
        "weights": result.weights,
    }


def read_prediction(document: Mapping[str, Any]) -> Prediction:
    """Rebuild the answer from what `prediction_json` wrote of it.

    Args:
        document: the parsed file.

    Raises:
        InputError: if it is not such a document.
    """
    try:
        return Prediction(
            call=Call(document["call"]),
            probability=document["probability"],
            interval=None
            if document["interval"] is None
            else (document["interval"][0], document["interval"][1]),
            prevalence=document["prevalence"],
            explanation=document["explanation"],
            thresholds=(document["thresholds"]["wildtype_at"], document["thresholds"]["mutant_at"]),
            evidence=tuple(
                Evidence(**{part.name: each[part.name] for part in fields(Evidence)})
                for each in document["evidence"]
            ),
            reasons=tuple(document["reasons"]),
            range_sources=document["range_sources"],
            by_outline=document["by_outline"],
            site=document["site"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError("prediction.json is damaged or from another version: predict again") from error


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {**asdict(evidence), "contribution": evidence.contribution}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "method": finding.method,
        "probability": finding.probability,
        "interval": finding.interval,
        "sequences": finding.sequences,
        "detail": {
            "summary": finding.summary,
            "likelihood_ratio": finding.likelihood_ratio,
            "reasons": [vars(reason) for reason in finding.reasons],
            "limits": finding.limits,
            "map": finding.map is not None,
            "attention": None if finding.attention is None else vars(finding.attention),
            "prediction_set": None if finding.prediction_set is None else vars(finding.prediction_set),
        },
    }


def _perfusion(perfusion: Perfusion) -> dict[str, Any]:
    times = perfusion.times_s
    return {
        "times_s": times,
        "te_ms": perfusion.te_ms,
        "bolus_s": {name: times[frame] for name, frame in vars(perfusion.bolus).items()},
        "arterial": {
            "delta_r2": perfusion.arterial.delta_r2,
            "voxels": int(perfusion.arterial.voxels.sum()),
            "given": perfusion.arterial.given,
        },
        "curves": {
            region: {"relative_signal": curve.relative_signal, "voxels": curve.voxels}
            for region, curve in perfusion.curves.items()
        },
    }


def _spectroscopy(fitted: SpectrumFit) -> dict[str, Any]:
    return {
        "sequence": fitted.timing.sequence,
        "te_ms": fitted.timing.te_ms,
        "te1_ms": fitted.timing.te1_ms,
        "frequency_mhz": fitted.frequency_mhz,
        "edited": fitted.edited,
        "amplitudes": fitted.amplitudes,
        "bounds": fitted.bounds,
        "curves": {
            "ppm": fitted.curves.ppm.round(4),
            **{name: getattr(fitted.curves, name) for name in ("measured", "fitted", "baseline", "two_hg")},
        },
    }


def _cest(maps: CestMaps) -> dict[str, Any]:
    saturation = maps.saturation
    return {
        "offsets_ppm": maps.offsets_ppm,
        "spectra": maps.spectra,
        "b0_source": maps.b0_source,
        "saturation": {
            "b1_ut": saturation.b1_ut,
            "duration_s": saturation.duration_s,
            "duty_cycle": saturation.duty_cycle,
        },
    }


def _image(image: Image) -> dict[str, Any]:
    return {
        "source": image.source,
        "reason": image.reason,
        "confidence": image.confidence,
        "shape": image.volume.array.shape,
        "spacing_mm": image.volume.grid.spacing,
    }


def _seconds(stages: Mapping[str, float], report: float) -> dict[str, float]:
    before = stages.get("total", sum(stages.values()))
    seconds = {**stages, "report": report, "total": before + report}
    return {stage: round(value, 3) for stage, value in seconds.items()}


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case np.generic():
            return _plain(value.item())
        case np.ndarray():
            return _plain(value.tolist())
        case str():
            return str(value)
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case _:
            raise TypeError(f"no plain value for a {type(value).__name__}")
