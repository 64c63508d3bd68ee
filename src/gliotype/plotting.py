"""matplotlib as every figure here is drawn: from nothing but what it ships, and without a cache in the home folder.

It looks for fonts and a cache when it is first imported. Here that happens with a temporary folder as its
configuration and its own fonts only, so that a figure is the same on every machine, and that a home folder which
cannot be written does not matter.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gliotype.temporary import temporary_folder


@contextmanager
def _environment(**settings: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


with temporary_folder() as _folder, _environment(MPLCONFIGDIR=str(_folder), MPL_IGNORE_SYSTEM_FONTS="1"):
    from matplotlib import colormaps, rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Axes", "Figure", "colormaps", "rc_context", "svg"]


def svg(figure: Figure) -> str:
    """Write a figure as SVG, without a date and with names that do not change from run to run."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "gliotype"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
