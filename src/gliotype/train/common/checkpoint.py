"""Trained networks on disk: a training that was killed resumes with the first network that is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from gliotype.atomic_files import atomic_write, reading_cached

N = TypeVar("N", bound=nn.Module)


def load_or_train_network(file: Path, network: N, train: Callable[[], N]) -> N:
    """Read a network's numbers from its file; train it first if it was not kept.

    Args:
        file: of the numbers.
        network: without them.
        train: makes the trained network.

    Raises:
        InputError: if the file is damaged.
    """
    if not file.exists():
        with atomic_write(file) as aside:
            torch.save(train().state_dict(), aside)
    with reading_cached(file):
        network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()
