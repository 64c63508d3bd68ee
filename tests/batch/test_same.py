from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from gliotype.batch.record import State
from gliotype.simulate import demo_study
from gliotype.study import Sequence
from support.dask_parts import DaskParts
from support.same_ways import predict_in_every_way


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed")
def test_every_way_to_predict_writes_the_same_bits(tmp_path: Path) -> None:
    sources = [tmp_path / "studies" / f"patient{seed}" for seed in (1, 2)]
    for seed, source in enumerate(sources, start=1):
        demo_study(source, seed, sequences=(Sequence.FLAIR,))
    with DaskParts(tmp_path) as parts:
        for way in predict_in_every_way(sources, tmp_path / "results", parts, threads=1):
            assert [record.state for record in way.records] == [State.DONE] * 2, way.name
            assert way.differing == {"s0": [], "s1": []}, way.name
    written = [
        json.loads((tmp_path / "results" / "predict" / name / "prediction.json").read_text(encoding="utf-8"))
        for name in ("s0", "s1")
    ]
    assert written[0]["tumour"] != written[1]["tumour"]
