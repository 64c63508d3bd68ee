"""Run an ONNX network on the CPU with OpenVINO, after checking that its file is the one in the manifest.

Also here: how many threads a run uses, and the one place that imports OpenVINO.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import UsageError, WeightsError

FloatArray = NDArray[np.float32]
Parsed = TypeVar("Parsed")
Item = TypeVar("Item")
Made = TypeVar("Made")
Also = TypeVar("Also")

MANIFEST = "manifest.json"
"""Lists the SHA-256 of every shipped weight, by file name."""

TARGET = "idh"
"""What a weight predicts whose data name no target, and what every predictor predicts."""

MAX_THREADS = 1024

_threads: ContextVar[int | None] = ContextVar("threads", default=None)

_COMPILED: WeakSet[Any] = WeakSet()
"""Networks that are compiled and in use."""


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would post usage to a server and write into the home folder.

    Everything that needs OpenVINO takes it from here. If another package has imported OpenVINO before, its telemetry
    is not undone.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = cast(Any, None)
    return importlib.import_module("openvino")


def available_threads() -> int:
    """Number of cores on which this process may run (its CPU affinity, where the system knows one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Number of threads that a computation started here uses: that of `use_threads`, else all available."""
    return _threads.get() or available_threads()


@contextmanager
def use_threads(threads: int | None) -> Iterator[int]:
    """Let OpenVINO, SimpleITK, BLAS and OpenMP use a number of threads within the block.

    SimpleITK, BLAS and OpenMP keep their number for the whole process, so blocks in several threads of one process
    share it.

    Args:
        threads: their number, or None for one on each available core.

    Yields:
        The number.

    Raises:
        UsageError: if it is not a whole number from 1 to `MAX_THREADS`.
    """
    count = available_threads() if threads is None else threads
    if not 1 <= count <= MAX_THREADS or count != int(count):
        raise UsageError(f"threads is {count:g}: give a whole number from 1 to {MAX_THREADS}")
    import SimpleITK as sitk
    from threadpoolctl import threadpool_limits

    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    token = _threads.set(int(count))
    try:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(int(count))
        with threadpool_limits(limits=int(count)):
            yield int(count)
    finally:
        _threads.reset(token)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def in_parallel(function: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """Call a function with each item, on `thread_count` threads; results come in the order of the items.

    It pays where the function spends its time in numpy, scipy, SimpleITK or OpenVINO, which let other threads run.

    Example:
        >>> in_parallel(abs, (-2, 1))
        [2, 1]
    """
    todo = list(items)
    workers = min(thread_count(), len(todo))
    if workers <= 1:
        return [function(item) for item in todo]
    with ThreadPoolExecutor(workers) as pool:
        return [each.result() for each in [pool.submit(copy_context().run, function, item) for item in todo]]


def side_by_side(one: Callable[[], Made], other: Callable[[], Also]) -> tuple[Made, Also]:
    """Compute two things at once, on threads of their own where there is more than one; see `in_parallel`.

    Example:
        >>> side_by_side(lambda: 1, lambda: "a")
        (1, 'a')
    """
    if thread_count() == 1:
        return one(), other()
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(copy_context().run, other)
        return one(), later.result()


@contextmanager
def ahead(*tasks: Callable[[], object]) -> Iterator[None]:
    """Do what a later stage needs on another thread, while the block runs; on a single thread nothing is done.

    An error of a task is left to that stage, which meets it again.

    Example:
        >>> done = []
        >>> with use_threads(2), ahead(lambda: done.append("loaded")):
        ...     pass
        >>> done
        ['loaded']
    """
    if thread_count() == 1:
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        for task in tasks:
            pool.submit(copy_context().run, task)
        yield


def release_memory() -> None:
    """Give back what idle networks hold for their next run, and to the system what is free, where glibc can.

    The peak of a run is lower for it.
    """
    for network in list(_COMPILED):
        with suppress(RuntimeError):  # it runs just now
            network.release_memory()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@dataclass(frozen=True)
class Network:
    """A compiled network.

    Attributes:
        run: maps one input batch to the first output.
    """

    run: Callable[[FloatArray], FloatArray]

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Run the network on a batch (float32)."""
        return self.run(np.ascontiguousarray(batch, dtype=np.float32))


def weights_folder() -> Path:
    """Folder of the shipped weights."""
    return Path(str(resources.files("gliotype") / "weights"))


def checked_weights(name: str) -> tuple[Path, str]:
    """Find a shipped weight and compare its hash with the manifest's.

    Args:
        name: file name, such as ``"model1.onnx"``.

    Returns:
        The file and its SHA-256.

    Raises:
        WeightsError: if the file is missing, or is not the one that the manifest lists.
    """
    file = weights_folder() / name
    if not file.is_file():
        raise WeightsError(f"the weights {name} are missing: install gliotype again")
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(
            f"the weights {name} cannot be read ({error.strerror}): install gliotype again"
        ) from error
    if found != _manifest().get(name):
        raise WeightsError(
            f"the weights {name} are corrupt (their hash is not the manifest's): install gliotype again"
        )
    return file, found


def read_weights(name: str, parse: Callable[[Any], Parsed], target: str = TARGET) -> Parsed:
    """Read a shipped JSON weight after comparing its hash with the manifest's.

    Args:
        name: file name, such as ``"age.json"``.
        parse: makes the values from the document.
        target: what the weight must have been trained to predict.

    Raises:
        WeightsError: if the file is missing or corrupt, does not hold what `parse` looks for, or predicts something
            else.
    """
    file, _ = checked_weights(name)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        found = document.get("data", {}).get("target", TARGET)
        if found != target:
            raise WeightsError(
                f"the weights {name} were trained for the target {found}, not {target}: put weights "
                f"in their place that were trained with --target {target}"
            )
        return parse(document)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as damaged:
        raise WeightsError(f"the weights {name} are damaged: install gliotype again") from damaged


def weight_hashes() -> dict[str, str]:
    """SHA-256 of every shipped weight, by file name, each checked against the manifest.

    Raises:
        WeightsError: if one is missing or corrupt.
    """
    return {name: checked_weights(name)[1] for name in sorted(_manifest())}


def _manifest() -> dict[str, str]:
    file = weights_folder() / MANIFEST
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(listed, dict) or not all(isinstance(value, str) for value in listed.values()):
            raise ValueError("it is not a list of hashes by name")
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"the list of weights {MANIFEST} is missing or damaged: install gliotype again"
        ) from error
    return listed


