"""A web application whose answers of 503 are tried again at once, and only then left to the client."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

ATTEMPTS = 20
PAUSE_SECONDS = 0.05
"""Both chosen; a transaction of Prefect's server takes some milliseconds."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application."""


class TryAgain:
    """Gives each request that is answered with 503 to the application again.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or serve a connection of another kind."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = await _read(receive)
        for _ in range(ATTEMPTS - 1):
            answer = Answer(send)
            try:
                await self._app(dict(scope), _replay(request, receive), answer.send)
            except Exception:
                if not answer.is_held_back:  # starlette raises the error that it has answered
                    raise
            if not answer.is_held_back:
                return None
            await asyncio.sleep(PAUSE_SECONDS)
        return await self._app(scope, _replay(request, receive), send)


class Answer:
    """Passes an answer on unless it is a 503.

    Args:
        send: Where it goes to.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_held_back = False

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self.is_held_back = message["status"] == HTTPStatus.SERVICE_UNAVAILABLE
        if not self.is_held_back:
            await self._send(message)


async def _read(receive: Receive) -> list[Message]:
    """All parts of a request; of one whose client is gone, those that came."""
    parts = [await receive()]
    while parts[-1].get("more_body"):
        parts.append(await receive())
    return parts


def _replay(parts: list[Message], receive: Receive) -> Receive:
    """Give the parts of a request again, then what follows them."""
    remaining = iter(parts)

    async def replay() -> Message:
        part = next(remaining, None)
        return await receive() if part is None else part

    return replay
