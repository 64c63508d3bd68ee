"""Measure the tumour: `PreparedStudy` and `Tumour` to `Measurements`."""
