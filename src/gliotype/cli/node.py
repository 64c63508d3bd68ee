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
            "--output", "-o", metavar="NODE", help="Folder for the queue, studies and results. Required."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="Destination of the results: AET@HOST:PORT, or the address of a DICOMweb service. Required.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AET",
            help="Sender to accept, as AET or AET@ADDRESS; may be repeated. By default the AE title in --to.",
        ),
    ] = None,
    aet: Annotated[str, typer.Option(help="AE title of the node.")] = defaults.AET,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = defaults.HOST,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")
    ] = defaults.PORT,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="RULES.toml",
            help="TOML file that says which studies to process, and how; all studies by default.",
        ),
    ] = None,
    quiet: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=86400,
            metavar="SECONDS",
            help="Time without new images after which a study counts as complete.",
        ),
    ] = defaults.QUIET_S,
    keep_inputs: Annotated[
        float,
        typer.Option(
            min=0, metavar="DAYS", help="Days to keep the images of a study after its results are sent."
        ),
    ] = defaults.KEEP_INPUTS_DAYS,
    keep: Annotated[
        float,
        typer.Option(
            min=0.01,
            metavar="DAYS",
            help="Days to keep results, failed studies and queue entries.",
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
    """Print the state of a node and of its studies, without patients' names."""
    from gliotype.cli.show import extra

    with extra("node"):
        from gliotype.serve.node.status import node_status, status_lines

    found = node_status(output)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
        return
    for line in status_lines(found):
        typer.echo(line)
