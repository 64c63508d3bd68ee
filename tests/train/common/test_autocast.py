from __future__ import annotations

import pytest
import torch

from gliotype.train.common.autocast import autocast, computes_in_bfloat16


@pytest.mark.parametrize(("able", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_left_to_machines_that_compute_in_it(
    able: bool, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gliotype.train.common.autocast.computes_in_bfloat16", lambda device: able)
    with autocast(torch.device("cpu")):
        product = torch.ones(2, 3) @ torch.ones(3, 2)
    assert product.dtype == kind


def test_a_device_of_another_kind_is_not_taken_to_compute_in_it() -> None:
    assert not computes_in_bfloat16(torch.device("meta"))
