"""Results as DICOM objects of the patient's own study: segmentation, structured report, PDF, parametric maps.

What they hold is described in ``docs/reference/dicom-results.md``.
"""

from __future__ import annotations

from pathlib import Path

from gliotype.atomic_files import atomic_write_set
from gliotype.paths import as_path

__all__ = ["DICOM_OUTPUTS", "write_dicom"]

DICOM_OUTPUTS = (
    "tumour_seg.dcm",
    "whole_tumour_seg.dcm",
    "saliency_map.dcm",
    "rcbv_map.dcm",
    "k2_map.dcm",
    "adc_map.dcm",
    "key_picture.dcm",
    "report_pdf.dcm",
    "report_sr.dcm",
)
"""Names of all DICOM objects that may be written; the last one moves in last."""


def write_dicom(
    prediction: str | Path,
    reference: str | Path,
    folder: str | Path | None = None,
    *,
    labelmap: bool = False,
    key_picture: bool = False,
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the files of a prediction as DICOM objects: all of them, or none.

    `gliotype predict` does so by itself where the study is DICOM; this makes the same objects afterwards.

    Args:
        prediction: folder that `gliotype predict` wrote.
        reference: folder or zip of the DICOM study, or file of it, from which the prediction was made.
        folder: for the objects; the folder ``dicom`` in `prediction` if None.
        labelmap: write the segmentation as LABELMAP, which fewer viewers read, instead of BINARY.
        key_picture: write the largest section of the tumour with its outlines as a secondary capture, too.

    Returns:
        The files written, those of `DICOM_OUTPUTS` that there are; and what was not written and why, one sentence
        each.

    Raises:
        InputError: if a file of the prediction is missing, or no series of the study has the voxels of the
            reference image.
        UsageError: if several series have them, and nothing says which is the one.
        OutputError: if the objects cannot be written.
    """
    # highdicom takes most of a second to import: only what uses it waits for it.
    from gliotype.report.dicom.objects import find_sources, make_objects
    from gliotype.report.dicom.outputs import read_outputs

    prediction = as_path(prediction)
    folder = prediction / "dicom" if folder is None else as_path(folder)
    sources, outputs = find_sources(as_path(reference), read_outputs(prediction), image=key_picture)
    made = make_objects(outputs, sources, labelmap=labelmap)
    with atomic_write_set(folder, DICOM_OUTPUTS) as aside:
        made.save(aside)
    return tuple(folder / name for name in DICOM_OUTPUTS if name in made.objects), made.remarks
