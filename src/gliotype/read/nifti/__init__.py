"""NIfTI images, BIDS sidecars and masks."""
