"""Let the permissions of files hold for root as well, so that tests of them run in containers too."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_CAPABILITY_VERSION_3 = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, with which root ignores permissions."""


@contextmanager
def permissions_that_hold() -> Iterator[None]:
    """Take from this thread, within the block, the capabilities with which root ignores permissions.

    Other users have none to lose.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, of capabilities 0-31 and 32-63
    _check(libc.capget(header, before))
    fewer = (ctypes.c_uint32 * 6)(*before)
    fewer[0] &= ~_OVERRIDES
    _check(libc.capset(header, fewer))
    try:
        yield
    finally:
        _check(libc.capset(header, before))


def _check(failed: int) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
