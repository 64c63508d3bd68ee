from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from gliotype.errors import UsageError
from gliotype.serve.node.node import Node
from gliotype.serve.node.rules import Options, Rule, Rules
from gliotype.serve.node.settings import NodeSettings
from gliotype.serve.node.status import StudyStatus, node_status
from support.dicom_peer import ARCHIVE, Archive, mr_instance, mr_study, send, wait_until
from support.stand_in_predict import RELEASE, result_uids

from .conftest import complete, send_whole

# pynetdicom leaves the socket of a connection that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

Start = Callable[..., Node]


def studies(settings: NodeSettings) -> list[StudyStatus]:
    return list(node_status(settings.folder).studies)


def wait_for_states(settings: NodeSettings, *states: str) -> list[StudyStatus]:
    wait_until(lambda: sorted(study.state for study in studies(settings)) == sorted(states))
    return studies(settings)


def results_of(*datasets: Dataset) -> dict[str, int]:
    """The results of a study, each once."""
    uids = result_uids([str(dataset.SOPInstanceUID) for dataset in datasets])
    return dict.fromkeys(uids.values(), 1)


def test_echo(start: Start) -> None:
    entity = AE(ARCHIVE)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", start().port, ae_title="GLIOTYPE")
    assert association.send_c_echo().Status == 0
    association.release()


