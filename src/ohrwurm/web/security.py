"""What keeps other web sites out of a server that runs on a person's own machine.

A page on the internet can make the browser send requests to 127.0.0.1. Three doors are shut: a foreign *name* that was
rebound to this address (the Host header), a foreign *page* that sends requests here (Origin and Sec-Fetch-Site; no CORS
header is ever sent, so it could not read answers either), and anything injected into our own page (a strict CSP).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Cache-Control": "no-cache",  # ask again whether it changed: a new version of the page is used at once
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_name(header: str) -> str:
    """The host of a Host header, without port and brackets, in lower case; empty where there is none.

    >>> host_name("127.0.0.1:8765"), host_name("[::1]:8765"), host_name("Evil.example")
    ('127.0.0.1', '::1', 'evil.example')
    """
    try:
        return urlsplit(f"//{header.strip()}").hostname or ""
    except ValueError:
        return ""


def is_address(host: str) -> bool:
    """True for an IP address literal. DNS rebinding needs a name, so a literal is always the address it says.

    >>> is_address("192.168.1.7"), is_address("::1"), is_address("127.0.0.1.evil.example")
    (True, True, False)
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class LocalOnly:
    """ASGI middleware: refuses foreign hosts and foreign pages, adds the security headers to every answer.

    Args:
        app: the application to guard.
        names: host names to answer to, besides `localhost` and every IP address literal.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self.refusal(Headers(scope=scope))
        if refusal is None:
            await self.app(scope, receive, send_guarded)
        else:
            status, message = refusal
            await JSONResponse({"error": message}, status)(scope, receive, send_guarded)

    def refusal(self, headers: Headers) -> tuple[int, str] | None:
        """(status, message) if a request with these headers is turned away, else None."""
        host = host_name(headers.get("host", ""))
        if host not in self.names and not is_address(host):
            return 421, (
                f"This server does not answer to the name {host!r}. Open it by its address, "
                "or start it with `ohrwurm serve --host NAME`."
            )
        origin = headers.get("origin")
        foreign_origin = origin is not None and urlsplit(origin).netloc != headers.get("host", "")
        # "none" is a person typing the address; "same-site" is another port of this machine, which is not this page.
        foreign_site = headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}
        if foreign_origin or (foreign_site and headers.get("sec-fetch-mode") != "navigate"):
            return 403, "Requests from other web pages are refused. Open this server's own page instead."
        return None
