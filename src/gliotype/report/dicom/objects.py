"""All DICOM objects of one prediction."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from gliotype.dicom_source import DicomSource
from gliotype.errors import GliotypeError, InputError
from gliotype.read.reference import WantedImage, find_dicom_series
from gliotype.report.dicom.identity import check_source, identify_run
from gliotype.report.dicom.maps import MAP_KINDS, make_map
from gliotype.report.dicom.outputs import Outputs
from gliotype.report.dicom.pdf import make_pdf
from gliotype.report.dicom.picture import make_picture
from gliotype.report.dicom.segmentation import make_segmentations
from gliotype.report.dicom.structured_report import make_report
from gliotype.study import Sequence

_RAISED = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
)
"""What pydicom and highdicom raise on headers that are not as the standard has them."""


@dataclass(frozen=True, eq=False)
class DicomObjects:
    """What is to be written.

    Attributes:
        objects: by file name.
        remarks: what could not be made and why, one sentence each.
    """

    objects: Mapping[str, Dataset]
    remarks: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Write the objects into a folder, which is created if it is missing."""
        folder.mkdir(exist_ok=True)
        with _lenient():
            for name, dataset in self.objects.items():
                dataset.save_as(folder / name, enforce_file_format=True)


def make_objects(
    outputs: Outputs, sources: Mapping[Sequence, DicomSource], *, labelmap: bool = False
) -> DicomObjects:
    """Make every DICOM object of a prediction.

    Args:
        outputs: the files of the prediction; with the reference image there is a key picture.
        sources: DICOM series by sequence; that of the reference is needed.
        labelmap: write the segmentation as LABELMAP instead of BINARY.

    Raises:
        InputError: if the reference has no DICOM series, or its headers allow no object to refer to it.
    """
    source = sources.get(outputs.reference)
    if source is None:
        raise InputError(
            f"the reference image ({outputs.reference.word}) does not come from DICOM: "
            "gliotype dicom OUT --reference FOLDER makes DICOM results afterwards"
        )
    check_source(source)
    with _plain_errors(), _lenient():
        identity = identify_run(outputs, source)
        maps: dict[str, Dataset] = {}
        remarks = []
        for name, volume in outputs.maps.items():
            sequence, file = MAP_KINDS[name].sequence, f"{name.removeprefix('perfusion_')}_map.dcm"
            own = source if sequence is None else sources.get(sequence)
            if own is not None:
                check_source(own, tiled=True)
                maps[file] = make_map(name, volume, own, identity)
            else:
                remarks.append(f"No DICOM series of the {sequence} was found, so {file} was not written.")
        segmentations = make_segmentations(outputs, source, identity, labelmap=labelmap)
        report = make_report(identity, source, segmentations, maps)
        picture = (
            {}
            if outputs.image is None
            else {"key_picture.dcm": make_picture(identity, source, outputs.image)}
        )
        return DicomObjects(
            {
                **segmentations.objects,
                **maps,
                **picture,
                "report_pdf.dcm": make_pdf(identity, source),
                "report_sr.dcm": report,
            },
            tuple(remarks),
        )


def find_sources(
    study: Path, outputs: Outputs, *, image: bool
) -> tuple[dict[Sequence, DicomSource], Outputs]:
    """Find the series of the reference image and those of the maps among the DICOM files of a study.

    Args:
        study: folder, zip or file of DICOM.
        outputs: the files of the prediction.
        image: read the voxels of the reference image too.

    Returns:
        The series by sequence; and the outputs, with the reference image if that is wanted.

    Raises:
        InputError: if no series has the voxels of the reference image.
        UsageError: if several have them, and nothing says which is the one.
    """
    read, grid = outputs.document["sequences"], outputs.labels.grid
    grids = {outputs.reference: grid}
    for name, volume in outputs.maps.items():
        if (sequence := MAP_KINDS[name].sequence) is not None:
            grids[sequence] = volume.grid
    wanted = {
        sequence: WantedImage(
            own, read.get(sequence, {}).get("source", ""), voxels=image and sequence is outputs.reference
        )
        for sequence, own in grids.items()
    }
    found = find_dicom_series(study, wanted)
    if outputs.reference not in found:
        raise InputError(
            f"no DICOM series has the voxels of tumour.nii.gz ({' x '.join(map(str, grid.shape))}): "
            f"give the DICOM series from which the reference image ({outputs.reference.word}) was made"
        )
    return (
        {sequence: one.source for sequence, one in found.items()},
        replace(outputs, image=found[outputs.reference].volume),
    )


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what the libraries raise into an error that quotes nothing of a header, which names the patient."""
    try:
        yield
    except GliotypeError:
        raise
    except _RAISED as error:
        raise InputError(
            f"no DICOM object can be made with these headers ({type(error).__name__}): export the study again"
        ) from error


@contextmanager
def _lenient() -> Iterator[None]:
    """Let values of the source pass as they are, valid or not: they must be those of the study."""
    with (
        warnings.catch_warnings(),
        pydicom.config.disable_value_validation(),
    ):
        warnings.simplefilter("ignore")
        yield
