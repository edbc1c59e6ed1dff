"""Answers of 503 are tried again; everything else passes as it is."""

import asyncio
from typing import Any

import pytest

from deployments.local_stack.try_again import ATTEMPTS, Message, Receive, Send, TryAgain

BODY = [
    {"type": "http.request", "body": b"ab", "more_body": True},
    {"type": "http.request", "body": b"c", "more_body": False},
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.local_stack.try_again.PAUSE_SECONDS", 0)


class Application:
    """Answers each request with the next status, and says what it read; after an error status it raises, too."""

    def __init__(self, *statuses: int, error: type[Exception] | None = None) -> None:
        self.statuses, self.error = list(statuses), error
        self.read: list[bytes] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            part = await receive()
            body += part["body"]
            more = part["more_body"]
        self.read.append(body)
        status = self.statuses.pop(0)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": str(status).encode(), "more_body": False})
        if status >= 500 and self.error:
            raise self.error("locked")


def answer(application: Application) -> list[Any]:
    """What a client gets for a request of two parts: status and body of each answer."""
    parts, sent = list(BODY), []

    async def receive() -> Message:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message.get("status", message.get("body")))

    asyncio.run(TryAgain(application)({"type": "http", "path": "/"}, receive, send))
    return sent


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_a_request_that_was_refused_is_given_again_whole_and_its_client_sees_the_last_answer(
    error: type[Exception] | None,
) -> None:
    application = Application(503, 503, 201, error=error)
    assert answer(application) == [201, b"201"]
    assert application.read == [b"abc"] * 3


@pytest.mark.parametrize("status", [200, 404, 409, 422])
def test_other_answers_pass_at_once(status: int) -> None:
    application = Application(status)
    assert answer(application) == [status, str(status).encode()]


def test_an_error_of_the_application_stays_one() -> None:
    application = Application(500, error=RuntimeError)
    with pytest.raises(RuntimeError, match="locked"):
        answer(application)
    assert len(application.read) == 1


def test_what_is_refused_each_time_is_left_to_the_client() -> None:
    application = Application(*[503] * ATTEMPTS)
    assert answer(application) == [503, b"503"]
    assert len(application.read) == ATTEMPTS


def test_connections_of_other_kinds_pass_untouched() -> None:
    seen = []

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        seen.append((scope["type"], await receive()))

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    asyncio.run(TryAgain(application)({"type": "websocket"}, receive, send))
    assert seen == [("websocket", {"type": "websocket.connect"})]
