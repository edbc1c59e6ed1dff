"""The examples do what their README says."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.retrain import retrain
from tasks.records import RetrainRequest

EXAMPLES = Path(__file__).parents[2] / "examples"
NASFLOW = str(Path(sys.executable).with_name("nasflow"))
DEPLOYMENT = "0b6ba1c5-7d1a-4f0e-9a55-000000000001"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class PrefectApi(BaseHTTPRequestHandler):
    """The two calls of Prefect's API that asking for a run needs."""

    server: "PrefectServer"

    def do_GET(self):
        """Find the deployment by its name."""
        if self.server.busy:
            self.server.busy -= 1
            return self._answer(503, {"exception_message": "Service Unavailable"})
        known = self.path == "/api/deployments/name/retrain/retrain"
        return self._answer(200 if known else 404, {"id": DEPLOYMENT})

    def do_POST(self):
        """Create a flow run."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self._answer(self.server.status, {"id": "a-flow-run", "detail": "the reason"})

    def _answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Stay silent."""


class PrefectServer(ThreadingHTTPServer):
    """Serves them on this machine, and keeps the requests for flow runs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PrefectApi)
        self.calls: list[tuple[str, str, Any]] = []
        """Path, content type and document of each."""
        self.status = 201
        self.busy = 0
        """Requests that are told to come again."""


@pytest.fixture
def prefect_api():
    server = PrefectServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def request_document():
    return json.loads((EXAMPLES / "request.json").read_text())


@pytest.fixture
def call(prefect_api):
    """Run call.sh against the API, from another folder."""

    def call(folder):
        url = f"http://127.0.0.1:{prefect_api.server_port}/api"
        environment = {**os.environ, "PREFECT_API_URL": url, "no_proxy": "127.0.0.1"}
        return subprocess.run(
            [EXAMPLES / "call.sh"], capture_output=True, text=True, check=False, cwd=folder, env=environment
        )

    return call


def test_the_export_has_the_images_and_boxes_that_its_readme_counts():
    done = subprocess.run(
        [NASFLOW, "check", str(EXAMPLES / "labels"), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["ok"], document["format"], document["classes"]) == (True, "coco", ["circle", "square"])
    # Counted by eye on the images.
    assert document["splits"] == {
        "train": {"images": 8, "boxes": 10, "background": 1, "sources": 8},
        "valid": {"images": 3, "boxes": 4, "background": 0, "sources": 3},
        "test": {"images": 3, "boxes": 5, "background": 0, "sources": 3},
    }
    assert {finding["code"] for finding in document["findings"]} == {"split-tiny", "train-tiny", "class-rare"}
    rows = re.findall(
        r"^\| (train|valid|test) \| (\d+) \| (\d+) \| (\d+) \|$", (EXAMPLES / "README.md").read_text(), re.M
    )
    assert {split: tuple(map(int, counts)) for split, *counts in rows} == {
        split: (counts["images"], counts["boxes"], counts["background"]) for split, counts in document["splits"].items()
    }


def test_the_examples_are_small():
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 100_000


def test_the_request_is_one_that_the_retrain_deployment_takes(request_document):
    request = RetrainRequest.model_validate(request_document)
    assert retrain.validate_parameters({"request": request_document}) == {"request": request}
    assert (EXAMPLES / request.export).is_dir()
    schema = retrain.parameters.model_dump()["definitions"]["RetrainRequest"]
    assert set(request_document) <= set(schema["properties"])


@needs_curl
def test_the_call_sends_the_request_with_the_whole_path_of_the_export(prefect_api, request_document, call, tmp_path):
    done = call(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "a-flow-run"
    [(path, content_type, body)] = prefect_api.calls
    assert (path, content_type) == (f"/api/deployments/{DEPLOYMENT}/create_flow_run", "application/json")
    assert body == {"parameters": {"request": {**request_document, "export": str(EXAMPLES / "labels")}}}
    retrain.validate_parameters(body["parameters"])


@needs_curl
def test_a_call_that_is_refused_fails_and_shows_the_reason(prefect_api, call, tmp_path):
    prefect_api.status = 409
    done = call(tmp_path)
    assert done.returncode != 0
    assert "the reason" in done.stderr


@needs_curl
def test_a_call_to_a_server_that_is_busy_at_first_succeeds(prefect_api, call, tmp_path):
    prefect_api.busy = 2
    done = call(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "a-flow-run"
    assert len(prefect_api.calls) == 1
