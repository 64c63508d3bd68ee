from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gliotype.volume import Volume

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which the list of expected outputs is written anew."""
    parser.addoption(
        "--update-outputs", action="store_true", help="write tests/report/expected_outputs.txt anew"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several workers one core: threads of one, waiting for those of another, would cost both time."""
    if hasattr(config, "workerinput") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(config.workerinput["workerid"][2:]) % len(cores)]})
        threadpool_limits(1)  # of numpy, which was imported before


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the files that hold slow tests, so that none of them is left to one worker at the end.

    What slow tests run is not traced for coverage, which takes a sixth of their time; the fixtures that they share are.
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real patients and tables, where they are available; they are never part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data are not at hand: no folder {SHARED_DATA.name} next to the project")
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T1 and T1c of a simulated astrocytoma as a scanner exports them; not to be changed."""
    from gliotype.simulate import demo_study
    from gliotype.study import STRUCTURAL

    folder = tmp_path_factory.mktemp("small") / "study"
    demo_study(folder, 1, sequences=STRUCTURAL[:2])
    return folder


@contextmanager
def one_process() -> Iterator[None]:
    """Make examples within the block in a thread of this process, for starting another costs seconds."""
    from gliotype.experiment import workers
    from gliotype.train.data import examples
    from gliotype.train.perfusion import examples as curves

    with pytest.MonkeyPatch.context() as patch:
        for module in (examples, curves, workers):
            patch.setattr(module, "workers", ThreadPoolExecutor)
        yield


def oblique_affine(spacing: tuple[float, float, float], angles_deg: tuple[float, float, float]) -> np.ndarray:
    """An affine with the given spacing, rotated about x, y and z in turn."""
    affine = np.eye(4)
    for axis, degrees in enumerate(angles_deg):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        affine = turn @ affine
    return affine @ np.diag([*spacing, 1.0])


@pytest.fixture
def phantom() -> Volume:
    """An asymmetric, anisotropic, oblique head-like phantom: an ellipsoid with two unequal balls."""
    affine = oblique_affine((0.9, 0.9, 5.5), (8.0, -5.0, 12.0))
    affine[:3, 3] = (-90.0, -110.0, -50.0)
    empty = Volume(np.zeros((180, 220, 24), np.float32), affine)
    x, y, z = np.moveaxis(empty.grid.world() - empty.grid.centre, -1, 0)
    head = (x / 65) ** 2 + (y / 85) ** 2 + (z / 60) ** 2 < 1
    right_ball = (x - 30) ** 2 + (y - 20) ** 2 + (z - 10) ** 2 < 15**2
    left_ball = (x + 35) ** 2 + (y + 30) ** 2 + (z + 5) ** 2 < 9**2
    return empty.with_array((100.0 * head + 80.0 * right_ball + 40.0 * left_ball).astype(np.float32))
