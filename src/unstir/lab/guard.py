"""The guard: whose requests are answered at all, and what a browser may do with the page.

A page of another site can make a browser connect to this machine. It cannot choose the Host and Origin
headers that the browser sends with it, and so these tell: the host must be one by which the lab goes, and a
WebSocket must come from the lab's own page. Others can make any name point here (DNS rebinding), but no
address of numbers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_POLICY_VIOLATION = 1008


class Guard:
    """Around an application.

    Args:
        app: that it guards.
        names: hosts by which it goes.
        addresses: whether any address of numbers will do, too: where it serves more than this machine.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], addresses: bool = False) -> None:
        self._app = app
        self._names = {name.lower() for name in names}
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(host):
            await _refuse(
                scope, receive, send, "this host is not served here; open the address that was printed"
            )
            return
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and not same_origin(origin, host):
            await _refuse(scope, receive, send, "another site may not connect")
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent[name] = value
                sent.setdefault("cache-control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers)

    def _known(self, host: str) -> bool:
        name = host_of(host)
        return name in self._names or (self._addresses and _is_address(name))


def host_of(header: str) -> str:
    """A Host header's name without its port, lower case; empty where it is none."""
    try:
        return urlsplit(f"//{header}").hostname or "" if header and "@" not in header else ""
    except ValueError:
        return ""


def same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin was served under this Host header."""
    try:
        page, own = urlsplit(origin), urlsplit(f"{urlsplit(origin).scheme}://{host}")
        ports = [part.port or {"http": 80, "https": 443}.get(part.scheme) for part in (page, own)]
    except ValueError:
        return False
    named = page.hostname is not None and page.hostname == own.hostname
    return page.scheme in ("http", "https") and named and ports[0] == ports[1]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(scope: MutableMapping[str, Any], receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
