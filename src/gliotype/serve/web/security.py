"""What every request must pass: the right host, this start's token, and no other origin. Nobody else may use the page.

A page in the same browser can send requests to any local port. It cannot read the token, forge the Host (DNS
rebinding) or the Origin header, or have the cookie sent along from another site.
"""

from __future__ import annotations

import hmac
import json
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD"})
NAMES = ("127.0.0.1", "localhost")
"""Names of this machine by which the page may be opened."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' data: "
    "blob:; worker-src 'self' blob:; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Content security policy of the page. NiiVue draws its font from `data:` and unpacks in workers made of `blob:`."""

REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'"
)
"""Of a report, which has its style and pictures inside and no scripts."""

HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Of every response that does not set them itself."""


class Guard:
    """Lets a request through to the application only if it comes from the page that this start has opened."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Guard an application.

        Args:
            app: what is guarded.
            token: of this start; whoever opens ``/?token=`` with it gets it as a cookie.
            port: on which the server listens.
        """
        self._app, self._token = app, token
        self._cookie = f"gliotype-{port}"
        self._hosts = {f"{name}:{port}" for name in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request; see ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope["method"], headers):
            await self._answer(send, *refusal)
        elif scope["path"] == "/" and (
            given := parse_qs(scope["query_string"].decode("latin-1")).get("token")
        ):
            await self._enter(send, given[0])
        elif not self._knows(headers.get("cookie", "")):
            sentence = "open the address that `gliotype serve` has printed: it holds the token of this start"
            await self._answer(send, 403, sentence)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "this server answers to 127.0.0.1 and localhost only"
        origins = headers.getlist("origin")
        own = [f"http://{hosts[0].lower()}"]
        if (origins and origins != own) or (method not in SAFE_METHODS and origins != own):
            return 403, "the request does not come from the page of this server"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "the request does not come from the page of this server"
        return None

    def _knows(self, cookies: str) -> bool:
        try:
            morsel = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return False
        return morsel is not None and self._is_token(morsel.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    async def _enter(self, send: Send, given: str) -> None:
        if not self._is_token(given):
            await self._answer(
                send, 403, "the token is not that of this start: open the address printed last"
            )
            return
        cookie = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
        await self._answer(send, 303, "", {"location": "/", "set-cookie": cookie})

    @staticmethod
    async def _answer(send: Send, status: int, sentence: str, more: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": sentence}).encode()
        headers = {**HEADERS, "content-type": "application/json", "connection": "close", **(more or {})}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
