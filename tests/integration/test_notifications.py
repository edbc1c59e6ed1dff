"""What happens to models reaches people, through a real Prefect server and a webhook."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Completed, Crashed, Failed, Running

from deployments.remote.notifications import FAILURES, receiver_of
from tasks.errors import BadRequest
from tasks.orchestration.announcements import announce, announce_failure, count_failures
from tests.fakes.prefect_server import prefect_server

PATIENCE = 300
NASFLOW = str(Path(sys.executable).with_name("nasflow"))
WEBHOOK = "/in/Pa-th%20S3CRET?token=S3CRET%2Ba&port=7&format=json&pass=p%26w"
"""An address whose query has names that Apprise has options of."""


@pytest.fixture(scope="module")
def webhook():
    """A web server, and what was sent to it."""
    received: queue.Queue[Any] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.put({**message, "asked": self.path, "media type": self.headers["Content-Type"]})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, webhook):
    """What two calls of ``nasflow deploy --notify`` printed, for people and for programs, and the server's address."""
    site, _ = webhook
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield deploy(site + WEBHOOK, url), deploy(site + WEBHOOK, url, "--json"), url


def deploy(address, server, *options):
    environment = {**os.environ, "PREFECT_API_URL": server, "NASFLOW_NOTIFY_URL": address}
    command = [NASFLOW, "deploy", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


@pytest.fixture
def told(deployed, webhook):
    """What people are told by the server. It was registered twice, and is told once."""
    _, received = webhook
    return received


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
    assert (message["asked"], message["media type"]) == (WEBHOOK, "application/json")
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


def test_deploy_says_what_is_sent_to_and_shows_nothing_of_the_secret(deployed, webhook):
    people, program, _ = deployed
    to = f"{webhook[0]} (JSON)"
    assert (people.returncode, people.stderr.splitlines()[-1]) == (0, f"sends to {to}")
    assert (program.returncode, program.stderr, json.loads(program.stdout)["sends_to"]) == (0, "", to)
    printed = people.stdout + people.stderr + program.stdout
    assert [word for word in ("S3C", "3CRET", "Pa-th", "apprise") if word in printed] == []


@pytest.mark.parametrize("address", ["n0ns3nse", "ftp://s3cret@host", "https://", "http://host:70000/s3cret"])
def test_an_address_that_nothing_can_be_sent_to_is_one_line_that_does_not_show_it(deployed, address):
    done = deploy(address, deployed[2])
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith("error: --notify: nothing can be sent to this address; give a webhook's https address")
    assert "s3" not in line


@pytest.mark.parametrize("rest", ["in?key=S3&key=S4", "in?key=&key=", "a%2FS3", "a%2fS3/", "a//S3"])
def test_an_address_of_which_something_else_would_be_asked_is_refused(rest):
    with pytest.raises(BadRequest, match="something else would be asked for") as caught:
        receiver_of(f"https://hooks.example.org/{rest}")
    assert "S3" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "https://[::1", "/in/x", "https:///in/x"])
def test_an_address_without_a_host_is_refused(url):
    with pytest.raises(BadRequest, match="nothing can be sent to this address"):
        receiver_of(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/in/S3CRET", "https://hooks.example.org (JSON)"),
        ("HTTPS://user:S3CRET@hooks.example.org:8443/x?y=S3CRET#S3CRET", "https://hooks.example.org:8443 (JSON)"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnS3CRETcOXrI", "https://hooks.slack.com (Slack)"),
        ("https://discord.com/api/webhooks/4174216298/S3CRETqBe7bk2ZwO5U711o3dV_js", "https://discord.com (Discord)"),
        ("tgram://123456789:S3CRETg_hijklmnop/12315544/", "Telegram"),
        ("mailtos://user:S3CRET@example.org", "E-Mail"),
    ],
)  # fmt: skip
def test_of_a_receiver_the_site_or_the_service_is_shown(url, shown):
    receiver = receiver_of(url)
    assert receiver.shown == shown
    assert "S3CRET" not in repr(receiver)


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
