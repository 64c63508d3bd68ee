"""Fuzz the readers: ``python -m fuzz --count 10000`` prints a table, and every input that failed."""

from __future__ import annotations

import argparse
import sys

from fuzz.harness import run_sets, table
from fuzz.inputs import SETS


def main() -> int:
    """Run all sets, or those that are named; 1 if any input was neither read nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="number of inputs, over all sets")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--set", action="append", choices=list(SETS), help="only this set (may be repeated)")
    options = parser.parse_args()
    names = options.set or list(SETS)
    each = -(-options.count // len(names))
    found = run_sets(names, range(options.first, options.first + each))
    for name, outcomes in found.items():
        for seed, outcome, detail in outcomes.failures:
            print(f"{name}, seed {seed}: {outcome}\n{detail}", flush=True)
    print(table(found), flush=True)
    return int(any(outcomes.failures for outcomes in found.values()))


if __name__ == "__main__":
    sys.exit(main())
