from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import StudyJob

Studies = Callable[..., tuple[StudyJob, ...]]


@pytest.fixture
def studies(tmp_path: Path) -> Studies:
    """Make a folder of studies, each of which behaves as the keyword says: ``one="crash"``."""

    def make(**behaviours: str) -> tuple[StudyJob, ...]:
        for name, behaviour in behaviours.items():
            (tmp_path / "studies" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "studies" / name / "behaviour").write_text(behaviour, encoding="utf-8")
        return studies_in_folder(tmp_path / "studies", but=tmp_path / "out", named=True)[0]

    return make
