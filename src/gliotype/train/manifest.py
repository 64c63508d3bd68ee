"""The list of shipped weights, against which each is checked when it is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from gliotype.runtime import MANIFEST


def write_manifest(folder: Path) -> Path:
    """List the SHA-256 of every weight (``.onnx``, ``.json``) in a folder.

    Returns:
        The manifest, replaced at once when complete.
    """
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".onnx", ".json") and f.name != MANIFEST]
    listed = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    aside = folder / f"{MANIFEST}.part"
    aside.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    return aside.replace(folder / MANIFEST)
