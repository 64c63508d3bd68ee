"""The list of shipped weights, against which each is checked when it is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from gliotype.atomic_files import write_text
from gliotype.runtime import MANIFEST


def write_manifest(folder: Path) -> Path:
    """List the SHA-256 of every weight (``.onnx``, ``.json``) in a folder.

    Returns:
        The manifest, replaced at once when complete.
    """
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".onnx", ".json") and f.name != MANIFEST]
    listed = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return write_text(folder / MANIFEST, json.dumps(listed, indent=2) + "\n")
