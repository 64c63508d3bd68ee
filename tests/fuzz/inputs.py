"""The sets of inputs: small valid files from phantoms, how they are changed, and what reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from conftest import oblique_affine
from fuzz.mutate import mutated
from gliotype import runtime
from gliotype.evaluate.table import join, read_labels, read_predictions
from gliotype.experiment.protocol import read_protocol
from gliotype.read import read_mask, read_study
from gliotype.study import Subject
from gliotype.volume import Volume
from support.dicom_writer import PROTOCOLS, write_dicom_series

Files = Mapping[str, bytes]
"""By path inside the study, the content of each file."""

AFFINE = oblique_affine((-9.0, 8.0, 11.0), (8.0, -5.0, 12.0))


@dataclass(frozen=True)
class InputSet:
    """One kind of input.

    Attributes:
        make: draws an input: valid files of which some are changed.
        read: reads it from a folder.
    """

    make: Callable[[random.Random], Files]
    read: Callable[[Path], object]


def volume(frames: int = 0) -> Volume:
    """Every voxel different; oblique and anisotropic."""
    shape = (12, 14, 4) + ((frames,) if frames else ())
    return Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), AFFINE)


@cache
def nifti_files() -> Files:
    """A study in NIfTI with sidecars: plain, compressed, of version 2, scaled, and a time series."""
    image, series = volume(), volume(24)
    scaled = nib.Nifti1Image(np.asarray(image.array), image.affine)
    scaled.header.set_slope_inter(0.5, 3.0)
    dsc = nib.Nifti1Image(np.asarray(series.array), series.affine)
    dsc.header.set_zooms((9, 8, 11, 1.5))
    dsc.header.set_xyzt_units("mm", "sec")
    two = nib.Nifti2Image(np.asarray(image.array, np.float32), image.affine)
    plain = nib.Nifti1Image(np.asarray(image.array), image.affine)
    return {
        "sub-1_T2w.nii": scaled.to_bytes(),
        "sub-1_FLAIR.nii.gz": gzip.compress(plain.to_bytes(), 1),
        "sub-1_T1w.nii": two.to_bytes(),
        "sub-1_dsc_perf.nii.gz": gzip.compress(dsc.to_bytes(), 1),
        "sub-1_T2w.json": json.dumps({"EchoTime": 0.1, "RepetitionTime": 5, "PatientAge": "063Y"}).encode(),
        "sub-1_FLAIR.json": json.dumps(
            {"EchoTime": 0.1, "InversionTime": 2.5, "SeriesNumber": 4, "ImageType": ["ORIGINAL", "PRIMARY"]}
        ).encode(),
        "sub-1_dsc_perf.json": json.dumps(
            {"EchoTime": 0.03, "RepetitionTime": 1.5, "VolumeTiming": [1.5 * t for t in range(24)]}
        ).encode(),
    }


@cache
def dicom_files(kind: str) -> Files:
    """One DICOM series: files (``plain``, ``rle``, ``jpegls``, ``deflated``) or one (``enhanced ...``, ``dsc``)."""
    syntax = {
        "rle": RLELossless,
        "jpegls": JPEGLSLossless,
        "enhanced jpegls": JPEGLSLossless,
        "deflated": DeflatedExplicitVRLittleEndian,
    }
    times = [1.5 * t for t in range(20)] if kind == "dsc" else []
    protocol = PROTOCOLS["FLAIR"] | (
        {"SeriesDescription": "ep2d_perf", "RepetitionTime": 1500} if times else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        files = write_dicom_series(
            volume(len(times)), Path(folder), frame_times_s=times, slope=2.0,
            enhanced=kind in ("enhanced", "enhanced jpegls", "dsc"),
            transfer_syntax=syntax.get(kind, ExplicitVRLittleEndian), PhotometricInterpretation="MONOCHROME2",
            **protocol,
        )  # fmt: skip
        return {f"{number}.dcm": file.read_bytes() for number, file in enumerate(files)}


def _changed(files: Files, chance: random.Random, ending: str, *, text: bool = False, head: int = 0) -> Files:
    """Change one or two files with an ending; of a compressed one mostly what is inside."""
    changed = dict(files)
    names = sorted(name for name in files if name.endswith(ending))
    for name in chance.sample(names, min(len(names), chance.choice((1, 1, 2)))):
        content = changed[name]
        inside = name.endswith(".gz") and chance.random() < 0.8
        content = mutated(gzip.decompress(content) if inside else content, chance, text=text, head=head)
        changed[name] = gzip.compress(content, 1) if inside else content
    return changed


def _nifti(chance: random.Random) -> Files:
    ending = chance.choice(("T2w.nii", "FLAIR.nii.gz", "T1w.nii", "perf.nii.gz"))
    files = {name: content for name, content in nifti_files().items() if name.endswith((ending, ".json"))}
    return _changed(files, chance, ending, head=352)


def _dicom(chance: random.Random) -> Files:
    kind = chance.choice(("plain", "plain", "rle", "jpegls", "deflated"))
    return _changed(dicom_files(kind), chance, ".dcm", text=chance.random() < 0.3, head=1400)


def _enhanced(chance: random.Random) -> Files:
    kind = chance.choice(("enhanced", "enhanced", "enhanced jpegls", "dsc"))
    return _changed(dicom_files(kind), chance, ".dcm", text=chance.random() < 0.3, head=4000)


def _zip(chance: random.Random) -> Files:
    packed = io.BytesIO()
    method = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED))
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in ("sub-1_FLAIR.nii.gz", "sub-1_T2w.nii", "sub-1_T2w.json"):
            archive.writestr(f"exam/{name}", nifti_files()[name])
    content = packed.getvalue()
    directory = content.rfind(b"PK\x01\x02", 0, content.rfind(b"PK\x01\x02"))
    if chance.random() < 0.5:
        return {"study.zip": content[:directory] + mutated(content[directory:], chance)}
    return {"study.zip": mutated(content, chance, head=200)}


def _json(chance: random.Random) -> Files:
    stem = chance.choice(("sub-1_T2w", "sub-1_FLAIR", "sub-1_dsc_perf"))
    files = {name: content for name, content in nifti_files().items() if name.startswith((stem, "sub-1_T2w"))}
    return _changed(files, chance, f"{stem}.json", text=True)


def _tables(chance: random.Random) -> Files:
    subjects = range(12)
    predictions = "subject,probability\n" + "".join(f"p{n},{n / 12:.2f}\n" for n in subjects)
    labels = "subject,idh,age,site\n" + "".join(f"p{n},{n % 2},{30 + n},A\n" for n in subjects)
    return _changed(
        {"predictions.csv": predictions.encode(), "labels.csv": labels.encode()}, chance, ".csv", text=True
    )


@cache
def _protocol_text() -> bytes:
    return (Path(__file__).resolve().parents[2] / "protocols" / "choi2021.toml").read_bytes()


def _protocol(chance: random.Random) -> Files:
    return _changed({"protocol.toml": _protocol_text()}, chance, ".toml", text=True)


def _weights(chance: random.Random) -> Files:
    weight = (runtime.weights_folder() / "age.json").read_bytes()
    files = {
        "age.json": weight,
        "manifest.json": json.dumps({"age.json": hashlib.sha256(weight).hexdigest()}).encode(),
    }
    changed = dict(_changed(files, chance, ".json", text=True))
    if chance.random() < 0.5:  # damaged, but listed as such
        changed["manifest.json"] = json.dumps(
            {"age.json": hashlib.sha256(changed["age.json"]).hexdigest()}
        ).encode()
    return changed


def _mask(chance: random.Random) -> Files:
    image = volume()
    kind = chance.choice((np.uint8, np.int16, np.float32, np.float64, np.uint32))
    array = (np.asarray(image.array) % 4).astype(kind)
    content = nib.Nifti1Image(array, image.affine).to_bytes()
    return _changed({"mask.nii": content} if chance.random() < 0.5 else {"mask.nii.gz": gzip.compress(content, 1)},
                    chance, "", head=352)  # fmt: skip


def _read_study(folder: Path) -> object:
    return read_study(folder, subject=Subject("fuzz"))


def _read_zip(folder: Path) -> object:
    return read_study(folder / "study.zip", subject=Subject("fuzz"))


def _read_tables(folder: Path) -> object:
    return join(read_predictions(folder / "predictions.csv"), read_labels(folder / "labels.csv"))


def _read_protocol(folder: Path) -> object:
    return read_protocol(folder / "protocol.toml")


def _read_weights(folder: Path) -> object:
    with mock.patch.object(runtime, "weights_folder", return_value=folder):
        return runtime.weight_hashes(), runtime.read_weights("age.json", lambda document: dict(document))


def _read_mask(folder: Path) -> object:
    return read_mask(next(folder.iterdir()))


SETS: dict[str, InputSet] = {
    "NIfTI": InputSet(_nifti, _read_study),
    "DICOM classic": InputSet(_dicom, _read_study),
    "DICOM enhanced": InputSet(_enhanced, _read_study),
    "zip": InputSet(_zip, _read_zip),
    "JSON sidecars": InputSet(_json, _read_study),
    "tables": InputSet(_tables, _read_tables),
    "protocols": InputSet(_protocol, _read_protocol),
    "weights": InputSet(_weights, _read_weights),
    "masks": InputSet(_mask, _read_mask),
}