def load_network(name: str) -> Network:
    """Load a shipped network in fp32; it runs on `thread_count` threads.

    Args:
        name: file name, such as ``"model1.onnx"``.

    Raises:
        WeightsError: if its file is missing, corrupt or no network.
    """
    file, _ = checked_weights(name)
    try:
        return compile_network(file)
    except RuntimeError as error:
        raise WeightsError(
            f"the weights {name} cannot be loaded as a network: install gliotype again"
        ) from error


def compile_network(file: Path, shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None) -> Network:
    """Compile the network of an ONNX file in fp32; it runs on `thread_count` threads.

    Args:
        file: the network.
        shapes: of one item of the input and of the output that it must have; any if None.

    Raises:
        RuntimeError: if it is no network, or one of other shapes.
    """
    core = import_openvino().Core()

    @cache
    def compiled(threads: int) -> Any:
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        network = core.compile_model(str(file), "CPU", settings)
        _COMPILED.add(network)
        return network

    requests = threading.local()

    def run(batch: FloatArray) -> FloatArray:
        network = compiled(thread_count())
        if getattr(requests, "network", None) is not network:  # a request serves one thread at a time
            requests.network, requests.request = network, network.create_infer_request()
        return np.asarray(requests.request.infer([batch])[0], dtype=np.float32)

    first = compiled(thread_count())
    if shapes is not None:
        ports = (first.input(0), first.output(0))
        found = tuple(tuple(port.partial_shape.get_max_shape())[1:] for port in ports)
        if len(first.inputs) != 1 or found != shapes:
            raise RuntimeError(f"its input and output have the shapes {found}, and not {shapes}")
    return Network(run)
