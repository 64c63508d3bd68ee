"""Gliotype predicts the IDH status of a glioma from pre-operative MRI, and shows why.

import gliotype

result = gliotype.predict("folder", age=44)
gliotype.write_result(result, "out")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gliotype._version import __version__

if TYPE_CHECKING:
    from gliotype.pipeline import predict, revise
    from gliotype.report import write_result
    from gliotype.result import Result
    from gliotype.study import Sequence

__all__ = ["Result", "Sequence", "__version__", "predict", "revise", "write_result"]

_HOMES = {
    "predict": "pipeline",
    "revise": "pipeline",
    "write_result": "report",
    "Result": "result",
    "Sequence": "study",
}


def __getattr__(name: str) -> Any:
    """Load the public names when they are first used, so that the command line starts at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gliotype' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gliotype.{_HOMES[name]}"), name)
