"""Fit the predictors `age` and `radiomics` on the public tables and write their coefficients and cards.

python tools/fit_radiomics.py --tables ../shared/data/tables
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gliotype.train.radiomics.fit import fit

WEIGHTS = Path(__file__).resolve().parents[1] / "src" / "gliotype" / "weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    for name in fit(arguments.tables, arguments.out):
        print(arguments.out / name)


if __name__ == "__main__":
    main()
