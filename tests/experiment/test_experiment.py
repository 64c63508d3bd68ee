"""The experiment engine on synthetic patients: splits, leakage, resumption, tables; and one simulated patient."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from conftest import one_process
from gliotype.cohorts import CohortPatient
from gliotype.errors import GliotypeError, InputError
from gliotype.experiment import run as engine
from gliotype.experiment.leakage import refuse_leakage
from gliotype.experiment.protocol import read_protocol
from gliotype.experiment.run import run_experiment
from gliotype.experiment.splits import draw_sets
from gliotype.predictors.curves import CHANNELS, POINTS
from gliotype.simulate.cohort.write import write_cohort
from gliotype.study import Sequence, Subject
from gliotype.train.data.examples import Example, make_examples
from gliotype.train.data.inputs import CURVES
from gliotype.train.data.on_disk import FolderPatients
from gliotype.train.data.simulated import Scanner, SimulatedPatients
from gliotype.train.model2.method import HybridMethod
from gliotype.train.model2.model import Recipe
from gliotype.train.on_patients import hold_out, train_on_patients
from support.experiments import Synthetic, synthetic_source

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)

PROTOCOL = """
title = "A small study"
note = "Synthetic patients."
[cohorts.home]
simulated = "severance"
patients = 40
seed = 1
[cohorts.abroad]
simulated = "tcia"
patients = 12
seed = 2
scanner = { field_t = { "1.5" = 1.0 }, thickness_mm = [3.0, 6.0], missing = 0.2 }
[sets.training]
cohort = "home"
role = "training"
patients = 20
[sets.tuning]
cohort = "home"
role = "tuning"
patients = 10
[sets.internal]
cohort = "home"
role = "test"
[sets.external]
cohort = "abroad"
role = "test"
[model]
members = 2
epochs = 2
fusion = "image alone"
[ablations]
"age alone" = ["age"]
"image alone" = ["image"]
[published.internal]
auroc = 0.96
"""


@pytest.fixture
def in_this_process() -> Iterator[None]:
    with one_process():
        yield


@pytest.fixture
def protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engine, "source_of", synthetic_source)
    file = tmp_path / "protocol.toml"
    file.write_text(PROTOCOL)
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_an_experiment_trains_ablates_and_exports_model_2(protocol: Path, tmp_path: Path) -> None:
    small = PROTOCOL
    for old, new in (
        ("= 10", "= 6"),
        ("= 20", "= 8"),
        ("= 40", "= 20"),
        ("= 12", "= 6"),
        ("epochs = 2", "epochs = 1"),
    ):
        assert old in PROTOCOL
        small = small.replace(old, new)
    protocol.write_text(small)
    out = tmp_path / "out"
    outcome = run_experiment(read_protocol(protocol), out)
    assert [(row.set_name, row.model) for row in outcome.rows] == [
        ("internal", "hybrid"),
        ("internal", "age alone"),
        ("internal", "image alone"),
        ("internal", "forest and image (2019)"),
        ("external", "hybrid"),
        ("external", "age alone"),
        ("external", "image alone"),
        ("external", "forest and image (2019)"),
    ]
    for name in ("results.md", "results.csv", "labels/internal.csv", "predictions/external/age alone.csv"):
        assert (out / name).is_file()
    assert (out / "evaluation" / "external" / "hybrid" / "report.html").is_file()
    assert "| internal | hybrid | auroc |" in outcome.markdown
    assert "0.960" in outcome.markdown
    assert "age alone, no model" in outcome.markdown
    assert not list(out.rglob(".gliotype-*"))
    assert {file.name for file in (out / "weights").iterdir()} == {"model2.onnx", "model2.md", "model2.json"}

    lines: list[str] = []
    again = run_experiment(read_protocol(protocol), out, progress=lines.append)
    assert again.markdown == outcome.markdown
    assert not any(line.startswith(("example ", "network ", "train ")) for line in lines), (
        "nothing is made twice"
    )


def test_sets_of_one_cohort_share_no_patient(protocol: Path) -> None:
    read = read_protocol(protocol)
    sources = {name: synthetic_source(cohort, Path()) for name, cohort in read.cohorts.items()}
    sets = draw_sets(read, sources)
    assert [len(sets[name]) for name in ("training", "tuning", "internal", "external")] == [20, 10, 10, 12]
    home = [*sets["training"], *sets["tuning"], *sets["internal"]]
    assert len(set(home)) == 40
    assert sets == draw_sets(read, sources), "the same seed, the same split"


def test_too_few_patients_are_named(protocol: Path) -> None:
    protocol.write_text(PROTOCOL.replace("patients = 40", "patients = 25"))
    with pytest.raises(InputError, match="asks for 10 patients, but 5"):
        run_experiment(read_protocol(protocol), protocol.parent / "out")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("epochs = 2", "epoch = 2", "model.epoch"),
        ('role = "training"', 'role = "train"', "sets.training.role"),
        ('cohort = "abroad"', 'cohort = "moon"', "there is no cohort 'moon'"),
        ('simulated = "tcia"', 'simulated = "mars"', "there is no site 'mars'"),
        ("patients = 40", "patients = 0", "cohorts.home.patients"),
        ('fusion = "image alone"', 'fusion = "age alone"', "has the image alone"),
        ('["age"]', '["weight"]', "ablations"),
        ("[model]", "[model", "is not TOML"),
        ('simulated = "tcia"', 'simulated = "tcia"\npath = "x"', "either simulated"),
        ('role = "tuning"', 'role = "test"', "exactly one set needs the role tuning"),
        ("members = 2", "members = 1", "model.members"),
        ('"age alone" = ["age"]', '"hybrid" = ["age"]', "'hybrid' is the name of another model"),
        ('"age alone" = ["age"]', '"a/b" = ["age"]', "becomes that of a file"),
        ('"age alone" = ["age"]', '"age alone" = []', "'age alone' uses nothing"),
        ("[published.internal]", "[published.intern]", "there is no test set intern"),
        ("auroc = 0.96", "AUROC = 0.96", r"published.internal.hybrid.AUROC"),
        ("auroc = 0.96", "auroc = 96", r"published.internal.hybrid.auroc"),
        ('"1.5" = 1.0', '"1.5T" = 1.0', "scanner.field_t"),
        ('"1.5" = 1.0', '"1.5" = 0.7, "3.0" = 0.5', "add up to 1"),
        ("[3.0, 6.0]", "[6.0, 3.0]", "thinnest and the thickest"),
        ('simulated = "tcia"', 'path = "x"', "patients, scanner, seed: has no meaning with path"),
        ("seed = 1", 'seed = 1\nlayout = "bids"', "layout: has no meaning with simulated"),
        ("[cohorts.home]", 'methods = ["hybrid", "magic"]\n[cohorts.home]', "there is no 'magic'"),
        ("[cohorts.home]", 'methods = ["age"]\n[cohorts.home]', "are of the method hybrid"),
        ("[cohorts.home]", 'methods = ["hybrid", "hybrid"]\n[cohorts.home]', "hybrid is there twice"),
        ("[cohorts.home]", "methods = []\n[cohorts.home]", "methods"),
        ("[model]", "[parameters.age]\nseed = 2\n[model]", "parameters.age: methods does not name it"),
        ("[model]", "[parameters.hybrid]\nepochs = 2\n[model]", "parameters.hybrid: there is no epochs"),
        (
            "[cohorts.home]",
            'methods = ["hybrid", "t2net"]\nparameters.t2net.steps = "many"\n[cohorts.home]',
            "parameters.t2net.steps: Input should be a valid integer",
        ),
        (
            "[model]",
            '[variants.new]\nmethod = "age"\nseed = 2\n[model]',
            "variants.new: method must be one of",
        ),
        (
            "[model]",
            '[variants.new]\nmethod = "hybrid"\nepochs = 2\n[model]',
            "parameters.hybrid: there is no epochs",
        ),
        ("[model]", '[variants.new]\nmethod = "hybrid"\n[model]', "variants.new: it needs a parameter"),
        ("auroc = 0.96", "age.auroc = 0.96", "published.internal: methods does not name age"),
        ("[model]", "[cross_validation]\ncohort = 'home'\n[model]", "no set has the role training"),
    ],
)
def test_a_wrong_protocol_is_told_where(protocol: Path, old: str, new: str, complaint: str) -> None:
    assert old in PROTOCOL
    protocol.write_text(PROTOCOL.replace(old, new))
    with pytest.raises(InputError, match=complaint):
        read_protocol(protocol)


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "a\\\\b", " ", "a" * 101, "=a", "con\\u0007"])
def test_a_name_that_cannot_be_that_of_a_file_is_refused(protocol: Path, name: str) -> None:
    protocol.write_text(PROTOCOL.replace(".internal]", f'."{name}"]'))
    with pytest.raises(InputError, match="becomes that of a file"):
        read_protocol(protocol)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("seed = 1", "seed = 1" + "0" * 30, "seed: Input should be less than"),
        ("seed = 1", "seed = 1" + "0" * 5000, "is not TOML"),
        ("patients = 40", "patients = 1" + "0" * 30, "patients: Input should be less than"),
        ('title = "A small study"', "title = " + "[" * 100_000, "nested too deeply|is not TOML"),
        (
            'title = "A small study"',
            "title." + "a." * 2_000 + "b = 1",
            "nested too deeply|is not TOML|does not fit",
        ),
        ("missing = 0.2", "missing = nan", "missing: Input should be a finite number"),
    ],
)
def test_values_beyond_all_bounds_are_refused_in_a_sentence(
    protocol: Path, old: str, new: str, complaint: str
) -> None:
    assert old in PROTOCOL
    protocol.write_text(PROTOCOL.replace(old, new, 1))
    with pytest.raises(InputError, match=complaint):
        read_protocol(str(protocol))


def test_a_protocol_may_begin_with_a_byte_order_mark(protocol: Path) -> None:
    protocol.write_text(PROTOCOL, encoding="utf-8-sig")
    assert read_protocol(protocol).title == "A small study"


def test_a_missing_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_protocol(tmp_path / "none.toml")


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_cohort_trains_a_weight_with_its_card(tmp_path: Path) -> None:
    patients = Synthetic("mine", 40, {"name": "mine"})
    recipe = Recipe(members=1, epochs=1)
    files = train_on_patients(HybridMethod(recipe), patients, tmp_path / "run", data={"cohort": "mine"})
    assert all(file.is_file() for file in files)
    assert "32 patients, 16 of them IDH-mutant" in (tmp_path / "run" / "model2.md").read_text()


def test_a_cohort_of_one_class_is_refused(tmp_path: Path) -> None:
    few = Unreadable("few", 7, {"name": "few"})
    with pytest.raises(
        InputError, match="4 mutant and 3 wildtype patients: at least four of each are needed"
    ):
        train_on_patients(HybridMethod(), few, tmp_path / "run", data={})
    assert not (tmp_path / "run").exists(), "found out before an image is read"


class Unreadable(Synthetic):
    """Patients whose images cannot be read."""

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        raise InputError(f"the image of {subject} is damaged: copy it again")


@pytest.mark.usefixtures("in_this_process")
def test_patients_who_cannot_be_read_are_named(tmp_path: Path) -> None:
    one, three = (Unreadable("bad", n, {"name": "bad"}) for n in (1, 3))
    with pytest.raises(InputError, match=r"the patient bad-000 cannot be prepared: the image of bad-000 is"):
        make_examples(one, tmp_path)
    with pytest.raises(InputError, match=r"3 patients cannot be prepared: bad-000 \(the image of bad-000 is"):
        make_examples(three, tmp_path)


class Defective(Synthetic):
    """Patients on whom the software fails; and one whose process is killed."""

    def example(self, subject: str, inputs: frozenset[str] = frozenset()) -> Example:
        if subject.startswith("killed"):
            os._exit(9)
        raise ZeroDivisionError("by zero")


@pytest.mark.usefixtures("in_this_process")
def test_a_defect_names_the_patient(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the patient odd-000: ZeroDivisionError: by zero"):
        make_examples(Defective("odd", 1, {"name": "odd"}), tmp_path)


@pytest.mark.slow
def test_a_killed_process_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GliotypeError, match="run again with fewer --jobs"):
        make_examples(Defective("killed", 2, {"name": "killed"}), tmp_path)


@pytest.mark.usefixtures("in_this_process")
def test_a_damaged_example_is_named(tmp_path: Path) -> None:
    source = Synthetic("mine", 1, {"name": "mine"})
    make_examples(source, tmp_path)
    (cached,) = tmp_path.rglob("*.npz")
    for content in (b"", cached.read_bytes()[:-200]):
        cached.write_bytes(content)
        with pytest.raises(InputError, match=f"the cached file .*{cached.name} is damaged .*: delete it"):
            make_examples(source, tmp_path)


def test_each_class_is_held_out_in_its_proportion() -> None:
    mutant = [True] * 11 + [False] * 40
    training, tuning = hold_out(mutant, 5)
    assert sorted(training + tuning) == list(range(51))
    assert [sum(mutant[i] for i in part) for part in (training, tuning)] == [9, 2]
    assert len(tuning) == 9
    assert hold_out(mutant, 5) == (training, tuning)
    assert hold_out(mutant, 6) != (training, tuning)


@pytest.mark.parametrize("role", ["tuning", "internal"])
def test_a_set_of_one_class_is_refused_before_an_image_is_read(
    protocol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    class OneClass(Unreadable):
        def mutant(self, subject: str) -> bool:
            return subject not in chosen[role] and super().mutant(subject)

    def source(cohort: Any, out: Path) -> Synthetic:
        return OneClass(cohort.simulated, cohort.patients, {"name": cohort.simulated})

    read = read_protocol(protocol)
    chosen = draw_sets(
        read, {name: synthetic_source(cohort, tmp_path) for name, cohort in read.cohorts.items()}
    )
    monkeypatch.setattr(engine, "source_of", source)
    with pytest.raises(InputError, match=f"the set {role} are 0 mutant and 10 wildtype"):
        run_experiment(read, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_set_may_take_the_patients_of_a_value(protocol: Path) -> None:
    protocol.write_text(PROTOCOL.replace('cohort = "abroad"', 'cohort = "abroad"\nwhere = { grade = "4" }'))
    read = read_protocol(protocol)
    sources = {name: synthetic_source(cohort, Path()) for name, cohort in read.cohorts.items()}
    assert {sources["abroad"].strata(s)["grade"] for s in draw_sets(read, sources)["external"]} == {"4"}
    protocol.write_text(PROTOCOL.replace('cohort = "abroad"', 'cohort = "abroad"\nwhere = { town = "x" }'))
    with pytest.raises(InputError, match="the set external is empty"):
        draw_sets(read_protocol(protocol), sources)


def folder(monkeypatch: pytest.MonkeyPatch, **names: tuple[str, ...]) -> FolderPatients:
    """A cohort on disk whose patients have the names and aliases given."""
    cohort = FolderPatients(Path("nowhere"), "brats")
    members = {
        name: CohortPatient(Subject(name), True, {Sequence.T1: Path("a")}, aliases=aliases)
        for name, aliases in ((key.replace("_", "-"), value) for key, value in names.items())
    }
    cohort.__dict__["members"] = members
    return cohort


def test_the_same_patient_under_two_names_stops_the_study(
    protocol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_protocol(protocol)
    ucsf = folder(monkeypatch, UCSF_PDGM_004=("BraTS2021_00097",))
    brats = folder(monkeypatch, BraTS2021_00097=(), TCGA_02_0003=())
    chosen = {"training": ("UCSF-PDGM-004",), "external": ("BraTS2021-00097", "TCGA-02-0003")}
    brats.__dict__["members"]["BraTS2021-00097"] = CohortPatient(
        Subject("BraTS2021_00097"), True, {}, aliases=("BraTS2021_00097",)
    )
    with pytest.raises(
        InputError, match=r"UCSF-PDGM-004 \(training, home\) is BraTS2021-00097 \(external, abroad\)"
    ):
        refuse_leakage(read, {"home": ucsf, "abroad": brats}, chosen)
    refuse_leakage(read, {"home": ucsf, "abroad": brats}, {**chosen, "external": ("TCGA-02-0003",)})


def test_brats_patients_without_other_names_do_not_meet_those_whom_brats_took_in(
    protocol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_protocol(protocol)
    nameless, tcga = folder(monkeypatch, BraTS2021_00097=()), folder(monkeypatch, TCGA_02_0003=())
    chosen = {"training": ("BraTS2021-00097",), "external": ("TCGA-02-0003",)}
    with pytest.raises(
        InputError, match=r"twins in external cannot be identified: put BraTS2021_MappingToTCIA\.csv"
    ):
        refuse_leakage(read, {"home": nameless, "abroad": tcga}, chosen)
    named = folder(monkeypatch, BraTS2021_00097=("TCGA-02-0007",))
    refuse_leakage(read, {"home": named, "abroad": tcga}, chosen)
    ours = folder(monkeypatch, sub_01=())
    refuse_leakage(read, {"home": nameless, "abroad": ours}, {**chosen, "external": ("sub-01",)})


def test_two_simulated_cohorts_of_one_seed_are_the_same_patients(protocol: Path) -> None:
    read = read_protocol(protocol)
    home, twin, other = (SimulatedPatients("tcia", 5, seed) for seed in (3, 3, 4))
    chosen = {"training": home.subjects[:3], "external": home.subjects[2:]}
    with pytest.raises(InputError, match="1 patient is there twice"):
        refuse_leakage(read, {"home": home, "abroad": twin}, chosen)
    refuse_leakage(read, {"home": home, "abroad": other}, chosen)
    elsewhere = SimulatedPatients("severance", 5, 3)
    chosen["external"] = elsewhere.subjects[:1]
    with pytest.raises(
        InputError, match=r"tcia-0001 .*is severance-0001 \(external, abroad, severance\).*seeds of their own"
    ):
        refuse_leakage(read, {"home": home, "abroad": elsewhere}, chosen)


def write_hospital(folder: Path, seed: int, **patients: str) -> FolderPatients:
    """Write a BIDS cohort with a small T2 of each patient, and the site that is given."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    lines = ["participant_id\tidh\tsite"]
    for number, (name, site) in enumerate(patients.items()):
        file = folder / f"sub-{name}" / "anat" / f"sub-{name}_T2w.nii.gz"
        file.parent.mkdir(parents=True)
        nib.Nifti1Image(rng.normal(size=(5, 4, 3)).astype(np.float32), np.eye(4)).to_filename(file)
        lines.append(f"sub-{name}\t{number % 2}\t{site}")
    (folder / "participants.tsv").write_text("\n".join(lines))
    return FolderPatients(folder, "bids")


