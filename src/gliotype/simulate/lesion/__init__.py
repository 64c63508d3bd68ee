"""Lesions: gliomas, where they grow, and what may be mistaken for them."""
