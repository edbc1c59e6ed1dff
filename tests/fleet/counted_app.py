"""Prefect's server as ``prefect server start`` serves it, and how many requests each of its paths had."""

import json
import re
from collections import Counter
from typing import Any

from prefect.server.api.server import create_app as create_prefect

COUNTS = "/fleet/requests"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Counted:
    """Counts the requests of an application by method and path, and answers COUNTS itself."""

    def __init__(self, app: Any) -> None:
        self._app, self._counts = app, Counter[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] != COUNTS:
            self._counts[f"{scope['method']} {ID.sub('#', scope['path'])}"] += 1
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(self._counts).encode()})


def create_app() -> Counted:
    """Make the application that uvicorn serves."""
    return Counted(create_prefect())