def image_of(cohort: FolderPatients, subject: str) -> Path:
    return cohort.members[subject].files[Sequence.T2]


def test_a_number_is_somebody_else_in_every_hospital_and_a_longer_name_is_not(
    protocol: Path, tmp_path: Path
) -> None:
    read = read_protocol(protocol)
    north = write_hospital(tmp_path / "north", 1, p01="", MR204518="")
    south = write_hospital(tmp_path / "south", 2, p01="", MR204518="")
    chosen = {"training": north.subjects, "external": south.subjects}
    with pytest.raises(
        InputError,
        match=r"1 patient is there twice \(sub-MR204518 \(training, home\) is sub-MR204518 \(external, abroad\)",
    ):
        refuse_leakage(read, {"home": north, "abroad": south}, chosen)
    refuse_leakage(read, {"home": north, "abroad": south}, {**chosen, "external": ("sub-p01",)})


def test_the_same_image_under_another_name_is_the_same_patient(protocol: Path, tmp_path: Path) -> None:
    read = read_protocol(protocol)
    north = write_hospital(tmp_path / "north", 1, a1="", a2="")
    south = write_hospital(tmp_path / "south", 2, b1="", b2="")
    sources, chosen = (
        {"home": north, "abroad": south},
        {"training": north.subjects, "external": south.subjects},
    )
    refuse_leakage(read, sources, chosen)
    content = gzip.decompress(image_of(north, "sub-a2").read_bytes())
    image_of(south, "sub-b1").write_bytes(gzip.compress(content, compresslevel=1, mtime=7))
    with pytest.raises(
        InputError,
        match=r"sub-a2 \(training, home\) is sub-b1 \(external, abroad\), both have the image sub-b1_T2w.nii.gz\)",
    ):
        refuse_leakage(read, sources, chosen)


