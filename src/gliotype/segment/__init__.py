"""Segment the tumour (Model 1): `PreparedStudy` to `Tumour`."""
