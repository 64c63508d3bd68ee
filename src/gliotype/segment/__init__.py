"""Segment the tumour (Model 1): `PreparedStudy` to `Tumour`."""

from gliotype.segment.tumour import find_brain, given_tumour, segment

__all__ = ["find_brain", "given_tumour", "segment"]
