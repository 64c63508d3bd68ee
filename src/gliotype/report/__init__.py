"""Write a `Result` as files. Knows values, and the way back to the acquired grid (`prepare.to_acquired`).

    Result -> prediction.json, tumour.nii.gz, brain.nii.gz, saliency.nii.gz, perfusion_*.nii.gz,
              report.html, report.pdf

What the files hold is described in ``docs/reference/outputs.md``.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from gliotype.atomic_files import atomic_write_set
from gliotype.paths import as_path
from gliotype.report.html import draw_pictures, render_html
from gliotype.report.json import prediction_json
from gliotype.report.nifti import PERFUSION_MAPS, perfusion_maps, save_nifti, volumes_as_acquired
from gliotype.report.pdf import render_pdf
from gliotype.report.summary import summarise
from gliotype.result import Result

__all__ = ["OUTPUTS", "write_result"]

OUTPUTS = (
    "brain.nii.gz",
    *(f"perfusion_{name}.nii.gz" for name in PERFUSION_MAPS),
    "report.html",
    "report.pdf",
    "saliency.nii.gz",
    "tumour.nii.gz",
    "prediction.json",
)
"""Names of all files that `write_result` may write; the last one moves in last."""


def write_result(result: Result, folder: str | Path) -> tuple[Path, ...]:
    """Write the files of a prediction into a folder: all of them, or none.

    Everything is computed first, then written aside, and moved into place once all files are complete.
    The files of an earlier run are replaced, and removed where this run has no such file.

    Args:
        result: what `gliotype.predict` returned.
        folder: created if missing.

    Returns:
        The files written, ``prediction.json`` last. Its ``seconds.report`` counts everything here up to
        the writing of that file, and ``seconds.total`` is the time of the stages before, plus that.

    Raises:
        OutputError: if the folder cannot be made or written, or the disk is full; the folder is then as
            it was before.
    """
    folder = as_path(folder)
    start = perf_counter()
    volumes = volumes_as_acquired(result) | perfusion_maps(result)
    summary = summarise(result)
    pictures = draw_pictures(result, summary)
    page = render_html(result, summary, pictures)
    pdf = render_pdf(summary, pictures.waterfall, pictures.key)
    with atomic_write_set(folder, OUTPUTS) as aside:
        for name, volume in volumes.items():
            save_nifti(volume, aside / f"{name}.nii.gz")
        (aside / "report.html").write_text(page, encoding="utf-8")
        (aside / "report.pdf").write_bytes(pdf)
        document = prediction_json(result, report_seconds=perf_counter() - start)
        (aside / "prediction.json").write_text(document, encoding="utf-8")
        written = [name for name in OUTPUTS if (aside / name).exists()]
    return tuple(folder / name for name in written)
