from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import SimpleITK as sitk
from threadpoolctl import threadpool_info

from gliotype import runtime
from gliotype.errors import UsageError, WeightsError
from gliotype.runtime import (
    MANIFEST,
    available_threads,
    in_parallel,
    load_network,
    release_memory,
    thread_count,
    use_threads,
    weight_hashes,
)


def itk_threads() -> int:
    return int(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())


def blas_threads() -> set[int]:
    return {int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas"}


def test_the_number_of_threads_holds_within_the_block_alone() -> None:
    before = itk_threads(), blas_threads()
    with use_threads(3) as count:
        assert (count, thread_count(), itk_threads(), blas_threads()) == (3, 3, 3, {3})
        with use_threads(1) as inner:
            assert (inner, thread_count(), itk_threads(), blas_threads()) == (1, 1, 1, {1})
        assert (thread_count(), itk_threads()) == (3, 3)
    assert (itk_threads(), blas_threads()) == before
    assert thread_count() == available_threads()


def test_the_affinity_of_the_process_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 5, 6}, raising=False)
    with use_threads(None) as count:
        assert count == 3


@pytest.mark.parametrize("threads", [0, -1, 1025, 10**30])
def test_an_impossible_number_of_threads_is_refused(threads: int) -> None:
    with pytest.raises(UsageError, match="give a whole number from 1 to 1024"), use_threads(threads):
        pytest.fail("the block ran")


def test_a_network_runs_on_the_threads_of_the_block() -> None:
    core, used = runtime.import_openvino().Core, []

    class Watched:
        def __init__(self) -> None:
            self.core = core()

        def compile_model(self, file: str, device: str, settings: dict[str, object]) -> object:
            used.append(settings["INFERENCE_NUM_THREADS"])
            return self.core.compile_model(file, device, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.import_openvino(), "Core", Watched)
        network = load_network("perfusion.onnx")
        batch = np.ones((2, 11, 60), np.float32)
        with use_threads(2):
            first = network(batch)
        with use_threads(1):
            second = network(batch)
    assert {1, 2} <= set(used)
    assert len(used) == len(set(used)), "each number of threads is compiled once"
    np.testing.assert_allclose(first, second, rtol=1e-4)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"age.json": 7}', b"[" * 100_000, b'{"a": {"b": "c"}}']
)
def test_a_damaged_list_of_weights_is_a_weights_error(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(WeightsError, match="missing or damaged: install gliotype again") as caught:
        weight_hashes()
    assert caught.value.exit_code == 5


def test_a_list_of_weights_that_is_a_folder_or_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "weights_folder", lambda: tmp_path)
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(WeightsError):
        weight_hashes()
    (tmp_path / MANIFEST).rmdir()
    (tmp_path / MANIFEST).write_text(json.dumps({"age.json": "0" * 64}))
    (tmp_path / "age.json").mkdir()
    with pytest.raises(WeightsError, match=r"age\.json are missing"):
        weight_hashes()


def test_parallel_calls_keep_the_order_and_the_number_of_threads() -> None:
    with use_threads(3):
        found = in_parallel(lambda n: (n, thread_count()), range(20))
    assert found == [(n, 3) for n in range(20)]


def test_parallel_calls_run_side_by_side() -> None:
    meeting = Barrier(2)
    with use_threads(2):
        assert sorted(in_parallel(lambda _: meeting.wait(timeout=30), range(2))) == [0, 1]


def test_an_error_in_a_parallel_call_is_raised() -> None:
    with use_threads(2), pytest.raises(ZeroDivisionError):
        in_parallel(lambda n: 1 // n, (1, 0))


def test_one_network_serves_several_threads() -> None:
    network = load_network("model2.onnx")
    batches = [np.random.default_rng(n).random((5, 4, 128, 128), np.float32) for n in range(4)]
    with use_threads(2):
        expected = [network(batch) for batch in batches]
        found = in_parallel(network, batches)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_says_the_same_after_its_memory_was_released() -> None:
    network = load_network("t2net.onnx")
    batch = np.random.default_rng(3).normal(size=(1, 1, 32, 32, 32)).astype(np.float32)
    before = network(batch)
    release_memory()
    assert np.array_equal(network(batch), before)
