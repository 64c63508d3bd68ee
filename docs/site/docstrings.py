"""Griffe extension of the documentation site: reads the heading `Example:` of a docstring as `Examples:`."""

from __future__ import annotations

import re

import griffe


class SingularExamples(griffe.Extension):
    """Show a single example like several: as code, where Griffe knows the plural heading only."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rename the heading in the docstring of each object."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
