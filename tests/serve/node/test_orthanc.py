"""The node with a real PACS: a study goes out from Orthanc, and the results are found there under the same study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom import dcmread

from gliotype.serve.node.node import Node
from gliotype.serve.node.settings import DicomTarget, NodeSettings, Sender, WebTarget
from gliotype.serve.node.status import StudyStatus, node_status
from support.dicom_peer import mr_study, wait_until
from support.orthanc import AET, PROGRAM, WEB_PLUGIN, orthanc
from support.ports import reserved_port
from support.stand_in_predict import RELEASE, result_uids

from .conftest import complete

pytestmark = [
    pytest.mark.skipif(
        PROGRAM is None, reason="Orthanc is not installed: apt-get install orthanc orthanc-dicomweb"
    ),
    # pynetdicom leaves the socket of a connection that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

Start = Callable[..., Node]


def states(settings: NodeSettings) -> list[StudyStatus]:
    return list(node_status(settings.folder).studies)


@pytest.mark.slow
def test_results_come_back_to_orthanc_as_they_were_written(
    start: Start, settings: NodeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also while Orthanc is down for a while, with its storage commitment, and without a loop when it sends again."""
    caplog.set_level("INFO", "gliotype.node")
    place, study = tmp_path / "orthanc", mr_study("real", 3, StudyDescription="please hold")
    with ExitStack() as stack:
        target = DicomTarget(AET, "127.0.0.1", stack.enter_context(reserved_port()))
        node = start(target=target, senders=(Sender(AET, "127.0.0.1"),))
        with orthanc(place, node.port, dicom_port=target.port) as pacs:
            name = {pacs.add(dataset) for dataset in study}.pop()
            pacs.send_to_node(name)
        complete(node)
        wait_until(lambda: [each.state for each in states(settings)] == ["predicting"])
        (job,) = (settings.folder / "jobs").iterdir()
        (job / RELEASE).touch()
        wait_until(lambda: any(each.failures for each in states(settings)))
        with orthanc(place, node.port, dicom_port=target.port) as pacs:
            wait_until(lambda: [each.state for each in states(settings)] == ["done"])
            assert states(settings)[0].reason is None
            assert "the target has committed itself to keep 4 results" in caplog.text
            expected = result_uids([str(dataset.SOPInstanceUID) for dataset in study])
            found = pacs.objects(name)
            assert set(found) == set(expected.values()) | {str(dataset.SOPInstanceUID) for dataset in study}
            for file, uid in expected.items():
                assert found[uid] == dcmread(job / "out" / "dicom" / file)
            assert pacs.get("/statistics")["CountStudies"] == 1
            pacs.send_to_node(name)
            complete(node)
            wait_until(lambda: [each.state for each in states(settings)] == ["done", "not processed"])
            assert set(pacs.objects(name)) == set(found)


@pytest.mark.slow
@pytest.mark.skipif(
    WEB_PLUGIN is None, reason="orthanc-dicomweb is not installed: apt-get install orthanc-dicomweb"
)
def test_results_go_to_orthanc_over_the_web(start: Start, settings: NodeSettings, tmp_path: Path) -> None:
    study = mr_study("web", 3)
    with ExitStack() as stack:
        http = stack.enter_context(reserved_port())
        target = WebTarget(f"http://127.0.0.1:{http}/dicom-web")
        node = start(target=target, senders=(Sender(AET, None),))
        pacs = stack.enter_context(orthanc(tmp_path / "orthanc", node.port, http_port=http))
        name = {pacs.add(dataset) for dataset in study}.pop()
        pacs.send_to_node(name)
        complete(node)
        wait_until(lambda: [each.state for each in states(settings)] == ["done"])
        found = pacs.objects(name)
        for uid in result_uids([str(dataset.SOPInstanceUID) for dataset in study]).values():
            assert uid in found