def test_the_same_image_at_two_hospitals_of_one_cohort_is_refused(protocol: Path, tmp_path: Path) -> None:
    cohort = write_hospital(tmp_path / "both", 1, a1="north", a2="north", a3="south")
    shutil.copy(image_of(cohort, "sub-a1"), image_of(cohort, "sub-a3"))
    with pytest.raises(
        InputError, match=r"sub-a1 \(training, home, north\) is sub-a3 \(training, home, south\)"
    ):
        refuse_leakage(read_protocol(protocol), {"home": cohort}, {"training": cohort.subjects})


def test_an_empty_image_and_a_damaged_one_are_nobodys(protocol: Path, tmp_path: Path) -> None:
    cohort = write_hospital(tmp_path / "both", 1, a1="", a2="", a3="", a4="")
    for name in ("sub-a1", "sub-a2"):
        nib.Nifti1Image(np.zeros((5, 4, 3), np.float32), np.eye(4)).to_filename(image_of(cohort, name))
    for name in ("sub-a3", "sub-a4"):
        image_of(cohort, name).write_bytes(b"no gzip at all")
    refuse_leakage(read_protocol(protocol), {"home": cohort}, {"training": cohort.subjects})


def test_a_table_that_names_a_patient_at_two_hospitals_is_told(tmp_path: Path) -> None:
    cohort = write_hospital(tmp_path / "both", 1, a1="north", a2="south")
    with (tmp_path / "both" / "participants.tsv").open("a") as table:
        table.write("\nsub-a1\t0\tsouth")
    with pytest.raises(
        InputError, match=r"participants.tsv names sub-a1 twice, at north and south: give each"
    ):
        _ = cohort.subjects


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_patient_on_disk_becomes_an_example(tmp_path: Path) -> None:
    write_cohort(1, tmp_path / "cohort", seed=3, spacing_mm=2.0)
    source = FolderPatients(tmp_path / "cohort", "bids")
    (subject,) = source.subjects
    (example,) = make_examples(source, tmp_path / "cache")
    assert (example.subject, example.found) == (subject, True)
    assert example.dice > 0.3, "the true mask lies on the image that it is compared with"
    assert np.isfinite(example.numbers).all()
    assert example.strata["site"] == "severance"
    before = source.key(subject)
    (tmp_path / "cohort" / subject / "anat" / f"{subject}_T2w.nii.gz").unlink()
    again = FolderPatients(tmp_path / "cohort", "bids")
    assert again.key(subject) != before
    assert again.settings == source.settings, "a change to one patient must not prepare all patients again"


@pytest.mark.slow
@pytest.mark.usefixtures("in_this_process")
def test_a_simulated_patient_becomes_an_example(tmp_path: Path) -> None:
    scanner = Scanner(((1.5, 1.0),), (2.0, 3.0), 0.0)
    source = SimulatedPatients("tcia", 3, 4, scanner)
    (example,) = make_examples(source, tmp_path, subjects=["tcia-0002"], inputs=frozenset({CURVES}))
    assert example.slices.shape == (5, 4, 128, 128)
    assert example.inputs[CURVES].shape == (1, len(CHANNELS), POINTS), (
        "perfusion is simulated where it is asked for"
    )
    assert example.strata["field_t"] == "1.5"
    assert example.found
    assert example.mutant == source.mutant("tcia-0002")
    assert source.strata("tcia-0002").items() <= example.strata.items()
    assert np.isfinite(example.numbers).all()
    assert 0 < example.dice <= 1
    assert example.slices[:, 3].any()
    (again,) = make_examples(source, tmp_path, subjects=["tcia-0002"], inputs=frozenset({CURVES}))
    assert again.dice == example.dice
    other = SimulatedPatients("tcia", 3, 5, scanner)
    assert source.settings != other.settings
