"""Model 1: one network that finds the brain and the tumour's sub-regions from any subset of sequences.

The network sees the head on a 2 mm grid in MNI152 orientation and position (affine), each sequence scaled
robustly within the brain region, and next to each image its mirror image, since a difference between the sides hints at
tumour.
The same input is built here for training and for use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliotype.atlas import atlas
from gliotype.errors import InputError
from gliotype.runtime import Network, compile_network, in_parallel, load_network
from gliotype.study import Sequence
from gliotype.volume import Grid, Matrix, Volume

CHANNELS: tuple[Sequence, ...] = (Sequence.T1, Sequence.T1C, Sequence.T2, Sequence.FLAIR)
"""Order of the network's image channels; the mirrored images follow in the same order."""

CLASSES: tuple[str, ...] = ("outside", "brain", "core", "oedema", "enhancing")
"""Order of the network's output channels."""

GRID = Grid((80, 96, 80), np.array([[2.0, 0, 0, -79], [0, 2.0, 0, -113], [0, 0, 2.0, -73], [0, 0, 0, 1]]))
"""The network's grid in MNI152 (RAS mm); its first axis is symmetric about the midline."""

CLIP = (-4.0, 6.0)
"""Scaled intensities are clipped to this range."""

Scaling = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]
"""Scales an image within the brain region."""


def scale(image: NDArray[np.float32], brain_region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale an image to median 0 and (10th to 90th percentile) spread 2 within the brain region.

    Args:
        image: on any grid; exact zeros are not signal (outside the field of view, or stripped).
        brain_region: where the brain is or is to be expected.

    Returns:
        float32 image clipped to `CLIP`; 0 where there was no signal, and all 0 where the image is flat.

    Example:
        >>> image = np.linspace(1, 2, 1000, dtype=np.float32).reshape(10, 10, 10)
        >>> scaled = scale(image, np.ones((10, 10, 10), bool))
        >>> round(float(np.median(scaled)), 2), round(float(np.ptp(scaled)), 1)
        (0.0, 2.5)
    """
    values = image[brain_region & (image != 0)]
    if values.size < 100:
        return np.zeros_like(image, dtype=np.float32)
    low, middle, high = np.quantile(values[:: max(1, values.size // 20000)], [0.1, 0.5, 0.9])
    if high <= low:
        return np.zeros_like(image, dtype=np.float32)
    scaled = np.clip((image - middle) * (2.0 / (high - low)), *CLIP)
    return np.where(image != 0, scaled, 0.0).astype(np.float32)


def network_input(
    images: Mapping[Sequence, NDArray[np.float32]],
    brain_region: NDArray[np.bool_],
    scaling: Scaling = scale,
) -> NDArray[np.float32]:
    """Stack scaled images and their mirror images in the network's order.

    Args:
        images: per sequence, on `GRID`; missing sequences are left out.
        brain_region: where the brain is or is to be expected, on `GRID`.
        scaling: scales an image within the brain region.

    Returns:
        float32 array (8, 80, 96, 80); channels of missing sequences are 0.
    """
    empty = np.zeros(GRID.shape, np.float32)
    stack = np.stack([scaling(images[s], brain_region) if s in images else empty for s in CHANNELS])
    return np.concatenate([stack, stack[:, ::-1]])


@cache
def expected_brain_region() -> NDArray[np.bool_]:
    """Return where the atlas has the brain, on `GRID`."""
    return np.asarray(atlas.brain().resample(GRID, order=0).array, dtype=np.bool_)


SHIPPED = "model1.onnx"
"""File name of the shipped weight."""

_chosen: ContextVar[Network | None] = ContextVar("model1", default=None)


@contextmanager
def use_model1(file: Path | None) -> Iterator[str | None]:
    """Use another weight of Model 1 within a `with` block.

    Args:
        file: as `gliotype train model1` writes it; None for the shipped one.

    Yields:
        The SHA-256 of the file, or None for the shipped one.

    Raises:
        InputError: if the file cannot be read, or is no weight of Model 1.
    """
    if file is None:
        yield None
        return
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): give a weight of Model 1 (ONNX)"
        ) from error
    shapes = (2 * len(CHANNELS), *GRID.shape), (len(CLASSES), *GRID.shape)
    try:
        network = compile_network(file, shapes)
    except RuntimeError as error:
        raise InputError(
            f"{file} is no weight of Model 1: give model1.onnx as `gliotype train model1` writes it"
        ) from error
    token = _chosen.set(network)
    try:
        yield hashlib.sha256(content).hexdigest()
    finally:
        _chosen.reset(token)


def load() -> None:
    """Load the network ahead of its first use."""
    _network()


def _network() -> Network:
    return _chosen.get() or _shipped()


@cache
def _shipped() -> Network:
    return load_network(SHIPPED)


@dataclass(frozen=True, eq=False)
class NetworkPass:
    """The input of the network from some sequences, and its output, on `GRID`.

    Attributes:
        stack: its input, (8, 80, 96, 80); see `network_input`.
        brain_region: where the brain is, or is to be expected.
        straight: probabilities of `CLASSES`, (5, 80, 96, 80).
        mirrored: the same of the mirror image, turned back.
        sequences: which sequences it shows.
    """

    stack: NDArray[np.float32]
    brain_region: NDArray[np.bool_]
    straight: NDArray[np.float32]
    mirrored: NDArray[np.float32]
    sequences: frozenset[Sequence]

    @property
    def mean(self) -> NDArray[np.float32]:
        """Probabilities of `CLASSES`: the mean over the image and its mirror image."""
        return np.asarray((self.straight + self.mirrored) / 2, dtype=np.float32)


def on_network_grid(
    images: Mapping[Sequence, Volume], mni_from_world: Matrix, brain_region: Volume
) -> tuple[dict[Sequence, NDArray[np.float32]], NDArray[np.bool_]]:
    """Bring images and the brain region to `GRID`.

    Args:
        images: per sequence, in one world space; any subset of T1, T1C, T2 and FLAIR.
        mni_from_world: affine transform of that space to MNI152, RAS mm.
        brain_region: where the brain is (its mask) or is to be expected (the atlas's), in the same world space.
    """
    world_from_mni = np.linalg.inv(mni_from_world)
    shown = [s for s in CHANNELS if s in images]
    arrays = in_parallel(lambda s: np.asarray(images[s].resample(GRID, world_from_mni).array), shown)
    return dict(zip(shown, arrays, strict=True)), np.asarray(
        brain_region.resample(GRID, world_from_mni, order=0).array
    ) > 0


def run_once(
    images: Mapping[Sequence, NDArray[np.float32]], brain_region: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Run Model 1 once, on the image alone; see `run_network`.

    Returns:
        Probabilities of `CLASSES`, (5, 80, 96, 80).
    """
    return np.asarray(_network()(network_input(images, brain_region)[None])[0])


def run_network(
    images: Mapping[Sequence, NDArray[np.float32]], brain_region: NDArray[np.bool_]
) -> NetworkPass:
    """Run Model 1 on the image and on its mirror image.

    Args:
        images: per sequence, on `GRID`; any subset of T1, T1C, T2 and FLAIR.
        brain_region: where the brain is or is to be expected, on `GRID`.
    """
    stack = network_input(images, brain_region)
    network = _network()
    straight = network(stack[None])[0]
    mirrored = network(stack[None, :, ::-1])[0][:, ::-1]
    return NetworkPass(stack, brain_region, straight, mirrored, frozenset(images))
