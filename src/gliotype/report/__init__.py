"""Write a `Result` as files. Knows values, and the way back to the acquired grid (`prepare.to_acquired`).

    Result -> prediction.json, tumour.nii.gz, brain.nii.gz, saliency.nii.gz, votes_*.nii.gz, perfusion_*.nii.gz,
              adc.nii.gz, cest_*.nii.gz, report.html, report.pdf, dicom/*.dcm

What the files hold is described in ``docs/reference/outputs.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from json import loads
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from gliotype.atomic_files import atomic_write_set
from gliotype.errors import GliotypeError
from gliotype.paths import as_path
from gliotype.report.dicom import DICOM_OUTPUTS
from gliotype.report.html import draw_pictures, render_html
from gliotype.report.json import prediction_json
from gliotype.report.nifti import (
    CEST_MAPS,
    PERFUSION_MAPS,
    VOTE_MAPS,
    adc_map,
    cest_maps,
    perfusion_maps,
    save_nifti,
    volumes_as_acquired,
    vote_maps,
)
from gliotype.report.pdf import render_pdf
from gliotype.report.summary import summarise
from gliotype.result import Result
from gliotype.runtime import in_parallel, side_by_side, use_threads
from gliotype.volume import Volume

if TYPE_CHECKING:
    from gliotype.report.dicom.objects import DicomObjects

__all__ = ["OUTPUTS", "write_result"]

OUTPUTS = (
    *(f"dicom/{name}" for name in DICOM_OUTPUTS),
    "adc.nii.gz",
    "brain.nii.gz",
    *(f"cest_{name}.nii.gz" for name in CEST_MAPS),
    *(f"perfusion_{name}.nii.gz" for name in PERFUSION_MAPS),
    "report.html",
    "report.pdf",
    "saliency.nii.gz",
    "tumour.nii.gz",
    *(f"votes_{name}.nii.gz" for name in VOTE_MAPS),
    "prediction.json",
)
"""Names of all files that `write_result` may write; the last one moves in last."""


def write_result(
    result: Result, folder: str | Path, *, labelmap: bool = False, key_picture: bool = False
) -> tuple[Path, ...]:
    """Write the files of a prediction into a folder: all of them, or none.

    Where the reference image was read from DICOM, they include DICOM objects of the same study. If these cannot be
    made, ``prediction.json`` has a warning that says why, and the other files are written.

    Everything is computed first, then written aside, and moved into place once all files are complete.
    The files of an earlier run are replaced, and removed where this run has no such file.

    Args:
        result: what `gliotype.predict` returned.
        folder: created if missing.
        labelmap: write the DICOM segmentation as LABELMAP instead of BINARY.
        key_picture: write the key picture as a DICOM secondary capture, too.

    Returns:
        The files written, ``prediction.json`` last. Its ``seconds.report`` counts everything here up to
        the writing of that file, and ``seconds.total`` is the time of the stages before, plus that.

    Raises:
        OutputError: if the folder cannot be made or written, or the disk is full; the folder is then as
            it was before.
    """
    folder = as_path(folder)
    start = perf_counter()
    with use_threads(result.threads):
        summary = summarise(result)
        pictures, volumes = side_by_side(lambda: draw_pictures(result, summary), lambda: _volumes(result))
        page = render_html(result, summary, pictures)
        pdf = render_pdf(summary, pictures.waterfall, pictures.key)
        objects, remarks = _dicom_objects(result, volumes, pdf, labelmap=labelmap, key_picture=key_picture)
        with atomic_write_set(folder, OUTPUTS) as aside:
            if objects is not None:
                objects.save(aside / "dicom")
            in_parallel(lambda name: save_nifti(volumes[name], aside / f"{name}.nii.gz"), volumes)
            (aside / "report.html").write_text(page, encoding="utf-8")
            (aside / "report.pdf").write_bytes(pdf)
            warned = replace(result, warnings=(*result.warnings, *remarks))
            document = prediction_json(warned, report_seconds=perf_counter() - start)
            (aside / "prediction.json").write_text(document, encoding="utf-8")
            written = [name for name in OUTPUTS if (aside / name).exists()]
    return tuple(folder / name for name in written)


def _volumes(result: Result) -> dict[str, Volume]:
    """Collect all masks and maps that are written."""
    on_reference = volumes_as_acquired(result) | vote_maps(result)
    return on_reference | perfusion_maps(result) | adc_map(result) | cest_maps(result)


def _dicom_objects(
    result: Result, volumes: Mapping[str, Volume], pdf: bytes, *, labelmap: bool, key_picture: bool
) -> tuple[DicomObjects | None, tuple[str, ...]]:
    """Make the DICOM objects of a result whose images were read from DICOM; else, and on failure, say why not."""
    sources = {
        sequence: image.dicom for sequence, image in result.study.chosen.items() if image.dicom is not None
    }
    if not sources:
        return None, ()
    # highdicom takes most of a second to import: only a study in DICOM waits for it.
    from gliotype.report.dicom.objects import make_objects
    from gliotype.report.dicom.outputs import MAPS, MASKS, Outputs

    outputs = Outputs(
        document=loads(prediction_json(result, report_seconds=0.0)),
        masks={name: volumes[name] for name in MASKS},
        maps={name: volumes[name] for name in MAPS if name in volumes},
        pdf=pdf,
        image=result.study.chosen[result.prepared.reference].volume if key_picture else None,
        made=datetime.now().replace(microsecond=0),  # noqa: DTZ005 - DICOM wants local time
    )
    try:
        objects = make_objects(outputs, sources, labelmap=labelmap)
    except GliotypeError as error:
        return None, (f"No DICOM results were written: {error}.",)
    return objects, objects.remarks
