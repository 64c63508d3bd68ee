"""A flag that the handler of a signal may set."""

from __future__ import annotations

import time

_STEP_S = 0.1


class Flag:
    """Set once, by a thread or by the handler of a signal.

    A `threading.Event` holds a lock while it is set: a handler that interrupts its own thread there waits for itself.

    Example:
        >>> flag = Flag()
        >>> flag.is_set()
        False
        >>> flag.set()
        >>> flag.wait()
        >>> flag.is_set()
        True
    """

    def __init__(self) -> None:
        """Make a flag that is not set."""
        self._set = False

    def set(self) -> None:
        """Set it."""
        self._set = True

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def wait(self) -> None:
        """Wait until it is set."""
        while not self._set:
            time.sleep(_STEP_S)
