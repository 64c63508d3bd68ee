"""Cohorts of digital patients as a BIDS data set, with the ground truth."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from gliotype._version import __version__
from gliotype.atomic_files import (
    aside_folder,
    check_writable,
    output_errors,
    refuse_other_settings,
    write_text,
)
from gliotype.errors import UsageError
from gliotype.paths import as_path
from gliotype.seeds import check_seed
from gliotype.simulate.cohort.patient_record import (
    AnatomyLibrary,
    PatientParameters,
    SimulatedPatient,
    simulate_patient,
)
from gliotype.simulate.cohort.raw_study import write_image
from gliotype.simulate.cohort.sites import SITES, Site, find_site
from gliotype.simulate.cohort.truth import COLUMNS
from gliotype.simulate.diffusion import write_adc
from gliotype.simulate.dsc.protocols import find_dsc_site
from gliotype.simulate.dsc.series import SimulatedDsc, write_dsc, write_true_cbv
from gliotype.simulate.head.label_maps import label_map_hashes
from gliotype.simulate.mrs.series import write_mrs
from gliotype.study import Label, Sequence
from gliotype.temporary import PREFIX, sweep

__all__ = ["SITES", "Cohort", "Site", "write_cohort"]

SUFFIXES: Mapping[Sequence, str] = {
    Sequence.T1: "T1w",
    Sequence.T1C: "ce-gadolinium_T1w",
    Sequence.T2: "T2w",
    Sequence.FLAIR: "FLAIR",
    Sequence.DSC: "dsc",
    Sequence.ADC: "ADC",
    Sequence.MRS: "svs",
}
"""How BIDS names each sequence, after the patient's name."""

_TRUTH = Path("derivatives") / "truth"
_DESCRIPTION = "dataset_description.json"
_TRUE_CBV = "desc-true_cbv"
_SIMULATED = "Simulated with Gliotype {version}: every patient and image is computed, none is real."


@dataclass(frozen=True)
class Cohort:
    """A cohort on disk.

    Attributes:
        folder: where it lies.
        patients: names of all its complete patients.
        made: how many of them this call simulated; the others were there already.
    """

    folder: Path
    patients: tuple[str, ...]
    made: int


def write_cohort(
    n: int,
    out: str | Path,
    *,
    site: str = "severance",
    seed: int = 0,
    raw: bool = False,
    anatomies: str | Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
    spacing_mm: float = 1.0,
    dsc: bool = False,
    adc: bool = False,
    mrs: bool = False,
) -> Cohort:
    """Simulate a cohort, or resume one that was interrupted.

    Patient i depends on the seed, on i, and on the site, anatomies and version, but not on `n`. Each appears
    complete or not at all. Layout: ``docs/how-to/simulate.md``.

    Args:
        n: how many patients the folder is to hold. Further patients already there stay.
        out: folder of the cohort; created if missing.
        site: name of one of `SITES`.
        seed: random seed, 0 or greater.
        raw: whether each sequence lies in its own oblique, thick-sliced space, as a scanner exports it; otherwise all
            lie on one grid in MNI152 orientation, with the blur of their slices.
        anatomies: folder of whole-head label maps (``*.nii.gz``) with FreeSurfer numbers; the shipped template
            when None.
        progress: called with a line for each patient that is begun.
        spacing_mm: of the common grid; a raw cohort does not use it.
        dsc: whether each patient also has a DSC perfusion series, as the site acquires it, in a space of its own.
        adc: whether each patient also has an ADC map, in a space of its own.
        mrs: whether each patient also has a spectrum of the tumour.

    Raises:
        UsageError: for an unknown site, `n` or `seed` out of range, or a folder that holds something else or a
            cohort of other settings.
        InputError: if `anatomies` holds no usable label map.
        OutputError: if the folder cannot be written.

    Example:
        >>> write_cohort(0, Path("cohort"))
        Traceback (most recent call last):
        gliotype.errors.UsageError: a cohort of 0 patients was asked for: give 1 or more
    """
    chosen = find_site(site)
    if n < 1:
        raise UsageError(f"a cohort of {n} patients was asked for: give 1 or more")
    check_seed(seed)
    out, anatomies = as_path(out), None if anatomies is None else as_path(anatomies)
    settings = {
        "site": site,
        "seed": seed,
        "raw": raw,
        "anatomies": "template" if anatomies is None else label_map_hashes(anatomies),
        "spacing_mm": None if raw else spacing_mm,
        "version": __version__,
        **({"dsc": chosen.dsc} if dsc else {}),
        **({"adc": True} if adc else {}),
        **({"mrs": True} if mrs else {}),
    }
    perfusion_site = find_dsc_site(chosen.dsc) if dsc else None
    check_writable(out)
    with output_errors(out):
        _begin(out, chosen, settings)
        heads = AnatomyLibrary(anatomies)
        made = 0
        for number in range(1, n + 1):
            name = f"sub-{number:04d}"
            if _truth_of_complete(out, name) is not None:
                continue
            progress(f"simulate {name} of {n}")
            draw = PatientParameters.of(seed, number, chosen)
            simulated = simulate_patient(
                name,
                draw,
                heads.chosen(draw.head),
                raw=raw,
                spacing_mm=spacing_mm,
                dsc=perfusion_site,
                adc=adc,
                mrs=mrs,
            )
            _write_patient(out, simulated)
            _write_participants(out)
            made += 1
        patients = _write_participants(out)
    return Cohort(out, patients, made)


