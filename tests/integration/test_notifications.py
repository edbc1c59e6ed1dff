"""What happens to models reaches people, through a real Prefect server and a webhook."""

import json
import queue
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

from deployments.remote.notifications import FAILURES, register_notifications
from tasks.errors import BadRequest
from tasks.orchestration.announcements import announce, announce_failure, count_failures
from tests.fakes.prefect_server import prefect_server

PATIENCE = 300


@pytest.fixture(scope="module")
def webhook():
    """A web server, and what was sent to it."""
    received: queue.Queue[Any] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook?token=s3cret", received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def told(tmp_path_factory, webhook):
    """What people were told, on a server that sends it to the webhook. Registered twice, it is told once."""
    url, received = webhook
    with prefect_server(tmp_path_factory.mktemp("prefect")):
        assert register_notifications(url) == register_notifications(url)
        yield received


def announce_until_told(told, *args):
    """The first message after an announcement; the server begins to look for a new automation's events a bit later."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        announce(*args)
        try:
            return told.get(timeout=15)
        except queue.Empty:
            continue
    raise AssertionError("nobody was told")


def drain(told):
    """All messages until none comes for a while."""
    messages = []
    while True:
        try:
            messages.append(told.get(timeout=15))
        except queue.Empty:
            return messages


@pytest.mark.parametrize("kind", ["promoted", "cannot-tell"])
def test_a_verdict_is_told_with_its_words(told, kind):
    name = uuid.uuid4().hex[:8]
    message = announce_until_told(told, kind, name, f"{name} version 2: champion", "better by 0.1", {"version": 2})
    assert message["title"] == f"{name} version 2: champion"
    assert message["message"] == "better by 0.1"
    drain(told)


def test_failures_are_told_once_when_there_were_three_in_a_row(told):
    name = uuid.uuid4().hex[:8]
    message = announce_until_told(told, "failed", name, f"{name}: failed", "no labels", {"in_a_row": FAILURES})
    assert message["title"] == f"{name}: failed"
    drain(told)
    for in_a_row in (*range(1, FAILURES), FAILURES + 1, 10 * FAILURES):
        announce("failed", name, f"{name}: failed", "no labels", {"in_a_row": in_a_row})
    announce("kept", name, f"{name} version 2: kept", "not better", {})
    assert drain(told) == []


@pytest.mark.parametrize("url", ["nonsense", "ftp://s3cret@host", "", "https://"])
def test_an_address_that_nothing_can_be_sent_to_is_refused_and_not_shown(url):
    with pytest.raises(BadRequest, match="nothing can be sent to this address; give a webhook") as refused:
        register_notifications(url)
    assert "s3cret" not in str(refused.value)


# Failures in a row --------------------------------------------------------------------------------


def run(state, project="pets"):
    parameters = {"request": {"project": project}} if project else {}
    return FlowRun(flow_id=uuid.uuid4(), state=state, parameters=parameters)


@pytest.mark.parametrize(
    ("runs", "count"),
    [
        ([], 0),
        ([run(Failed())], 1),
        ([run(Failed()), run(Crashed()), run(Failed())], 3),
        ([run(Failed()), run(Completed()), run(Failed())], 1),
        ([run(Failed()), run(Cancelled()), run(Failed())], 1),
        ([run(Completed(name="Skipped")), run(Failed())], 0),
        ([run(Running()), run(Failed()), run(Failed(), "cars"), run(Completed(), "cars"), run(Failed())], 2),
        ([run(Failed()), run(Failed(), None), run(Failed())], 2),
    ],
)
def test_failures_in_a_row_are_those_of_one_project_since_its_last_success(runs, count):
    assert count_failures(runs, "pets") == count


def test_a_failed_run_says_why_and_how_many_failed_before_it(told):
    failed = run(Failed(message="Flow run encountered an exception: BadExport: empty"), uuid.uuid4().hex[:8])
    announce_failure(None, failed, failed.state)
    assert drain(told) == []
