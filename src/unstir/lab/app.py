"""The application: static files, one WebSocket, and the pool behind it."""

from __future__ import annotations

import contextlib
import logging
import mimetypes
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from unstir.lab.context import Lab
from unstir.lab.guard import Guard
from unstir.lab.pool import Pool
from unstir.lab.visitor import Visitor

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOG = logging.getLogger("unstir.lab")
_FULL = 1013


def plotly_file() -> Path:
    """Plotly.js, as the `plotly` package ships it."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def create_app(
    lab: Lab, names: Iterable[str] = LOOPBACK, *, addresses: bool = False, threads: int = 2
) -> Guard:
    """The lab as an ASGI application.

    Args:
        lab: what all visitors share.
        names: hosts by which it goes.
        addresses: whether it goes by any address of numbers, too.
        threads: that work.
    """
    mimetypes.add_type("text/javascript", ".js")  # some systems say otherwise
    pool = Pool(lab, threads)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        try:
            yield
        finally:
            pool.stop()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.pool = pool
    app.state.visitors = 0

    @app.websocket("/ws")
    async def visit(socket: WebSocket) -> None:
        app.state.visitors += 1
        try:
            await socket.accept()
            if app.state.visitors > lab.limits.visitors:
                await socket.close(_FULL, "too many pages are open; try again later")
            else:
                await Visitor(socket, pool).serve()
        except (WebSocketDisconnect, RuntimeError, OSError):
            _LOG.debug("a page has gone", exc_info=True)  # in the middle of an answer
        finally:
            app.state.visitors -= 1

    @app.get("/plotly.min.js", include_in_schema=False)
    async def plotly() -> FileResponse:
        return FileResponse(
            plotly_file(), media_type="text/javascript", headers={"cache-control": "max-age=86400"}
        )

    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return Guard(app, names, addresses)
