from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest

from gliotype.atlas import atlas
from gliotype.atlas.atlas import Tissue
from gliotype.study import Sequence
from gliotype.volume import Volume


def label_at(volume: Volume, *world: float) -> int:
    i, j, k = np.round(np.linalg.inv(volume.affine) @ [*world, 1])[:3].astype(int)
    return int(volume.array[i, j, k])


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("frontal", (30, 40, 30)),
        ("occipital", (20, -90, 0)),
        ("parietal", (30, -55, 55)),
        ("temporal", (55, -20, -20)),
        ("insula", (38, 5, -2)),
        ("thalamus", (10, -18, 8)),
        ("cerebellum", (25, -65, -40)),
        ("putamen", (27, 2, 0)),
        ("caudate", (13, 14, 8)),
        ("brainstem", (3, -28, -35)),
    ],
)
def test_structures_lie_where_anatomy_has_them(name: str, point: tuple[int, int, int]) -> None:
    labels, codes = atlas.structures()
    x, y, z = point
    assert label_at(labels, x, y, z) == codes[name]
    assert label_at(labels, -x, y, z) == codes[name]


def test_insula_has_a_plausible_size_and_is_the_same_on_both_sides() -> None:
    labels, codes = atlas.structures()
    insula = labels.array == codes["insula"]
    x = labels.grid.world()[insula][:, 0]
    right, left = (x > 0).sum() / 1000, (x < 0).sum() / 1000
    assert 8 < right < 16
    assert abs(right - left) < 0.1
    assert np.abs(x).min() > 25
    assert np.abs(x).max() < 46


def test_everything_is_on_one_ras_grid() -> None:
    labels, _ = atlas.structures()
    volumes = [atlas.template(Sequence.T1), atlas.template(Sequence.T2), atlas.brain(), labels]
    volumes += [atlas.tissue(kind) for kind in Tissue]
    assert all(volume.grid.same_as(labels.grid) for volume in volumes)
    assert labels.grid.orientation == "RAS"


def test_tissues_share_out_the_brain() -> None:
    total = sum(np.asarray(atlas.tissue(kind).array, dtype=np.float64) for kind in Tissue)
    brain = np.asarray(atlas.brain().array, dtype=bool)
    assert np.abs(total[brain] - 1).max() < 0.07
    assert total[~brain].max() == 0


def test_templates_keep_the_scalp_and_have_their_contrast() -> None:
    white = np.asarray(atlas.tissue(Tissue.WHITE).array) > 0.9
    csf = np.asarray(atlas.tissue(Tissue.CSF).array) > 0.9
    t1, t2 = (np.asarray(atlas.template(s).array) for s in (Sequence.T1, Sequence.T2))
    assert t1[white].mean() > 1.5 * t1[csf].mean()
    assert t2[csf].mean() > 1.3 * t2[white].mean()
    assert np.percentile(t1[~np.asarray(atlas.brain().array)], 95) > 100


def test_files_are_the_recorded_ones_and_small() -> None:
    data = files("gliotype.atlas") / "data"
    recorded = json.loads((data / "atlas.json").read_text())["sha256"]
    contents = {name: (data / name).read_bytes() for name in recorded}
    assert {name: hashlib.sha256(b).hexdigest() for name, b in contents.items()} == recorded
    assert sum(map(len, contents.values())) < 8e6
