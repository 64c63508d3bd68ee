"""``gliotype serve``: the page on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="CASES", help="Folder for the cases, with a subfolder for each."
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 for any free port.")
    ] = 8420,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the address without opening a browser.")
    ] = False,
) -> None:
    """Serve a local page to upload a study, review and correct its answer, and download it."""
    from gliotype.cli.show import extra

    with extra("web"):
        from gliotype.serve.web.server import serve as serve_page

    def on_ready(address: str) -> None:
        typer.echo(f"Open {address}", err=True)
        typer.echo("Only this machine can reach it. Press Ctrl-C to stop.", err=True)
        if not no_open:
            typer.launch(address)

    serve_page(output, port=port, on_ready=on_ready)
