"""DICOM files to series: headers, frames, stacks, mosaics, pixels."""
