"""How a test calls the command line; the fixture `run` of ``tests/cli`` is one."""

from __future__ import annotations

from typing import Protocol


class Run(Protocol):
    """Runs `gliotype` with arguments; returns its exit code and what it wrote on stdout and stderr."""

    def __call__(self, *arguments: object) -> tuple[int, str, str]: ...
