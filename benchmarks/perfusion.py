"""The perfusion measurements against reference values, real curves, and simulated leakage.

    python benchmarks/perfusion.py DATA [--patients N]

DATA holds the DSC test data of OSIPI's code collection (Apache-2.0; see docs/how-to/benchmarks.md). Pictures are
written to ``benchmarks/pictures/``, and the figure of simulated leakage to ``docs/images/leakage.svg``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from gliotype.dsc import Bolus, Region
from gliotype.measure.dsc import VoxelPerfusion, analyse
from gliotype.measure.dsc.bolus import delta_r2, find_bolus, find_bolus_in, relative_signal
from gliotype.measure.dsc.curves import area, signal_recovery
from gliotype.measure.dsc.deconvolution import deconvolve
from gliotype.measure.dsc.leakage import ORIGINAL, Leakage, Variants, fit_leakage
from gliotype.simulate.dsc.kinetics import Haemodynamics, draw_circulation, exchange
from gliotype.simulate.dsc.signal import DscProtocol, tissue_signal

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "gliotype"
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

PICTURES = Path(__file__).parent / "pictures"
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "leakage.svg"
Floats = NDArray[np.float64]

PROTOCOLS = {
    "90 deg, no preload": DscProtocol(flip_deg=90, te_ms=30),
    "60 deg, no preload": DscProtocol(flip_deg=60, te_ms=30),
    "60 deg, preload": DscProtocol(flip_deg=60, te_ms=30, preload_mmol_per_kg=0.1),
    "30 deg, no preload": DscProtocol(flip_deg=30, te_ms=30),
    "75 deg, TR 2 s, 1.5 T": DscProtocol(flip_deg=75, te_ms=45, tr_s=2.0, frames=50, field_t=1.5),
}
PERMEABILITY_PER_MIN = ((0.0, 0.01), (0.01, 0.04), (0.04, 0.08), (0.08, 0.15))
VARIANTS: dict[str, Variants | None] = {
    "original (2006)": ORIGINAL,
    "with washout": Variants((0.0,), (0.0,)),
    "with transit": Variants(washout_per_s=(0.0,)),
    "both (shipped)": None,
}
SNR = 50.0
VOXELS = 100
OFF = 0.3


def reference_curves(data: Path) -> None:
    """CBV and CBF of the 14 curves of known truth."""
    print(
        "14 simulated curves of OSIPI, TR 1.243 s: percent off the truth. 'As summed' counts the truth as the data were"
    )
    print("made: C = dt sum(AIF R), whose area exceeds CBV by (dt/MTT) / (1 - exp(-dt/MTT)).")
    print("CBV  CBF  MTT  | area/area  as summed | CBF (oSVD)  MTT (oSVD)")
    off = []
    with (data / "dsc_data.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            tissue, arterial = (np.array(row[name].split(), dtype=np.float64) for name in ("C_tis", "C_aif"))
            cbv, cbf, spacing = (float(row[name]) for name in ("cbv", "cbf", "tr"))
            mtt = 60 * cbv / cbf
            summed = spacing / mtt / (1 - np.exp(-spacing / mtt))
            found = deconvolve(tissue[None], arterial, spacing * np.arange(tissue.size, dtype=np.float64))
            plain = 100 * tissue.sum() / arterial.sum() / cbv
            errors = (plain - 1, plain / summed - 1, 6000 * found.cbf[0] / cbf - 1, found.mtt_s[0] / mtt - 1)
            off.append(errors)
            print(f"{cbv:3.0f}  {cbf:3.0f}  {mtt:4.1f} |" + "".join(f"{100 * e:+10.1f} " for e in errors))
    errors_ = np.abs(np.array(off))
    print(f"mean absolute, n=14    |{''.join(f'{100 * e:10.1f} ' for e in errors_.mean(axis=0))}")
    print(f"within 5 %             |{''.join(f'{n:10d} ' for n in (errors_ <= 0.05).sum(axis=0))}")
    print(f"within 15 %            |{''.join(f'{n:10d} ' for n in (errors_ <= 0.15).sum(axis=0))}")


def real_curves(data: Path) -> None:
    """Dual-echo curves of an artery, white matter and a tumour of one patient.

    The ratio of the echoes knows no T1, so that it shows how much of the overshoot the correction takes away.
    """
    found = loadmat(data / "data.mat")
    first, second, tr_s = (float(found[name].item()) for name in ("TE1", "TE2", "TR"))
    echoes = np.stack([found[name].astype(np.float64) for name in ("AIF_SIt", "NAWM_SIt", "tumor_SIt")])
    times = tr_s * np.arange(echoes.shape[2], dtype=np.float64)
    bolus = find_bolus(echoes[1, 1], times)
    assert bolus is not None, "the white matter of the patient shows no bolus"
    relative = relative_signal(echoes.reshape(6, -1), bolus).reshape(echoes.shape)
    single = _from(bolus, delta_r2(relative[:, 1], 1000 * second))
    dual = _from(bolus, np.log(relative[:, 0] / relative[:, 1]) / (second - first))
    print(
        f"\nOne patient, dual echo ({1000 * first:.0f} and {1000 * second:.0f} ms, TR {tr_s} s, {times.size} frames); "
        f"{bolus}"
    )
    print("tumour over white matter       rCBV  corrected       K2 (1/s)")
    for name, curves in (("single echo (long)", single), ("both echoes (no T1)", dual)):
        leakage = fit_leakage(curves[2:], curves[1], times, bolus)
        white, plain = area(curves[1:], times, bolus)
        corrected = area(curves[2:] + leakage.term, times, bolus)[0]
        print(f"{name:25s} {plain / white:9.2f} {corrected / white:10.2f} {leakage.k2[0]:14.4f}")
    recovery = signal_recovery(relative[1:, 1], times, bolus)
    flow = deconvolve(dual[1:], dual[0], times)
    print(
        f"recovery: white matter {recovery[0]:.0f} %, tumour {recovery[1]:.0f} %; "
        f"CBF ratio {flow.cbf[1] / flow.cbf[0]:.2f}"
    )
    _draw_real(times, np.asarray(relative), single, dual, bolus)


def patch(data: Path) -> None:
    """Make signals of a slice of 25 x 25 concentration curves, and seek its artery.

    The data's artery mask holds all voxels: it gives the voxels to search, and there is no ground truth.
    """
    concentration = np.asarray(
        nib.Nifti1Image.from_filename(data / "test_concentration.nii").dataobj, dtype=np.float64
    )[:, :, 0]
    searched = (
        np.asarray(nib.Nifti1Image.from_filename(data / "test_artery_ROI.nii").dataobj)[:, :, 0].ravel() > 0
    )
    curves = concentration.reshape(-1, concentration.shape[2])
    te_ms, times = 30.0, 1.0 * np.arange(curves.shape[1])
    signal = 1000 * np.exp(-te_ms / 1000 * 60 * curves)
    found = analyse(signal, times, te_ms, brain=searched, regions={Region.WHITE_MATTER: searched})
    assert isinstance(found, VoxelPerfusion), found
    arterial, mean = found.arterial.delta_r2, (60 * curves).mean(axis=0)
    print(f"\nPatch of {searched.sum()} voxels, {times.size} frames taken as 1 s apart; {found.bolus}")
    print(
        f"artery: {found.arterial.voxels.sum()} voxels, peak in frame {arterial.argmax()} "
        f"(mean of all: {mean.argmax()}), {arterial.max() / mean.max():.1f} times as high"
    )
    print("warnings: " + " ".join(found.warnings))
    _draw_patch(concentration.shape[:2], found, mean)


@dataclass(frozen=True)
class Leak:
    """Errors of rCBV of simulated voxels, as fractions.

    Attributes:
        patient: which, (n,).
        ps_per_min: permeability, (n,).
        uncorrected: off what plasma alone would give, (n,).
        corrected: the same by variant.
        off_cbv: the shipped correction off true blood volume.
        plasma: what plasma gives in the first pass, off what it gave without leaking out.
        k2: by the shipped correction, (n,).
    """

    patient: Floats
    ps_per_min: Floats
    uncorrected: Floats
    corrected: dict[str, Floats]
    off_cbv: Floats
    plasma: Floats
    k2: Floats


def leakage(protocol: DscProtocol, patients: int) -> Leak:
    """Simulate leaking voxels in several patients, and measure their blood volume."""
    rows = [_leaking(seed, protocol) for seed in range(patients)]

    def of(name: str) -> Floats:
        return np.concatenate([getattr(row, name) for row in rows])

    corrected = {name: np.concatenate([row.corrected[name] for row in rows]) for name in VARIANTS}
    return Leak(
        of("patient"), of("ps_per_min"), of("uncorrected"), corrected, of("off_cbv"), of("plasma"), of("k2")
    )


def _leaking(seed: int, protocol: DscProtocol) -> Leak:
    rng = np.random.default_rng(seed)
    circulation = draw_circulation(rng, arrival_s=protocol.arrival_s)
    times = protocol.times_s
    ps = np.concatenate([rng.uniform(low, high, VOXELS // 4) for low, high in PERMEABILITY_PER_MIN]) / 60

    def tissue(n: int, cbv: Floats, mtt: float, spread: float, t1_ms: float, **more: Floats) -> Haemodynamics:
        delay = rng.uniform(0.0, 1.5, n)
        return Haemodynamics(
            cbv, mtt * np.exp(spread * rng.standard_normal(n)), t1_ms=t1_ms, delay_s=delay, **more
        )

    def log_normal(median: float, spread: float, n: int) -> Floats:
        return np.asarray(median * np.exp(spread * rng.standard_normal(n)))

    white = tissue(200, log_normal(0.02, 0.2, 200), 4.8, 0.12, 900.0)
    grey = tissue(200, log_normal(0.042, 0.3, 200), 4.0, 0.12, 1400.0)
    more = {"ve": rng.uniform(0.15, 0.4, VOXELS), "packing": rng.uniform(0.3, 0.8, VOXELS)}
    tumour = tissue(VOXELS, log_normal(0.05, 0.35, VOXELS), 5.5, 0.2, 1500.0, ps_per_s=ps, **more)
    intact = Haemodynamics(**{**tumour.columns(), "ps_per_s": np.zeros(VOXELS)})
    signals = [tissue_signal(circulation, times, each, protocol) for each in (white, grey, tumour)]
    noisy = [np.hypot(s + _noise(rng, s), _noise(rng, s)) for s in signals]
    bolus = find_bolus_in(np.concatenate(noisy[:2]), times)
    assert bolus is not None, "a simulated patient shows no bolus"
    curves = [_from(bolus, delta_r2(relative_signal(s, bolus), protocol.te_ms)) for s in noisy]
    still = _from(bolus, delta_r2(tissue_signal(circulation, times, intact, protocol), protocol.te_ms))
    reference = np.concatenate(curves[:2]).mean(axis=0)
    areas = {name: area(c, times, bolus) for name, c in zip(("white", "grey", "tumour"), curves, strict=True)}
    level = np.median(areas["white"])
    retained = _first_pass(circulation, times, tumour, bolus) / _first_pass(circulation, times, intact, bolus)
    expected = area(still, times, bolus) * retained
    fits: dict[str, Leakage] = {
        name: fit_leakage(curves[2], reference, times, bolus, v) for name, v in VARIANTS.items()
    }
    corrected = {name: areas["tumour"] + area(fit.term, times, bolus) for name, fit in fits.items()}
    shipped = "both (shipped)"
    return Leak(
        patient=np.full(VOXELS, float(seed)),
        ps_per_min=60 * ps,
        uncorrected=areas["tumour"] / expected - 1,
        corrected={name: found / expected - 1 for name, found in corrected.items()},
        off_cbv=corrected[shipped] / level / (tumour.columns()["cbv"] / 0.02) - 1,
        plasma=retained - 1,
        k2=np.asarray(fits[shipped].k2, dtype=np.float64),
    )


def _first_pass(circulation: object, times: Floats, tissue: Haemodynamics, bolus: Bolus) -> Floats:
    plasma = exchange(circulation, times, tissue).plasma.astype(np.float64)  # type: ignore[arg-type]
    return np.asarray(area(plasma, times, bolus))


def _noise(rng: np.random.Generator, signal: NDArray[np.floating]) -> Floats:
    return np.asarray(rng.normal(0.0, 1 / SNR, signal.shape))


def _from(bolus: Bolus, curves: NDArray[np.floating]) -> Floats:
    """Curves that are zero before the arrival."""
    return np.where(np.arange(curves.shape[1]) < bolus.arrival, 0.0, curves)


def interval_of_median(values: Floats, patient: Floats) -> tuple[float, float, float]:
    """Median and its 95 % bootstrap interval over patients."""
    rng = np.random.default_rng(0)
    groups = [values[patient == p] for p in np.unique(patient)]
    medians = [
        np.median(np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))]))
        for _ in range(500)
    ]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def leakage_table(patients: int) -> None:
    """Bias of rCBV with and without correction, by protocol and permeability."""
    print(
        f"\nSimulated leakage (two-compartment exchange with T1 and T2* effects; {patients} patients, SNR {SNR:g}):"
    )
    print(
        "bias of rCBV in percent, median (95 % interval over patients), against what the plasma alone would give."
    )
    print(
        "protocol                PS /min      n   K2 (1/s)  uncorrected         corrected        off CBV  plasma lost"
    )
    everything = {name: leakage(protocol, patients) for name, protocol in PROTOCOLS.items()}
    for name, leak in everything.items():
        for low, high in PERMEABILITY_PER_MIN:
            inside = (leak.ps_per_min >= low) & (leak.ps_per_min < high)
            patient = leak.patient[inside]
            texts = [
                "{:+4.0f} ({:+4.0f} to {:+4.0f})".format(
                    *(100 * v for v in interval_of_median(values[inside], patient))
                )
                for values in (leak.uncorrected, leak.corrected["both (shipped)"])
            ]
            off_cbv, lost = 100 * np.median(leak.off_cbv[inside]), 100 * np.median(leak.plasma[inside])
            print(
                f"{name:22s} {low:4.2f}-{high:4.2f} {inside.sum():5d} {np.median(leak.k2[inside]):+10.4f}  "
                f"{texts[0]}  {texts[1]}  {off_cbv:+6.0f}  {lost:+6.0f}"
            )
    _variants_table(everything)
    _draw_leakage(everything)


def _variants_table(everything: dict[str, Leak]) -> None:
    print(
        f"\nVoxels whose uncorrected rCBV is off by more than {OFF:.0%}, and all voxels, of all protocols: "
        "absolute error in percent"
    )
    print("correction          off: n   median  mean  within 15 %   all: n   median  mean  within 15 %")
    for name in ("none", *VARIANTS):
        off, all_ = [], []
        for leak in everything.values():
            error = np.abs(leak.uncorrected if name == "none" else leak.corrected[name])
            off.append(error[np.abs(leak.uncorrected) > OFF])
            all_.append(error)
        texts = [
            f"{e.size:6d} {100 * np.median(e):8.1f} {100 * e.mean():5.1f} {(e <= 0.15).mean():11.0%}"
            for e in (np.concatenate(off), np.concatenate(all_))
        ]
        print(f"{name:18s} {texts[0]}   {texts[1]}")


def _draw_leakage(everything: dict[str, Leak]) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
    panels = ("90 deg, no preload", "60 deg, no preload", "60 deg, preload")
    edges = np.linspace(0, 0.15, 9)
    for axis, name in zip(axes, panels, strict=True):
        leak = everything[name]
        lines = (
            ("uncorrected", leak.uncorrected, "0.45"),
            ("original (2006)", leak.corrected["original (2006)"], "C1"),
            ("shipped", leak.corrected["both (shipped)"], "C0"),
        )
        for label, error, colour in lines:
            low, middle, high = _quartiles(leak.ps_per_min, 100 * error, edges)
            centre = (edges[1:] + edges[:-1]) / 2
            axis.plot(centre, middle, color=colour, label=label)
            axis.fill_between(centre, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.axhspan(-15, 15, color="0.93", zorder=0)
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set(title=name, xlabel="permeability-surface product (1/min)")
    axes[0].set_ylabel("error of rCBV (%)")
    axes[0].legend(frameon=False, loc="lower left")
    figure.suptitle("Simulated leakage: median and quartiles over voxels")
    figure.savefig(FIGURE, metadata={"Date": None})
    plt.close(figure)


def _quartiles(at: Floats, values: Floats, edges: Floats) -> Iterator[Floats]:
    bins = np.digitize(at, edges) - 1
    found = [np.percentile(values[bins == n], [25, 50, 75]) for n in range(edges.size - 1)]
    return iter(np.transpose(found))


def _draw_real(times: Floats, relative: Floats, single: Floats, dual: Floats, bolus: Bolus) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for n, name in enumerate(("artery", "white matter", "tumour")):
        axes[0].plot(times, relative[n, 1], label=f"{name}, long echo")
    axes[1].plot(times, dual[1], "C1", label="white matter, both echoes")
    axes[1].plot(times, single[2], "C2--", label="tumour, long echo")
    axes[1].plot(times, dual[2], "C2", label="tumour, both echoes")
    term = fit_leakage(single[2:], single[1], times, bolus).term[0]
    axes[1].plot(times, single[2] + term, "C3", label="tumour, long echo, corrected")
    for axis, label in zip(axes, ("S/S0", "dR2* (1/s)"), strict=True):
        axis.axvspan(times[bolus.arrival], times[bolus.end], color="0.93", zorder=0)
        axis.set(xlabel="time (s)", ylabel=label)
        axis.legend(frameon=False)
    _save(figure, "perfusion_real_curves.png")


def _draw_patch(shape: tuple[int, ...], found: VoxelPerfusion, mean: Floats) -> None:
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
    for axis, name in zip(axes.flat[:6], ("rcbv", "cbf", "mtt", "ttp", "fwhm", "k2"), strict=True):
        values = found.maps[name].reshape(shape)
        low, high = np.nanpercentile(values, [2, 98])
        figure.colorbar(axis.imshow(values, vmin=low, vmax=high), ax=axis)
        axis.set_title(name)
    axes[1, 2].imshow(found.arterial.voxels.reshape(shape))
    axes[1, 2].set_title("arterial voxels")
    axes[1, 3].plot(found.times_s, found.arterial.delta_r2, label="arterial")
    axes[1, 3].plot(found.times_s, mean, label="mean of all")
    axes[1, 3].legend(frameon=False)
    _save(figure, "perfusion_patch.png")


def _save(figure: Figure, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / name, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--patients", type=int, default=30, help="simulated patients for the table of leakage"
    )
    arguments = parser.parse_args()
    reference_curves(arguments.data)
    real_curves(arguments.data)
    patch(arguments.data)
    leakage_table(arguments.patients)


if __name__ == "__main__":
    main()
