from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.evaluate.table import Patients, join, paired, read_labels, read_predictions

PREDICTIONS = "subject,probability\n007,0.9\n7,0.2\nc,\nd,1\ne,0.4\nnobody,0.5\n"
LABELS = (
    "subject,idh,age,grade,centre,note\n7,wildtype,61,4,north,\n007,mutant,44.9,2,south,\nc,1,,3,north,\n"
    "d,Mutant,45,,south,\nunknown,,70,4,north,\ne,0,60.9,4,south,\nunseen,0,20,2,east,\n"
)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def joined(folder: Path, predictions: str = PREDICTIONS, labels: str = LABELS) -> Patients:
    return join(
        read_predictions(write(folder, "predictions.csv", predictions)),
        read_labels(write(folder, "labels.csv", labels)),
    )


def test_subjects_are_joined_as_text_and_the_rest_is_counted(tmp_path: Path) -> None:
    patients = joined(tmp_path)
    assert patients.subjects == ("007", "7", "c", "d", "e")
    assert patients.mutant.tolist() == [True, False, True, True, False]
    assert (patients.without_label, patients.without_prediction) == (1, 1)
    assert patients.sources == {"predictions": "predictions.csv", "labels": "labels.csv"}


def test_a_no_call_is_kept_and_scored_as_the_stated_prevalence_not_as_that_of_the_test_set(
    tmp_path: Path,
) -> None:
    patients = joined(tmp_path)
    assert patients.no_call.tolist() == [False, False, True, False, False]
    assert patients.mutant.mean() == 0.6
    assert patients.score.tolist() == [0.9, 0.2, 0.3, 1.0, 0.4]
    stated = join(
        read_predictions(write(tmp_path, "predictions.csv", PREDICTIONS)),
        read_labels(write(tmp_path, "labels.csv", LABELS)),
        prevalence=0.55,
    )
    assert stated.score.tolist() == [0.9, 0.2, 0.55, 1.0, 0.4]


def test_a_column_of_prevalences_states_each_no_call_its_own(tmp_path: Path) -> None:
    predictions = (
        "subject,probability,prevalence\n007,0.9,0.7\n7,,0.12\nc,,\nd,1,\ne,0.4,0.2\nnobody,0.5,0.5\n"
    )
    assert joined(tmp_path, predictions).score.tolist() == [0.9, 0.12, 0.3, 1.0, 0.4]
    with pytest.raises(InputError, match="line 2: the prevalence '1' is not a number between 0 and 1"):
        joined(tmp_path, "subject,probability,prevalence\n7,,1\n")


def test_columns_with_few_values_part_the_patients_and_the_others_are_named(tmp_path: Path) -> None:
    patients = joined(tmp_path)
    assert patients.strata == {
        "grade": ("2", "4", "3", "not given", "4"),
        "centre": ("south", "north", "north", "south", "south"),
        "age": ("0-44", "61 or more", "not given", "45-60", "45-60"),
    }
    assert patients.unused_columns == ("note",)
    assert np.array_equal(patients.age, [44.9, 61, np.nan, 45, 60.9], equal_nan=True)


def test_a_column_that_names_the_patients_is_not_strata(tmp_path: Path) -> None:
    predictions = "subject,probability\na,0.1\nb,0.2\nc,0.3\nd,0.4\n"
    labels = "subject,idh,name,site\na,0,Ann,x\nb,0,Bob,x\nc,1,Cid,y\nd,1,Dan,y\n"
    patients = joined(tmp_path, predictions, labels)
    assert (set(patients.strata), patients.unused_columns) == ({"site"}, ("name",))


def test_a_column_with_many_values_is_not_strata(tmp_path: Path) -> None:
    subjects = range(21)
    predictions = "subject,probability\n" + "".join(f"{each},0.5\n" for each in subjects)
    labels = "subject,idh,weight\n" + "".join(f"{each},{each % 2},{each}\n" for each in subjects)
    assert joined(tmp_path, predictions, labels).unused_columns == ("weight",)


def test_byte_order_mark_blanks_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    spaced = "\ufeff" + PREDICTIONS.replace(",", " , ").replace("\n", "\r\n") + "\r\n,\r\n"
    assert joined(tmp_path, spaced).score.tolist() == joined(tmp_path).score.tolist()


