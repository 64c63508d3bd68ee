"""``gliotype node``: receive studies from a PACS, answer them, and send the results back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gliotype.cli.options import Threads
from gliotype.serve.node import defaults

node = typer.Typer(
    name="node",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@node.callback()
def serve(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="NODE", help="Folder of the queue, studies and results. Required."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="Where results go: AET@HOST:PORT, or the address of a DICOMweb service. Required.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AET",
            help="Who may send: AET, or AET@ADDRESS; may be repeated. The AE title of --to by default.",
        ),
    ] = None,
    aet: Annotated[str, typer.Option(help="AE title of the node.")] = defaults.AET,
    host: Annotated[str, typer.Option(help="Address on which it listens.")] = defaults.HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on which it listens; 0 for any that is free.")
    ] = defaults.PORT,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="RULES.toml", help="Which studies are processed, and how; all by default."),
    ] = None,
    quiet: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=86400,
            metavar="SECONDS",
            help="A study is complete when nothing of it has come for so long.",
        ),
    ] = defaults.QUIET_S,
    keep_inputs: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="How long the images of an answered study are kept."),
    ] = defaults.KEEP_INPUTS_DAYS,
    keep: Annotated[
        float,
        typer.Option(
            min=0.01,
            metavar="DAYS",
            help="How long results, studies set aside, and entries of the queue are kept.",
        ),
    ] = defaults.KEEP_DAYS,
    threads: Threads = None,
) -> None:
    """Receive studies from a PACS, predict, and send the results back, until stopped."""
    if context.invoked_subcommand is not None:
        return
    from gliotype.cli.show import extra
    from gliotype.errors import UsageError

    if output is None or target is None:
        raise UsageError(
            "say where the node keeps its files and where results go: gliotype node -o NODE --to AET@HOST:PORT"
        )
    with extra("node"):
        from gliotype.serve.node.rules import Rules, read_rules
        from gliotype.serve.node.service import serve_until_stopped
        from gliotype.serve.node.settings import (
            NodeSettings,
            parse_aet,
            parse_sender,
            parse_target,
            senders_of,
        )

    to = parse_target(target)
    settings = NodeSettings(
        folder=output,
        target=to,
        senders=tuple(parse_sender(text) for text in allow) if allow else senders_of(to),
        aet=parse_aet(aet),
        host=host,
        port=port,
        quiet_s=quiet,
        rules=Rules() if rules is None else read_rules(rules),
        keep_inputs_days=keep_inputs,
        keep_days=keep,
        threads=threads,
    )
    serve_until_stopped(settings)


@node.command()
def status(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="NODE", help="Folder of the node.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a node is doing, without names."""
    from gliotype.cli.show import extra

    with extra("node"):
        from gliotype.serve.node.status import node_status, status_lines

    found = node_status(output)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    for line in status_lines(found):
        typer.echo(line)