def _begin(out: Path, site: Site, settings: Mapping[str, object]) -> None:
    """Claim an empty folder for a cohort, or find out that it holds the same one."""
    out.mkdir(parents=True, exist_ok=True)
    found = _settings_found(out)
    if found is not None:
        refuse_other_settings(out, "a cohort simulated", found, settings)
    elif others := sorted(path.name for path in out.iterdir() if not path.name.startswith(PREFIX)):
        raise UsageError(
            f"{out} holds something else than a simulated cohort ({others[0]}): choose an empty or a new folder"
        )
    sweep(out)
    described = {
        "Name": f"Simulated gliomas, site {site.name}",
        "BIDSVersion": "1.10.0",
        "GeneratedBy": [
            {
                "Name": "Gliotype",
                "Version": __version__,
                "Description": _SIMULATED.format(version=__version__),
            }
        ],
        "Simulated": True,
    }
    (out / _TRUTH).mkdir(parents=True, exist_ok=True)
    _write_json(
        out / _TRUTH / _DESCRIPTION,
        {**described, "Name": "Truth of simulated gliomas", "DatasetType": "derivative"},
    )
    labels = "".join(f"{label.value}\t{label.name.lower()}\n" for label in Label)
    write_text(out / _TRUTH / "dseg.tsv", f"index\tname\n0\tno tumour\n{labels}")
    _write_json(
        out / _DESCRIPTION,
        {**described, "DatasetType": "raw", "SiteSource": site.source, "Simulation": dict(settings)},
    )


def _settings_found(out: Path) -> dict[str, Any] | None:
    """Return the settings of the cohort in a folder; None where there is no cohort."""
    try:
        found = json.loads((out / _DESCRIPTION).read_text(encoding="utf-8"))["Simulation"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _write_patient(out: Path, patient: SimulatedPatient) -> None:
    """Write a patient aside and move it into place, the images last."""
    with aside_folder(out) as aside:
        images, truth = aside / "images", aside / "truth"
        for folder in (images, truth):
            (folder / "anat").mkdir(parents=True)
        for sequence, image in patient.images.items():
            write_image(image, images / "anat", f"{patient.name}_{SUFFIXES[sequence]}")
        drawn_on = f"{patient.name}_{SUFFIXES[Sequence(str(patient.truth['truth_space']))]}.nii.gz"
        for volume, suffix in ((patient.labels, "dseg"), (patient.brain, "desc-brain_mask")):
            nifti = nib.Nifti1Image(volume.array, volume.affine)
            nifti.to_filename(truth / "anat" / f"{patient.name}_{suffix}.nii.gz")
            _write_json(
                truth / "anat" / f"{patient.name}_{suffix}.json",
                {"SpatialReference": f"bids::{patient.name}/anat/{drawn_on}"},
            )
        if patient.dsc is not None:
            _write_perfusion(patient.dsc, patient.name, images / "perf", truth / "perf")
        if patient.adc is not None:
            (images / "dwi").mkdir()
            write_adc(patient.adc, images / "dwi", f"{patient.name}_{SUFFIXES[Sequence.ADC]}")
        if patient.mrs is not None:
            (images / "mrs").mkdir()
            write_mrs(patient.mrs, images / "mrs", f"{patient.name}_{SUFFIXES[Sequence.MRS]}")
        _write_json(truth / f"{patient.name}_truth.json", patient.truth)
        targets = {truth: out / _TRUTH / patient.name, images: out / patient.name}
        for target in targets.values():
            shutil.rmtree(target, ignore_errors=True)
        for written, target in targets.items():
            os.replace(written, target)


def _write_perfusion(series: SimulatedDsc, name: str, images: Path, truth: Path) -> None:
    for folder in (images, truth):
        folder.mkdir()
    file = write_dsc(series, images, f"{name}_{SUFFIXES[Sequence.DSC]}")
    write_true_cbv(series, truth / f"{name}_{_TRUE_CBV}.nii.gz")
    described = {"SpatialReference": f"bids::{name}/perf/{file.name}", "Units": "mL/100 mL"}
    _write_json(truth / f"{name}_{_TRUE_CBV}.json", described)


def _kind(sequence: Sequence) -> str:
    """Folder of a sequence within a patient's, as BIDS sorts them."""
    return {Sequence.DSC: "perf", Sequence.ADC: "dwi", Sequence.MRS: "mrs"}.get(sequence, "anat")


def _truth_of_complete(out: Path, name: str) -> dict[str, Any] | None:
    """Read the truth of a patient; None unless all files of the patient are there."""
    try:
        truth = json.loads((out / _TRUTH / name / f"{name}_truth.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    sequences = [Sequence(s) for s in truth["sequences"].split()]
    images = [out / name / _kind(s) / f"{name}_{SUFFIXES[s]}.nii.gz" for s in sequences]
    truths = [out / _TRUTH / name / "anat" / f"{name}_{s}.nii.gz" for s in ("dseg", "desc-brain_mask")]
    if Sequence.DSC in sequences:
        truths.append(out / _TRUTH / name / "perf" / f"{name}_{_TRUE_CBV}.nii.gz")
    return truth if all(path.is_file() for path in [*images, *truths]) else None


def _write_participants(out: Path) -> tuple[str, ...]:
    """Write the table of all complete patients and what its columns mean; returns their names."""
    names = sorted((path.name for path in out.glob("sub-*")), key=lambda name: (len(name), name))
    truths = [truth for name in names if (truth := _truth_of_complete(out, name)) is not None]
    lines = [
        "\t".join("n/a" if row.get(column) is None else str(row[column]) for column in COLUMNS)
        for row in truths
    ]
    _write_json(out / "participants.json", COLUMNS)
    write_text(out / "participants.tsv", "\n".join(["\t".join(COLUMNS), *lines]) + "\n")
    return tuple(str(truth["participant_id"]) for truth in truths)


def _write_json(path: Path, content: object) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")
