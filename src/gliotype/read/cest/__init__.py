"""Z-spectra among the images of a study: their offsets, and the images that belong together."""
