"""``gliotype predict``: from the files of a study to an answer and its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliotype.cli.hiding import hide_paths_of
from gliotype.cli.options import (
    Age,
    AsJson,
    Model1,
    MutantAt,
    Output,
    Prevalence,
    SexOption,
    Site,
    SubjectId,
    Threads,
    WildtypeAt,
)

if TYPE_CHECKING:
    from gliotype.result import Result
    from gliotype.study import Sequence


def predict(
    study: Annotated[
        Path | None,
        typer.Argument(
            metavar="STUDY",
            help="Folder or zip with DICOM or NIfTI files, or a single file; optional if files are named below.",
        ),
    ] = None,
    *,
    output: Output,
    age: Age = None,
    sex: SexOption = None,
    subject: SubjectId = None,
    prevalence: Prevalence = None,
    mutant_at: MutantAt = 0.8,
    wildtype_at: WildtypeAt = 0.2,
    site: Site = None,
    study_uid: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="UID",
            help="Which study to use if STUDY holds several: its UID, session or number.",
        ),
    ] = None,
    t1: Annotated[Path | None, typer.Option(help="Use this file or folder as T1.")] = None,
    t1c: Annotated[Path | None, typer.Option(help="Use this file or folder as contrast-enhanced T1.")] = None,
    t2: Annotated[Path | None, typer.Option(help="Use this file or folder as T2.")] = None,
    flair: Annotated[Path | None, typer.Option(help="Use this file or folder as FLAIR.")] = None,
    dsc: Annotated[
        Path | None, typer.Option(help="Use this file or folder as the DSC perfusion series.")
    ] = None,
    adc: Annotated[
        Path | None,
        typer.Option(
            help="Use this file or folder as the ADC map, or as the diffusion-weighted images to compute it from."
        ),
    ] = None,
    mrs: Annotated[
        Path | None,
        typer.Option(help="Use this file or folder as the single-voxel spectrum in which 2HG is measured."),
    ] = None,
    mrs_timing: Annotated[
        str | None,
        typer.Option(
            metavar="TIMING",
            help="Sequence and echo time (ms) of the spectrum, such as press:32+65, slaser:110 or mega:68.",
        ),
    ] = None,
    cest: Annotated[
        Path | None,
        typer.Option(help="Use this file or folder as the CEST series (Z-spectra)."),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Tumour mask, drawn on the reference image, to use instead of Model 1's."),
    ] = None,
    aif: Annotated[
        Path | None,
        typer.Option(help="Mask of arteries in the DSC series, to use instead of those found automatically."),
    ] = None,
    model1: Model1 = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE=SEQUENCE",
            help="Read the image that prediction.json lists as SOURCE as T1, T1c, T2, FLAIR, DSC, ADC or CEST; none "
            "leaves it out. May be repeated.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="CACHE", help="Folder in which to cache the prepared study for gliotype revise."
        ),
    ] = None,
    labelmap: Annotated[
        bool,
        typer.Option(
            "--labelmap", help="For a DICOM study, write the segmentation as LABELMAP instead of BINARY."
        ),
    ] = False,
    key_picture: Annotated[
        bool,
        typer.Option(
            "--key-picture", help="For a DICOM study, also write the key picture as a secondary capture."
        ),
    ] = False,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Predict IDH status from a pre-operative study."""
    hide_paths_of(study, t1, t1c, t2, flair, dsc, adc, mrs, cest, mask, aif, model1)

    def predicted(progress: Callable[[str], None]) -> Result:
        from gliotype.pipeline import predict as predict_study
        from gliotype.study import Sequence

        named = {
            Sequence.T1: t1,
            Sequence.T1C: t1c,
            Sequence.T2: t2,
            Sequence.FLAIR: flair,
            Sequence.DSC: dsc,
            Sequence.ADC: adc,
            Sequence.MRS: mrs,
            Sequence.CEST: cest,
        }
        return predict_study(
            study,
            files={sequence: path for sequence, path in named.items() if path is not None},
            age=age,
            sex=None if sex is None else sex.value,
            id=subject,
            prevalence=prevalence,
            thresholds=(wildtype_at, mutant_at),
            site=site,
            study_uid=study_uid,
            sequences=stated_sequences(image or []),
            mrs_timing=mrs_timing,
            mask=mask,
            aif=aif,
            model1=model1,
            keep=keep,
            threads=threads,
            progress=progress,
        )

    run(predicted, output, as_json=as_json, labelmap=labelmap, key_picture=key_picture)


def stated_sequences(images: list[str]) -> dict[str, Sequence | None]:
    """Read the values of ``--image``.

    Raises:
        UsageError: if one of them is not of the form SOURCE=SEQUENCE.

    Example:
        >>> stated_sequences(["exam/t1.nii.gz=T1c", "exam/loc.nii.gz=none"])
        {'exam/t1.nii.gz': <Sequence.T1C: 'T1C'>, 'exam/loc.nii.gz': None}
    """
    from gliotype.errors import UsageError
    from gliotype.study import Sequence

    stated: dict[str, Sequence | None] = {}
    for each in images:
        source, _, word = each.rpartition("=")
        if not source or word.upper() not in (*(set(Sequence) - {Sequence.MRS}), "NONE"):
            raise UsageError(
                "--image needs the form SOURCE=SEQUENCE, such as exam/t1.nii.gz=T1c or exam/loc.nii.gz=none"
            )
        stated[source] = None if word.upper() == "NONE" else Sequence(word.upper())
    return stated


def run(
    predicted: Callable[[Callable[[str], None]], Result],
    output: Path,
    *,
    as_json: bool,
    labelmap: bool = False,
    key_picture: bool = False,
) -> None:
    """Predict, write the results and report them; whether OUT can be written is checked first.

    Args:
        predicted: makes the result, telling each stage's name to the function that it is given.
        output: folder for the results.
        as_json: print ``prediction.json`` on stdout, and nothing else.
        labelmap: write the DICOM segmentation as LABELMAP instead of BINARY.
        key_picture: write the key picture as a DICOM secondary capture.

    Raises:
        GliotypeError: as `predicted` does, and `OutputError` if the results cannot be written.
    """
    import json
    from dataclasses import replace

    from gliotype.atomic_files import check_writable
    from gliotype.cli.show import print_summary, show_progress
    from gliotype.report import OUTPUTS, write_result

    check_writable(output, OUTPUTS)
    with show_progress() as progress:
        result = predicted(progress)
        progress("report")
        files = write_result(result, output, labelmap=labelmap, key_picture=key_picture)
    document = files[-1].read_text(encoding="utf-8")
    if as_json:
        typer.echo(document, nl=False)
    else:
        print_summary(replace(result, warnings=tuple(json.loads(document)["warnings"])), files)