@pytest.mark.slow
def test_a_study_in_two_associations_is_answered_once(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, study = start(), mr_study("one", 4)
    assert send(node.port, study[:2]) == [0, 0]
    assert send_whole(node, study[2:]) == [0, 0]
    assert target.wait_for(4) == results_of(*study)
    (found,) = wait_for_states(settings, "done")
    assert (found.images, found.reason) == (4, None)
    job = settings.folder / "jobs" / found.id
    wait_until(lambda: not (job / "input").exists())
    document = json.loads((job / "out" / "prediction.json").read_text())
    assert document["subject"] == found.id.partition("-")[0]


@pytest.mark.slow
def test_nothing_of_the_patient_is_in_names_log_and_status(
    start: Start, target: Archive, settings: NodeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    study = mr_study("named")
    send_whole(start(keep_inputs_days=1), study)
    target.wait_for(4)
    wait_for_states(settings, "done")
    names = " ".join(str(path.relative_to(settings.folder)) for path in settings.folder.rglob("*"))
    said = caplog.text + str(node_status(settings.folder))
    uid = str(study[0].StudyInstanceUID)
    assert "complete with 3 objects" in said
    for secret in ("Secret", "12345", uid):
        assert secret not in said
        assert secret not in names


@pytest.mark.parametrize(("aet", "to"), [("STRANGER", "GLIOTYPE"), (ARCHIVE, "SOMEONE")])
def test_other_ae_titles_are_refused(start: Start, settings: NodeSettings, aet: str, to: str) -> None:
    assert send(start().port, mr_study("x"), aet=aet, to=to) == []
    assert studies(settings) == []


@pytest.mark.slow
def test_a_target_that_is_down_gets_the_results_later(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, study = start(), mr_study("late")
    target.stop()
    send_whole(node, study)
    wait_until(lambda: any(each.failures >= 2 for each in studies(settings)))
    (waiting,) = studies(settings)
    assert (waiting.state, waiting.reason) == (
        "sending",
        f"{settings.target} does not accept the association",
    )
    target.start()
    assert target.wait_for(4) == results_of(*study)
    wait_for_states(settings, "done")


@pytest.mark.slow
def test_a_target_that_refuses_gets_each_result_until_it_takes_it(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    target.status = 0xA700
    node, study = start(), mr_study("full")
    send_whole(node, study)
    wait_until(lambda: any(each.failures >= 1 for each in studies(settings)))
    assert "with the status A700" in str(studies(settings)[0].reason)
    target.status = 0
    assert target.wait_for(4) == results_of(*study)


@pytest.mark.slow
def test_no_structural_image_is_answered_with_a_note(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    send_whole(start(), mr_study("spine", StudyDescription="exit 4"))
    target.wait_for(1)
    (found,) = wait_for_states(settings, "note")
    assert found.reason == "the study asks for exit code 4"
    ((note, times),) = target.received.values()
    assert times == 1
    assert note.PatientName == "Secret^Person"
    texts = [item.TextValue for item in note.ContentSequence]
    assert texts[0] == "Gliotype did not evaluate this study: the study asks for exit code 4"


@pytest.mark.slow
@pytest.mark.parametrize(("code", "failures"), [(3, 0), (1, 2)])
def test_poison_is_set_aside_with_its_reason_and_others_are_answered(
    start: Start, target: Archive, settings: NodeSettings, code: int, failures: int
) -> None:
    node, good = start(), mr_study("good")
    send_whole(node, mr_study("poison", StudyDescription=f"exit {code}"))
    send_whole(node, good)
    assert target.wait_for(4) == results_of(*good)
    found = wait_for_states(settings, "set aside", "done")
    poison = next(each for each in found if each.state == "set aside")
    assert (poison.reason, poison.failures) == (f"the study asks for exit code {code}", failures)
    assert (settings.folder / "jobs" / poison.id / "input").is_dir()


@pytest.mark.slow
def test_a_study_set_aside_is_tried_again_when_it_is_sent_again(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node = start()
    send_whole(node, mr_study("again", StudyDescription="exit 3"))
    wait_for_states(settings, "set aside")
    study = mr_study("again")
    send_whole(node, study)
    assert target.wait_for(4) == results_of(*study)
    wait_for_states(settings, "set aside", "done")


@pytest.mark.slow
def test_the_same_images_again_change_nothing(start: Start, target: Archive, settings: NodeSettings) -> None:
    node, study = start(), mr_study("twice")
    send_whole(node, study)
    target.wait_for(4)
    wait_for_states(settings, "done")
    send_whole(node, study[1:])
    found = wait_for_states(settings, "done", "not processed")
    assert found[1].reason == f"not processed: no new images since {found[0].id}"
    assert target.wait_for(4) == results_of(*study)


@pytest.mark.slow
def test_later_images_are_answered_together_with_the_earlier_ones(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, study = start(keep_inputs_days=1), mr_study("grows", 4)
    send_whole(node, study[:3])
    target.wait_for(4)
    wait_for_states(settings, "done")
    send_whole(node, study[3:])
    assert target.wait_for(8) == results_of(*study[:3]) | results_of(*study)
    assert [each.images for each in wait_for_states(settings, "done", "done")] == [3, 4]


@pytest.mark.slow
def test_later_images_of_a_study_that_waits_replace_its_job(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, study = start(), mr_study("waits", 4, StudyDescription="please hold")
    send_whole(node, study[:3])
    wait_for_states(settings, "predicting")
    send_whole(node, [study[3]])
    found = wait_for_states(settings, "superseded", "predicting")
    assert [each.images for each in found] == [3, 4]


@pytest.mark.slow
def test_later_images_whose_earlier_ones_are_deleted_are_set_aside(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, study = start(), mr_study("gone", 4)
    send_whole(node, study[:3])
    target.wait_for(4)
    (first,) = wait_for_states(settings, "done")
    wait_until(lambda: not (settings.folder / "jobs" / first.id / "input").exists())
    send_whole(node, study[3:])
    found = wait_for_states(settings, "done", "set aside")
    assert "send the whole study again" in str(found[1].reason)
    send_whole(node, study)
    assert target.wait_for(8) == results_of(*study[:3]) | results_of(*study)


@pytest.mark.slow
def test_rules_decide_and_set_options(start: Start, target: Archive, settings: NodeSettings) -> None:
    rules = Rules(
        (
            Rule("spine", descriptions=("*spine*",), process=False),
            Rule("brain", senders=(ARCHIVE,), ages=(18, 120), options=Options(0.45, Path("/site.json"))),
        )
    )
    node = start(rules=rules, threads=2)
    send_whole(node, mr_study("a", StudyDescription="MR Spine"))
    send_whole(node, mr_study("b", PatientAge="012Y"))
    send_whole(node, mr_study("c"))
    target.wait_for(4)
    found = wait_for_states(settings, "not processed", "not processed", "done")
    reasons = {each.reason for each in found if each.state == "not processed"}
    assert reasons == {"not processed: rule 'spine'", "not processed: no rule applies"}
    done = next(each for each in found if each.state == "done")
    document = json.loads((settings.folder / "jobs" / done.id / "out" / "prediction.json").read_text())
    arguments = " ".join(document["arguments"])
    assert arguments.endswith("--prevalence 0.45 --site /site.json --threads 2")


@pytest.mark.slow
def test_own_results_and_reports_of_others_are_not_taken_for_images(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    study = mr_study("mixed")
    report = mr_instance("mixed", 90, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22")
    own = mr_instance("mixed", 91, Manufacturer="Gliotype")
    assert send_whole(start(), [*study, report, own]) == [0] * 5
    assert target.wait_for(4) == results_of(*study)
    assert wait_for_states(settings, "done")[0].images == 3


@pytest.mark.slow
@pytest.mark.parametrize("forgets", [False, True])
def test_storage_commitment_is_asked_for_where_it_is_offered(
    start: Start, target: Archive, settings: NodeSettings, forgets: bool
) -> None:
    target.stop()
    target.commits, target.forgets = True, forgets
    target.start()
    node, study = start(), mr_study("kept")
    send_whole(node, study)
    wait_for_states(settings, "done")
    times = 2 if forgets else 1
    assert target.requests == times
    assert target.wait_for(4) == dict.fromkeys(results_of(*study), times)


def test_two_nodes_do_not_share_a_folder(start: Start, settings: NodeSettings) -> None:
    start()
    with pytest.raises(UsageError, match="in use by another"):
        start()


def test_a_node_without_senders_is_refused(settings: NodeSettings) -> None:
    with pytest.raises(UsageError, match="nobody may send"):
        NodeSettings(settings.folder, settings.target, ())


@pytest.mark.slow
def test_a_stopped_node_resumes_where_it_stopped(
    start: Start, target: Archive, settings: NodeSettings
) -> None:
    node, slow, late = start(), mr_study("slow", StudyDescription="please hold"), mr_study("late")
    send_whole(node, slow)
    (running,) = wait_for_states(settings, "predicting")
    send(node.port, late)
    node.stop()
    assert not node_status(settings.folder).running
    assert sorted(each.state for each in studies(settings)) == ["receiving", "waiting"]
    (settings.folder / "jobs" / running.id / RELEASE).touch()
    complete(start())
    assert target.wait_for(8) == results_of(*slow) | results_of(*late)
    found = wait_for_states(settings, "done", "done")
    assert [each.failures for each in found] == [0, 0]
