"""Keep what may name a patient out of what a command prints on failing: the paths of its input."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

DEBUG = "GLIOTYPE_DEBUG"
"""Environment variable at which errors come with their traceback, which shows paths."""

_sources: ContextVar[tuple[Path, ...]] = ContextVar("sources", default=())


def hide_paths_of(*sources: Path | None) -> None:
    """Name the files, folders and zips of patients that the command reads."""
    _sources.set(tuple(source for source in sources if source is not None))


def hidden(sentence: str) -> str:
    """Return a sentence without any path of the command's input."""
    from gliotype.paths import without_sources

    without = without_sources(sentence, _sources.get())
    return sentence if without == sentence else f"{without} (paths are not shown: set {DEBUG}=1 to see them)"
