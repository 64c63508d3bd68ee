"""Single-voxel spectra: their formats, which sequence each is, and which of them are used."""
