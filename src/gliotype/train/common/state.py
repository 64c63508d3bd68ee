"""The tensors of a training on disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import torch

from gliotype.atomic_files import atomic_write


def save_state(state: Mapping[str, object], file: Path) -> None:
    """Write tensors, replaced at once when complete.

    torch writes a file in C++ and reports a full disk as `RuntimeError`, so it writes into memory here.

    Raises:
        OutputError: if the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with atomic_write(file) as aside:
        aside.write_bytes(buffer.getbuffer())
