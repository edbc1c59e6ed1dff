"""What happens around every request: a log line, numbers, an answer to unexpected errors, and the rest of a body."""

import asyncio
import logging
import time
import uuid
from collections.abc import Collection
from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.serving.metrics import Metrics

logger = logging.getLogger(__name__)

QUIET = ("/health", "/ready", "/metrics")
"""Asked for every few seconds by machines; only failures are logged."""
MAX_REST, REST_SECONDS = 64_000_000, 5
"""How much of a body is taken after it was refused: a client that still sends would not hear the answer."""
GONE = 499
"""Counted for a request whose answer never began."""


class Watch:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange, began = _Exchange(scope, receive, send), time.monotonic()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            number = uuid.uuid4().hex[:12]
            logger.exception("error %s in %s", number, _line(scope))
            if exchange.status is not None:
                raise  # half an answer: the connection is closed
            answer = {"error": f"something went wrong here, and is in the log as {number}"}
            await JSONResponse(answer, 500)(scope, exchange.receive, exchange.send)
        finally:
            self._note(scope, exchange.status or GONE, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.answered(path, status, seconds)
        level = logging.DEBUG if path in QUIET and status < 400 else logging.INFO
        client = scope["client"][0] if scope.get("client") else "-"
        logger.log(level, "%s %s %d %.3f s", client, _line(scope), status, seconds)


class _Exchange:
    """A request and its answer, and how far they are."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._whole = any(name == b"expect" for name, _ in scope["headers"])  # such a client sends only when asked to
        self.status: int | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._take_rest()
            self.status = message["status"]
        await self._send(message)

    async def _take_rest(self) -> None:
        left = MAX_REST
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                while not self._whole and left > 0:
                    left -= len((await self.receive()).get("body", b""))


def _line(scope: Scope) -> str:
    """Method and path as they were sent, without the query, which may hold what is nobody's business."""
    path = scope.get("raw_path") or scope["path"].encode()
    return f"{scope['method']} {path.partition(b'?')[0].decode('ascii', 'backslashreplace')}"
