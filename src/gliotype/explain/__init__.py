"""Which voxels and which numbers moved the answer."""
