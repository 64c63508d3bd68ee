"""Names of cached files, derived from everything that their content depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cache_key(settings: Mapping[str, Any], arrays: Iterable[NDArray[np.generic]] = ()) -> str:
    """Hash settings and arrays into a short name.

    Args:
        settings: plain values, as JSON knows them.
        arrays: of any shapes.

    Returns:
        16 hexadecimal digits.

    Example:
        >>> cache_key({"seed": 1, "site": "snuh"}) == cache_key({"site": "snuh", "seed": 1})
        True
        >>> cache_key({"seed": 1}, [np.zeros(2)]) == cache_key({"seed": 1}, [np.ones(2)])
        False
    """
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        found.update(array.tobytes())
    return found.hexdigest()[:16]
