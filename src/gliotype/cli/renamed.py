"""Option names of earlier versions, still accepted though no help lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typer.core import TyperCommand


def accept_old_names(new_from_old: Mapping[str, str]) -> type[TyperCommand]:
    """Make a command class that reads each old option name as the new one.

    Args:
        new_from_old: such as ``{"--rate": "--learning-rate"}``.
    """

    class Command(TyperCommand):
        """A command whose options had other names."""

        renamed: ClassVar[Mapping[str, str]] = new_from_old

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Replace old names, with or without ``=VALUE``, and parse."""
            return super().parse_args(ctx, [rename_option(argument, self.renamed) for argument in args])

    return Command


def rename_option(argument: str, new_from_old: Mapping[str, str]) -> str:
    """Replace the name of an option; leave any other argument as it is.

    Example:
        >>> names = {"--rate": "--learning-rate"}
        >>> [rename_option(argument, names) for argument in ("--rate", "--rate=0.1", "--rates", "rate")]
        ['--learning-rate', '--learning-rate=0.1', '--rates', 'rate']
    """
    name, equals, value = argument.partition("=")
    return f"{new_from_old.get(name, name)}{equals}{value}"
