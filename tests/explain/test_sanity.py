"""Weights in a random order must destroy the map of reasons (Adebayo 2018)."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gliotype.predictors.slices import slices_of
from gliotype.runtime import checked_weights, import_openvino
from support.factory import make_result

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def maps_of(seed: int | None) -> np.ndarray:
    """Model 2's maps (slices, members, 8, 8) of a synthetic patient, each weight shuffled if there is a seed."""
    model = onnx.load(str(checked_weights("model2.onnx")[0]))
    for tensor in model.graph.initializer if seed is not None else ():
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and values.size > 1:
            mixed = np.random.default_rng(seed).permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    core = import_openvino().Core()
    network = core.compile_model(core.read_model(model.SerializeToString()), "CPU")
    result = make_result()
    return np.asarray(network(slices_of(result.prepared, result.tumour).array)[0], dtype=np.float64)


def alike(first: np.ndarray, second: np.ndarray) -> float:
    return abs(float(np.corrcoef(first.ravel(), second.ravel())[0, 1]))


@pytest.mark.slow
def test_shuffled_weights_destroy_the_map() -> None:
    trained = maps_of(None)
    whole = trained.mean(axis=1)
    retained = min(alike(trained[:, member], whole) for member in range(trained.shape[1]))
    destroyed = [alike(maps_of(seed).mean(axis=1), whole) for seed in range(5)]
    assert np.median(destroyed) < 0.5 * retained
