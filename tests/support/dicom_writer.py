"""Write a `Volume` as a DICOM series, as scanners and PACS do: for tests that begin with DICOM files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

from gliotype.volume import LPS_FROM_RAS, Volume

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"

PROTOCOLS: dict[str, dict[str, Any]] = {
    "T1": {
        "SeriesDescription": "AX T1", "EchoTime": 12.0, "RepetitionTime": 550.0, "ScanningSequence": "SE",
    },
    "T1C": {
        "SeriesDescription": "AX T1 POST", "EchoTime": 12.0, "RepetitionTime": 550.0, "ScanningSequence": "SE",
        "ContrastBolusAgent": "8 ml Gadovist",
    },
    "T2": {
        "SeriesDescription": "AX T2", "EchoTime": 95.0, "RepetitionTime": 4500.0, "ScanningSequence": "SE",
    },
    "FLAIR": {
        "SeriesDescription": "AX FLAIR", "EchoTime": 110.0, "RepetitionTime": 9000.0, "InversionTime": 2500.0,
        "ScanningSequence": ["SE", "IR"],
    },
    "ADC": {
        "SeriesDescription": "ADC", "EchoTime": 90.0, "RepetitionTime": 6000.0, "ScanningSequence": "EP",
        "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"],
    },
}  # fmt: skip


def write_dicom_series(
    volume: Volume,
    folder: Path,
    *,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    enhanced: bool = False,
    frame_times_s: Sequence[float] = (),
    slope: float = 1.0,
    intercept: float = 0.0,
    leave_out: Sequence[int] = (),
    seed: int = 0,
    **headers: Any,
) -> list[Path]:
    """Write a series of classic MR instances, or one enhanced multi-frame instance.

    Files have random names without an ending; the instances of one series carry the same series UID.

    Args:
        volume: 3D, or 4D with `frame_times_s`; whole numbers after (value - intercept) / slope. Its affine
            may be oblique or skewed (gantry tilt).
        folder: created if it is missing.
        transfer_syntax: how pixels are stored.
        enhanced: write one multi-frame file.
        frame_times_s: acquisition time of each frame after 10:00.
        slope: RescaleSlope.
        intercept: RescaleIntercept.
        leave_out: indices of slices that are not written.
        seed: of the file names.
        **headers: DICOM keywords and values for every file, over the defaults.

    Returns:
        The files, in the order of their slices, frames of one slice together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = random.Random(f"{seed} {folder} {headers.get('SeriesDescription')}")
    common = {
        "PatientID": "12345", "PatientName": "Secret^Person", "PatientBirthDate": "19500101", "PatientSex": "F",
        "PatientAge": "063Y", "StudyInstanceUID": "1.2.826.0.1.1", "StudyDescription": "MR brain 20190304",
        "SeriesInstanceUID": generate_uid(), "SeriesNumber": 1, "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"], "FlipAngle": 90.0, "MagneticFieldStrength": 1.5,
        "FrameOfReferenceUID": "1.2.826.0.1.99", "Manufacturer": "TEST",
    } | headers  # fmt: skip
    stored = np.round((np.asarray(volume.array, dtype=np.float64) - intercept) / slope).astype(np.int16)
    if stored.ndim == 3:
        stored = stored[..., np.newaxis]
    lps = LPS_FROM_RAS @ volume.affine
    planes = [(k, t) for k in range(stored.shape[2]) if k not in leave_out for t in range(stored.shape[3])]
    names_of = [folder / f"{names.getrandbits(48):012x}" for _ in planes]
    if enhanced:
        write_enhanced(
            stored, planes, lps, names_of[0], common, (slope, intercept), frame_times_s, transfer_syntax
        )
        return names_of[:1]
    dataset = _empty(MR, transfer_syntax, common)
    dataset.ImageOrientationPatient = _orientation(lps)
    dataset.PixelSpacing = _spacing(lps)
    dataset.SliceThickness = float(np.linalg.norm(lps[:3, 2]))
    if (slope, intercept) != (1.0, 0.0):
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    for number, ((k, t), path) in enumerate(zip(planes, names_of, strict=True)):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = _decimals(lps[:3, 3] + k * lps[:3, 2])
        if frame_times_s:
            dataset.AcquisitionTime = _clock(frame_times_s[t])
        save(dataset, stored[:, :, k, t].T, path, transfer_syntax)
    return names_of


