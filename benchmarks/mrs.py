"""2HG measured in simulated spectra: bias, spread, coverage of the Cramer-Rao bound, AUROC, false positives, seconds.

    python benchmarks/mrs.py [--spectra N] [--first I] [--control M] [--keep FILE]
    python benchmarks/mrs.py --tables FILE [FILE ...]

SIMULATED: the spins are those of the fit; what the fit does not know is listed in `gliotype.simulate.mrs.acquire`. The
tables verify software and are not evidence about patients. The control is PRESS at TE 30 ms, at which 2HG overlaps
glutamate, glutamine, GABA and macromolecules.

A long run is split with ``--first`` and ``--keep``, and ``--tables`` prints the tables of all parts together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gliotype.errors import InputError
from gliotype.evaluate.roc import auroc
from gliotype.measure.mrs import fit_spectrum
from gliotype.mrs import MrsSequence, Timing
from gliotype.predictors.mrs import LEAST_SNR, MOST_FWHM_PPM, Outcome, outcome_of
from gliotype.prepare.mrs import process_series
from gliotype.simulate.mrs.acquire import Conditions, acquire
from gliotype.simulate.mrs.concentrations import draw_concentrations

SEQUENCES = (Timing(MrsSequence.PRESS, 97.0, 32.0), Timing(MrsSequence.MEGA, 68.0))
CONTROL = Timing(MrsSequence.PRESS, 30.0, 14.0)
SNR_BINS = ((5.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 40.0))

Record = dict[str, float | str | None]


def simulate(seed: int, control: bool) -> Record:
    """Simulate a spectrum, process and fit it."""
    rng = np.random.default_rng([seed, 2, int(control)])
    timing = CONTROL if control else SEQUENCES[seed % 2]
    field_t = 7.0 if seed % 3 == 2 and not control else 3.0
    two_hg = 0.0 if rng.random() < 0.4 else float(rng.uniform(0.3, 6.0))
    fraction = float(rng.uniform(0.5, 1.0))
    conditions = Conditions(
        fwhm_hz=float(rng.uniform(4.0, 12.0)),
        snr=float(rng.uniform(5.0, 40.0)),
        drift_hz=float(rng.normal(0.0, 2.0)),
        eddy=float(rng.uniform(0.0, 0.5)),
        residual_water=float(rng.uniform(10.0, 80.0)),
        spoiled=int(rng.integers(0, 2)),
        coils=2,
        transients=12,
    )
    held = draw_concentrations(rng, two_hg, fraction, mutant=two_hg > 0)
    series = acquire(rng, held, timing, field_t, conditions)
    started = time.process_time()
    record: Record = {
        "sequence": "control" if control else str(timing.sequence), "field_t": field_t, "true": two_hg,
        "snr_asked": conditions.snr, "fwhm_asked": conditions.fwhm_hz, "tcr_true": held["Cr"] + held["PCr"],
    }  # fmt: skip
    try:
        fitted = fit_spectrum(process_series(series))
    except InputError:
        return {**record, "seconds": time.process_time() - started}
    numbers = fitted.numbers
    return {
        **record,
        "found": numbers["2HG"],
        "sd": numbers["2HG_sd"],
        "tcr": numbers["tCr"],
        "over_tcr": numbers["2HG_over_tCr"],
        "snr": fitted.snr,
        "fwhm_ppm": fitted.fwhm_ppm,
        "outcome": str(outcome_of(numbers)),
        "seconds": time.process_time() - started,
    }


def column(records: Iterable[Record], name: str) -> np.ndarray:
    return np.array([record[name] for record in records], dtype=np.float64)


def row(title: str, records: list[Record]) -> None:
    """Print bias, spread, coverage and AUROC of some spectra."""
    measured = [record for record in records if record.get("found") is not None]
    if len(measured) < 5:
        print(f"{title:34s} n {len(measured)}")
        return
    true, found, sd = (column(measured, name) for name in ("true", "found", "sd"))
    error = found - true
    covered = float((np.abs(error) <= 1.96 * sd).mean())
    present = true > 1.0
    either = (true == 0) | present
    enough = min(int(present.sum()), int((true == 0).sum())) >= 2
    area = str(auroc(present[either], found[either])) if enough else "-"
    print(
        f"{title:34s} n {len(measured):3d}  bias {error.mean():+.2f}  SD {error.std(ddof=1):.2f}  "
        f"bound {sd.mean():.2f}  "
        f"coverage {covered:.2f}  AUROC {area}"
    )


def tables(records: list[Record]) -> None:
    """Print all tables."""
    print(f"SIMULATED spectra: {len(records)}; not fitted, as nothing but noise: "
          f"{sum(record.get('found') is None for record in records)}")  # fmt: skip
    print("2HG in mM; AUROC: 0 mM against more than 1 mM; coverage: true value within 1.96 bounds")
    for sequence in (*(str(each.sequence) for each in SEQUENCES), "control"):
        for field_t in (3.0, 7.0):
            some = [r for r in records if (r["sequence"], r["field_t"]) == (sequence, field_t)]
            if some:
                name = "PRESS 30 (control)" if sequence == "control" else sequence
                row(f"{name}, {field_t:g} T", some)
    dedicated = [r for r in records if r["sequence"] != "control"]
    for low, high in SNR_BINS:
        row(
            f"signal to noise {low:g} to {high:g}",
            [r for r in dedicated if low <= float(r["snr_asked"] or 0) < high],
        )
    for low, high in ((4.0, 8.0), (8.0, 12.0)):
        row(
            f"width {low:g} to {high:g} Hz",
            [r for r in dedicated if low <= float(r["fwhm_asked"] or 0) < high],
        )
    accepted = [
        r
        for r in dedicated
        if r.get("found") is not None
        and float(r["snr"] or 0) >= LEAST_SNR
        and float(r["fwhm_ppm"] or 1) <= MOST_FWHM_PPM
    ]
    row("quality as the evidence asks", accepted)
    outcomes(accepted, "quality as the evidence asks")
    outcomes(
        [r for r in records if r["sequence"] == "control" and r.get("found") is not None],
        "PRESS 30 (control)",
    )
    tcr = [r for r in dedicated if r.get("tcr") is not None]
    ratio = column(tcr, "tcr") / column(tcr, "tcr_true")
    print(f"total creatine, found over true: mean {ratio.mean():.2f}, SD {ratio.std(ddof=1):.2f}")
    seconds = column(records, "seconds")
    print(f"processing and fit: median {np.median(seconds):.1f} s of one core, longest {seconds.max():.1f} s")


def outcomes(records: list[Record], title: str) -> None:
    """Print what would count as detected and as absent."""
    groups = {
        "0 mM": (-1.0, 1e-9),
        "0.3 to 1 mM": (1e-9, 1.0),
        "1 to 2 mM": (1.0, 2.0),
        "2 to 6 mM": (2.0, 9.0),
    }
    for name, (low, high) in groups.items():
        some = [r for r in records if low < float(r["true"] or 0) <= high or (high < 1e-8 and r["true"] == 0)]
        counts = [sum(r["outcome"] == str(outcome) for r in some) for outcome in Outcome]
        print(
            f"{title}, {name:12s} n {len(some):3d}: detected {counts[0]}, absent {counts[1]}, undecided {counts[2]}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--control", type=int, default=100)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--tables", type=Path, nargs="+", default=None)
    asked = parser.parse_args()
    if asked.tables:
        records = [json.loads(line) for file in asked.tables for line in file.read_text().splitlines()]
    else:
        records = [simulate(seed, False) for seed in range(asked.first, asked.first + asked.spectra)]
        records += [simulate(seed, True) for seed in range(asked.first, asked.first + asked.control)]
        if asked.keep is not None:
            asked.keep.write_text("".join(json.dumps(record) + "\n" for record in records))
    tables(records)


if __name__ == "__main__":
    main()
