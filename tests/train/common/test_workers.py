from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

from gliotype.train.common.workers import workers


def test_a_worker_begins_afresh_and_is_no_copy_of_this_process() -> None:
    assert torch.__name__ in sys.modules
    with workers(1) as pool:
        assert not pool.submit(eval, "'torch' in __import__('sys').modules").result()


PARENT = """
import os, time
from gliotype.train.common.workers import workers
if __name__ == "__main__":
    with workers(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def test_a_worker_ends_with_a_process_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
        try:
            parent.communicate(timeout=60)  # ends when nobody can write there any more
        except subprocess.TimeoutExpired:
            os.kill(worker, signal.SIGKILL)
            pytest.fail("the worker outlived the process that started it")
