"""Where Model 2 looks on real patients, and whether its map depends on what it learned.

    python benchmarks/saliency.py DATA [--limit N]

DATA as for real_cases.py. Prints the fraction of the map's absolute values in enhancing tumour, in the rest of the
tumour, in the 5 mm around, and elsewhere, and the fraction of those regions among all voxels that the slices
cover; the same of an occlusion map; and the sanity check of Adebayo 2018: the correlation of the map with that
of the network with its weights shuffled, and with that of another member, which learned the same from other
patients.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from development_patients import with_truth
from onnx import numpy_helper

import gliotype
from gliotype.explain import occlusion_map, saliency_fractions
from gliotype.predictors.hybrid import Contributions, activation_map, compute_contributions
from gliotype.predictors.slices import numbers_of, slices_of
from gliotype.runtime import checked_weights, import_openvino

REGIONS = ("enhancing", "non-enhancing", "5 mm around", "elsewhere")
PATCH = (16, 16)


def shuffle_network(seed: int) -> Any:
    """Model 2 with the values of every weight in a random order."""
    model = onnx.load(str(checked_weights("model2.onnx")[0]))
    rng = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and values.size > 1:
            mixed = rng.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    core = import_openvino().Core()
    return core.compile_model(core.read_model(model.SerializeToString()), "CPU")


def region_fractions(result: gliotype.Result, maps: np.ndarray, contributions: Contributions) -> np.ndarray:
    """Fractions of the absolute values of (slices, h, w) maps in `REGIONS`, in the patient's space."""
    volume = activation_map(maps, contributions.slices, result.prepared)
    return np.array(astuple(saliency_fractions(volume, result.tumour)))


def occlude_slices(contributions: Contributions, network: Any) -> np.ndarray:
    """Occlusion maps (slices, 8, 8) of the members' mean."""

    def answer(image: np.ndarray) -> float:
        return float(np.asarray(network(image[None])[0]).mean())

    maps = [
        occlusion_map(answer, image, PATCH)[:: PATCH[0], :: PATCH[1]] for image in contributions.slices.array
    ]
    return np.stack(maps)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's, 0 where a map is flat."""
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, help="first N patients of each cohort")
    arguments = parser.parse_args()
    trained = import_openvino().Core().compile_model(str(checked_weights("model2.onnx")[0]), "CPU")
    networks = [shuffle_network(seed) for seed in range(3)]
    rows: dict[str, list[np.ndarray]] = {"map": [], "occlusion": [], "voxels": []}
    between, shuffled = [], []
    for case in with_truth(arguments.data, arguments.limit):
        result: gliotype.Result = gliotype.predict(files=case.files, age=case.age, id=case.name)
        if not result.tumour.found:
            continue
        numbers = numbers_of(result.measurements, result.subject)
        contributions = compute_contributions(slices_of(result.prepared, result.tumour), numbers)
        mean = contributions.maps.mean(axis=0)
        rows["map"].append(region_fractions(result, mean, contributions))
        rows["occlusion"].append(
            region_fractions(result, occlude_slices(contributions, trained), contributions)
        )
        rows["voxels"].append(region_fractions(result, np.ones_like(mean), contributions))
        between.append(correlation(contributions.maps[0], contributions.maps[1]))
        for network in networks:
            other = np.asarray(network(contributions.slices.array)[0]).mean(axis=1)
            shuffled.append(correlation(mean, other))
        print(case.cohort, case.name, *(f"{fraction:.2f}" for fraction in rows["map"][-1]), flush=True)
    print(f"\n{'mean fraction in':14s}", *(f"{region:>14s}" for region in REGIONS))
    for name, values in rows.items():
        print(
            f"{name:14s}",
            *(f"{fraction:14.3f}" for fraction in np.mean(values, axis=0)),
            f"  n={len(values)}",
        )
    print(f"correlation of the maps of two members: median {np.median(between):.2f}")
    print(
        f"correlation with the maps of shuffled weights: median of absolute values {np.median(np.abs(shuffled)):.2f}"
    )


if __name__ == "__main__":
    main()
