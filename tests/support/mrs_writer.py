"""Writers of spectra in every format that is read, and a measurement to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

from gliotype.mrs import Complexes, MrsSequence, MrsSeries, Timing
from gliotype.simulate.mrs.acquire import Conditions, acquire
from gliotype.simulate.mrs.concentrations import draw_concentrations
from gliotype.volume import Grid

PRESS_97 = Timing(MrsSequence.PRESS, 97.0, 32.0)
MEGA_68 = Timing(MrsSequence.MEGA, 68.0)
ANGLES = (11.0, -7.0, 4.0)
"""By which the box is turned about x, y and z, degrees."""

QUIET = Conditions(
    snr=60.0, drift_hz=0.0, phase_noise=0.0, eddy=0.0, residual_water=0.0, coils=1, transients=2
)  # fmt: skip


def oblique_box(edges: tuple[float, float, float] = (22.0, 18.0, 25.0)) -> Grid:
    """A turned box whose edges all differ, off the middle of the scanner."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("XYZ", ANGLES, degrees=True).as_matrix() * np.array(edges)
    affine[:3, 3] = (31.0, -12.0, 24.0)
    return Grid((1, 1, 1), affine)


def measured(
    two_hg: float = 3.0,
    timing: Timing = PRESS_97,
    *,
    seed: int = 0,
    conditions: Conditions = QUIET,
    field_t: float = 3.0,
    voxel: Grid | None = None,
    water: bool = True,
) -> MrsSeries:
    """Simulate a measurement."""
    rng = np.random.default_rng(seed)
    held = draw_concentrations(rng, two_hg, 0.8, mutant=True)
    return acquire(rng, held, timing, field_t, conditions, voxel=voxel or oblique_box(), water=water)


def write_nifti_mrs(
    path: Path, fids: Complexes, dwell_s: float, facts: dict[str, Any], affine: np.ndarray
) -> Path:
    """Write NIfTI-MRS; `fids` is (points, ...) with positive frequencies for high shifts."""
    image = nib.Nifti2Image(fids.conj()[None, None, None].astype(np.complex64), affine)
    image.header["pixdim"][4] = dwell_s
    image.header["intent_name"] = b"mrs_v0_9"
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header.extensions.append(nib.nifti1.Nifti1Extension(44, json.dumps(facts).encode()))
    nib.save(image, path)
    return path


def write_rda(path: Path, fid: Complexes, series: MrsSeries, **changes: str) -> Path:
    """Write a Siemens rda file of one FID."""
    assert series.voxel is not None
    assert series.timing is not None
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ series.voxel.affine
    edges = np.linalg.norm(lps[:3, :3], axis=0)
    row, column = (lps[:3, n] / edges[n] for n in (0, 1))
    facts = {
        "PatientName": "DOE^JANE",
        "PatientID": "4711",
        "SequenceName": "svs_se",
        "ProtocolName": "svs_2hg_97",
        "SeriesDescription": "svs_2hg_97",
        "TR": "2500.000000",
        "TE": f"{series.timing.te_ms:.6f}",
        "DwellTime": f"{round(series.dwell_s * 1e6)}",
        "NumberOfAverages": "128",
        "MRFrequency": f"{series.frequency_mhz:.6f}",
        "Nucleus": "1H",
        "VectorSize": str(len(fid)),
        "CSIMatrixSize[0]": "1",
        "CSIMatrixSize[1]": "1",
        "CSIMatrixSize[2]": "1",
        **{f"RowVector[{n}]": f"{row[n]:.6f}" for n in range(3)},
        **{f"ColumnVector[{n}]": f"{column[n]:.6f}" for n in range(3)},
        **{f"VOIPosition{name}": f"{lps[n, 3]:.6f}" for n, name in enumerate(("Sag", "Cor", "Tra"))},
        "PixelSpacingRow": f"{edges[0]:.6f}",
        "PixelSpacingCol": f"{edges[1]:.6f}",
        "SliceThickness": f"{edges[2]:.6f}",
        **changes,
    }
    lines = "".join(f"{key}: {value}\r\n" for key, value in facts.items())
    text = f">>> Begin of header <<<\r\n{lines}>>> End of header <<<\r\n"
    path.write_bytes(text.encode("latin-1") + fid.conj().astype("<c16").tobytes())
    return path


def write_sdat(path: Path, fids: Complexes, series: MrsSeries, **changes: str) -> Path:
    """Write a Philips pair; `fids` is (points, rows)."""
    assert series.timing is not None
    points, rows = fids.shape
    edges = (22.0, 18.0, 25.0)
    facts = {
        "examination_name": "DOE, JANE",
        "scan_id": "PRESS_2HG",
        "samples": str(points),
        "rows": str(rows),
        "synthesizer_frequency": f"{series.frequency_mhz * 1e6:.0f}",
        "sample_frequency": f"{1 / series.dwell_s:.6f}",
        "echo_time": f"{series.timing.te_ms:g}",
        "repetition_time": "2500",
        "averages": "8",
        "nucleus": '"1H"',
        "lr_size": f"{edges[0]:g}",
        "ap_size": f"{edges[1]:g}",
        "cc_size": f"{edges[2]:g}",
        "lr_off_center": "-31",
        "ap_off_center": "12",
        "cc_off_center": "24",
        "lr_angulation": f"{-ANGLES[0]:g}",
        "ap_angulation": f"{-ANGLES[1]:g}",
        "cc_angulation": f"{ANGLES[2]:g}",
        **changes,
    }
    lines = "".join(f"{key} : {value}\n" for key, value in facts.items())
    path.with_suffix(".SPAR").write_text(f"! a comment: with a colon\n{lines}", encoding="latin-1")
    pairs = np.stack([fids.T.real, fids.T.imag], axis=-1).astype(np.float32).ravel()
    path.write_bytes(_vax(pairs))
    return path


def _vax(values: np.ndarray) -> bytes:
    """Convert IEEE to VAX F floats."""
    bits = (values * np.float32(4)).view(np.uint32)
    words = np.stack([(bits >> 16).astype("<u2"), (bits & 0xFFFF).astype("<u2")], axis=-1)
    return np.asarray(words).tobytes()


def write_raw(path: Path, fid: Complexes, header: str) -> Path:
    """Write an LCModel RAW file with a given header."""
    numbers = "\n".join(f" {value.real:13.6E} {value.imag:13.6E}" for value in fid)
    path.write_text(
        f"{header}\n $NMID\n ID='DOE JANE' FMTDAT='(2E14.6)'\n VOLUME=8. TRAMP=1.\n $END\n{numbers}\n"
    )
    return path


SEQPAR = " $SEQPAR\n echot= 97.0\n seq= 'PRESS'\n hzpppm= 127.731\n NumberOfPoints= 2048\n dwellTime= 0.0005\n $END"
