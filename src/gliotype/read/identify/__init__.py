"""Find out which series is which sequence, and why: by header, keywords, timing and voxels."""
