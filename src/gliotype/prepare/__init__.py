"""Prepare a study: `Study` to `PreparedStudy`."""
