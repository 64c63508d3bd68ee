"""Whose the objects are, and that the same input gives the same objects again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from gliotype.errors import InputError
from gliotype.read import read_study
from gliotype.report.dicom.identity import check_source
from gliotype.report.dicom.objects import make_objects
from gliotype.study import Sequence, Subject
from support.dicom_results import Case, centred, make_case

AXIAL = np.diag([-1.0, -1.0, 1.0])
HEADERS: Mapping[str, Any] = {
    "StudyDate": "20190304",
    "StudyTime": "101500",
    "StudyID": "77",
    "AccessionNumber": "A-12",
    "ReferringPhysicianName": "Refers^Ruth",
    "IssuerOfPatientID": "HOSPITAL",
    "PatientWeight": 71.5,
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("study"), centred(AXIAL), **HEADERS)


def uids(objects: Mapping[str, Dataset]) -> dict[str, tuple[str, str]]:
    return {name: (made.SOPInstanceUID, made.SeriesInstanceUID) for name, made in objects.items()}


def test_patient_study_and_frame_of_reference_are_those_of_the_source(case: Case) -> None:
    source = pydicom.dcmread(next((case.folder / "t1c").iterdir()))
    copied = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID",
              "StudyDescription", *HEADERS)  # fmt: skip
    for name, made in case.objects().items():
        assert {each: made.get(each) for each in copied} == {each: source.get(each) for each in copied}, name
        assert made.SeriesInstanceUID != source.SeriesInstanceUID
        if name.endswith(("_seg.dcm", "_map.dcm")):
            assert made.FrameOfReferenceUID == source.FrameOfReferenceUID


def test_the_same_input_gives_the_same_files(case: Case, tmp_path: Path) -> None:
    first, second = (case.save(tmp_path / name) for name in ("one", "two"))
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"probability": 0.55},
        {"age": 71.0},
        {"prevalence": 0.5},
        {"site": "clinic"},
        {"call": "indeterminate"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_result_has_other_identifiers(changes: dict[str, Any], case: Case) -> None:
    other = replace(case, outputs=replace(case.outputs, document={**case.outputs.document, **changes}))
    before, after = uids(case.objects()), uids(other.objects())
    assert all(set(before[name]).isdisjoint(after[name]) for name in before)


def test_time_and_place_of_the_run_do_not_change_the_identifiers(case: Case) -> None:
    document = {**case.outputs.document, "seconds": {"total": 99.0}, "threads": 7}
    document["sequences"] = {
        name: {**image, "source": f"elsewhere/{name}"} for name, image in document["sequences"].items()
    }
    assert uids(replace(case, outputs=replace(case.outputs, document=document)).objects()) == uids(
        case.objects()
    )


def test_the_objects_are_series_of_their_own_marked_for_research(case: Case) -> None:
    made = case.objects()
    series = [(each.SeriesInstanceUID, each.SeriesNumber) for each in made.values()]
    assert len(set(series)) == len(made)
    assert all("research use only" in each.SeriesDescription for each in made.values())
    assert {each.Manufacturer for each in made.values()} == {"Gliotype"}


def test_the_header_of_the_source_stays_as_it_was_read(case: Case) -> None:
    before = case.source.header.to_json()
    case.objects()
    assert case.source.header.to_json() == before


def test_the_patients_name_is_not_shown_with_the_values(case: Case) -> None:
    assert "Secret" in str(case.source.header)
    assert "Secret" not in repr(case.source)


def test_names_in_other_scripts_are_kept(tmp_path: Path) -> None:
    case = make_case(
        tmp_path / "study",
        centred(AXIAL),
        SpecificCharacterSet="ISO_IR 144",
        PatientName="\u041b\u044e\u043a\u0441\u0435\u043c\u0431\u0443\u0440\u0433",
    )
    for file in case.save(tmp_path / "out").iterdir():
        made = pydicom.dcmread(file)
        assert str(made.PatientName) == "\u041b\u044e\u043a\u0441\u0435\u043c\u0431\u0443\u0440\u0433"


@pytest.mark.parametrize(
    "headers",
    [
        {"PatientSex": "UNKNOWN"},
        {"PatientBirthDate": "1950"},
        {"StudyDate": "yesterday", "StudyTime": "noon"},
        {"PatientName": "a^b^c^d^e^f^g"},
        {"PatientID": ""},
        {"PatientAge": "63"},
        {"AccessionNumber": "longer than the sixteen characters of its type"},
        {"LossyImageCompression": "01"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_headers_that_are_not_as_the_standard_has_them_do(headers: dict[str, Any], tmp_path: Path) -> None:
    with pydicom.config.disable_value_validation():
        case = make_case(tmp_path / "study", centred(AXIAL), **headers)
    assert len(list(case.save(tmp_path / "out").iterdir())) == 4


def test_missing_patient_attributes_are_empty(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    header = case.source.header
    for keyword in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "PatientAge",
        "StudyDescription",
    ):
        del header[keyword]
    for made in case.objects().values():
        assert not made.PatientName
        assert not made.PatientID


def test_without_a_frame_of_reference_the_objects_share_one(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    del case.source.header.FrameOfReferenceUID
    made = case.objects()
    found = {made[name].FrameOfReferenceUID for name in ("tumour_seg.dcm", "saliency_map.dcm")}
    assert len(found) == 1


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_source_without_identifiers_is_refused(keyword: str, tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    setattr(case.source.header, keyword, "")
    with pytest.raises(InputError, match=f"no one valid {keyword}"):
        case.objects()


def test_slices_that_share_an_identifier_are_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    same = tuple(replace(frame, uid="1.2.3") for frame in case.source.frames)
    with pytest.raises(InputError, match="no SOPInstanceUID of their own"):
        replace(case, source=replace(case.source, frames=same)).objects()


def test_slices_joined_from_several_series_are_refused(tmp_path: Path) -> None:
    for file in (make_case(tmp_path / "study", centred(AXIAL)).folder / "t1c").iterdir():
        slice_ = pydicom.dcmread(file)
        slice_.SeriesInstanceUID = f"1.2.3.{slice_.InstanceNumber}"
        slice_.save_as(file)
    image = read_study(tmp_path / "study", subject=Subject("case-7")).chosen[Sequence.T1C]
    assert image.dicom is not None
    with pytest.raises(InputError, match="no one valid SeriesInstanceUID"):
        check_source(image.dicom)


def test_the_tiles_of_a_mosaic_refer_to_their_instance_once(tmp_path: Path) -> None:
    case = make_case(tmp_path / "study", centred(AXIAL))
    tiles = replace(case.source, frames=tuple(replace(frame, uid="1.2.3") for frame in case.source.frames))
    outputs = replace(case.outputs, maps={"perfusion_rcbv": case.outputs.maps["saliency"]})
    made = make_objects(outputs, {Sequence.T1C: case.source, Sequence.DSC: tiles}).objects["rcbv_map.dcm"]
    (series,) = made.ReferencedSeriesSequence
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == ["1.2.3"]
