"""No changed file ends in anything but an answer or a typed error, within limits of time and memory."""

from __future__ import annotations

import os

import pytest

from fuzz.harness import OUTCOMES, run_sets, table
from fuzz.inputs import SETS

EACH = int(os.environ.get("FUZZ_INPUTS", "200"))
"""Inputs of each set; ``make fuzz`` runs more."""

NEVER_REFUSED = frozenset({"JSON sidecars"})
"""A sidecar that cannot be read is a warning: the image next to it is used without it."""


@pytest.mark.slow
def test_every_input_is_read_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_sets(SETS, range(EACH))
    with capsys.disabled():
        print(f"\n{table(found)}")
    assert {name: outcomes.failures[:3] for name, outcomes in found.items() if outcomes.failures} == {}
    for name, outcomes in found.items():
        assert sum(outcomes.counts[outcome] for outcome in OUTCOMES) == EACH
        assert outcomes.counts["ok"], f"no input of {name} was read: its files are not valid to begin with"
        if name not in NEVER_REFUSED:
            assert outcomes.counts["refused"], f"no input of {name} was refused: its changes do nothing"
