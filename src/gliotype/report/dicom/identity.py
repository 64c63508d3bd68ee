"""Whose the DICOM results are, and their identifiers: the same again when the same input is processed again."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import highdicom as hd
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import MRImageStorage
from pydicom.valuerep import DA, DT, TM, DSfloat

from gliotype._version import __version__
from gliotype.dicom_source import DicomSource
from gliotype.errors import InputError
from gliotype.report.dicom.codes import ARTIFICIAL_INTELLIGENCE, SCHEME
from gliotype.report.dicom.outputs import Outputs
from gliotype.report.words import RESEARCH_USE
from gliotype.text import percent

NAME = "Gliotype"
FAMILY = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/gliotype/gliotype")
UTF8 = "ISO_IR 192"

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_FILLED = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")
_DATED = ("StudyDate", "StudyTime", "ReferringPhysicianName")
_SEXES = ("M", "F", "O", "")


def make_uid(*what: object) -> str:
    """Derive a UID from what it is to identify: the same gives the same.

    Example:
        >>> make_uid("a", 1) == make_uid("a", 1) != make_uid("a", 2)
        True
    """
    return f"2.25.{uuid.uuid5(FAMILY, json.dumps([str(each) for each in what])).int}"


@dataclass(frozen=True)
class Identity:
    """What the objects of one run have in common.

    Attributes:
        key: of the input and the version; everything of which a different value makes a different result.
        outputs: from which they are made.
    """

    key: str
    outputs: Outputs

    def uid(self, *what: object) -> str:
        """UID of one thing of this run."""
        return make_uid(self.key, *what)

    def arguments(self, kind: str, number: int, description: str) -> dict[str, Any]:
        """Arguments of highdicom that say which object it is and what made it.

        Args:
            kind: of the object, unique within a run.
            number: of its series.
            description: of its series.
        """
        return {
            "series_instance_uid": self.uid("series", kind),
            "series_number": number,
            "sop_instance_uid": self.uid("instance", kind),
            "instance_number": 1,
            "series_description": f"{NAME} {description} (research use only)",
            "manufacturer": NAME,
            "manufacturer_model_name": NAME,
            "software_versions": self.version,
            "device_serial_number": self.weights,
            "specific_character_set": UTF8,
            "coding_schemes": [
                CodingSchemeIdentificationItem(SCHEME, name=f"{NAME} codes", responsible_organization=NAME)
            ],
            "content_date": self.outputs.made.date(),
            "content_time": self.outputs.made.time(),
        }

    @property
    def version(self) -> str:
        """Version of Gliotype that made the prediction."""
        return str(self.outputs.document["versions"].get("gliotype", __version__))

    @property
    def weights(self) -> str:
        """Short hash of all weights, which takes the place of a serial number."""
        return _hash(self.outputs.document["weights"])[:16]

    def algorithm(self) -> hd.AlgorithmIdentificationSequence:
        """Identify Gliotype as the algorithm, for images."""
        return hd.AlgorithmIdentificationSequence(
            name=NAME, family=ARTIFICIAL_INTELLIGENCE, version=self.version, parameters={"use": RESEARCH_USE}
        )

    def finish(self, dataset: Dataset) -> Dataset:
        """Give an object its time, and the identifiers that highdicom draws at random."""
        made = self.outputs.made
        dataset.InstanceCreationDate, dataset.InstanceCreationTime = DA(made.date()), TM(made.time())
        for item in dataset.get("ContributingEquipmentSequence", []):
            item.ContributionDateTime = DT(made)
        if "DimensionOrganizationSequence" in dataset:
            uid = self.uid("dimensions", dataset.SOPInstanceUID)
            for item in (*dataset.DimensionOrganizationSequence, *dataset.get("DimensionIndexSequence", [])):
                item.DimensionOrganizationUID = uid
        return dataset


def identify_run(outputs: Outputs, source: DicomSource) -> Identity:
    """Derive the identity of a run from its input, its options and its version.

    Of the answer, what a reader sees counts as well: whoever changes anything that shows must not send it under the
    identifiers of the earlier result.
    """
    document = outputs.document
    tumour = document["tumour"]
    given = tumour["source"] == "given"
    probability, interval = document["probability"], document["interval"]
    shown = [percent(each) for each in (probability, *(interval or ())) if each is not None]
    key = {
        "version": document["versions"].get("gliotype"),
        "weights": document["weights"],
        "study": str(source.header.StudyInstanceUID),
        "series": source.series_uid,
        "frames": [(frame.uid, frame.number) for frame in source.frames],
        "sequences": {name: image["shape"] for name, image in document["sequences"].items()},
        "options": [document[name] for name in ("age", "sex", "prevalence", "thresholds", "site")],
        "tumour": [
            tumour["source"],
            hashlib.sha256(outputs.labels.array.tobytes()).hexdigest() if given else "",
        ],
        "answer": [document["call"], *shown, f"{tumour['volume_ml']:.0f}"],
    }
    return Identity(_hash(key), outputs)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def check_source(source: DicomSource, *, tiled: bool = False) -> None:
    """Refuse a source to which no DICOM object can refer.

    Args:
        source: of the reference image or of a map.
        tiled: whether slices may share an instance, as the tiles of a mosaic do.

    Raises:
        InputError: if identifiers of the study, the series or a slice are missing or occur twice.
    """
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"):
        if not _UID.fullmatch(str(source.header.get(keyword) or "")):
            raise InputError(
                f"the headers of the series have no one valid {keyword}, so nothing can refer to it: "
                "export the series again"
            )
    slices = [(frame.uid, frame.number) for frame in source.frames]
    shared = len(set(slices)) < len(slices) and not tiled
    if shared or any(not _UID.fullmatch(frame.uid) for frame in source.frames):
        raise InputError(
            "slices of the series have no SOPInstanceUID of their own, so nothing can refer to them: "
            "export the series again"
        )


def as_classic(source: DicomSource) -> tuple[list[Dataset], Mapping[str, Dataset]]:
    """Describe each slice of a source as a classic MR instance, the form in which highdicom takes any geometry.

    Returns:
        The slices; and by the identifier that stands for a slice there, a reference to the real instance, for
        `refer_to_instances`.
    """
    common = _common(source)
    slices, references = [], {}
    for frame in source.frames:
        item = Dataset()
        item.update(common)
        real = Dataset()
        real.ReferencedSOPClassUID, real.ReferencedSOPInstanceUID = source.header.SOPClassUID, frame.uid
        if frame.number is not None:
            real.ReferencedFrameNumber = frame.number
        item.add_new("SOPClassUID", "UI", MRImageStorage)  # not by its attribute, which all slices share
        item.SOPInstanceUID = make_uid("slice", frame.uid, frame.number, frame.position)
        item.Rows, item.Columns = frame.size
        item.ImagePositionPatient = _decimals(frame.position)
        item.ImageOrientationPatient = _decimals(source.frames[0].orientation)
        item.PixelSpacing = _decimals(source.frames[0].spacing)
        references[item.SOPInstanceUID] = real
        slices.append(item)
    return slices, references


def _common(source: DicomSource) -> Dataset:
    """Copy what all objects of the patient share; what is missing or invalid is empty where that is allowed."""
    common = deepcopy(source.header)
    for keyword in (*_FILLED, *_DATED):
        if keyword not in common:
            setattr(common, keyword, "")
    if str(common.PatientSex) not in _SEXES:
        common.PatientSex = ""
    for keyword, parse in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            parse(str(common[keyword].value))
        except ValueError:
            setattr(common, keyword, "")
    if "FrameOfReferenceUID" not in common or not common.FrameOfReferenceUID:
        common.FrameOfReferenceUID = make_uid("frame of reference", source.series_uid)
    if not common.get("SliceThickness"):
        common.SliceThickness = _decimals((source.slice_distance_mm,))[0]
    common.Modality = "MR"
    if "NumberOfFrames" in common:
        del common.NumberOfFrames
    return common


def refer_to_instances(dataset: Dataset, references: Mapping[str, Dataset]) -> None:
    """Replace the references to slices by those to the real instances (see `as_classic`), each instance once."""
    for element in dataset:
        if element.VR != "SQ":
            continue
        seen: set[tuple[str, int | None]] = set()
        items = []
        whole = element.keyword == "ReferencedInstanceSequence"
        for item in element.value:
            real = references.get(str(item.get("ReferencedSOPInstanceUID", "")))
            if real is not None:
                item.update(real)
                if whole and "ReferencedFrameNumber" in item:
                    del item.ReferencedFrameNumber
                place = (str(item.ReferencedSOPInstanceUID), item.get("ReferencedFrameNumber"))
                if place in seen:
                    continue
                seen.add(place)
            refer_to_instances(item, references)
            items.append(item)
        if len(items) < len(element.value):
            element.value = Items(items)


def instances(source: DicomSource) -> list[Dataset]:
    """Describe each instance of a source as evidence: patient, study, series and its identifiers."""
    common = _common(source)
    evidence = []
    for uid in dict.fromkeys(frame.uid for frame in source.frames):
        item = Dataset()
        item.update(common)
        item.SOPInstanceUID = uid
        evidence.append(item)
    return evidence


def _decimals(values: tuple[float, ...]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]
