from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.web import Page, Prepared, open_page, prepare_case


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Results and the cached study of a synthetic case."""
    return prepare_case(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def page(tmp_path: Path, prepared: Prepared) -> Iterator[Page]:
    """The page over an empty folder."""
    with open_page(tmp_path / "cases", prepared) as page:
        yield page
