"""Run an ONNX network on the CPU with OpenVINO, after checking that its file is the one in the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import WeightsError

FloatArray = NDArray[np.float32]
Parsed = TypeVar("Parsed")

MANIFEST = "manifest.json"
"""Lists the SHA-256 of every shipped weight, by file name."""


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
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != _manifest().get(name):
        raise WeightsError(
            f"the weights {name} are corrupt (their hash is not the manifest's): install gliotype again"
        )
    return file, found


def read_weights(name: str, parse: Callable[[Any], Parsed]) -> Parsed:
    """Read a shipped JSON weight after comparing its hash with the manifest's.

    Args:
        name: file name, such as ``"age.json"``.
        parse: makes the values from the document.

    Raises:
        WeightsError: if the file is missing or corrupt, or does not hold what `parse` looks for.
    """
    file, _ = checked_weights(name)
    try:
        return parse(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as damaged:
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
        listed: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"the list of weights {MANIFEST} is missing or damaged: install gliotype again"
        ) from error
    return listed


def load_network(name: str) -> Network:
    """Load a shipped network in fp32 on all cores.

    Args:
        name: file name, such as ``"model1.onnx"``.

    Raises:
        WeightsError: if its file is missing, corrupt or no network.
    """
    import openvino as ov

    file, _ = checked_weights(name)
    try:
        compiled = ov.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as error:
        raise WeightsError(
            f"the weights {name} cannot be loaded as a network: install gliotype again"
        ) from error

    def run(batch: FloatArray) -> FloatArray:
        return np.asarray(compiled(batch)[0], dtype=np.float32)

    return Network(run)
