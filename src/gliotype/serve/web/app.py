"""The addresses of the page: cases, uploads, answers, pictures and downloads."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from gliotype._version import __version__
from gliotype.errors import GliotypeError, InputError, UsageError
from gliotype.report.json import read_prediction
from gliotype.report.waterfall import draw_waterfall, waterfall
from gliotype.report.words import CALL_WORDS, METHOD_WORDS
from gliotype.serve.web.cases import Case, CaseFolder, Settings
from gliotype.serve.web.runs import STAGES, Runs
from gliotype.serve.web.security import REPORT_POLICY, Guard
from gliotype.serve.web.uploads import Meter, TooLargeError, upload_path, write_stream
from gliotype.serve.web.volumes import save_drawing, viewer_volume, volume_names

STATIC = Path(__file__).parent / "static"
MAX_JSON_BYTES = 200_000
MAX_MASK_BYTES = 500_000_000
WATERFALL_WIDTH = 430.0
MAX_OPEN_CASES = 50
"""Cases to which files are being uploaded."""


class Page:
    """The handlers of one server."""

    def __init__(self, cases: CaseFolder, runs: Runs) -> None:
        """Serve cases.

        Args:
            cases: their folders.
            runs: their queue.
        """
        self._cases, self._runs = cases, runs
        self._open: dict[str, Meter] = {}

    def routes(self) -> list[Route | Mount]:
        """List the addresses."""
        case = "/api/cases/{id}"
        return [
            Route("/", lambda request: FileResponse(STATIC / "index.html")),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/cases", self.list_cases, methods=["GET"]),
            Route("/api/cases", self.add_case, methods=["POST"]),
            Route(case, self.show_case, methods=["GET"]),
            Route(case, self.remove_case, methods=["DELETE"]),
            Route(f"{case}/file", self.put_file, methods=["PUT"]),
            Route(f"{case}/predict", self.predict, methods=["POST"]),
            Route(f"{case}/revise", self.revise, methods=["POST"]),
            Route(f"{case}/mask", self.put_mask, methods=["PUT"]),
            Route(f"{case}/drawing", self.put_drawing, methods=["PUT"]),
            Route(f"{case}/cancel", self.cancel, methods=["POST"]),
            Route(f"{case}/waterfall", self.show_waterfall, methods=["GET"]),
            Route(f"{case}/volumes/{{name}}.nii", self.show_volume, methods=["GET"]),
            Route(f"{case}/report", self.show_report, methods=["GET"]),
            Route(f"{case}/results.zip", self.download_all, methods=["GET"]),
            Route(f"{case}/files/{{name:path}}", self.download, methods=["GET"]),
        ]

    def list_cases(self, request: Request) -> Response:
        """List all cases, the newest first."""
        return JSONResponse({"version": __version__, "cases": [self._line(case) for case in self._cases]})

    async def add_case(self, request: Request) -> Response:
        """Make a case, to which files are then uploaded."""
        document = await _json(request)
        if len(self._open) >= MAX_OPEN_CASES:
            raise UsageError(
                "too many uploads are open: load the page again, and delete cases that are not needed"
            )
        case = self._cases.add(str(document.get("name") or ""), Settings.of(document))
        self._open[case.id] = Meter()
        return JSONResponse({"id": case.id}, 201)

    def show_case(self, request: Request) -> Response:
        """Say everything about one case."""
        case = self._case(request)
        return JSONResponse(
            {
                **self._line(case),
                "settings": asdict(case.settings),
                "prediction": case.prediction(),
                "volumes": volume_names(case),
                "corrected": case.mask.exists(),
                "downloads": list(case.downloads()),
                "uploaded": case.study.is_dir() and any(case.study.iterdir()),
                "calls": CALL_WORDS,
                "methods": METHOD_WORDS,
            }
        )

    def remove_case(self, request: Request) -> Response:
        """Delete a case."""
        case = self._case(request)
        self._runs.forget(case)
        self._open.pop(case.id, None)
        self._cases.remove(case.id)
        return JSONResponse({})

    async def put_file(self, request: Request) -> Response:
        """Take one file of a study that is being uploaded; its path inside the study is in ``path``."""
        case = await run_in_threadpool(self._case, request)
        meter = self._open.get(case.id)
        if meter is None:
            raise UsageError("no files can be added to this case any more: make a new one")
        file = case.study / upload_path(request.query_params.get("path", ""))
        size = await write_stream(request.stream(), file, meter, _announced(request))
        return JSONResponse({"bytes": size}, 201)

    async def predict(self, request: Request) -> Response:
        """Predict from the uploaded files, with the images taken as the user states."""
        document, case = await _json(request), self._case(request)
        before = case.settings
        stated = Settings.of({**asdict(before), **document, "sequences": document.get("sequences")})
        settings = replace(stated, sequences=before.with_sequences(stated.sequences))
        await run_in_threadpool(self._runs.predict, case, settings)
        self._open.pop(case.id, None)
        return JSONResponse(self._line(case), 202)

    async def revise(self, request: Request) -> Response:
        """Answer again with what the user states; ``mask`` says whether with the corrected outline."""
        document, case = await _json(request), self._case(request)
        settings = Settings.of({**document, "sequences": case.settings.sequences})
        mask = bool(document.get("mask"))
        if mask and not (case.mask.exists() or case.new_mask.exists()):
            raise UsageError("there is no corrected outline: draw or upload one")
        if not mask:
            case.new_mask.unlink(missing_ok=True)
        await run_in_threadpool(self._runs.revise, case, settings, mask=mask)
        return JSONResponse(self._line(case), 202)

    async def put_mask(self, request: Request) -> Response:
        """Take a corrected outline, with which the next answer can be made."""
        case = self._case(request)
        if self._runs.is_busy(case):
            raise UsageError("the case is being computed: wait, or cancel that first")
        if (_announced(request) or 0) > MAX_MASK_BYTES:
            raise TooLargeError(
                f"an outline may have {MAX_MASK_BYTES / 1e6:g} MB at most: give one NIfTI file"
            )
        await write_stream(request.stream(), case.new_mask, Meter(), _announced(request))
        return JSONResponse({}, 201)

    async def put_drawing(self, request: Request) -> Response:
        """Take an outline that was drawn in the viewer: one byte for each voxel of the prepared grid, x fastest."""
        case = self._case(request)
        if self._runs.is_busy(case):
            raise UsageError("the case is being computed: wait, or cancel that first")
        await run_in_threadpool(save_drawing, case, await _body(request, MAX_MASK_BYTES))
        return JSONResponse({}, 201)

    def cancel(self, request: Request) -> Response:
        """Cancel the job of a case."""
        case = self._case(request)
        self._runs.cancel(case)
        return JSONResponse(self._line(case))

    def show_waterfall(self, request: Request) -> Response:
        """Draw how the answer adds up."""
        document = self._case(request).prediction()
        sums = None if document is None else waterfall(read_prediction(document))
        if sums is None:
            raise KeyError("waterfall")
        svg = (
            draw_waterfall(sums, WATERFALL_WIDTH)
            .svg()
            .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        )
        return Response(svg, media_type="image/svg+xml")

    def show_volume(self, request: Request) -> Response:
        """Send an image, a map or the outline to the viewer."""
        volume = viewer_volume(self._case(request), request.path_params["name"])
        return Response(volume, media_type="application/octet-stream")

    def show_report(self, request: Request) -> Response:
        """Show the report."""
        file = self._case(request).downloads()["report.html"]
        return FileResponse(file, headers={"content-security-policy": REPORT_POLICY})

    def download(self, request: Request) -> Response:
        """Send one file of the results."""
        case, name = self._case(request), request.path_params["name"]
        return FileResponse(case.downloads()[name], filename=f"{case.id}-{Path(name).name}")

    def download_all(self, request: Request) -> Response:
        """Send all results as a zip."""
        case = self._case(request)
        only = "dicom/" if "dicom" in request.query_params else ""
        files = {name: file for name, file in case.downloads().items() if name.startswith(only)}
        if not files:
            raise KeyError("results")
        packed = self._cases.private / f"{quote(case.id, safe='')}.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, file in files.items():
                archive.write(file, f"{case.id}/{name}")
        name = f"{case.id}{'-dicom' if only else ''}.zip"
        return FileResponse(packed, filename=name, background=BackgroundTask(packed.unlink, missing_ok=True))

    def _case(self, request: Request) -> Case:
        return self._cases.case(request.path_params["id"])

    def _line(self, case: Case) -> dict[str, Any]:
        """What the list of cases shows of one."""
        prediction, progress = case.prediction(), self._runs.progress(case)
        known = ("call", "probability", "interval")
        return {
            "id": case.id,
            "open": case.id in self._open,
            "stages": STAGES,
            "progress": asdict(progress),
            **({} if prediction is None else {name: prediction.get(name) for name in known}),
        }


def make_app(cases: CaseFolder, runs: Runs, token: str, port: int) -> ASGIApp:
    """Make the application of one server.

    Args:
        cases: their folders.
        runs: their queue; it is started and stopped with the application.
        token: of this start.
        port: on which the server listens.
    """

    @contextlib.asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        runs.start()
        yield
        await run_in_threadpool(runs.stop)

    handlers: Mapping[Any, Any] = {
        KeyError: lambda request, error: _error(404, "there is nothing at this address: load the page again"),
        TooLargeError: lambda request, error: _error(413, str(error), close=True),
        GliotypeError: lambda request, error: _error(400, str(error), close=True),
        404: lambda request, error: _error(404, "there is nothing at this address: load the page again"),
        405: lambda request, error: _error(405, "this cannot be done here"),
        500: lambda request, error: _error(500, "this is a bug in Gliotype: see the terminal, and report it"),
    }
    app = Starlette(routes=Page(cases, runs).routes(), exception_handlers=handlers, lifespan=running)
    return Guard(app, token, port)


def _error(status: int, sentence: str, *, close: bool = False) -> Response:
    headers = {"connection": "close"} if close else {}
    return JSONResponse({"error": sentence}, status, headers)


def _announced(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLargeError("the request is too large: load the page again")
    return bytes(body)


async def _json(request: Request) -> dict[str, Any]:
    """Read the values that the page sends.

    Raises:
        InputError: if it sends something else.
    """
    try:
        document = json.loads(await _body(request, MAX_JSON_BYTES) or b"{}")
    except ValueError:
        raise InputError("the request cannot be read: load the page again") from None
    if not isinstance(document, dict):
        raise InputError("the request cannot be read: load the page again")
    return document
