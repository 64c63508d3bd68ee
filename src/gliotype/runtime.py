"""Run an ONNX network on the CPU with OpenVINO, after checking that its file is the one in its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.errors import WeightsError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A compiled network.

    Attributes:
        name: of the weights.
        sha256: of the ONNX file.
        run: maps one input batch to the first output.
    """

    name: str
    sha256: str
    run: Callable[[FloatArray], FloatArray]

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Run the network on a batch (float32)."""
        return self.run(np.ascontiguousarray(batch, dtype=np.float32))


def weights_folder() -> Path:
    """Folder of the shipped weights."""
    return Path(str(resources.files("gliotype") / "weights"))


def checked_weights(name: str, suffix: str) -> tuple[Path, str]:
    """Find a shipped weight and compare its hash with its card's.

    Args:
        name: such as ``"model1"``.
        suffix: of the weight file, such as ``".onnx"``.

    Returns:
        The file and its SHA-256.

    Raises:
        WeightsError: if the file or its card is missing, or the hashes differ.
    """
    file, card = (weights_folder() / f"{name}{ending}" for ending in (suffix, ".card.json"))
    if not file.is_file() or not card.is_file():
        raise WeightsError(f"the weights {file.name} or their card are missing: install gliotype again")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != json.loads(card.read_text())["sha256"]:
        raise WeightsError(
            f"the weights {file.name} are not those of their card (corrupt): install gliotype again"
        )
    return file, found


def load_network(name: str) -> Network:
    """Load a shipped network in fp32 on all cores.

    Raises:
        WeightsError: if its file is missing, corrupt or no network.
    """
    import openvino as ov

    file, sha256 = checked_weights(name, ".onnx")
    try:
        compiled = ov.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as error:
        raise WeightsError(
            f"the weights {file.name} cannot be loaded as a network: install gliotype again"
        ) from error

    def run(batch: FloatArray) -> FloatArray:
        return np.asarray(compiled(batch)[0], dtype=np.float32)

    return Network(name, sha256, run)


@cache
def weight_hashes() -> dict[str, str]:
    """SHA-256 of every shipped weight, by name, each checked against its card.

    Raises:
        WeightsError: if one is missing or corrupt.
    """
    cards = sorted(weights_folder().glob("*.card.json"))
    found = {}
    for card in cards:
        name = card.name.removesuffix(".card.json")
        found[name] = checked_weights(name, json.loads(card.read_text())["suffix"])[1]
    return found
