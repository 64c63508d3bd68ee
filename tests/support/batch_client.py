"""Runs a batch with a stand-in for the prediction, as `gliotype batch --scheduler ADDRESS` or `--shard I/N` would.

``python batch_client.py ROOT scheduler ADDRESS`` or ``python batch_client.py ROOT shard I/N`` predicts the studies in
ROOT/studies into ROOT/out, and ends with the exit code of the command.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import typer

from gliotype.batch.cluster import Cluster
from gliotype.batch.find import studies_in_folder
from gliotype.batch.job import BatchSettings
from gliotype.batch.pool import Pool
from gliotype.cli.batch import run
from support.batch_child import COMMAND

FILE = str(Path(__file__).resolve())


def main() -> int:
    """Run the batch; return its exit code."""
    root, way, argument = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    studies, _ = studies_in_folder(root / "studies", but=root / "out", named=True)
    settings = BatchSettings(root / "out")
    try:
        if way == "scheduler":
            run(studies, settings, Cluster(argument, COMMAND))
        else:
            part, _, parts = argument.partition("/")
            run(studies, settings, Pool(1, COMMAND), part=(int(part), int(parts)))
    except typer.Exit as end:
        return end.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
