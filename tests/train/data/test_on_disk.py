"""Patients on disk with a perfusion series, which is read only where a method asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from gliotype.errors import InputError
from gliotype.study import Sequence
from gliotype.train.data import on_disk
from gliotype.train.data.inputs import CURVES
from gliotype.train.data.on_disk import FolderPatients


@pytest.fixture
def cohort(tmp_path: Path) -> FolderPatients:
    """One patient with a T2 and a perfusion series that does not state the time between its frames."""
    rng = np.random.default_rng(0)
    for name, shape in (("anat/sub-01_T2w", (24, 30, 20)), ("perf/sub-01_dsc", (12, 14, 10, 40))):
        file = tmp_path / "sub-01" / f"{name}.nii.gz"
        file.parent.mkdir(parents=True)
        image = nib.Nifti1Image(rng.uniform(50, 99, shape).astype(np.float32), np.diag([7.0, 6, 8, 1]))
        image.header["pixdim"][4] = 0
        image.to_filename(file)
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tidh\nsub-01\t44\tmutant\n")
    return FolderPatients(tmp_path, "bids")


def test_a_perfusion_series_without_repetition_time_is_refused_where_it_is_asked_for(
    cohort: FolderPatients,
) -> None:
    with pytest.raises(
        InputError, match=r"sub-01_dsc\.nii\.gz does not state the time between its frames: give"
    ):
        cohort.example("sub-01", frozenset({CURVES}))


def test_it_is_not_read_where_no_method_asks_for_it(
    cohort: FolderPatients, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReachedError(Exception):
        pass

    def prepare(study: Any, find_brain: Any) -> None:
        assert [image.sequence for image in study.images] == [Sequence.T2]
        raise ReachedError

    monkeypatch.setattr(on_disk, "prepare", prepare)
    with pytest.raises(ReachedError):
        cohort.example("sub-01", frozenset({"radiomics"}))
