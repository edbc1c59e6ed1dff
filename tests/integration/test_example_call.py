"""examples/call.sh where something is missing: what it is stands in one line of its own, and no traceback."""

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CALL = Path(__file__).parents[2] / "examples" / "call.sh"
TOOLS = ("cat", "curl", "dirname", "mktemp", "rm", "sed", "sh")
PYTHON = str(Path(sys.executable).resolve())
with_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def call(tmp_path, url, without=None):
    """Call it with the tools that it needs alone, but one."""
    folder = tmp_path / "tools"
    folder.mkdir()
    # Not the first python3 of the path, which can be a script that needs other tools.
    for tool, path in {**{tool: shutil.which(tool) for tool in TOOLS}, "python3": PYTHON}.items():
        if tool != without and path:
            (folder / tool).symlink_to(path)
    environment = {"PATH": str(folder), "no_proxy": "127.0.0.1", "TMPDIR": str(tmp_path)}
    environment |= {"PREFECT_API_URL": url} if url else {}
    done = subprocess.run([CALL], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def server():
    """A web server whose answer the test sets, as status and text, and what it was sent."""
    answers: list[tuple[int, str]] = []
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/api", answers, asked
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("tool", ["curl", "python3"])
def test_a_tool_that_is_missing_is_named(tmp_path, tool):
    done = call(tmp_path, "http://127.0.0.1:9/api", without=tool)
    line = f"error: {tool} is not installed; install it, and call this again\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


@with_curl
def test_an_address_that_is_missing_is_named(tmp_path):
    done = call(tmp_path, None)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("error: PREFECT_API_URL is not set; source env.sh")


@with_curl
def test_a_server_that_is_away_is_named(tmp_path):
    done = call(tmp_path, "http://127.0.0.1:9/api")
    assert (done.returncode, done.stdout) == (1, "")
    first, last = done.stderr.splitlines()
    assert first.startswith("curl: (7)")
    assert last.startswith("error: http://127.0.0.1:9/api/deployments/name/retrain/retrain: see that the server is up")


@with_curl
def test_what_a_server_refuses_with_is_shown(tmp_path, server):
    url, answers, _ = server
    answers.append((404, '{"detail":"Deployment not found"}\n'))
    done = call(tmp_path, url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Deployment not found" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("and that nasflow deploy was called")


@with_curl
@pytest.mark.parametrize("text", ["<html>the UI</html>", "", "{}"])
def test_a_server_that_is_not_prefects_api_is_named(tmp_path, server, text):
    url, answers, _ = server
    answers.append((200, text))
    done = call(tmp_path, url)
    line = f"error: {url} does not answer as Prefect's API does, whose address ends in /api\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@with_curl
def test_the_run_that_was_asked_for_is_printed(tmp_path, server):
    url, answers, asked = server
    answers.append((200, '{"id": "5e7a"}'))
    done = call(tmp_path, url)
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"id": "5e7a"}', "")
    (sent,) = asked
    assert sent["parameters"]["request"]["export"] == str(CALL.parent / "labels")
