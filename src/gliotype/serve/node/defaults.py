"""Defaults of a node's settings; the command line's help shows them."""

from __future__ import annotations

AET = "GLIOTYPE"
HOST = "127.0.0.1"
PORT = 11112
QUIET_S = 60.0
KEEP_INPUTS_DAYS = 0.0
KEEP_DAYS = 30.0