def write_enhanced(
    stored: np.ndarray,
    planes: list[tuple[int, int]],
    lps: np.ndarray,
    path: Path,
    common: dict[str, Any],
    rescale: tuple[float, float],
    frame_times_s: Sequence[float],
    transfer_syntax: UID,
) -> None:
    """Write one enhanced MR instance whose frames are in a shuffled order."""
    common = dict(common)
    timing = {key: common.pop(key) for key in ("RepetitionTime", "FlipAngle") if key in common}
    te, ti, agent = (common.pop(key, None) for key in ("EchoTime", "InversionTime", "ContrastBolusAgent"))
    scanning = common.pop("ScanningSequence", "SE")
    dataset = _empty(ENHANCED_MR, transfer_syntax, common)
    dataset.EchoPulseSequence = "GRADIENT" if "GR" in scanning else "SPIN"
    dataset.InversionRecovery = "YES" if ti else "NO"
    if agent:
        dataset.ContrastBolusAgentSequence = [Dataset()]
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=_spacing(lps))]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=_orientation(lps))]
    shared.MRTimingAndRelatedParametersSequence = [_item(**timing)]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope=rescale[0], RescaleIntercept=rescale[1])]
    if te:
        shared.MREchoSequence = [_item(EffectiveEchoTime=te)]
    if ti:
        shared.MRModifierSequence = [_item(InversionTimes=[ti], InversionRecovery="YES")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    planes = random.Random(0).sample(planes, len(planes))
    frames = []
    for k, t in planes:
        frame = Dataset()
        frame.PlanePositionSequence = [_item(ImagePositionPatient=_decimals(lps[:3, 3] + k * lps[:3, 2]))]
        content: dict[str, object] = {"TemporalPositionIndex": t + 1}
        if frame_times_s:
            content["FrameAcquisitionDateTime"] = f"20190304{_clock(frame_times_s[t])}"
        frame.FrameContentSequence = [_item(**content)]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.NumberOfFrames = len(frames)
    save(dataset, np.stack([stored[:, :, k, t].T for k, t in planes]), path, transfer_syntax)


def write_secondary_capture(path: Path, **headers: Any) -> None:
    """Write a colour screen capture: no position, three samples per pixel."""
    dataset = _empty(
        SECONDARY_CAPTURE, ExplicitVRLittleEndian, {"SeriesInstanceUID": generate_uid(), **headers}
    )
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.Rows = dataset.Columns = 16
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(16 * 16 * 3)
    dataset.save_as(path, enforce_file_format=True)


def save(dataset: FileDataset, pixels: np.ndarray, path: Path, transfer_syntax: UID) -> None:
    """Store pixels (rows, columns) or (frames, rows, columns) and write the file."""
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.add_new("PixelData", "OW", np.ascontiguousarray(pixels).tobytes())
    if transfer_syntax == JPEGLosslessSV1:
        planes = pixels if pixels.ndim == 3 else pixels[np.newaxis]
        dataset.add_new("PixelData", "OB", encapsulate([_jpeg_lossless(plane, path) for plane in planes]))
        dataset["PixelData"].is_undefined_length = True
    elif transfer_syntax.is_encapsulated:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _jpeg_lossless(plane: np.ndarray, target: Path) -> bytes:
    """Encode one plane with the GDCM in SimpleITK."""
    path = target.with_suffix(".jpeg.dcm")
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(np.ascontiguousarray(plane)[np.newaxis]))
    encoded = next(pydicom.encaps.generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1))
    path.unlink()
    return encoded


def _empty(sop_class: str, transfer_syntax: UID, headers: dict[str, Any]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = transfer_syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    for keyword, value in headers.items():
        setattr(dataset, keyword, value)
    return dataset


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _decimals(values: np.ndarray) -> list[str]:
    return [f"{value:.10g}"[:16] for value in values]


def _orientation(lps: np.ndarray) -> list[str]:
    unit = lps[:3, :2] / np.linalg.norm(lps[:3, :2], axis=0)
    return _decimals(unit.T.ravel())


def _spacing(lps: np.ndarray) -> list[str]:
    """Between rows (down the second axis), then between columns."""
    return _decimals(np.linalg.norm(lps[:3, :2], axis=0)[::-1])


def _clock(seconds: float) -> str:
    return f"10{int(seconds // 60):02d}{seconds % 60:09.6f}"
