"""``gliotype info``: versions, methods and weights, for bug reports and for the record."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print versions, what each method needs, and the weights with their hashes."""
    found = _gathered()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for title, rows in found.items():
        typer.echo(f"{title}:" if isinstance(rows, dict) else f"{title}: {rows}")
        if isinstance(rows, dict):
            for name, value in rows.items():
                typer.echo(f"  {name:<22} {value}")


def _gathered() -> dict[str, str | dict[str, str]]:
    import platform
    import re
    from importlib import metadata

    from gliotype._version import __version__
    from gliotype.predictors import PREDICTORS
    from gliotype.runtime import weight_hashes

    needed = [
        re.split(r"[^\w.-]", requirement)[0]
        for requirement in metadata.requires("gliotype") or []
        if "extra ==" not in requirement
    ]
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: metadata.version(name) for name in sorted(needed, key=str.lower)},
        "methods": {each.name: str(each.needs) for each in PREDICTORS},
        "weights": weight_hashes(),
    }
