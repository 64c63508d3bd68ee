"""``gliotype dicom``: the results of a prediction as DICOM objects, made afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliotype.cli.hiding import hide_paths_of


def dicom(
    prediction: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder written by gliotype predict.", show_default=False)
    ],
    *,
    reference: Annotated[
        Path,
        typer.Option(metavar="STUDY", help="Folder or zip of the DICOM study, or of the reference series."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the DICOM objects; OUT/dicom by default."
        ),
    ] = None,
    labelmap: Annotated[
        bool, typer.Option("--labelmap", help="Write the segmentation as LABELMAP instead of BINARY.")
    ] = False,
    key_picture: Annotated[
        bool,
        typer.Option(
            "--key-picture", help="Also write the largest section of the tumour as a secondary capture."
        ),
    ] = False,
) -> None:
    """Write the results of a prediction as DICOM objects that belong to its study."""
    from gliotype.report.dicom import write_dicom

    hide_paths_of(reference)
    files, remarks = write_dicom(prediction, reference, output, labelmap=labelmap, key_picture=key_picture)
    for path in files:
        typer.echo(path)
    for remark in remarks:
        typer.echo(remark, err=True)
