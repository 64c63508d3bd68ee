from __future__ import annotations

import sys

import torch

from gliotype.train.workers import workers


def test_a_worker_begins_afresh_and_is_no_copy_of_this_process() -> None:
    assert torch.__name__ in sys.modules
    with workers(1) as pool:
        assert not pool.submit(eval, "'torch' in __import__('sys').modules").result()
