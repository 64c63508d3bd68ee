"""Ensembles of networks: members are trained one after the other, and each is saved when it is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from gliotype.atomic_files import reading_cached
from gliotype.train.common.state import save_state

N = TypeVar("N", bound=nn.Module)


def load_or_train_members(
    folder: Path, count: int, untrained: Callable[[], N], train: Callable[[int], N]
) -> tuple[N, ...]:
    """Load the members that an earlier run has trained, and train the others.

    Args:
        folder: of the members, ``member-1.pt`` and so on; created if missing.
        count: number of members.
        untrained: makes a network to load weights into.
        train: trains the member of a number, from 1.

    Raises:
        InputError: if a file is damaged.
        OutputError: if a member cannot be written; those before it are kept.
    """
    members = []
    for number in range(1, count + 1):
        file = folder / f"member-{number}.pt"
        if not file.exists():
            save_state(train(number).state_dict(), file)
        network = untrained()
        with reading_cached(file):
            network.load_state_dict(torch.load(file, weights_only=True))
        members.append(network.eval())
    return tuple(members)