def test_two_sets_of_predictions_are_paired_by_subject(tmp_path: Path) -> None:
    first = joined(tmp_path)
    second = joined(tmp_path, "subject,probability\ne,0.1\n7,0.3\nd,0.8\n007,0.7\n")
    mutant, mine, theirs = paired(first, second)
    assert mutant.tolist() == [True, False, True, False]
    assert mine.tolist() == [0.9, 0.2, 1.0, 0.4]
    assert theirs.tolist() == [0.7, 0.3, 0.8, 0.1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"predictions\.csv has no rows"),
        ("subject,probability\n", "has no rows"),
        ("subject,score\na,0.1\n", r"0 columns named 'probability' \(its header is subject, score\)"),
        ("subject;probability\na;0.1\n", "0 columns named 'subject'.*commas"),
        ("subject,probability,probability\na,0.1,0.2\n", "2 columns named 'probability'"),
        ("subject,probability\na,0.1\na,0.2\n", "line 3: the subject 'a' occurs a second time"),
        ("subject,probability\n,0.1\n", "line 2: the subject is empty"),
        ("subject,probability\na,nan\n", "line 2: the probability 'nan' is not a number from 0 to 1"),
        ("subject,probability\na,1.01\n", "'1.01' is not a number from 0 to 1"),
        ("subject,probability\na,-0.1\n", "'-0.1' is not a number from 0 to 1"),
        ("subject,probability\na,12 %\n", "'12 %' is not a number.*no-call"),
        ("subject,probability\na,0,5\n", "line 2 has 3 fields, the header 2"),
        ('subject,probability\n"a,0.5\n', "is not CSV in UTF-8"),
        (b"subject,probability\n\xff\xfe\x00,0.1\n", "is not CSV in UTF-8"),
    ],
)
def test_bad_predictions_are_refused_in_a_sentence(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_predictions(write(tmp_path, "predictions.csv", text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("subject,status\na,1\n", "0 columns named 'idh'"),
        (
            "subject,idh\na,1\nb,codeleted\n",
            r"labels\.csv, line 3: the IDH status is 'codeleted': write 1 or mutant",
        ),
        ("subject,idh,age\na,1,> 89\n", "the age '> 89' is not in years"),
        ("subject,idh,Age,age\na,1,4,4\n", "2 columns named 'age'"),
        ("subject,idh,age\na,1,inf\n", "the age 'inf' is not in years"),
        ("subject,idh\na,1\na,0\n", "occurs a second time"),
    ],
)
def test_bad_labels_are_refused_in_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_labels(write(tmp_path, "labels.csv", text))


@pytest.mark.parametrize("word", ["NA", "n/a", "nan", "NaN", "unknown", "-1", ""])
def test_an_age_that_is_not_known_may_be_written_in_words(tmp_path: Path, word: str) -> None:
    labels = read_labels(write(tmp_path, "labels.csv", f"subject,idh,age\na,1,{word}\nb,0,71\n"))
    assert labels.age == {"b": 71.0}


def test_a_header_may_be_in_capitals(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "labels.csv", "Subject,IDH,AGE,Site\na,1,44,West\n"))
    assert (labels.mutant, labels.age, labels.columns) == ({"a": True}, {"a": 44.0}, {"Site": {"a": "West"}})
    predictions = read_predictions(str(write(tmp_path, "predictions.csv", "SUBJECT,Probability\na,0.25\n")))
    assert predictions.probability == {"a": 0.25}


def test_subjects_that_a_spreadsheet_would_compute_are_text(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, "labels.csv", "subject,idh\n'=1+1,1\n"))
    assert labels.mutant == {"=1+1": True}


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: name a CSV file that is there"):
        read_labels(tmp_path / name)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("subject,idh\nx,1\ny,0\n", r"no subject .*such as '007'.* has a label .*such as 'x'"),
        ("subject,idh\n007,\n", "such as 'none at all'"),
        ("subject,idh\n007,1\nc,1\nd,1\n", "are 3 mutant and 0 wildtype: two of each"),
        ("subject,idh\n007,1\nc,1\n7,0\n", "are 2 mutant and 1 wildtype"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(tmp_path: Path, labels: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        joined(tmp_path, labels=labels)
