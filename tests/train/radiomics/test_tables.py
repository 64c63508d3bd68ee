from __future__ import annotations

import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.train.radiomics.public_tables import read_tcga, read_ucsf, read_upenn

CLINICAL = """ID,Sex,Age at MRI,WHO CNS Grade,IDH
UCSF-PDGM-004,M,66,4,wildtype
UCSF-PDGM-012,F,31,2,IDH1 p.R132H
UCSF-PDGM-012_FU003d,F,31,2,IDH1 p.R132H
"""
SHAPE = """ID,original_shape_Flatness,original_shape_Maximum2DDiameterRow
UCSF-PDGM-004,0.73,52.2
UCSF-PDGM-012,0.61,48.0
"""
RING = """patient_id,tumor_t1c_mean,tumor_t1c_std,tumor_t1c_p95,ring_t1c_p50
UCSF-PDGM-0012_nifti,150,30,240,200
UCSF-PDGM-0012_FU003d_nifti,1,1,1,1
"""


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "ucsf_pdgm_clinical.csv").write_text(CLINICAL)
    (tmp_path / "ucsf_pdgm_pyradiomics_t1c.csv").write_text(SHAPE)
    (tmp_path / "ucsf_pdgm_tumour_and_ring_statistics.csv").write_text(RING)
    return tmp_path


def test_tables_are_joined_by_patient_without_follow_ups(tables):
    cohort = read_ucsf(tables)
    assert cohort.ids == ("UCSF-PDGM-004", "UCSF-PDGM-012")
    assert cohort.mutant.tolist() == [False, True]
    assert cohort.grade.tolist() == [4, 2]
    assert cohort.values["age"].tolist() == [66, 31]
    assert cohort.values["Flatness"].tolist() == [0.73, 0.61]
    assert cohort.values["Maximum2DDiameterSagittal"].tolist() == [52.2, 48.0]
    assert cohort.values["T1C_mean_over_ring"].tolist() == pytest.approx([np.nan, 0.75], nan_ok=True)
    assert cohort.values["T1C_p95_over_ring"].tolist() == pytest.approx([np.nan, 1.2], nan_ok=True)
    assert cohort.values["T1C_cv"].tolist() == pytest.approx([np.nan, 0.2], nan_ok=True)
    assert cohort.complete(("age", "T1C_cv")).tolist() == [False, True]
    assert cohort.where(cohort.complete(("T1C_cv",))).ids == ("UCSF-PDGM-012",)


def test_missing_table_is_named(tables):
    (tables / "ucsf_pdgm_pyradiomics_t1c.csv").unlink()
    with pytest.raises(InputError, match=r"ucsf_pdgm_pyradiomics_t1c\.csv"):
        read_ucsf(tables)


def test_strange_identifier_is_refused(tables):
    (tables / "ucsf_pdgm_tumour_and_ring_statistics.csv").write_text("patient_id\nsomebody\n")
    with pytest.raises(InputError, match="somebody"):
        read_ucsf(tables)


def test_public_tables_have_the_known_sizes_and_areas(shared_data):
    tables = shared_data / "tables"
    ucsf, tcga, upenn = read_ucsf(tables), read_tcga(tables), read_upenn(tables)
    assert (len(ucsf), int(ucsf.mutant.sum())) == (495, 103)
    assert int(ucsf.complete(("T1C_p95_over_ring", "Flatness")).sum()) == 318
    assert len(tcga) == 926
    assert (len(upenn), int(upenn.mutant.sum())) == (515, 16)
    assert auroc(ucsf.mutant, -ucsf.values["age"]).value == pytest.approx(0.905, abs=0.002)
    assert auroc(tcga.mutant, -tcga.values["age"]).value == pytest.approx(0.832, abs=0.001)
    lower = tcga.where(tcga.grade < 4)
    assert auroc(lower.mutant, -lower.values["age"]).value == pytest.approx(0.710, abs=0.001)
