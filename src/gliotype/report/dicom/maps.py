"""Maps of reasons and of tissue properties as DICOM parametric maps, in real units, on their own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from highdicom import (
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
    VOILUTTransformation,
)
from highdicom.enum import CoordinateSystemNames
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gliotype.dicom_source import DicomSource
from gliotype.report.dicom import codes
from gliotype.report.dicom.identity import Identity, as_classic, refer_to_instances
from gliotype.study import Sequence
from gliotype.volume import LPS_FROM_RAS, Volume

NOT_MEASURED = float(np.finfo(np.float32).min)
"""Stored, and declared as padding, where nothing was measured."""

_ENOUGH = 1_000_000
"""Values that represent the range of all."""


@dataclass(frozen=True)
class MapKind:
    """What a map shows.

    Attributes:
        sequence: the series that it was computed from and on whose grid it lies; None for the reference.
        quantity: that its values are of.
        unit: of its values in the NIfTI file.
        title: for readers.
    """

    sequence: Sequence | None
    quantity: Code
    unit: str
    title: str


MAP_KINDS = {
    "saliency": MapKind(None, codes.SALIENCY, "1", "map of reasons"),
    "perfusion_rcbv": MapKind(Sequence.DSC, codes.RCBV, "1", "rCBV"),
    "perfusion_k2": MapKind(Sequence.DSC, codes.K2, "1/s", "leakage K2"),
    "adc": MapKind(Sequence.ADC, codes.ADC, "1e-3 mm2/s", "ADC"),
}
"""By the name of the NIfTI file."""


def make_map(name: str, volume: Volume, source: DicomSource, identity: Identity) -> Dataset:
    """Make a parametric map.

    Args:
        name: of the NIfTI file, a key of `MAP_KINDS`.
        volume: the map, NaN where nothing was measured.
        source: the series from which it was computed.
        identity: of the run.
    """
    kind = MAP_KINDS[name]
    slices, references = as_classic(source)
    factor, unit = codes.in_dicom_units(1.0, kind.unit)
    values = np.asarray(volume.array, np.float32) * np.float32(factor)
    measured = np.isfinite(values)
    shown = _slices_with_content(values, measured)
    low, high = _window(values[measured])
    lps = LPS_FROM_RAS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    along = (lps[:3, :2] / spacing[:2]).T.ravel()
    stored = np.where(measured, values, np.float32(NOT_MEASURED))[:, :, shown]
    dataset = ParametricMap(
        source_images=slices,
        pixel_array=np.ascontiguousarray(stored.transpose(2, 1, 0)),
        real_world_value_mappings=[
            RealWorldValueMapping(
                lut_label=name.removeprefix("perfusion_").upper(),
                lut_explanation=kind.title,
                unit=unit,
                value_range=(
                    float(values.min(initial=0.0, where=measured)),
                    float(values.max(initial=0.0, where=measured)),
                ),
                quantity_definition=kind.quantity,
            )
        ],
        voi_lut_transformations=[
            VOILUTTransformation(
                window_center=(low + high) / 2,
                window_width=max(high - low, 1e-6),
                voi_lut_function="LINEAR_EXACT",
            )
        ],
        contains_recognizable_visual_features=False,
        pixel_measures=PixelMeasuresSequence(
            pixel_spacing=(float(spacing[1]), float(spacing[0])),
            slice_thickness=float(spacing[2]),
            spacing_between_slices=float(spacing[2]),
        ),
        plane_orientation=PlaneOrientationSequence(CoordinateSystemNames.PATIENT, along.tolist()),
        plane_positions=[
            PlanePositionSequence(CoordinateSystemNames.PATIENT, (lps[:3, 3] + k * lps[:3, 2]).tolist())
            for k in range(volume.array.shape[2])[shown]
        ],
        content_label="GLIOTYPE_MAP",
        content_description=kind.title,
        **identity.arguments(f"map {name}", 9131 + list(MAP_KINDS).index(name), kind.title),
    )
    dataset.FloatPixelPaddingValue = dataset.FloatPixelPaddingRangeLimit = NOT_MEASURED
    _place_in_brain(dataset)
    refer_to_instances(dataset, references)
    return identity.finish(dataset)


def _slices_with_content(values: NDArray[np.float32], measured: NDArray[np.bool_]) -> slice:
    """Return the slices from the first to the last that holds a value other than 0; all if none does."""
    holding = np.flatnonzero((measured & (values != 0)).any(axis=(0, 1)))
    return slice(None) if holding.size == 0 else slice(int(holding[0]), int(holding[-1]) + 1)


def _window(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return what to show as black and as white: nearly the least and the largest of some of the values."""
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values[:: 1 + values.size // _ENOUGH], (1, 99)).tolist()
    return low, high


def _place_in_brain(dataset: Dataset) -> None:
    """Say that every frame shows the brain, which has no side."""
    anatomy = Dataset()
    anatomy.AnatomicRegionSequence = [CodedConcept.from_code(codes.BRAIN)]
    anatomy.FrameLaterality = "U"
    dataset.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]
